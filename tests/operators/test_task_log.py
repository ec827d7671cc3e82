"""What the task log says: how far a long reading is, what came of it, and what was odd."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import logs
from airflow_provider_puretalk.operators import (
    PuretalkCompareSnapshotsOperator,
    PuretalkListAssistantsOperator,
    PuretalkPruneSnapshotsOperator,
)
from airflow_provider_puretalk.sandbox import Sandbox, make_fleet
from tests.places import Folder

Spoken = Callable[[], str]


def test_long_writing_logs_its_progress(
    sandbox: Sandbox, folder: Folder, context: Any, spoken: Spoken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Now and then a line says rows, rows a second and how long it will take; here, after every few rows."""
    monkeypatch.setattr(logs, "PROGRESS_INTERVAL", 1e-9)
    folder.take(context)
    lines = re.findall(r"row ([\d,]+) of ([\d,]+), (\d+) rows/s, about (\d+) s left", spoken())
    # Airflow 2 may print what it logs as well, so a line can come twice.
    rows = list(dict.fromkeys(int(row.replace(",", "")) for row, _, _, _ in lines))
    assert rows == sorted(rows)
    assert rows[-1] == 250
    assert {of for _, of, _, _ in lines} == {"250"}


def test_short_writing_is_quiet(sandbox: Sandbox, folder: Folder, context: Any, spoken: Spoken) -> None:
    """Where a snapshot takes no time there is nothing to log on the way."""
    folder.take(context)
    assert "rows/s" not in spoken()


@pytest.mark.long
def test_snapshot_says_what_came_of_it(sandbox: Sandbox, folder: Folder, context: Any, spoken: Spoken) -> None:
    """The last line holds count, completeness, whether something changed, and where it lies."""
    path = folder.take(context, partition="1")["manifest_path"]
    assert f"Snapshot 1 of puretalk_default: 250 assistants, complete: True, the first one. {path}" in spoken()
    folder.take(context, partition="2")
    assert "Snapshot 2 of puretalk_default: 250 assistants, complete: True, unchanged." in spoken()
    sandbox.fleet.change(sandbox.fleet.ids()[0], {"name": "Renamed"})
    folder.take(context, partition="3")
    assert "Snapshot 3 of puretalk_default: 250 assistants, complete: True, changed." in spoken()


def test_snapshot_warns_of_values_that_break_the_documentation(
    sandbox: Sandbox, folder: Folder, context: Any, spoken: Spoken
) -> None:
    """Each way of breaking it is logged with its count, and without the values."""
    for assistant_id in sandbox.fleet.ids()[:3]:
        sandbox.fleet.change(assistant_id, {"voice_stability": "very"})
    folder.take(context)
    log = spoken()
    assert "The documented schema is broken at /voice_stability in 3 records: expected number, got string." in log
    assert "very" not in log


def test_list_says_what_came_of_it(sandbox: Sandbox, context: Any, spoken: Spoken) -> None:
    """A line says how many of how many were selected, and how the reading was proven."""
    PuretalkListAssistantsOperator(
        task_id="list", fields=["name"], filters={"assistant_id": sandbox.fleet.ids()[:2]}
    ).execute(context)
    assert "2 of 250 assistants selected (verified, method one_page" in spoken()
    PuretalkListAssistantsOperator(task_id="list", fields=["name"], page=3).execute(context)
    assert "Page 3: 50 of 50 assistants selected." in spoken()


#: A forged line, an override of direction, a tag, and a variation selector behind a letter.
HIDING = "x\nCRITICAL y\u202ez\U000e0041v\ufe0fw"
SPELT = r"x\nCRITICAL y\u202ez\U000e0041v\ufe0fw"


def has_hidden(text: str) -> bool:
    return any(char in text for char in "\u202e\U000e0041\ufe0f") or "\nCRITICAL" in text


def test_summary_and_notes_of_a_comparison_hide_nothing(
    sandbox: Sandbox, folder: Folder, context: Any, spoken: Spoken
) -> None:
    """What is logged and what XCom carries for people is spelled out; fields that XCom names as data stay exact."""
    fleet = [dict(one) for one in make_fleet(9, seed=1)]
    sandbox.fleet.replace_all(fleet)
    folder.take(context, partition="a")
    sandbox.fleet.replace_all([{**one, HIDING: 1} for one in fleet])
    folder.take(context, partition="b")
    found = PuretalkCompareSnapshotsOperator(
        task_id="compare", destination=folder.destination, account="puretalk_default", ignore_fields=[f"no{HIDING}"]
    ).execute(context)
    log = spoken()
    assert f"`{SPELT}` alike on 9" in log
    assert f"no{SPELT}" in log
    assert not has_hidden("".join([log, found["summary"], *found["notes"]]))
    assert SPELT in found["summary"]
    assert found["fields_appeared"] == [f"/{HIDING}"]


def test_names_in_a_storage_hide_nothing_in_the_log_of_prune(
    sandbox: Sandbox, folder: Folder, context: Any, spoken: Spoken
) -> None:
    """Those who can write into a storage cannot forge lines of the log by the names of files."""
    path = Path(folder.take(context, partition="1")["manifest_path"])
    (path.parent / HIDING).write_bytes(b"1")
    (path.parent.parent / f"snapshot={HIDING}").mkdir()
    (path.parent.parent / f"snapshot={HIDING}" / "manifest.json").write_bytes(b"{}")
    PuretalkPruneSnapshotsOperator(
        task_id="prune", destination=folder.destination, account="puretalk_default", keep_daily=1
    ).execute(context)
    log = spoken()
    assert SPELT in log
    assert not has_hidden(log)


def test_list_hides_nothing(
    of_records: Callable[..., Any], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A name of a field that would begin a line of its own, or turn one around, is spelled out in the log, not in XCom."""
    odd = "z\nCRITICAL \u202e\u2800"
    record = {"assistant_id": f"a{odd}", "name": odd, "user": {"email": "a@b.c", odd: 1}}
    with caplog.at_level("INFO"):
        (found,) = of_records([record], redact={"user.email": "mask"}, filters={"name": odd})
        of_records([record], fields=[odd], page=1)
    assert found == {**record, "user": {"email": "***", odd: 1}}
    log = caplog.text + capfd.readouterr().out
    assert r"user.z\nCRITICAL \u202e\u2800" in log
    assert r"`z\nCRITICAL \u202e\u2800`" in log
    assert not any(char in log for char in ("\nCRITICAL", "\u202e", "\u2800"))
