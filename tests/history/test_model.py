"""Schedules of snapshots as they come in life, against lists that were filled by hand."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_puretalk import history
from airflow_provider_puretalk.history.reader import HistoryFiles
from airflow_provider_puretalk.history.segments import Edit
from airflow_provider_puretalk.records import canonical_json
from tests.history.model import Schedule, Taken, by_hand, play, play_in_processes
from tests.history.snapshots import ACCOUNT, FIRST_DAY, take

SCHEDULES = 20_000


@pytest.mark.long
@pytest.mark.any_airflow
def test_twenty_thousand_schedules_end_as_if_folded_once() -> None:
    """However snapshots come, the versions are those made by hand, and the same bytes as of folding them once, in order."""
    tally = play_in_processes(SCHEDULES, processes=1)
    assert tally.wrong == []
    assert tally.schedules == SCHEDULES
    for what in (
        *("the same again", "other records", "updated_at alone", "another moment", "incomplete", "complete"),
        *("pruned", "retracted", "new or back", "append", "general"),
    ):
        assert tally.happened[what] > SCHEDULES / 10, what


@pytest.mark.long
def test_the_judge_sees_a_wrong_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    """An algebra that forgets what follows an inserted reading is found out."""
    original = Edit.__init__

    def forgetful(self: Edit, sources: list[int | None], size: int) -> None:
        original(self, sources, size)
        self._breaks -= {index + 1 for index in self.inserted}

    monkeypatch.setattr(Edit, "__init__", forgetful)
    assert play(range(200)).wrong


@pytest.mark.long
@pytest.mark.parametrize("seed", range(24))
def test_schedules_on_files(tmp_path: Path, seed: int) -> None:
    """The same on real files: proven, equal to the versions made by hand, and to the byte what folding once gives."""
    root, once = tmp_path / "as it came", tmp_path / "once"
    schedule = Schedule(seed)
    root.mkdir()
    once.mkdir()
    written: dict[str, Taken] = {}
    for retract in schedule.arrivals():
        for name in written.keys() - schedule.there.keys():
            shutil.rmtree(root / f"account={ACCOUNT}" / f"snapshot={name}")
        for name, taken in schedule.there.items():
            if written.get(name) != taken:
                write(root, taken)
        written = {**schedule.there}
        if written:
            history.update(root, ACCOUNT, retract=retract)
        schedule.settle(retract)
    for taken in schedule.known.values():
        write(once, taken)
    files = HistoryFiles.open(root, ACCOUNT)
    complete = sorted(one.reading.order for one in schedule.known.values() if one.reading.complete)
    assert [reading.snapshot for reading in files.readings] == [name for _, name in complete]
    found = [
        (version.assistant_id, files.readings[version.first].snapshot, version.record) for version in files.versions()
    ]
    assert found == [(row[1], row[2], row[-1]) for row in by_hand(schedule.known)]
    assert history.verify(files).proven == tuple(name for _, name in complete)
    if schedule.known:
        history.update(once, ACCOUNT)
        expected = HistoryFiles.open(once, ACCOUNT).manifest
        assert files.manifest.files == expected.files
        assert files.manifest.readings == expected.readings
        for file in expected.files:
            data = [(place / f"account={ACCOUNT}/history" / file.name).read_bytes() for place in (root, once)]
            assert data[0] == data[1]


def write(root: Path, taken: Taken) -> None:
    reading = taken.reading
    take(
        root,
        (reading.finished_at - FIRST_DAY) / timedelta(days=1),
        map(canonical_json.loads, taken.lines.values()),
        name=reading.snapshot,
        complete=reading.complete,
        redaction=reading.redaction.model_dump(),
    )
