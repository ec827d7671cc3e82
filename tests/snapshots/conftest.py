"""Places for snapshots, snapshots that are ready to be put there, and processes that die while they take some."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.snapshots.storage.writer import Staged, commit
from tests.places import Folder, Place, make_place
from tests.snapshots.storage.interleaving import SteppingFileSystem


@pytest.fixture(params=["path", "file", "s3", "memory"])
def place(request: pytest.FixtureRequest) -> Place:
    """An empty place of every kind that snapshots are kept in."""
    return make_place(request.param, request)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty local folder, for what does not depend on the kind of place."""
    root = tmp_path / "fleet"
    root.mkdir()
    return Folder(str(root), str(root), root=root)


@pytest.fixture
def take(folder: Folder, sandbox: Any, context: Any) -> Any:
    """Take a snapshot of the sandbox into the folder; arguments go to the operator."""
    return lambda **arguments: folder.take(context, **arguments)


@dataclass(frozen=True)
class Reading:
    """A snapshot that is ready to be committed."""

    manifest: Manifest
    staged: Staged

    def commit(self) -> None:
        commit(Storage("memory://stepping@fleet"), self.manifest, self.staged)


@pytest.fixture
def readings(folder: Folder, sandbox: Sandbox, context: Any, tmp_path: Path) -> dict[str, Reading]:
    """Three readings of one partition by the operator: ``a`` and ``a_again`` of one fleet, ``b`` of another."""
    found = {}
    sandbox.fleet.replace_all(list(sandbox.fleet)[:3])
    for name in ("a", "a_again", "b"):
        if name == "b":
            sandbox.fleet.change(sandbox.fleet.ids()[0], {"name": "Renamed"})
        result = folder.take(context)
        data = Path(result["files"][0])
        kept = tmp_path / name
        kept.write_bytes(data.read_bytes())
        manifest = Manifest.model_validate_json((data.parent / "manifest.json").read_bytes())
        found[name] = Reading(
            manifest,
            Staged(kept, manifest.files[0], manifest.content_sha256, manifest.raw_sha256, manifest.schema_report),
        )
    return found


@pytest.fixture
def store(connection: Callable[..., str]) -> SteppingFileSystem:
    """A storage in memory, on which writers can be stopped between any two requests."""
    try:
        from airflow.sdk.io import attach
    except ImportError:
        from airflow.io.store import attach  # Airflow 2.11
    connection("stepping", conn_type="generic", host=None)
    # Airflow keeps what was attached first.
    filesystem: SteppingFileSystem = attach("memory", "stepping", fs=SteppingFileSystem()).fs
    filesystem.clear()
    return filesystem


@pytest.fixture(scope="session")
def victims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """A process that has imported everything and forks one victim an order, see :mod:`tests.snapshots.victim`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.snapshots.victim"],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"TMPDIR": str(tmp_path_factory.mktemp("left-behind"))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.communicate()


@pytest.fixture
def die(victims: subprocess.Popen[str]) -> Callable[..., int]:
    """Run an operator, with the connections of the test, in a process that dies at a moment; returns its status."""

    def run(operator: str, moment: str, environment: dict[str, str] | None = None, **arguments: Any) -> int:
        connections = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW_CONN_")}
        order = {"operator": operator, "moment": moment, "environment": connections | (environment or {})}
        assert victims.stdin is not None
        assert victims.stdout is not None
        print(json.dumps(order | {"arguments": arguments}), file=victims.stdin, flush=True)
        return int(victims.stdout.readline())

    return run
