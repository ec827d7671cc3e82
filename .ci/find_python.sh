#!/bin/sh
# Prints the Python that virtual environments are made with, or says in one sentence what is missing.
#
#   find_python.sh NEWEST [CANDIDATE...]     NEWEST: the last minor version of Python 3 that will do, e.g. 12
#
# Candidates are run, not only looked up: version managers leave commands on the PATH that refuse to start.
set -eu
newest=$1
shift
[ $# -gt 0 ] || set -- python3.11 python3.12 python3.13 python3.14 python3

incomplete=
for python in "$@"; do
  "$python" -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, $newest))" 2>/dev/null || continue
  if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "$python"
    exit 0
  fi
  incomplete=${incomplete:-$python}
done

if [ -n "$incomplete" ]; then
  version=$("$incomplete" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  echo "$incomplete cannot make virtual environments: its venv or ensurepip module is missing." \
    "On Debian and Ubuntu: apt-get install python$version-venv" >&2
else
  echo "No Python between 3.11 and 3.$newest found (tried: $*). Install one, or name it: make PYTHON=/path/to/python3" >&2
fi
exit 1
