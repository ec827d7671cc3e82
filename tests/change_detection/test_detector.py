"""What counts as a change, which fields it names, and the payload of its event."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_puretalk.change_detection.detector import MOST_FIELDS, MOST_IDS, Changes, Watch
from airflow_provider_puretalk.change_detection.fingerprints import Observer
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.records.field_diff import differences
from tests.change_detection.fleets import assistant, fleet


def compare(old: dict[str, Any], new: dict[str, Any], **watch: Any) -> list[str]:
    """Return the fields of the one assistant that a watch names."""
    changes = Watch(**watch).compare(fleet(old), fleet(new))
    assert not changes.added
    assert not changes.removed
    return changes.changed.get("1", [])


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({}, []),
        ({"updated_at": "2026-11-23T00:00:00Z"}, []),
        ({"prompt": "Be brief."}, ["prompt"]),
        ({"prompt": None}, ["prompt"]),
        ({"voice": {"language": "de-DE", "avatar": None, "name": "Ada"}}, ["voice.language"]),
        ({"voice": {"language": "de-DE", "avatar": None}}, ["voice.language", "voice.name"]),
        ({"voice": {"language": "en-US", "name": "Ada"}}, ["voice.avatar"]),
        ({"voice": None}, ["voice"]),
        ({"voice": {}}, ["voice.avatar", "voice.language", "voice.name"]),
        ({"voice": "Ada"}, ["voice"]),
        ({"tools": []}, ["tools"]),
        ({"call_recording_enabled": 1}, ["call_recording_enabled"]),
        ({"prompt": "Be brief.", "name": "x"}, ["name", "prompt"]),
    ],
)
def test_fields_are_named(changed: dict[str, Any], fields: list[str]) -> None:
    """By their dotted names, one level deep; an object that came or went is one change; null is not absent."""
    assert compare(assistant(), assistant() | changed) == fields


@pytest.mark.parametrize(
    ("old", "new"),
    [(1, 1.0), ([1, {"a": 2.0}], [1.0, {"a": 2}]), ({"x": {"y": 3}}, {"x": {"y": 3.0}}), (10**20, 1e20)],
)
def test_equal_numbers_are_no_change(old: Any, new: Any) -> None:
    """However they are spelled, as in a comparison of snapshots."""
    assert compare(assistant(voice_speed=old), assistant(voice_speed=new)) == []


def test_large_objects_are_one_value() -> None:
    """Their keys come from users: an event names the field that holds them."""
    table = {f"key {number}": number for number in range(100)}
    assert compare(assistant(behavior=table), assistant(behavior=table | {"key 7": 0})) == ["behavior"]


def test_a_dot_in_a_key_is_no_level() -> None:
    """Fields with similar names are distinguished, so that neither hides the other's change."""
    record = assistant(**{"voice.language": "en-US"})
    assert compare(record, record | {"voice.language": "xx"}) == ["voice.language"]
    assert compare(record, assistant(**{"voice.language": "en-US"}, voice={"language": "xx"})) != []


many_examples = settings(max_examples=300)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=6,
)
records = st.dictionaries(st.sampled_from(["name", "prompt", "voice", "tools", "x"]), values).map(
    lambda fields: {"assistant_id": "1"} | fields
)


@pytest.mark.long
@many_examples
@given(records, records)
def test_it_agrees_with_the_comparison_of_snapshots(old: dict[str, Any], new: dict[str, Any]) -> None:
    """The same assistants count as changed, in the same fields, as far as a watcher distinguishes them."""
    expected = {".".join(map(str, difference.path[:2])) for difference in differences(old, new)}
    whole = {
        name for name in ("name", "prompt", "voice", "tools", "x") if not _both_objects(old.get(name), new.get(name))
    }
    expected = {name.partition(".")[0] if name.partition(".")[0] in whole else name for name in expected}
    assert set(compare(old, new, ignore_fields=[])) == expected


