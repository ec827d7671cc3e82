"""Holds the coverage by branch, as `make coverage` measured it, against its floors in coverage-floors.toml.

A floor, in whole percent, is that of a room or of the package. It only rises: what fails is a floor that is missed, one that
lies a whole point or more below what was measured, and one that is lower than it was in any commit.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

CLONE = Path(__file__).resolve().parent.parent
FLOORS = CLONE / ".ci" / "coverage-floors.toml"
PACKAGE = "airflow_provider_puretalk"
#: The names of the package as a whole, and of the modules that are in no room.
WHOLE, MODULES = "the package", "modules"


def measured(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the percentage of lines and branches that ran, by room, from what `coverage json` wrote."""
    covered: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for file, about in report["files"].items():
        _, _, inside = file.partition(f"{PACKAGE}/")
        room, _, module = inside.partition("/")
        summary = about["summary"]
        for name in (WHOLE, room if module else MODULES):
            covered[name] += summary["covered_lines"] + summary["covered_branches"]
            there[name] += summary["num_statements"] + summary["num_branches"]
    return {name: 100 * covered[name] / count for name, count in there.items() if count}


def problems(found: Mapping[str, float], floors: Mapping[str, int], earlier: Mapping[str, int]) -> Iterator[str]:
    """Yield what is wrong, a sentence each.

    :param earlier: the highest that each floor ever was.
    """
    for name, floor in sorted(floors.items()):
        value = found.get(name, 0)
        if value < floor:
            yield f"{name}: {value:.2f} % of lines and branches ran, and at least {floor} % have to."
        elif value >= floor + 1:
            yield f"{name}: {value:.2f} % of lines and branches ran: raise its floor from {floor} to {int(value)}."
    for name in sorted(found.keys() & earlier.keys()):
        if floors.get(name, 0) < earlier[name]:
            yield f"{name}: its floor was {earlier[name]} and is {floors.get(name, 0)} now; floors only rise."


def highest() -> dict[str, int]:
    """Return the highest that each floor was in the commits that this clone has."""
    found: dict[str, int] = {}
    for commit in _git("log", "--format=%H", "--diff-filter=AM", "--", str(FLOORS)).split():
        for name, floor in tomllib.loads(_git("show", f"{commit}:.ci/{FLOORS.name}")).items():
            found[name] = max(floor, found.get(name, 0))
    return found


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=CLONE, check=True, capture_output=True, text=True).stdout


def main(report: str) -> None:
    """Print what was measured, and fail for what is wrong."""
    found, floors = measured(json.loads(Path(report).read_text())), tomllib.loads(FLOORS.read_text())
    for name, value in sorted(found.items()):
        floor = f"floor {floors[name]:3} %" if name in floors else "no floor yet"
        print(f"{name:20} {value:6.2f} %   {floor}")
    if wrong := [*problems(found, floors, highest())]:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main(*sys.argv[1:])
