#!/usr/bin/env bash
# Resolves the two constraint files anew: everything that pyproject.toml names (the package, all extras, all groups)
# together with one Airflow, for every Python that Airflow runs on. What comes out holds names and versions only.
#
#   make constraints        (which runs: constraints/compile.sh UV)
#
# Airflow 3.3 is current and gets today's releases. An old Airflow breaks on libraries newer than itself, so 2.11 gets
# those of the day named here, soon after its last release; only our own floor, common-compat, may be newer.
# uv does the resolving since pip cannot resolve for other Pythons than its own. It takes its index from UV_DEFAULT_INDEX;
# pip's settings do not reach it.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${1:?usage: constraints/compile.sh PATH-OF-UV}

resolve() {  # file, Airflow's version, further options
  local file=$1 airflow=$2
  shift 2
  echo "Resolving $file for Airflow $airflow"
  echo "apache-airflow==$airflow" | "$uv" pip compile pyproject.toml - --all-extras --group dev \
    --universal --python-version 3.11 --upgrade --strip-extras \
    --no-header --no-annotate --no-emit-index-url --quiet --output-file "$file" "$@"
}

resolve constraints/airflow-3.3.txt 3.3.2 --group bench
resolve constraints/airflow-2.11.txt 2.11.2 --exclude-newer 2026-05-01 \
  --exclude-newer-package apache-airflow-providers-common-compat=2026-11-20T00:00:00Z
