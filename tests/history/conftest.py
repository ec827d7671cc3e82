"""A folder for snapshots and their history, and how tests read what lies there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.history.snapshots import ACCOUNT


class Fleet:
    """A destination with one account."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / f"account={ACCOUNT}" / "history"

    def files(self) -> dict[str, bytes]:
        """Return the history's files."""
        return {path.name: path.read_bytes() for path in sorted(self.folder.iterdir())}

    def rows(self, *names: str) -> list[tuple[Any, ...]]:
        """Return columns of all versions as any reader of Parquet finds them, current ones last."""
        import pyarrow.parquet as pq

        found: list[tuple[Any, ...]] = []
        for path in sorted(self.folder.glob("*.parquet")):
            table = pq.read_table(path, columns=[*names])
            found += zip(*[table[name].to_pylist() for name in names], strict=True)
        return found


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """An empty local destination."""
    root = tmp_path / "fleet"
    root.mkdir()
    return Fleet(root)
