"""The constraint files pin everything that pyproject.toml names, and hold nothing but names and versions."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

CLONE = Path(__file__).parents[2]
FILES = sorted((CLONE / "constraints").glob("*.txt"))
#: Dependency groups that are installed from a file; from all others only those that tests and an editable install need.
GROUPS = {
    "airflow-3.3": {"test", "examples", "pages", "cluster", "coverage", "bench", "lint", "types", "build", "release"},
    "airflow-2.11": {"test", "examples", "cluster", "lint", "types", "build"},
}
#: What only builds the package, in whatever release.
BUILD = {"hatchling"}


def _project() -> dict[str, Any]:
    return tomllib.loads((CLONE / "pyproject.toml").read_text())


def _pinned(file: Path) -> list[Requirement]:
    return [Requirement(line) for line in file.read_text().splitlines()]


def _versions(file: Path) -> dict[str, str]:
    """Return the lowest version of each name that a file pins: some differ by Python."""
    found: dict[str, str] = {}
    for pin in _pinned(file):
        name, version = canonicalize_name(pin.name), next(iter(pin.specifier)).version
        found[name] = min(found.get(name, version), version, key=Version)
    return found


def _of_the_package() -> list[Requirement]:
    project = _project()
    optional = project["project"]["optional-dependencies"].values()
    lines = [*project["project"]["dependencies"], *(line for extra in optional for line in extra)]
    return [Requirement(line) for line in [*lines, *project["build-system"]["requires"]]]


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
    groups = GROUPS.get(file.stem, {"test", "examples", "build"})
    lines = (line for group in groups for line in _project()["dependency-groups"][group])
    named = [*_of_the_package(), *(Requirement(line) for line in lines if isinstance(line, str))]
    pins = _versions(file)
    for requirement in named:
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


def test_the_lowest_versions_are_the_floors() -> None:
    """What the lowest file pins of the package's own dependencies is what their floors admit, in the same minor release."""
    pins = _versions(CLONE / "constraints" / "lowest.txt")
    for requirement in _of_the_package():
        (floor,) = (one.version for one in requirement.specifier)
        lowest = pins[canonicalize_name(requirement.name)]
        if requirement.name not in BUILD:
            assert Version(lowest).release[: len(Version(floor).release)] == Version(floor).release, requirement


@pytest.mark.long
@pytest.mark.parametrize("file", [file for file in FILES if file.stem != "lowest"], ids=lambda file: file.stem)
def test_pins_the_airflow_of_its_name(file: Path) -> None:
    (version,) = (next(iter(pin.specifier)).version for pin in _pinned(file) if pin.name == "apache-airflow")
    assert version.rsplit(".", 1)[0] == file.stem.removeprefix("airflow-")
