"""`history ...`: what a history says on a terminal and for machines, and what keeps it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import history
from tests.cli.conftest import Seen
from tests.history.snapshots import ACCOUNT, record, take

PROMPT = "You are the receptionist of a hotel.\nAlways be polite and never mention prices.\n"


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """Three days, folded: `a` has its prompt edited and records calls, `b` goes and comes back."""
    folder = tmp_path / "the fleet, @home"
    folder.mkdir()
    edited = PROMPT.replace("never", "sometimes")
    take(folder, 0, [record("a-1", prompt=PROMPT), record("b-2", name="Bea")])
    take(folder, 1, [record("a-1", prompt=edited, call_recording_enabled=True)])
    take(folder, 2, [record("a-1", prompt=edited, name="\x1b[31mred", tools=[1]), record("b-2", name="Bea")])
    history.update(folder, ACCOUNT, keep="forever")
    return folder


@pytest.mark.long
def test_update_says_what_it_folded(run: Any, fleet: Path) -> None:
    """Folding twice changes nothing; for machines it is what the operator returns."""
    take(fleet, 3, [record("a-1")])
    take(fleet, 4, [record("a-1")], complete=False)
    ended = run("history", "update", fleet, "--keep", "forever")
    assert ended.code == 0, ended.err
    assert ended.out.startswith(f"{ACCOUNT}: 1 snapshot folded, 1 skipped; the history has 4 readings")
    assert "Skipped 20261005T020007Z: it is incomplete" in ended.out
    again = run("history", "update", fleet, "--keep", "forever", "--json").document
    assert (again["folded"], again["readings"]) == ([], 4)


@pytest.mark.parametrize("keep", ["0", "always", "-3", "1.5"])
def test_update_needs_to_know_how_long_to_keep(run: Any, fleet: Path, keep: str) -> None:
    ended = run("history", "update", fleet, f"--keep={keep}")
    assert (ended.code, ended.out) == (1, "")
    assert "a number of days" in ended.err
    assert "forever" in ended.err


def test_log_shows_the_words_that_changed(run: Any, fleet: Path) -> None:
    """Newest first, between which two snapshots, and without colours nor escapes where it is no terminal."""
    ended = run("history", "log", fleet, "a-1")
    assert (ended.code, ended.err) == (0, "")
    assert [line.split()[0] for line in ended.out.splitlines() if " a-1 " in line] == ["changed", "changed", "first"]
    assert "Between:  2026-10-01 01:59:07 UTC, 20261001T020007Z" in ended.out
    assert "Always be polite and [-never -]{+sometimes +}mention prices." in ended.out
    assert r"\x1b[31mred" in ended.out
    assert "\x1b" not in ended.out


def test_log_of_a_returned_id_warns(run: Any, fleet: Path) -> None:
    ended = run("history", "log", fleet, "Bea")
    assert [line.split()[0] for line in ended.out.splitlines() if "b-2" in line] == ["returned", "removed", "first"]
    assert "is back since snapshot 20261003T020007Z" in ended.err


def test_log_for_machines_is_exact(run: Any, fleet: Path) -> None:
    entries = run("history", "log", fleet, "a", "--json", "--fields", "prompt", "--since", "2026-10-02").document
    assert [(one["what"], one["snapshot"]) for one in entries] == [("changed", "20261002T020007Z")]
    assert entries[0]["fields"][0]["old"] == PROMPT
    assert entries == [
        one.to_dict() for one in history.open(fleet, ACCOUNT).log("a-1", fields=["prompt"], since="2026-10-02")
    ]


@pytest.mark.long
def test_log_is_coloured_on_a_terminal(fleet: Path, seen: Seen) -> None:
    """Insertions green and deletions red, unless NO_COLOR is set; nothing else of the API's steers it."""
    output = seen(80, "history", "log", str(fleet), "a-1")
    assert "\x1b[31mnever \x1b[0m\x1b[32msometimes \x1b[0m" in output
    assert "\x1b" not in re.sub(r"\x1b\[(0|2|31|32|33)m", "", output)
    assert r"\x1b[31mred" in output


@pytest.mark.long
def test_show_is_the_state_of_a_day(run: Any, fleet: Path) -> None:
    """Of one assistant or of the fleet, with what it stands for on stderr; an absence is said."""
    ended = run("history", "show", fleet, "a-1", "--at", "2026-10-01")
    assert ended.code == 0
    assert "name          Agent a-1\n" in ended.out
    assert ended.out.endswith("prompt\n" + "".join(f"    {line}\n" for line in PROMPT.splitlines()))
    assert "As of snapshot 20261001T020007Z." in ended.err
    assert run("history", "show", fleet, "Bea", "--at", "20261002T020007Z").out == "b-2 was not there.\n"
    whole = run("history", "show", fleet, "--at", "2026-10-02", "--json").document
    assert (whole["snapshot"], [one["assistant_id"] for one in whole["records"]]) == ("20261002T020007Z", ["a-1"])
    assert [line.split()[0] for line in run("history", "show", fleet).out.splitlines()[1:]] == ["a-1", "b-2"]


def test_show_knows_nothing_of_the_time_before(run: Any, fleet: Path) -> None:
    ended = run("history", "show", fleet, "--at", "2026-09-30")
    assert (ended.code, ended.out) == (1, "")
    assert "begins with the snapshot 20261001T020007Z" in ended.err


