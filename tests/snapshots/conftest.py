"""Places for snapshots, and snapshots that are ready to be put there."""

from __future__ import annotations

from collections.abc import Callable
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
