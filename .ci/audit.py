"""Holds every version in constraints/ against the published advisories, with pip-audit.

Fails where an advisory is found that constraints/accepted-advisories.toml does not name with a reason, where that file names
one that is not found any more, and where a version could not be held against anything. Markers are those of the Python that
runs this.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

CONSTRAINTS = Path(__file__).resolve().parent.parent / "constraints"
ACCEPTED = CONSTRAINTS / "accepted-advisories.toml"


def advisories(file: Path) -> dict[str, str]:
    """Return what is known against the versions in a file: a sentence for each advisory's id."""
    # The versions are all there already, so nothing has to be resolved or installed.
    options = ["--strict", "--no-deps", "--disable-pip", "--format", "json", "--requirement", str(file)]
    done = subprocess.run([sys.executable, "-m", "pip_audit", *options], capture_output=True, text=True)
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        sys.exit(f"not ok: {file.name} could not be audited:\n{done.stderr[-3000:]}")
    return {
        vulnerability["id"]: f"{file.name}: {one['name']} {one['version']}, repaired in "
        f"{', '.join(vulnerability['fix_versions']) or 'no release'}"
        for one in dependencies
        for vulnerability in one["vulns"]
    }


def main() -> None:
    """Audit every file, and compare with what is accepted."""
    found: dict[str, list[str]] = {}
    for file in sorted(CONSTRAINTS.glob("*.txt")):
        for advisory, sentence in advisories(file).items():
            found.setdefault(advisory, []).append(sentence)
    accepted = tomllib.loads(ACCEPTED.read_text())
    for advisory in sorted(found.keys() - accepted.keys()):
        print(f"not ok: {advisory}: {'; '.join(found[advisory])}")
    for advisory in sorted(accepted.keys() - found.keys()):
        print(f"not ok: {advisory} is accepted, but not found any more: take it out of {ACCEPTED.name}")
    if found.keys() != accepted.keys():
        sys.exit(1)
    print(f"ok: no advisory but those that are accepted: {', '.join(sorted(accepted)) or 'none'}")


if __name__ == "__main__":
    main()