def _both_objects(old: Any, new: Any) -> bool:
    return isinstance(old, dict) and isinstance(new, dict)


def test_assistants_come_and_go() -> None:
    """Each is named on the side where it belongs, in order."""
    changes = Watch().compare(
        fleet(assistant("1"), assistant("3")), fleet(assistant("2"), assistant("4"), assistant("1"))
    )
    assert (changes.added, changes.removed, changes.changed) == (["2", "4"], ["3"], {})
    assert changes.call_for_event


def test_only_the_watched_assistants() -> None:
    """Others come, go and change without a word."""
    then, now = fleet(assistant("1"), assistant("2")), fleet(assistant("1", name="x"), assistant("3"))
    assert Watch(assistant_ids=["2"]).compare(then, now).removed == ["2"]
    assert Watch(assistant_ids=["3"]).compare(then, now).added == ["3"]
    assert not Watch(assistant_ids=["4"]).compare(then, now).call_for_event


def test_only_the_watched_classes() -> None:
    """A change of another class is none; that an assistant comes or goes is a change of identity."""
    old = assistant()
    assert compare(old, old | {"prompt": "x"}, field_classes=["compliance"]) == []
    new = old | {"prompt": "x", "call_recording_enabled": False}
    assert compare(old, new, field_classes=["compliance"]) == ["call_recording_enabled"]
    assert compare(old, new, field_classes=["compliance", "behaviour"]) == ["call_recording_enabled", "prompt"]
    assert Watch(field_classes=["identity"]).compare(fleet(), fleet(old)).added == ["1"]
    suppressed = Watch(field_classes=["voice"]).compare(fleet(), fleet(old))
    assert not suppressed.call_for_event
    assert suppressed.moved == ["1"]


def test_ignored_fields() -> None:
    """With all that lies in them."""
    new = assistant(voice={"language": "x", "avatar": "x", "name": "Ada"}, name="x")
    assert compare(assistant(), new, ignore_fields=["voice.avatar", "name"]) == ["voice.language"]
    assert compare(assistant(), new, ignore_fields=["voice", "name"]) == []
    assert compare(assistant(), assistant(updated_at="x"), ignore_fields=[]) == ["updated_at"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"assistant_ids": []}, "assistant_ids"),
        ({"assistant_ids": "1"}, "assistant_ids"),
        ({"assistant_ids": [1]}, "assistant_ids"),
        ({"field_classes": ["prompt"]}, "field_classes.*behaviour"),
        ({"field_classes": []}, "field_classes"),
        ({"ignore_fields": "updated_at"}, "ignore_fields"),
        ({"ignore_fields": [""]}, "ignore_fields"),
        ({"ignore_fields": ["llm_states.*.id"]}, "ignore_fields.*lists as a whole"),
        ({"ignore_fields": ["a.b.c"]}, "ignore_fields"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: dict[str, Any], named: str) -> None:
    """With a sentence that names the argument."""
    with pytest.raises(PuretalkConfigurationError, match=named):
        Watch(**arguments)


def test_an_events_payload() -> None:
    """Ids, names of fields and counts as plain JSON; no contents."""
    then = fleet(assistant("1"), assistant("2"), assistant("3"))
    now = fleet(
        assistant("1", prompt="secret words", call_recording_enabled=False), assistant("3", name="x"), assistant("4")
    )
    payload = Watch().compare(then, now).to_payload("2026-11-22T00:00:00+00:00")
    assert json.loads(json.dumps(payload)) == payload
    assert payload == {
        "account": "a",
        "added": ["4"],
        "removed": ["2"],
        "changed": [
            {"assistant_id": "1", "fields": ["call_recording_enabled", "prompt"]},
            {"assistant_id": "3", "fields": ["name"]},
        ],
        "counts": {
            "added": 1,
            "removed": 1,
            "changed": 2,
            "behaviour": 1,
            "compliance": 1,
            "routing": 0,
            "voice": 0,
            "cosmetic": 0,
            "identity": 1,
        },
        "truncated": False,
        "digest": payload["digest"],
        "seen_at": "2026-11-22T00:00:00+00:00",
        "not_compared": [],
    }
    assert "secret words" not in json.dumps(payload)


