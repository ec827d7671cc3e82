"""The constraint files pin everything that pyproject.toml names, and hold nothing but names and versions."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CLONE = Path(__file__).parents[2]
FILES = sorted((CLONE / "constraints").glob("*.txt"))


def _project() -> dict[str, Any]:
    return tomllib.loads((CLONE / "pyproject.toml").read_text())


def _pinned(file: Path) -> list[Requirement]:
    return [Requirement(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_line_is_a_name_and_one_version(file: Path) -> None:
    """So the file serves as ``pip install -c`` and says nothing about where packages come from."""
    for pin in _pinned(file):
        assert pin.url is None
        assert not pin.extras
        assert [specifier.operator for specifier in pin.specifier] == ["=="]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_everything_named_in_pyproject_is_pinned_within_its_bounds(file: Path) -> None:
    """So that nothing installed from the file is ever chosen on the day. Benchmarks run on the current Airflow only."""
    project = _project()
    groups = {
        name: lines for name, lines in project["dependency-groups"].items() if name != "bench" or "3." in file.stem
    }
    named = [
        *project["project"]["dependencies"],
        *(line for lines in project["project"]["optional-dependencies"].values() for line in lines),
        *(line for lines in groups.values() for line in lines if isinstance(line, str)),
        *project["build-system"]["requires"],
    ]
    pins = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in _pinned(file)}
    for requirement in map(Requirement, named):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_pins_the_airflow_of_its_name(file: Path) -> None:
    (version,) = (next(iter(pin.specifier)).version for pin in _pinned(file) if pin.name == "apache-airflow")
    assert version.rsplit(".", 1)[0] == file.stem.removeprefix("airflow-")
