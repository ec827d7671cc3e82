"""Places for snapshots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.places import Folder, Place, make_place


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
