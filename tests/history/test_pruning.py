"""Pruning that requires the history: nothing goes that the history cannot rebuild."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import history, snapshots
from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.operators import PuretalkPruneSnapshotsOperator
from tests.history.snapshots import ACCOUNT, record, take


@pytest.fixture
def days(tmp_path: Path) -> Path:
    """Five days, four of them folded; the third is taken again after that, and the fourth is incomplete."""
    for day in range(4):
        take(tmp_path, day, [record("a", prompt=f"Version {day}.")], complete=day != 3)
    history.update(tmp_path, ACCOUNT, keep="forever")
    take(tmp_path, 2, [record("a", prompt="Taken again.")])
    take(tmp_path, 4, [record("a")])
    take(tmp_path, 5, [record("a")])
    return tmp_path


def prune(days: Path, **arguments: Any) -> dict[str, Any]:
    given = {"keep_daily": 1, "require_history": True, "dry_run": False} | arguments
    return PuretalkPruneSnapshotsOperator(task_id="p", destination=days, account=ACCOUNT, **given).execute({})


def names(days: Path) -> list[str]:
    return [one.snapshot for one in snapshots.list_snapshots(days)]


def test_only_what_was_folded_goes(days: Path) -> None:
    """Each of the others is named with the reason, and stays; what went can still be played back."""
    result = prune(days)
    assert result["removed"] == ["20261001T020007Z", "20261002T020007Z"]
    assert {one["name"]: one["why"] for one in result["left_alone"]} == {
        "20261003T020007Z": "the history holds what was there before under its name",
        "20261004T020007Z": "it is incomplete, and the history holds no such snapshot",
        "20261005T020007Z": "the history does not hold it yet",
    }
    assert names(days)[0] == "20261003T020007Z"
    assert [*history.open(days, ACCOUNT).at("2026-10-01").records()] == [record("a", prompt="Version 0.")]


def test_a_dry_run_says_the_same(days: Path) -> None:
    expected = {name: value for name, value in prune(days, dry_run=True).items() if name != "dry_run"}
    found = {name: value for name, value in prune(days).items() if name != "dry_run"}
    assert found == expected


@pytest.mark.long
def test_after_an_update_all_of_it_goes(days: Path) -> None:
    """But for the incomplete one, which no history holds; and the history verifies without them."""
    history.update(days, ACCOUNT)
    assert prune(days)["removed"] == [f"2026100{day}T020007Z" for day in (1, 2, 3, 5)]
    assert names(days) == ["20261004T020007Z", "20261006T020007Z"]
    assert len(history.open(days, ACCOUNT).verify().proven) == 5


@pytest.mark.long
def test_what_was_forgotten_is_not_rebuilt(days: Path) -> None:
    """The snapshot is the only place left that holds it: whether that should go, a person decides."""
    history.forget(days, ACCOUNT, fields=["prompt"])
    result = prune(days)
    assert result["removed"] == []
    assert {"name": "20261001T020007Z", "why": "the history can no longer rebuild it"} in result["left_alone"]


def test_without_a_history_nothing_goes(tmp_path: Path) -> None:
    take(tmp_path, 0, [record("a")])
    take(tmp_path, 1, [record("a")])
    with pytest.raises(PuretalkSnapshotError, match="There is no history"):
        prune(tmp_path)
    assert len(names(tmp_path)) == 2


def test_a_damaged_history_keeps_everything(days: Path) -> None:
    """It is verified before the first removal, also where its files can still be parsed."""
    (file,) = days.rglob("history/current-*.parquet")
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.write_bytes(data)
    before = names(days)
    with pytest.raises(PuretalkSnapshotError, match=file.name):
        prune(days)
    assert names(days) == before


@pytest.mark.long
def test_on_the_command_line(days: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from airflow_provider_puretalk.cli.main import main

    words = ["snapshots", "prune", str(days), "--keep-daily", "1", "--require-history", "--yes"]
    assert main(words) == 0
    assert "the history does not hold it yet" in capsys.readouterr().out
    assert "20261001T020007Z" not in names(days)
