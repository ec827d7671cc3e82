"""Playback of a history: log, at, field, blame and timeline, made of real snapshots that `update` folded."""

from __future__ import annotations

import gc
import itertools
import json
import logging
import random
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import history, snapshots
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkSnapshotError
from airflow_provider_puretalk.history import History, update
from airflow_provider_puretalk.records.field_paths import ABSENT
from airflow_provider_puretalk.snapshots.comparison.changes import Added, Changed, ChangedMany, Removed
from tests.history.snapshots import ACCOUNT, moment, record, take

MASKED = {"policy": {"phone_number": "mask"}}
PROMPT = "You are the receptionist of a hotel.\nAlways be polite and never mention prices.\nSay goodbye.\n"

Folded = Callable[..., History]


@pytest.fixture
def folded(tmp_path: Path) -> Folded:
    """Take a snapshot a day with these records, fold them, and open the history."""

    def fold(*days: list[dict[str, Any]], timezone: str = "UTC", **arguments: Any) -> History:
        for day, records in enumerate(days):
            take(tmp_path, day, records)
        update(tmp_path, ACCOUNT, **arguments)
        return history.open(tmp_path, ACCOUNT, timezone=timezone)

    return fold


def told(found: History, assistant_id: str, **arguments: Any) -> list[tuple[str, str, list[str]]]:
    """Return what the log of an assistant has: what, in which snapshot, and which fields."""
    entries = found.log(assistant_id, **arguments)
    return [(one.what, one.reading.snapshot, [change.field for change in one.fields]) for one in entries]


def name_of(day: float) -> str:
    return f"{moment(day):%Y%m%dT%H%M%SZ}"