@pytest.mark.long
def test_a_large_event_stays_small() -> None:
    """Lists end, and say so; counts stay exact."""
    many = [assistant(f"{number:05}", **{f"field_{one}": 1 for one in range(30)}) for number in range(5_000)]
    payload = Watch().compare(fleet(), fleet(*many)).to_payload(None)
    assert (len(payload["added"]), payload["counts"]["added"], payload["truncated"]) == (MOST_IDS, 5_000, True)
    other = [record | {f"field_{one}": 2 for one in range(30)} for record in many]
    payload = Watch().compare(fleet(*many), fleet(*other)).to_payload(None)
    assert len(payload["changed"]) == MOST_IDS
    assert {len(one["fields"]) for one in payload["changed"]} == {MOST_FIELDS}
    assert payload["counts"]["changed"] == 5_000
    assert payload["truncated"] is True
    assert len(json.dumps(payload)) < 64_000


def test_one_assistant_with_many_fields_is_cut_as_well() -> None:
    """And says so."""
    old = assistant(**{f"field_{one}": 1 for one in range(MOST_FIELDS + 1)})
    payload = (
        Watch().compare(fleet(old), fleet(old | {f"field_{one}": 2 for one in range(MOST_FIELDS + 1)})).to_payload(None)
    )
    assert payload["truncated"] is True


def test_what_databases_refuse_is_spelled_out() -> None:
    """Lone surrogates and NULs in ids and names of fields do not keep an event from being stored."""
    odd = assistant("\ud800\0", **{"\udfff": 1, "a\0b": 1})
    payload = Watch().compare(fleet(odd), fleet(odd | {"\udfff": 2, "a\0b": 2})).to_payload(None)
    assert payload["changed"] == [{"assistant_id": "\\ud800\\0", "fields": ["a\\0b", "\\udfff"]}]


def test_the_same_change_has_the_same_digest_and_no_other_has() -> None:
    """So that a receiver can recognise a repeated event."""

    def digest(then: Any, now: Any, **watch: Any) -> str:
        return Watch(**watch).compare(then, now).digest

    base = fleet(assistant("1"), assistant("2"))
    brief = fleet(assistant("1", prompt="brief"), assistant("2"))
    assert digest(base, brief) == digest(fleet(assistant("2"), assistant("1")), brief)
    touched = fleet(assistant("1", prompt="brief", updated_at="later"), assistant("2"))
    assert digest(base, brief) == digest(base, touched)
    others = [
        digest(brief, base),
        digest(base, fleet(assistant("1"), assistant("2", prompt="brief"))),
        digest(base, fleet(assistant("1", prompt="long"), assistant("2"))),
        digest(base, fleet(assistant("1"))),
        digest(fleet(assistant("1")), base),
        digest(base, fleet(assistant("1", name="brief"), assistant("2"))),
    ]
    assert len({digest(base, brief), *others}) == 7


def test_unchanged_records_are_not_hashed_field_by_field_again() -> None:
    """The fingerprint of a record that is spelled as before is the very same object, made once."""
    observer = Observer()
    first = fleet(assistant("1"), assistant("2"), observer=observer)
    second = fleet(assistant("1"), assistant("2", name="x"), observer=observer)
    assert second.fingerprints["1"] is first.fingerprints["1"]
    assert Watch().compare(first, second).changed == {"2": ["name"]}


def test_an_unchanged_fleet_can_only_follow_another() -> None:
    """Before the first poll there is nothing that could be the same."""
    with pytest.raises(ValueError, match="no poll yet"):
        Observer().observe_again(datetime(2026, 11, 22, tzinfo=UTC))


