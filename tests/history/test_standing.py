"""The report of a comparison says how long the old values stood, where a history knows it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import history, snapshots
from airflow_provider_puretalk.history.standing import standings
from airflow_provider_puretalk.operators import PuretalkCompareSnapshotsOperator
from airflow_provider_puretalk.snapshots.report.standing import Standing
from tests.history.snapshots import ACCOUNT, moment, record, take

LAST = {"prompt": "Be brief.", "voice": {"name": "B"}, "llm_states": [{"prompt": "Hm."}], "phone_number": "+2"}


@pytest.fixture
def days(tmp_path: Path) -> Path:
    """Six days folded, and a seventh on which everything changes."""
    first = {"prompt": "Be nice.", "voice": {"name": "A"}, "llm_states": [{"prompt": "Hi."}], "phone_number": "+1"}
    kind = first | {"prompt": "Be kind."}
    fleet = [[first], [kind], [kind], [], [kind], [kind | {"phone_number": "+3"}]]
    for day, versions in enumerate(fleet):
        b = {**LAST, "prompt": "Old." if day < 2 else "Older."}
        take(tmp_path, day, [*(record("a", **one) for one in versions), record("b", **b)])
    history.update(tmp_path, ACCOUNT, keep="forever")
    take(tmp_path, 6, [record("a", **LAST), record("b", **LAST)])
    return tmp_path


def found(days: Path) -> dict[tuple[str, str], Standing]:
    older, newer = (one.manifest_path for one in snapshots.list_snapshots(days)[-2:])
    with snapshots.compare(older, newer) as comparison:
        return dict(standings(comparison, newer))


@pytest.mark.long
def test_a_value_stands_since_the_reading_that_first_shows_it(days: Path) -> None:
    """Whatever else was edited meanwhile; a return begins anew, and what was there first may have stood longer."""
    assert found(days) == {
        ("a", "/prompt"): Standing(moment(4)),
        ("a", "/voice/name"): Standing(moment(4)),
        ("a", "/llm_states/0/prompt"): Standing(moment(4)),
        ("a", "/phone_number"): Standing(moment(5)),
        ("b", "/prompt"): Standing(moment(2)),
    }
    history.update(days, ACCOUNT, retract=["20261004T020007Z"])
    assert found(days)["a", "/voice/name"] == Standing(moment(0), at_least=True)


def test_a_redaction_hides_what_was_before(tmp_path: Path) -> None:
    for day in range(3):
        policy = {"policy": {"phone_number": "mask"}} if day else {}
        take(tmp_path, day, [record("a", phone_number="***" if day else "+1", name="A")], redaction=policy)
    history.update(tmp_path, ACCOUNT)
    take(tmp_path, 3, [record("a", phone_number=None, name="B")], redaction={"policy": {"phone_number": "mask"}})
    assert found(tmp_path) == {
        ("a", "/phone_number"): Standing(moment(1), at_least=True),
        ("a", "/name"): Standing(moment(0), at_least=True),
    }


def report(days: Path) -> str:
    result: Any = PuretalkCompareSnapshotsOperator(
        task_id="c", destination=days, account=ACCOUNT, snapshot="20261007T020007Z"
    )
    return Path(result.execute({"ti": None})["report_path"]).read_text()


def sentences(page: str) -> list[tuple[str, str]]:
    return re.findall(r"The old <code>(.*?)</code> (stood since .*?)\.</p>", page)


def test_the_report_says_so(days: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the page that the operator writes and in that of the command line."""
    from airflow_provider_puretalk.cli.main import main

    expected = [
        ("llm_states.0.prompt", "stood since 5 October 2026"),
        ("prompt", "stood since 5 October 2026"),
        ("phone_number", "stood since 6 October 2026"),
        ("voice.name", "stood since 5 October 2026"),
        ("prompt", "stood since 3 October 2026"),
    ]
    assert sentences(report(days)) == expected
    assert main(["snapshots", "compare", "--destination", str(days), "--report", str(tmp_path / "page.html")]) == 2
    assert sentences((tmp_path / "page.html").read_text()) == expected


@pytest.mark.parametrize("what", ["none", "torn", "newer", "baseline taken again"])
def test_a_history_that_does_not_know_costs_no_report(days: Path, what: str) -> None:
    """Without a history, with a damaged one or one of something else the page is as it would be without."""
    folder = days / f"account={ACCOUNT}" / "history"
    if what == "none":
        (folder / "_manifest.json").unlink()
    elif what == "torn":
        for file in folder.glob("*.parquet"):
            file.write_bytes(file.read_bytes()[:100])
    elif what == "newer":
        manifest = folder / "_manifest.json"
        manifest.write_text(manifest.read_text().replace('"format_version": 1', '"format_version": 2', 1))
    else:
        take(days, 5, [record("a", prompt="Other."), record("b")])
    page = report(days)
    assert "<html" in page
    assert sentences(page) == []
