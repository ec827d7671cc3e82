"""`make coverage` fails where a floor is missed, and where one could rise or was lowered."""

from __future__ import annotations

import tomllib

import pytest

from tests import ci_script

COVERAGE = ci_script.load("coverage")


def file(covered: tuple[int, int], there: tuple[int, int]) -> dict[str, dict[str, int]]:
    names = ("covered_lines", "covered_branches", "num_statements", "num_branches")
    return {"summary": dict(zip(names, (*covered, *there), strict=True))}


def test_a_room_is_measured_by_its_lines_and_branches() -> None:
    """Those of all its modules together; modules in no room are one, and all are the package."""
    files = {
        "airflow_provider_puretalk/scan/prover.py": file((90, 8), (90, 10)),
        "airflow_provider_puretalk/scan/inner/spool.py": file((100, 0), (100, 0)),
        "airflow_provider_puretalk/hooks.py": file((40, 0), (40, 10)),
        "airflow_provider_puretalk/scan/__init__.py": file((0, 0), (0, 0)),
    }
    assert COVERAGE.measured({"files": files}) == {"scan": 99, "modules": 80, "the package": 100 * 238 / 250}


@pytest.mark.parametrize(
    ("value", "floor", "earlier", "said"),
    [
        (93.5, 93, 93, []),
        (93.0, 93, 90, []),
        (100.0, 100, 100, []),
        (99.99, 100, 100, ["at least 100 %"]),
        (92.9, 93, 93, ["at least 93 %"]),
        (94.0, 93, 93, ["raise its floor from 93 to 94"]),
        (91.0, 91, 93, ["its floor was 93 and is 91 now"]),
        (91.0, 0, 91, ["its floor was 91 and is 0 now"]),
    ],
)
def test_a_floor_only_rises(value: float, floor: int, earlier: int, said: list[str]) -> None:
    """It is neither missed, nor a whole point too low, nor lower than it was."""
    found = [*COVERAGE.problems({"scan": value}, {"scan": floor} if floor else {}, {"scan": earlier})]
    assert len(found) == len(said)
    assert all(words in sentence for words, sentence in zip(said, found, strict=True)), found


def test_a_room_that_is_no_more_keeps_no_floor() -> None:
    """Nothing of it was measured, so its floor is to go."""
    assert [*COVERAGE.problems({}, {"scan": 90}, {"scan": 90})]
    assert not [*COVERAGE.problems({}, {}, {"scan": 90})]


def test_every_floor_is_that_of_a_room() -> None:
    """Or of the package, and it is a percentage."""
    floors = tomllib.loads(COVERAGE.FLOORS.read_text())
    folders = {path.parent.name for path in (COVERAGE.CLONE / COVERAGE.PACKAGE).glob("*/__init__.py")}
    assert floors.keys() <= folders | {COVERAGE.WHOLE, COVERAGE.MODULES}
    assert all(type(floor) is int and 0 < floor <= 100 for floor in floors.values())
