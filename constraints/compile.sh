#!/usr/bin/env bash
# Resolves the constraint files anew: everything that pyproject.toml names (the package, all extras, groups) together with
# one Airflow, for every Python that Airflow runs on. What comes out holds names and versions only.
#
#   make constraints        (which runs: constraints/compile.sh UV)
#
# Airflow 3.3 is current and gets today's releases. An older Airflow breaks on libraries newer than itself, so each gets
# those of the day named here, soon after its last release; only our own floor, common-compat, may be newer, what that needs on
# the newest Python, and what builds this package. lowest.txt has the lowest versions that pyproject.toml admits of what the
# package itself depends on, and tools for tests that go with them.
# uv does the resolving since pip cannot resolve for other Pythons than its own. It takes its index from UV_DEFAULT_INDEX;
# pip's settings do not reach it.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${1:?usage: constraints/compile.sh PATH-OF-UV}

compat="--exclude-newer-package apache-airflow-providers-common-compat=2026-11-20T00:00:00Z"
hatchling="--exclude-newer-package hatchling=2025-12-01T00:00:00Z"
asgiref="--exclude-newer-package asgiref=2026-11-20T00:00:00Z"
# Later ones cannot run a task in the process of `dag.test()` of Airflow 3.0.
fastapi="--exclude-newer-package fastapi=2025-09-15T00:00:00Z --exclude-newer-package starlette=2025-09-15T00:00:00Z"

resolve() {  # file, Airflow's version, further options
  local file=$1 airflow=$2
  shift 2
  echo "Resolving $file for Airflow $airflow"
  echo "apache-airflow==$airflow" | "$uv" pip compile pyproject.toml - --all-extras \
    --universal --python-version 3.11 --upgrade --strip-extras \
    --no-header --no-annotate --no-emit-index-url --quiet --output-file "$file" "$@"
}

resolve constraints/airflow-3.3.txt 3.3.2 --group dev --group bench --group release
resolve constraints/airflow-3.2.txt 3.2.2 --group test --group build --exclude-newer 2026-07-01 $compat
resolve constraints/airflow-3.1.txt 3.1.8 --group test --group build --exclude-newer 2026-05-01 $compat
resolve constraints/airflow-3.0.txt 3.0.6 --group test --group build --exclude-newer 2025-11-01 $compat $asgiref $hatchling $fastapi
resolve constraints/airflow-2.11.txt 2.11.2 --group cluster --group lint --group types --group docs --group build --exclude-newer 2026-05-01 $compat

floors=$(mktemp)
trap 'rm -f "$floors"' EXIT
resolve "$floors" 2.11.0 --resolution lowest-direct --exclude-newer 2026-05-01 $compat
# Airflow 2.11.0 admits a later one, with which it cannot make an ObjectStoragePath.
echo "universal-pathlib<0.3" >>"$floors"
resolve constraints/lowest.txt 2.11.0 --group test --group build -c "$floors" --exclude-newer 2026-05-01 $compat
