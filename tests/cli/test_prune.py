"""`snapshots prune`: a dry run without `--yes`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Take = Callable[..., str]


@pytest.fixture
def three(take: Take) -> list[Path]:
    """Snapshots of three days."""
    return [Path(take(f"2026112{day}T000000Z")) for day in (0, 1, 2)]


@pytest.mark.long
def test_without_yes_nothing_is_removed(run: Any, destination: Path, three: list[Path]) -> None:
    """It lists what would be removed and why the rest stays."""
    ended = run("snapshots", "prune", destination, "--keep-daily", "1")
    assert ended.code == 0
    assert [line.split("  ")[0] for line in ended.out.splitlines()[1:4]] == ["would be removed"] * 2 + ["kept"]
    assert "Nothing was removed" in ended.out
    assert all(path.exists() for path in three)


@pytest.mark.long
def test_with_yes_it_removes(run: Any, destination: Path, three: list[Path]) -> None:
    """The newest stays, and one that is kept by name; the document says what went."""
    ended = run("snapshots", "prune", destination, "--keep-daily", "1", "--keep", "20261120T000000Z", "--yes", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert ended.document["removed"] == ["20261121T000000Z"]
    assert [path.exists() for path in three] == [True, False, True]


@pytest.mark.long
def test_keeping_nothing_is_refused(run: Any, destination: Path, three: list[Path]) -> None:
    ended = run("snapshots", "prune", destination, "--yes")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("Nothing would be kept")
    assert all(path.exists() for path in three)


@pytest.mark.long
def test_what_is_not_understood_is_skipped_and_listed(run: Any, destination: Path, three: list[Path]) -> None:
    three[0].write_text("{")
    ended = run("snapshots", "prune", destination, "--keep-daily", "1", "--yes")
    assert ended.code == 0
    assert any(line.startswith("skipped  20261120T000000Z") for line in ended.out.splitlines())
    assert three[0].exists()
