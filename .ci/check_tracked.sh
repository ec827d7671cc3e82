#!/usr/bin/env bash
# Ends badly if a tracked file names a package registry's host, or a path of the machine that somebody wrote it on.
# The brackets keep this file from finding itself.
set -euo pipefail
cd "$(dirname "$0")/.."
hosts='pyp[i]\.org|pythonhoste[d]\.org|npmj[s]\.(org|com)|/opt/pyp[i]'
folders='(^|[^A-Za-z0-9_.}/-])/(wor[k]|roo[t]|hom[e]/[a-z]+|User[s]/[A-Za-z]+)/'
if git grep -nIE "$hosts|$folders"; then
  echo "These lines name a package registry's host or a local folder." >&2
  exit 1
fi
echo "No tracked file names a package registry's host or a local folder."
