"""The bill of materials that the wheel carries says what pyproject.toml says."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

import airflow_provider_puretalk
from tests import ci_script

CLONE = Path(__file__).parents[2]


def test_it_is_the_one_that_the_generator_writes() -> None:
    """Another version or dependency in the project makes it stale: `.ci/sbom.py` writes it anew."""
    written = (CLONE / "sbom.cdx.json").read_text()
    assert written == ci_script.load("sbom").document(), "run .ci/sbom.py, and commit sbom.cdx.json"


def test_it_names_the_package_and_every_declared_dependency() -> None:
    """Whoever reads it sees this version, and each dependency with the range that is accepted; extras are optional."""
    bom = json.loads((CLONE / "sbom.cdx.json").read_text())
    project = tomllib.loads((CLONE / "pyproject.toml").read_text())["project"]
    assert bom["metadata"]["component"]["version"] == airflow_provider_puretalk.__version__
    optional = [line for lines in project["optional-dependencies"].values() for line in lines]
    declared = {
        (one.name, f"vers:pypi/{one.specifier}", scope)
        for scope, lines in (("required", project["dependencies"]), ("optional", optional))
        for one in map(Requirement, lines)
    }
    assert {(one["name"], one["versionRange"], one["scope"]) for one in bom["components"]} == declared


def test_the_build_puts_it_into_the_wheel() -> None:
    """Where PEP 770 has it."""
    build = tomllib.loads((CLONE / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert build["targets"]["wheel"]["sbom-files"] == ["sbom.cdx.json"]