class TestLog:
    def test_everything_that_happens_to_an_assistant(self, folded: Folded, caplog: pytest.LogCaptureFixture) -> None:
        """Newest first: returned (with a warning), removed, changed, added; what was there first is called so."""
        a, b = record("a"), record("b")
        found = folded([a], [a, b], [a, b | {"name": "Bea"}], [a], [a, b])
        with caplog.at_level(logging.WARNING):
            assert told(found, "b") == [
                ("returned", name_of(4), []),
                ("removed", name_of(3), []),
                ("changed", name_of(2), ["name"]),
                ("added", name_of(1), []),
            ]
        assert "The assistant b was gone, and is back" in caplog.text
        assert told(found, "a") == [("first", name_of(0), [])]

    def test_a_change_lies_between_two_readings(self, folded: Folded) -> None:
        """It says which two, what the API says of the time, and the values before and after; never who."""
        found = folded(
            [record("a", prompt="Be kind.")],
            [record("a", prompt="Be brief.", updated_at="2026-10-01T12:00:00Z")],
        )
        entry, _ = found.log("a")
        assert entry.previous is not None
        assert (entry.previous.snapshot, entry.reading.snapshot) == (name_of(0), name_of(1))
        (change,) = entry.fields
        assert (change.pointer, change.field_class, change.old, change.new) == (
            *("/prompt", "behaviour"),
            *("Be kind.", "Be brief."),
        )
        assert entry.to_dict() == {
            "what": "changed",
            "assistant_id": "a",
            "name": "Agent a",
            "snapshot": name_of(1),
            "finished_at": moment(1).isoformat(),
            "previous_snapshot": name_of(0),
            "previous_started_at": (moment(0) - timedelta(minutes=1)).isoformat(),
            "updated_at": "2026-10-01T12:00:00Z",
            "fields": [
                {"field": "prompt", "pointer": "/prompt", "class": "behaviour", "old": "Be kind.", "new": "Be brief."}
            ],
            "not_compared": [],
        }

    def test_updated_at_alone_is_no_change(self, folded: Folded) -> None:
        found = folded([record("a")], [record("a", updated_at="2026-10-01T12:00:00Z")])
        assert told(found, "a") == [("first", name_of(0), [])]

    def test_another_spelling_of_a_number_is_no_change(self, folded: Folded) -> None:
        """Values are equal as they are in comparisons."""
        found = folded([record("a", voice_speed=1)], [record("a", voice_speed=1.0)])
        assert told(found, "a") == [("first", name_of(0), [])]

    @pytest.mark.long
    def test_fields_and_time_can_be_chosen(self, folded: Folded) -> None:
        """What lies below a named field counts, and an object that holds it; days are whole."""
        found = folded(
            [record("a", voice={"language": "en", "speed": 1})],
            [record("a", voice={"language": "de", "speed": 1})],
            [record("a", voice={"language": "de", "speed": 2}, prompt="New.")],
            [record("a", voice=None, prompt="New.")],
        )
        changed = [("changed", name_of(3), ["voice"]), ("changed", name_of(1), ["voice.language"])]
        assert told(found, "a", fields=["voice.language"])[:-1] == changed
        assert told(found, "a", since="2026-10-03", until=date(2026, 10, 3)) == [
            ("changed", name_of(2), ["prompt", "voice.speed"])
        ]
        assert told(found, "a", since=name_of(3)) == changed[:1]

    def test_a_redaction_is_a_boundary(self, tmp_path: Path) -> None:
        """What two readings redact differently is not compared; what else changed is, and the entry names the rest."""
        take(tmp_path, 0, [record("a", phone_number="+1"), record("b", phone_number="+2")])
        take(
            tmp_path, 1, [record("a", phone_number="***"), record("b", phone_number="***", name="B")], redaction=MASKED
        )
        update(tmp_path, ACCOUNT)
        found = history.open(tmp_path, ACCOUNT)
        assert told(found, "a") == [("first", name_of(0), [])]
        assert told(found, "b")[0] == ("changed", name_of(1), ["name"])
        assert found.log("b")[0].not_compared == ("phone_number",)

    def test_an_assistant_that_was_never_there(self, folded: Folded) -> None:
        with pytest.raises(PuretalkConfigurationError, match="never saw an assistant 'z'"):
            folded([record("a")]).log("z")

    def test_what_is_no_longer_kept_is_not_called_added(self, folded: Folded) -> None:
        """With old versions dropped, nobody can say how the oldest one left came about."""
        days = [[record("a", prompt=f"Version {day}.")] for day in range(6)]
        found = folded(*days, keep=2)
        assert found.log("a")[-1].what == "first"
        assert {one.what for one in found.log("a")[:-1]} == {"changed"}