def test_blame_has_each_passage_with_its_day(run: Any, fleet: Path) -> None:
    ended = run("history", "blame", fleet, "a-1", "prompt")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "2026-10-01 20261001T020007Z first   | You are the receptionist of a hotel.",
        "                                    | Always be polite and",
        "2026-10-02 20261002T020007Z changed | sometimes",
        "2026-10-01 20261001T020007Z first   | mention prices.",
    ]
    passages = run("history", "blame", fleet, "a-1", "prompt", "--json").document
    assert "".join(one["text"] for one in passages) == PROMPT.replace("never", "sometimes")


def test_field_shows_who_had_a_value(run: Any, fleet: Path) -> None:
    """The value as a person writes it, of a time."""
    ended = run("history", "field", fleet, "call_recording_enabled", "--value", "true", "--until", "2026-10-31")
    assert ended.out.splitlines()[1].split()[0] == "a-1"
    assert len(ended.out.splitlines()) == 2
    spans = run("history", "field", fleet, "call_recording_enabled", "--json").document
    assert [(one["assistant_id"], one.get("value")) for one in spans] == [
        *(("a-1", None), ("a-1", True), ("a-1", None)),
        *(("b-2", None), ("b-2", None)),
    ]


def test_timeline_has_a_line_for_each_snapshot(run: Any, fleet: Path) -> None:
    ended = run("history", "timeline", fleet)
    assert ended.code == 0
    rows = [line.split() for line in ended.out.splitlines()]
    assert [row[0] for row in rows[1:4]] == ["20261001T020007Z", "20261002T020007Z", "20261003T020007Z"]
    assert "20261003T020007Z: 1 assistant came back under an id that was gone" in ended.out
    counts = run("history", "timeline", fleet, "--json").document[1]["counts"]
    assert (counts["removed"], counts["changed"], counts["behaviour"], counts["compliance"]) == (1, 1, 1, 1)


def test_verify_proves_pruned_days_and_finds_a_flipped_byte(run: Any, fleet: Path) -> None:
    """0 with the snapshots gone, 1 with the file's name where the history itself is not what it was."""
    for path in fleet.rglob("snapshot=*/*"):
        path.unlink()
    ended = run("history", "verify", fleet)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"{ACCOUNT}: 3 readings rebuilt")
    (file,) = fleet.rglob("history/current-*.parquet")
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.write_bytes(data)
    ended = run("history", "verify", fleet)
    assert (ended.code, ended.out) == (1, "")
    assert file.name in ended.err


@pytest.mark.long
def test_forget_needs_a_yes(run: Any, fleet: Path) -> None:
    """Without it nothing is touched; with it, the assistant and the field are in no file any more."""
    before = {path: path.read_bytes() for path in fleet.rglob("history/*")}
    ended = run("history", "forget", fleet, "--assistant", "b-2", "--fields", "prompt")
    assert ended.code == 0
    assert "Would forget 1 assistant and the field prompt" in ended.out
    assert {path: path.read_bytes() for path in fleet.rglob("history/*")} == before
    ended = run("history", "forget", fleet, "--assistant", "b-2", "--fields", "prompt", "--yes")
    assert ended.code == 0, ended.err
    assert ended.out.startswith("Forgot 1 assistant and the field prompt.")
    assert run("history", "log", fleet, "b-2").code == 1
    assert "Not provable any longer: 20261001T020007Z (forgotten)." in run("history", "verify", fleet).out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--yes"], "Name what is to be forgotten"),
        (["--assistant", "b", "--yes"], "never saw an assistant 'b'"),
    ],
)
def test_forget_refuses_a_typo(run: Any, fleet: Path, arguments: list[str], reason: str) -> None:
    """What was not there cannot be forgotten, and must not count as if it had been."""
    ended = run("history", "forget", fleet, *arguments)
    assert (ended.code, ended.out) == (1, "")
    assert reason in ended.err


@pytest.mark.long
def test_several_assistants_are_listed(run: Any, fleet: Path) -> None:
    take(fleet, 3, [record("a-1"), record("a-2")])
    history.update(fleet, ACCOUNT)
    ended = run("history", "log", fleet, "a-")
    assert (ended.code, ended.out) == (1, "")
    assert "a-1 (Agent a-1); a-2 (Agent a-2)" in ended.err


def test_upkeep_for_machines(run: Any, fleet: Path) -> None:
    """What was proven and what would be forgotten are documents, as the library returns them."""
    proven = run("history", "verify", fleet, "--json").document
    assert (proven["account"], proven["counts"]) == (ACCOUNT, {"proven": 3, "not_provable": 0})
    planned = run("history", "forget", fleet, "--fields", "prompt", "--json").document
    assert planned == {"dry_run": True, "assistants": [], "fields": ["prompt"]}
    done = run("history", "forget", fleet, "--fields", "prompt", "--json", "--yes").document
    assert (done["dry_run"], done["account"]) == (False, ACCOUNT)
    assert run("history", "verify", fleet, "--json").document["counts"] == {"proven": 0, "not_provable": 3}


def test_a_rebuild_names_what_it_lost(run: Any, fleet: Path) -> None:
    """A snapshot that is pruned cannot be folded anew."""
    shutil.rmtree(next(fleet.glob("account=*/snapshot=20261001T*")))
    ended = run("history", "update", fleet, "--keep", "forever", "--rebuild")
    assert ended.code == 0, ended.err
    assert "Lost 20261001T020007Z: there is no snapshot of it any more.\n" in ended.out
