"""The report of many accounts: exact, whatever is wrong with some of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk.fleet import newest, summarize
from airflow_provider_puretalk.fleet.table import COLUMNS
from tests.fleet.conftest import NOW, Agency, failure, outcome
from tests.history.snapshots import moment, record
from tests.places import Folder

GERMAN = {"voice": {"name": "Anna", "language": "de"}, "model": "gpt-4o"}
ENGLISH = {"voice": {"name": "Joe", "language": "en"}, "model": "gpt-4o"}


def tiles(page: Any, section: str) -> dict[str, str]:
    names, numbers = page.section(section).all("dt"), page.section(section).all("dd")
    return {name.text: number.text for name, number in zip(names, numbers, strict=True)}


def rows(page: Any, section: str) -> list[list[str]]:
    """Return what stands in the cells of a table."""
    body = next(page.section(section).all("tbody"))
    return [[cell.words for cell in row.parts if not isinstance(cell, str)] for row in body.all("tr")]


@pytest.fixture
def three(agency: Agency) -> Agency:
    """Two accounts that were read and compared, and one that failed and was read three days before."""
    agency.took(
        "north",
        [
            record("1", phone_number="+49 30 1234567", **GERMAN),
            record("2", **GERMAN),
            record("3", phone_number="", **ENGLISH),
        ],
        counts={"added": 1, "removed": 0, "changed": 2, "touched": 0, "unchanged": 0, "voice": 2, "routing": 1},
    )
    agency.took(
        "south",
        [record("1", phone_number="tel:+49301234567", **ENGLISH)],
        counts={"added": 0, "removed": 4, "changed": 0, "touched": 1, "unchanged": 0},
    )
    agency.stored("west", [record("1", phone_number="+49 30 7654321", **ENGLISH)], day=7)
    agency.outcomes.append(outcome("west", failure=failure()))
    return agency


def test_the_table_says_of_each_account_what_it_has_and_what_became_of_it(three: Agency) -> None:
    """A row an account: what is counted, what changed, what failed, and when it was seen last."""
    found = three.table()
    north, west = found["north"], found["west"]
    assert {name: north[name] for name in ("failed", "of_this_run", "assistants", "with_number")} == {
        "failed": False,
        "of_this_run": True,
        "assistants": 3,
        "with_number": 1,
    }
    assert north["languages"] == [{"name": "de", "assistants": 2}, {"name": "en", "assistants": 1}]
    assert [one["name"] for one in north["voices"]] == ["Anna", "Joe"]
    assert north["models"] == [{"name": "gpt-4o", "assistants": 3}]
    assert (north["shared_numbers"], north["shares_numbers_with"]) == (1, ["south"])
    assert (north["added"], north["changed"], north["changed_voice"], north["changed_identity"]) == (1, 2, 2, None)
    assert (north["seen_at"], north["unseen_seconds"], north["reported_at"]) == (moment(10), 300, NOW)
    assert Path(north["manifest_path"]).is_file()
    assert (west["failed"], west["failed_task"], west["error"], west["next_step"]) == (
        True,
        "snapshot",
        "PuretalkServerError",
        "Wait.",
    )
    assert (west["of_this_run"], west["unseen_seconds"], west["assistants"]) == (False, 3 * 86_400 + 300, 1)
    assert (west["added"], west["shared_numbers"], west["not_readable"]) == (None, 0, None)
    assert list(west) == [name for name, _, _ in COLUMNS]


def test_the_page_says_it_to_people(three: Agency) -> None:
    """Numbers, changes by class, what failed and what to do, and charts of all accounts together."""
    page = three.page()
    assert tiles(page, "counts") == {
        "accounts": "3",
        "succeeded": "2",
        "failed": "1",
        "not readable": "0",
        "assistants": "5",
        "shared numbers": "1",
    }
    changed = tiles(page, "changed")
    assert (changed["changed"], changed["removed"], changed["voice"], changed["compliance"]) == ("2", "4", "2", "0")
    ((account, what, to_do, seen),) = rows(page, "failed")
    assert (account, what, to_do) == ("west conn_west", "snapshot PuretalkServerError", "Wait.")
    assert seen.startswith("3 days ago")
    assert rows(page, "numbers") == [["…567", "north, south", "2"]]
    charts = [chart.words for chart in page.section("fleet").all("figure")]
    assert "en: 3. de: 2." in charts[0]
    assert "with a number: 3. without: 2." in charts[3]
    assert [row[0].split()[0] for row in rows(page, "accounts")] == ["north", "south", "west"]
    assert rows(page, "accounts")[0][4].startswith("1 added, 2 changed")
    assert "2 of 3 accounts succeeded, 1 failed." in page.text


@pytest.mark.parametrize("names", [False, True])
def test_names_and_numbers_stand_in_the_page_alone_and_only_where_requested(three: Agency, names: bool) -> None:
    """By default nobody's name is in it, and of a number the last digits; the table never has either."""
    published = three.publish(names_of_assistants=names)
    page = Path(published.report).read_text()
    assert ("Agent 1" in page, "+49 30 1234567" in page) == (names, names)
    assert "7654321" not in page
    row = str(three.table(names_of_assistants=names))
    assert "Agent" not in row
    assert "1234567" not in row