class TestComparison:
    """The log says of neighbouring snapshots what a comparison of the two says."""

    REDACTIONS: tuple[dict[str, Any], ...] = (
        {},
        MASKED,
        {"policy": {"voice.name": "drop"}},
        {"policy": {"items.*": "drop"}},
    )

    def days(self, random: random.Random) -> list[tuple[list[dict[str, Any]], dict[str, Any]]]:
        from airflow_provider_puretalk.records.redaction import Redactor

        found = []
        values: dict[str, list[Any]] = {
            "prompt": ["Be kind.", "Be brief.", None, ABSENT, 1, 1.0],
            "phone_number": ["+1", "+2", None, ABSENT],
            "voice": [{"name": "A"}, {"name": "B", "speed": 1}, None, "A", ABSENT],
            "items": [[1, 2], [1], [], ABSENT],
            "updated_at": ["2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z", ABSENT],
        }
        redaction: dict[str, Any] = {}
        fleet: dict[str, dict[str, Any]] = {}
        for _ in range(8):
            for one in "abcd":
                if random.random() < 0.3:
                    fleet.pop(one, None)
                elif random.random() < 0.6:
                    field = random.choice(list(values))
                    fleet.setdefault(one, {"assistant_id": one})[field] = random.choice(values[field])
            if random.random() < 0.4:
                redaction = random.choice(self.REDACTIONS)
            records = [
                {name: value for name, value in fields.items() if value is not ABSENT} for fields in fleet.values()
            ]
            if redaction:
                records = [*map(Redactor(redaction["policy"]), records)]
            found.append((records, redaction))
        return found

    @pytest.mark.long
    @pytest.mark.parametrize("seed", range(12))
    def test_log_and_timeline_agree_with_comparisons(self, tmp_path: Path, seed: int) -> None:
        """Added, removed and changed fields, pair by pair, with redactions that come and go."""
        for day, (records, redaction) in enumerate(self.days(random.Random(seed))):
            take(tmp_path, day, records, redaction=redaction)
        update(tmp_path, ACCOUNT)
        found = history.open(tmp_path, ACCOUNT)
        logged = {one: found.log(one) for one in "abcd" if found.knows(one)}
        paths = [one.manifest_path for one in snapshots.list_snapshots(tmp_path)]
        lines = found.timeline()
        for (before, after), line in zip(itertools.pairwise(paths), lines[1:], strict=True):
            expected: set[tuple[str, ...]] = set()
            with snapshots.compare(before, after) as comparison:
                for change in comparison.changes():
                    match change:
                        case Added():
                            expected.add(("added", change.assistant_id))
                        case Removed():
                            expected.add(("removed", change.assistant_id))
                        case Changed():
                            expected.add(("changed", change.assistant_id, change.pointer))
                        case ChangedMany():
                            raise AssertionError("too few for that")
                counts = comparison.counts
            entries = [one for log in logged.values() for one in log if one.reading is line.reading]
            seen: set[tuple[str, ...]] = set()
            for entry in entries:
                what = "added" if entry.what == "returned" else entry.what
                seen |= {(what, entry.assistant_id, change.pointer) for change in entry.fields} or {
                    (what, entry.assistant_id)
                }
            assert seen == expected
            assert line.counts is not None
            assert line.counts["added"] + line.counts["returned"] == counts["added"]
            assert {name: line.counts[name] for name in counts if name in line.counts and name != "added"} == {
                name: counts[name] for name in counts if name in line.counts and name != "added"
            }