def test_a_secret_keeps_guesses_out() -> None:
    """Keyed digests differ from plain ones and from those of other keys, and say that they cannot be compared."""
    plain, keyed, other = (fleet(assistant(), secret=secret) for secret in (None, "k", "l"))
    assert len({one.fingerprints["1"].digests for one in (plain, keyed, other)}) == 3
    assert not plain.is_comparable_with(keyed)
    assert not keyed.is_comparable_with(other)
    assert keyed.is_comparable_with(fleet(assistant(name="x"), secret="k"))
    assert not plain.is_comparable_with(fleet(assistant(), account="b"))


def test_an_observer_notices_another_secret() -> None:
    """Its fingerprints were made with the old one."""
    observer = Observer()
    first = fleet(assistant(), secret="k", observer=observer)
    second = fleet(assistant(), secret="l", observer=observer)
    assert first.fingerprints["1"].digests != second.fingerprints["1"].digests


def test_without_a_change_there_is_no_event() -> None:
    """An empty list of changes has nothing in it."""
    changes = Watch().compare(fleet(assistant()), fleet(assistant()))
    assert isinstance(changes, Changes)
    assert not changes.call_for_event
    assert changes.moved == []


SIGNED = "https://cdn.example/media/{}.png?X-Amz-Signature={}&X-Amz-Expires=3600"


def with_links(file: str, signature: str) -> dict[str, Any]:
    """Return an assistant whose links are signed."""
    link = SIGNED.format(file, signature)
    return assistant(
        avatar=link, prompt=f"See {link} for more?{signature}", voice={"avatar": link, "samples": [link, {"url": link}]}
    )


@pytest.mark.parametrize(
    "names", [["avatar?", "voice.avatar?", "voice.samples?", "prompt"], ["avatar?", "voice?", "prompt"]]
)
def test_links_without_their_query(names: list[str]) -> None:
    """A link that was signed anew is no change where only its query is ignored; another file is one."""
    watch = Watch(ignore_fields=names)
    old = fleet(with_links("a", "1"))
    assert watch.compare(old, fleet(with_links("a", "2"))).moved == []
    found = watch.compare(old, fleet(with_links("b", "1"))).changed["1"]
    assert found == ["avatar", "voice.avatar", "voice.samples"]
    null = watch.compare(old, fleet(assistant(avatar=None, voice=with_links("a", "2")["voice"])))
    assert null.changed["1"] == ["avatar"]


def test_a_link_that_loses_its_query_is_no_change_either() -> None:
    watch = Watch(ignore_fields=["avatar?"])
    old, new = fleet(assistant(avatar="/a.png?x=1")), fleet(assistant(avatar="/a.png"))
    assert watch.compare(old, new).moved == []
    assert Watch().compare(old, new).changed == {"1": ["avatar"]}


def test_what_is_no_link_counts_whole() -> None:
    """A question in a prompt is no query."""
    watch = Watch(ignore_fields=["prompt?"])
    changes = watch.compare(fleet(assistant(prompt="Yes/no? Say a")), fleet(assistant(prompt="Yes/no? Say b")))
    assert changes.changed == {"1": ["prompt"]}


def test_names_to_ignore_that_no_record_has() -> None:
    """A JSON pointer, a wrong case, a name in no record: a warning for each. The default and null are not."""
    names = [
        "updated_at",
        "voice.avatar",
        "voice.avatar?",
        "/voice/name",
        "Voice.name",
        "voice.Name",
        "nobody",
        "voice",
    ]
    watch = Watch(ignore_fields=names)
    log = logging.getLogger(__name__)
    records = [{**assistant(), "updated_at": None}]
    assert watch.warn_of_names(fleet(*records), log) == ["/voice/name", "Voice.name", "nobody", "voice.Name"]
    del records[0]["updated_at"]
    assert "updated_at" not in watch.warn_of_names(fleet(*records), log)
    assert watch.warn_of_names(fleet(), log) == []
