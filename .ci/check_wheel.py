"""Holds the built wheel to what it promises: what is in it, and what Airflow finds once it is installed.

    check_wheel.py DIST CONSTRAINTS      a folder with one wheel; the file whose versions the clean environment gets

The environment is new, lies in the temporary folder, has no extras and knows nothing of this clone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any
from zipfile import ZipFile

CLONE = Path(__file__).resolve().parent.parent
PACKAGE = "airflow_provider_puretalk"
DISTRIBUTION = "airflow-provider-puretalk"
HOOK = f"{PACKAGE}.hooks.PuretalkHook"
#: Only in extras; if one of these is there, the environment proves nothing.
OPTIONAL = ("pyarrow", "zstandard", "s3fs")

IMPORT_ALL = f"""
import importlib, importlib.util, pkgutil, {PACKAGE} as package
present = [name for name in {OPTIONAL!r} if importlib.util.find_spec(name)]
assert not present, f"not a clean environment: {{present}}"
names = sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_"))
for name in names:
    importlib.import_module(f"{PACKAGE}.{{name}}")
print(package.__version__, *names)
"""


def main() -> None:
    """Run every check; the first that fails ends the program with its reason."""
    dist, constraints = (Path(argument).resolve() for argument in sys.argv[1:])
    (wheel,) = dist.glob("*.whl")
    check_contents(wheel)
    with tempfile.TemporaryDirectory(prefix="puretalk-wheel-") as folder:
        clean = CleanEnvironment(Path(folder))
        clean.install(wheel, constraints)
        check_discovery(clean)
        check_command_line(clean)
        version, *modules = clean.run("python", "-c", IMPORT_ALL).split()
        expect(version == wheel.name.split("-")[1], f"version {version}, as the file name says")
        expect({"hooks", "models", "exceptions"} <= set(modules), f"imports without extras: {', '.join(modules)}")


def check_contents(wheel: Path) -> None:
    """Compare the wheel with the package's folder: all of it, and nothing else."""
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = {name.partition(".dist-info/")[2]: name for name in names if ".dist-info/" in name}
        license_text = archive.read(metadata["licenses/LICENSE"]).decode() if "licenses/LICENSE" in metadata else ""
        entry_points = archive.read(metadata["entry_points.txt"]).decode()
        materials = archive.read(metadata["sboms/sbom.cdx.json"]) if "sboms/sbom.cdx.json" in metadata else b""
    code = names - set(metadata.values())
    sources = {
        str(path.relative_to(CLONE))
        for path in (CLONE / PACKAGE).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    expect(code == sources, f"{wheel.name} holds the package and nothing else", sorted(code ^ sources))
    expect(f"{PACKAGE}/py.typed" in code, "it is marked as typed")
    expect("Apache License" in license_text, "it carries its licence")
    expect(materials == (CLONE / "sbom.cdx.json").read_bytes(), "it carries its bill of materials")
    expect(f"{PACKAGE}.provider_info:get_provider_info" in entry_points, "it names its provider info")
    expect(f"{PACKAGE}.ui.plugin:PuretalkPlugin" in entry_points, "it names its plugin")


def check_discovery(clean: CleanEnvironment) -> None:
    """Ask Airflow what it knows of the provider, the connection type and its form."""
    info = clean.airflow("providers", "get", DISTRIBUTION)
    expect(any(row["Provider"] == DISTRIBUTION for row in info), "airflow providers get", info)
    hooks = [row for row in clean.airflow("providers", "hooks") if row["connection_type"] == "puretalk"]
    expect([row["class"] for row in hooks] == [HOOK], f"airflow providers hooks: {HOOK}", hooks)
    links = {row["extra_link_class_name"] for row in clean.airflow("providers", "links")}
    own = {
        f"{PACKAGE}.links.{name}" for name in ("PuretalkManifestLink", "PuretalkReportLink", "PuretalkFleetReportLink")
    }
    expect(own <= links, f"airflow providers links: {', '.join(sorted(own))}", links)
    triggers = {row["class"] for row in clean.airflow("providers", "triggers")}
    expect(f"{PACKAGE}.triggers" in triggers, f"airflow providers triggers: {PACKAGE}.triggers", triggers)
    widgets = {row["connection_parameter_name"] for row in clean.airflow("providers", "widgets")}
    fields = {name.removeprefix("extra__puretalk__") for name in widgets if name.startswith("extra__puretalk__")}
    expect({"account", "timeout", "max_retries"} <= fields, f"airflow providers widgets: {', '.join(sorted(fields))}")
    behaviours = {row["field_behaviours"] for row in clean.airflow("providers", "behaviours")}
    expect("puretalk" in behaviours, "airflow providers behaviours: puretalk", behaviours)


def check_command_line(clean: CleanEnvironment) -> None:
    """Ask the command line for its version and its help, also through Airflow where that takes commands."""
    version = clean.run("python", "-m", PACKAGE, "--version").split()
    expect(version[0] == DISTRIBUTION, f"python -m {PACKAGE} --version: {' '.join(version)}", version)
    airflow = clean.run("airflow", "version").split()[-1]
    if tuple(map(int, airflow.split(".")[:2])) >= (3, 2):
        text = clean.run("airflow", "puretalk", "--help")
        expect("snapshots" in text, "airflow puretalk --help", text)


class CleanEnvironment:
    """A virtual environment and an Airflow home with nothing in them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bin = folder / "venv" / "bin"
        kept = {name: value for name, value in os.environ.items() if "AIRFLOW" not in name and name != "PYTHONPATH"}
        self._environment = {**kept, "AIRFLOW_HOME": str(folder / "home"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}

    def install(self, wheel: Path, constraints: Path) -> None:
        """Install the wheel as a user would."""
        venv.create(self._folder / "venv", with_pip=True)
        self.run("python", "-m", "pip", "install", "-qq", "-c", str(constraints), "pip")
        self.run("python", "-m", "pip", "install", "-qq", "-c", str(constraints), str(wheel))
        self.run("python", "-m", "pip", "check")
        expect(True, f"installs into a clean environment with {constraints.name}")

    def airflow(self, *arguments: str) -> list[dict[str, Any]]:
        """Run an Airflow command that lists things."""
        answer = self.run("airflow", *arguments, "--output", "json")
        # Warnings may come before the list.
        rows: list[dict[str, Any]] = json.loads(answer[answer.index("\n[") if not answer.startswith("[") else 0 :])
        return rows

    def run(self, program: str, *arguments: str) -> str:
        """Run a program of the environment, from outside the clone."""
        command = [str(self._bin / program), *arguments]
        done = subprocess.run(command, cwd=self._folder, env=self._environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"not ok: {' '.join([program, *arguments])}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done.stdout


def expect(condition: bool, promise: str, found: object = "") -> None:
    """Print a promise that holds, or end with what was found instead."""
    if not condition:
        sys.exit(f"not ok: {promise}\n        {found}")
    print(f"ok: {promise}", flush=True)


if __name__ == "__main__":
    main()