class TestAt:
    @pytest.fixture
    def found(self, folded: Folded) -> History:
        """Three days: b comes on the second, and a is edited on the third."""
        days = ([record("a")], [record("a"), record("b")], [record("a", name="New"), record("b")])
        return folded(*days, timezone="Europe/Berlin")

    @pytest.mark.long
    def test_the_records_come_back_as_they_were_read(self, tmp_path: Path, found: History) -> None:
        """Of each snapshot, by its name, also with the `updated_at` of that day."""
        take(tmp_path, 3, [record("a", name="New", updated_at="2026-10-03T09:00:00Z"), record("b")])
        update(tmp_path, ACCOUNT)
        again = history.open(tmp_path, ACCOUNT)
        for one in snapshots.list_snapshots(tmp_path):
            assert [*again.at(one.snapshot).records()] == [*snapshots.iter_records(one.manifest_path)]
        assert [*again.at(name_of(2), "a").records()] == [record("a", name="New")]

    def test_a_day_means_its_end(self, found: History) -> None:
        """In the time zone of the history: the reading of 02:00 UTC is of that day, and the one of 23:30 of the next."""
        state = found.at("2026-10-02")
        assert state.reading.snapshot == name_of(1)
        assert state.gap == (moment(1) - timedelta(minutes=1), datetime(2026, 10, 2, 22, tzinfo=UTC))
        assert state.next is not None
        assert state.next.snapshot == name_of(2)
        assert f"As of snapshot {name_of(1)}." in state.statement
        assert f"first seen in {name_of(2)}" in state.statement

    def test_a_moment_means_the_last_reading_before_it(self, found: History) -> None:
        """To the microsecond; a moment without a zone is one of the history's."""
        assert found.at(moment(1)).reading.snapshot == name_of(1)
        assert found.at(moment(1) - timedelta(microseconds=1)).reading.snapshot == name_of(0)
        assert found.at("2026-10-02T04:00:06").reading.snapshot == name_of(0)
        assert found.at("2026-10-02T04:00:08").reading.snapshot == name_of(1)

    def test_a_name_is_certain(self, found: History) -> None:
        """It is off by no more than the reading itself took."""
        assert found.at(name_of(1)).gap == (moment(1) - timedelta(minutes=1), moment(1))

    def test_after_the_last_reading_nothing_is_known(self, found: History) -> None:
        state = found.at("2027-01-01")
        assert state.reading.snapshot == name_of(2)
        assert state.next is None
        assert "is in no snapshot yet" in state.statement

    def test_before_the_first_reading_nothing_is_known(self, found: History) -> None:
        with pytest.raises(PuretalkConfigurationError, match=f"before the history of {ACCOUNT}, which begins with"):
            found.at("2026-09-30")

    @pytest.mark.parametrize("when", ["yesterday", "2026-13-01", "", datetime.max.replace(tzinfo=UTC), date.max])
    def test_what_is_no_time_is_refused(self, found: History, when: Any) -> None:
        with pytest.raises(PuretalkConfigurationError, match="`when`"):
            found.at(when)

    def test_an_incomplete_snapshot_is_no_answer(self, tmp_path: Path, found: History) -> None:
        take(tmp_path, 3, [record("a")], complete=False)
        update(tmp_path, ACCOUNT)
        with pytest.raises(PuretalkConfigurationError, match="is incomplete"):
            history.open(tmp_path, ACCOUNT).at(name_of(3))

    def test_what_is_no_longer_kept_is_refused(self, folded: Folded) -> None:
        """Instead of a fleet from which those are missing that ended since."""
        found = folded(*([record("a", prompt=f"Version {day}.")] for day in range(6)), keep=2)
        with pytest.raises(PuretalkConfigurationError, match=f"whole from the snapshot {name_of(3)} on"):
            found.at(name_of(1))
        assert [*found.at(name_of(3)).records()] == [record("a", prompt="Version 3.")]

    def test_an_assistant_that_was_not_there_yet(self, found: History) -> None:
        assert [*found.at(name_of(0), "b").records()] == []

    def test_without_a_history(self, tmp_path: Path) -> None:
        take(tmp_path, 0, [record("a")])
        with pytest.raises(PuretalkSnapshotError, match="There is no history"):
            history.open(tmp_path, ACCOUNT)


class TestField:
    @pytest.mark.long
    def test_who_had_which_value_from_when_to_when(self, folded: Folded) -> None:
        """By assistant; a return is a span of its own, and so is a time without the field."""
        a = record("a", call_recording_enabled=True)
        found = folded(
            [a], [a, record("b")], [record("a", call_recording_enabled=False)], [a | {"name": "A"}, record("b")]
        )
        spans = [
            (one.assistant_id, one.value, one.begun, one.first.snapshot, one.ended, one.last.snapshot)
            for one in found.field("call_recording_enabled")
        ]
        assert spans == [
            ("a", True, "first", name_of(0), "changed", name_of(1)),
            ("a", False, "changed", name_of(2), "changed", name_of(2)),
            ("a", True, "changed", name_of(3), None, name_of(3)),
            ("b", ABSENT, "added", name_of(1), "removed", name_of(1)),
            ("b", ABSENT, "returned", name_of(3), None, name_of(3)),
        ]

    def test_spans_of_a_month(self, folded: Folded) -> None:
        """Who recorded calls on the second of October, whole days counted."""
        found = folded([record("a", name="X")], [record("a", name="Y")], [record("a", name="Z")])
        spans = found.field("name", since="2026-10-02", until="2026-10-02")
        assert [one.value for one in spans] == ["X", "Y"]

    def test_a_redaction_ends_a_span(self, tmp_path: Path) -> None:
        """Also where the record stays as it was: what it hides may differ. Two keys never mix."""
        keyed = [{"policy": {"phone_number": "hash"}, "key_fingerprint": key * 16} for key in "01"]
        for day, (number, redaction) in enumerate(
            [("+1", {}), ("+1", {}), ("h0", keyed[0]), ("h1", keyed[1]), (None, keyed[1]), (None, keyed[0])]
        ):
            take(tmp_path, day, [record("a", phone_number=number)], redaction=redaction)
        update(tmp_path, ACCOUNT)
        spans = [*history.open(tmp_path, ACCOUNT).field("phone_number")]
        assert [(one.value, one.redacted, one.begun, one.ended) for one in spans] == [
            ("+1", None, "first", "redaction"),
            ("h0", "hash", "redaction", "redaction"),
            ("h1", "hash", "redaction", "changed"),
            (None, "hash", "changed", "redaction"),
            (None, "hash", "redaction", None),
        ]
        assert spans[0].to_dict()["last_snapshot"] == name_of(1)

    def test_items_of_a_list_are_not_one_field(self, folded: Folded) -> None:
        with pytest.raises(PuretalkConfigurationError, match="without `\\*`"):
            folded([record("a")]).field("llm_states.*.prompt")


