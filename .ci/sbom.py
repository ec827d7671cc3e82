"""Writes sbom.cdx.json: the bill of materials that the wheel carries (CycloneDX 1.7, placed as PEP 770 says).

    sbom.py             write it anew from pyproject.toml and the package's version
    sbom.py --check     hold the one that is there against CycloneDX's own schema

A wheel of this package contains nothing of other projects, so each dependency is an external component: a range of versions,
as it was declared, which the environment provides. Nothing in it depends on the day or the machine.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CLONE = Path(__file__).resolve().parent.parent
FILE = CLONE / "sbom.cdx.json"


def document() -> str:
    """Return the bill of materials as it has to be."""
    project = tomllib.loads((CLONE / "pyproject.toml").read_text())["project"]
    name, version = project["name"], _version()
    components = [*_components(project["dependencies"], None)]
    for extra, lines in project["optional-dependencies"].items():
        components += _components(lines, extra)
    reference = f"pkg:pypi/{name}@{version}"
    bom = {
        "$schema": "http://cyclonedx.org/schema/bom-1.7.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.7",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": reference,
                "name": name,
                "version": version,
                "description": project["description"],
                "licenses": [{"expression": project["license"]}],
                "purl": reference,
            },
            "properties": [{"name": "cdx:reproducible", "value": "true"}],
        },
        "components": components,
        "dependencies": [
            {"ref": reference, "dependsOn": [component["bom-ref"] for component in components]},
            *({"ref": component["bom-ref"]} for component in components),
        ],
    }
    return json.dumps(bom, indent=2) + "\n"


def _components(lines: list[str], extra: str | None) -> Iterator[dict[str, Any]]:
    """Yield what is declared, for an extra of ours or for everybody."""
    for requirement in map(Requirement, lines):
        purl = f"pkg:pypi/{canonicalize_name(requirement.name)}"
        properties = [
            {"name": "cdx:python:package:required-extra", "value": name} for name in sorted(requirement.extras)
        ]
        if extra is not None:
            properties.append({"name": "airflow-provider-puretalk:extra", "value": extra})
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": requirement.name,
            "versionRange": f"vers:pypi/{'|'.join(sorted(map(str, requirement.specifier)))}",
            "isExternal": True,
            "scope": "required" if extra is None else "optional",
            "purl": purl,
            **({"properties": properties} if properties else {}),
        }


def _version() -> str:
    """Return the package's version without importing it: nothing needs to be installed."""
    (found,) = re.findall(
        r'^__version__ = "(.+)"$', (CLONE / "airflow_provider_puretalk/__init__.py").read_text(), re.M
    )
    return str(found)


def main() -> None:
    """Write the file, or check it."""
    if sys.argv[1:] != ["--check"]:
        FILE.write_text(document())
        return
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    if error := JsonStrictValidator(SchemaVersion.V1_7).validate_str(FILE.read_text()):
        sys.exit(f"not ok: {FILE.name} is no CycloneDX 1.7: {error}")
    print(f"ok: {FILE.name} is valid CycloneDX 1.7")


if __name__ == "__main__":
    main()