def test_what_cannot_be_read_is_named_and_the_others_are_as_they_are(
    three: Agency, folder: Folder, connection: Callable[..., str]
) -> None:
    """A data file that is gone, one that is torn, a manifest that is gone or damaged, and an account without a name."""
    torn = three.took("torn", 2)
    gone = three.took("gone", 2)
    missing = three.took("missing", 2)
    damaged = three.took("damaged", 2)
    for manifest, name, data in (
        (torn, torn.files[0].name, b"torn"),
        (damaged, "manifest.json", b"{}"),
    ):
        folder.write(f"account={manifest.account}/snapshot={manifest.snapshot}/{name}", data)
    folder.remove(f"account=gone/snapshot={gone.snapshot}/{gone.files[0].name}")
    folder.remove(f"account=missing/snapshot={missing.snapshot}/manifest.json")
    three.outcomes += [
        outcome(None, conn_id="forgotten", failure=failure(task="connection")),
        outcome("never", failure=failure()),
        outcome("a/../b", snapshot={"snapshot": "../../x", "count": "many"}),
    ]
    found = three.table()
    assert found["north"]["shared_numbers"] == found["south"]["shared_numbers"] == 1
    problems = {name for name, row in found.items() if row["not_readable"]}
    assert problems == {"torn", "gone", "missing", "damaged", "a/../b"}
    assert "torn or damaged" in found["torn"]["not_readable"]
    assert found["torn"]["seen_at"] == found["gone"]["seen_at"] == moment(10)
    assert (found["torn"]["languages"], found["torn"]["shared_numbers"]) == (None, None)
    assert (found["never"]["seen_at"], found["forgotten"]["seen_at"]) == (None, None)
    page = three.page()
    assert tiles(page, "counts")["not readable"] == "5"
    assert {row[0].split()[0] for row in rows(page, "unreadable")} == problems
    seen = {row[0].split()[0]: row[3] for row in rows(page, "failed")}
    assert (seen["never"], seen["forgotten"]) == ("never", "not known")


def test_an_account_that_is_listed_twice_counts_once(agency: Agency) -> None:
    """Under two connections, or one: its assistants are no more, and it shares no number with itself."""
    agency.took("north", [record("1", phone_number="+49301234567", **GERMAN)], counts={"added": 1})
    (one,) = agency.outcomes
    agency.outcomes += [one, outcome("north", conn_id="other", snapshot=one.snapshot, comparison=one.comparison)]
    report = agency.report()
    assert (report.assistants, report.changes["added"], report.traits.languages["de"]) == (1, 1, 1)
    assert report.numbers.count == 0
    found = summarize(agency.outcomes, fleet="agency")
    assert (found["accounts"], found["assistants"], found["changes"]) == (3, 1, {"added": 1})
    assert tiles(agency.page(), "counts")["accounts"] == "3"


def test_of_a_failed_account_the_newest_complete_snapshot_counts(agency: Agency) -> None:
    """Of one whose run took a snapshot that one, complete or not."""
    agency.stored("west", 2, day=6)
    agency.stored("west", 7, day=8, complete=False)
    agency.outcomes.append(outcome("west", failure=failure()))
    agency.took("north", 4, complete=False)
    agency.stored("north", 5, day=11)
    found = agency.table()
    assert (found["west"]["assistants"], found["west"]["complete"], found["west"]["seen_at"]) == (2, True, moment(6))
    assert (found["north"]["assistants"], found["north"]["complete"], found["north"]["of_this_run"]) == (4, False, True)


def test_a_clock_that_is_ahead_makes_nothing_negative(agency: Agency) -> None:
    """The worker that read may be ahead of the one that reports."""
    agency.took("north", 1)
    assert agency.table(now=moment(10) - timedelta(hours=1))["north"]["unseen_seconds"] == 0


def test_parquet_snapshots_and_odd_records_are_read_alike(agency: Agency) -> None:
    """Fields of wrong kinds count as what they are, half characters among them, in both formats."""
    odd = [
        record("1", voice="Anna", model=["a"], phone_number=7),
        record("2", voice={"name": {"x": 1}, "language": None}, model="half \ud800", phone_number=None),
        record("3", voice=None, model="x" * 500),
        record("4", voice=None, model="x" * 501),
    ]
    agency.took("lines", odd)
    agency.took("columns", odd, file_format="parquet")
    found = agency.table()
    assert found["lines"]["not_readable"] is None
    for name in ("languages", "voices", "models", "with_number"):
        assert found["lines"][name] == found["columns"][name], name
    models = {one["name"]: one["assistants"] for one in found["lines"]["models"]}
    assert len(models) == 4
    assert models['["a"]'] == 1
    assert models["half \\ud800"] == 1
    assert found["lines"]["with_number"] == 1


def test_rare_voices_are_counted_as_others(agency: Agency) -> None:
    """The lists end, and their numbers add up to all assistants."""
    voices = [record(f"{n:04}", voice={"name": f"v{n}" if n > 50 else "often"}) for n in range(500)]
    agency.took("north", voices)
    listed = agency.table()["north"]["voices"]
    assert len(listed) == newest.MOST_TRAITS + 1
    assert sum(one["assistants"] for one in listed) == 500
    assert listed[0]["name"] == "(others)"
    assert {"name": "often", "assistants": 51} in listed


def test_redacted_numbers_are_said_to_be_unknown(agency: Agency) -> None:
    """Masked ones are shared by nobody; hashed ones are compared, and shown as such."""
    policy: dict[str, Any] = {"policy": {"phone_number": "mask"}, "key_fingerprint": None, "unmatched": []}
    for name in ("north", "south"):
        agency.took(name, [record("1", phone_number="***")], redaction=policy)
    page = agency.page()
    assert page.section("numbers").words.startswith("Numbers in several accounts 0 In 2 accounts phone numbers are")
    for name in ("east", "west"):
        agency.took(name, [record("1", phone_number="0a" * 32)])
    assert rows(agency.page(), "numbers") == [["hashed", "east, west", "2"]]