class TestBlame:
    def test_passages_stand_since_the_version_that_brought_them(self, folded: Folded) -> None:
        """Together they spell the text; what was deleted and written again is new."""
        second = PROMPT.replace("never", "sometimes")
        third = second + "Tell a joke.\n"
        found = folded(*([record("a", prompt=text)] for text in (PROMPT, second, second, third)))
        passages = found.blame("a", "prompt")
        assert "".join(one.text for one in passages) == third
        assert [(one.text.strip(), one.begun, one.reading.snapshot) for one in passages] == [
            ("You are the receptionist of a hotel.\nAlways be polite and", "first", name_of(0)),
            ("sometimes", "changed", name_of(1)),
            ("mention prices.\nSay goodbye.", "first", name_of(0)),
            ("Tell a joke.", "changed", name_of(3)),
        ]
        assert passages[1].previous is not None
        assert passages[1].previous.snapshot == name_of(0)

    @pytest.mark.parametrize("seed", range(20))
    def test_passages_always_spell_the_text(self, folded: Folded, seed: int) -> None:
        """Whatever was edited, and the words of each passage are those of the version that brought it."""
        random_ = random.Random(seed)
        words = PROMPT.split(" ")
        texts = []
        for _ in range(12):
            place = random_.randrange(len(words))
            words[place : place + random_.randrange(3)] = [
                f"word{random_.randrange(9)}" for _ in range(random_.randrange(3))
            ]
            texts.append(" ".join(words))
        found = folded(*([record("a", prompt=text)] for text in texts))
        passages = found.blame("a", "prompt")
        assert "".join(one.text for one in passages) == texts[-1]
        by_name = {name_of(day): text for day, text in enumerate(texts)}
        for one in passages:
            assert set(re.findall(r"\w+", one.text)) <= set(re.findall(r"\w+", by_name[one.reading.snapshot]))

    def test_a_return_or_an_absence_begins_anew(self, folded: Folded) -> None:
        gone = record("a")
        del gone["prompt"]
        found = folded([record("a"), record("b")], [gone], [record("a"), record("b")])
        assert [(one.text, one.begun) for one in found.blame("a", "prompt")] == [("You are polite.", "changed")]
        assert [(one.text, one.begun) for one in found.blame("b", "prompt")] == [("You are polite.", "returned")]

    def test_what_is_no_text_is_one_passage(self, folded: Folded) -> None:
        found = folded([record("a", tools=[1])], [record("a", tools=[1, {"b": None}])])
        assert [(one.text, one.begun) for one in found.blame("a", "tools")] == [('[1,{"b":null}]', "changed")]

    def test_a_field_that_never_was(self, folded: Folded) -> None:
        with pytest.raises(PuretalkConfigurationError, match="`field` names 'promt'"):
            folded([record("a")]).blame("a", "promt")

    def test_a_field_that_is_gone_has_no_passages(self, folded: Folded) -> None:
        gone = record("a")
        del gone["prompt"]
        assert folded([record("a")], [gone]).blame("a", "prompt") == []


