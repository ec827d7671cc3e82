"""A folder for snapshots."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.places import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty local folder."""
    root = tmp_path / "fleet"
    root.mkdir()
    return Folder(str(root), str(root), root=root)