class TestTimeline:
    def test_what_is_out_of_the_ordinary_is_said(self, tmp_path: Path) -> None:
        """Gaps, names that contradict the order, incomplete readings, boundaries and returned ids."""
        a, b = record("a"), record("b")
        take(tmp_path, 0, [a, b])
        take(tmp_path, 1, [a], name="20261009T000000Z")
        take(tmp_path, 2, [a])
        take(tmp_path, 2.5, [a], complete=False)
        take(tmp_path, 9, [a | {"prompt": "New."}, b], redaction=MASKED)
        update(tmp_path, ACCOUNT)
        lines = history.open(tmp_path, ACCOUNT).timeline()
        assert [one.reading.complete for one in lines] == [True, True, True, False, True]
        first, renamed, contradicted, incomplete, last = lines
        assert (first.counts, first.notes) == (None, ())
        assert renamed.counts is not None
        assert renamed.counts["removed"] == 1
        assert contradicted.notes == (
            "its name says that it is older than 20261009T000000Z, but it was read later, which is what counts",
        )
        assert incomplete.counts is None
        assert "incomplete" in incomplete.notes[0]
        assert last.counts is not None
        assert (last.counts["returned"], last.counts["changed"], last.counts["behaviour"]) == (1, 1, 1)
        assert [note.partition(":")[0] for note in last.notes] == [
            "a gap",
            "redacted in another way than the reading before",
            "1 assistant came back under an id that was gone",
        ]

    def test_a_part_of_the_time(self, folded: Folded) -> None:
        found = folded(*([record("a", prompt=f"{day}")] for day in range(5)))
        lines = found.timeline("2026-10-02", "2026-10-03")
        assert [(one.reading.snapshot, (one.counts or {}).get("changed")) for one in lines] == [
            (name_of(1), 1),
            (name_of(2), 1),
        ]

    def test_what_is_no_longer_kept_has_no_counts(self, folded: Folded) -> None:
        found = folded(*([record("a", prompt=f"{day}")] for day in range(6)), keep=2)
        assert [None if one.counts is None else one.counts["changed"] for one in found.timeline()] == [
            *(None, None, None, None),
            *(1, 1),
        ]


class TestFindAssistant:
    @pytest.fixture
    def found(self, folded: Folded) -> History:
        return folded([record("abc", name="Bea"), record("abd", name="Twin"), record("xyz", name="Twin")])

    @pytest.mark.parametrize(("text", "meant"), [("abc", "abc"), ("x", "xyz"), ("Bea", "abc"), ("abd", "abd")])
    def test_by_id_start_of_id_or_name(self, found: History, text: str, meant: str) -> None:
        assert found.find_assistant(text) == meant

    @pytest.mark.parametrize(("text", "listed"), [("ab", "abc (Bea); abd (Twin)"), ("Twin", "abd (Twin); xyz (Twin)")])
    def test_several_are_listed(self, found: History, text: str, listed: str) -> None:
        with pytest.raises(PuretalkConfigurationError) as caught:
            found.find_assistant(text)
        assert listed in str(caught.value)

    def test_none_is_an_error(self, found: History) -> None:
        with pytest.raises(PuretalkConfigurationError, match="no assistant whose id is or begins with 'q'"):
            found.find_assistant("q")


class TestMeanwhile:
    @pytest.mark.long
    def test_an_update_while_it_is_open(self, folded: Folded, tmp_path: Path) -> None:
        """Files that are gone are read anew; a late snapshot that moves all others by one is no mix of both."""
        days = [[record("a", name=f"Name {day}"), *([record("b")] if day != 2 else [])] for day in range(4)]
        open_since = [folded(*days) for _ in range(6)]
        states = [open_since[0].at(name_of(2)), open_since[1].at(name_of(2), "a")]
        late = [record("a", name="Late"), record("b")]
        take(tmp_path, 0.5, late)
        update(tmp_path, ACCOUNT)
        for state in states:
            assert [*state.records()] == [record("a", name="Name 2")]
        assert [one[1] for one in told(open_since[2], "a")] == [name_of(day) for day in (3, 2, 1, 0.5, 0)]
        assert [one.value for one in open_since[3].field("name")][:3] == ["Name 0", "Late", "Name 1"]
        assert [one.begun for one in open_since[4].blame("b", "prompt")] == ["returned"]
        assert [one.reading.snapshot for one in open_since[5].timeline()] == [name_of(day) for day in (0, 0.5, 1, 2, 3)]


class TestForgetting:
    def test_what_was_forgotten_is_not_played_back(self, folded: Folded, tmp_path: Path) -> None:
        """The assistant and the field are gone, and that is what the errors say; the rest is as it was."""
        found = folded([record("a"), record("b")], [record("a", name="New"), record("b")])
        found.forget(assistant_ids=["b"], fields=["prompt"])
        again = history.open(tmp_path, ACCOUNT)
        assert again.knows("b")
        with pytest.raises(PuretalkConfigurationError, match="has forgotten it"):
            again.log("b")
        with pytest.raises(PuretalkConfigurationError, match="forgot"):
            again.field("prompt")
        assert told(again, "a")[0] == ("changed", name_of(1), ["name"])
        assert [one.notes for one in again.timeline()] == [
            ("no longer provable: something that it held was forgotten",)
        ] * 2
        assert [name for name, _ in again.verify().not_provable] == [name_of(0), name_of(1)]

    @pytest.mark.long
    def test_what_was_forgotten_and_then_dropped_is_refused(self, folded: Folded, tmp_path: Path) -> None:
        """Once versions are no longer kept, nothing is made up of what is left, whatever was forgotten before."""
        found = folded(*([record("a", prompt=f"Version {day}.", tools=[1])] for day in range(6)))
        found.forget(fields=["tools"])
        update(tmp_path, ACCOUNT, keep=2)
        again = history.open(tmp_path, ACCOUNT)
        with pytest.raises(PuretalkConfigurationError, match="older than the history"):
            again.at(name_of(1))
        assert again.log("a")[-1].what == "first"


class TestVersions:
    def test_every_version_is_a_row(self, folded: Folded) -> None:
        """With the time in which it stood, half open, and the record as of its last snapshot."""
        found = folded(
            [record("a"), record("b")], [record("a", updated_at="2026-10-01T05:00:00Z")], [record("a", name="A")]
        )
        rows = [*found.versions()]
        assert [
            (one.assistant_id, one.valid_from, one.valid_to, one.first_snapshot, one.last_snapshot) for one in rows
        ] == [
            ("a", moment(0), moment(2), name_of(0), name_of(1)),
            ("a", moment(2), None, name_of(2), None),
            ("b", moment(0), moment(1), name_of(0), name_of(0)),
        ]
        assert [(one.is_current, one.is_deleted) for one in rows] == [(False, False), (True, False), (False, True)]
        assert rows[0].record == record("a", updated_at="2026-10-01T05:00:00Z")
        assert json.loads(rows[0].json) == rows[0].record
        assert all(Path(path).exists() for path in found.files)


@pytest.mark.parametrize("stream", ["at", "versions", "field"])
def test_a_walk_through_a_fleet_keeps_the_collector_from_what_was_there_before(folded: Folded, stream: str) -> None:
    """One that is left off halfway as well, and afterwards all is as it was."""
    if gc.get_freeze_count():
        pytest.skip("somebody has put things out of sight already")
    found = folded([record("a"), record("b")])
    walk: Any = {"at": lambda: found.at().records(), "versions": found.versions, "field": lambda: found.field("name")}
    rows = walk[stream]()
    next(rows)
    assert gc.get_freeze_count() > 0
    rows.close()
    assert gc.get_freeze_count() == 0
