"""``snapshots.compare``: what changed between two stored snapshots."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkSnapshotError
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.contract_check import SchemaReport
from airflow_provider_puretalk.records.field_paths import ABSENT
from airflow_provider_puretalk.records.redaction import Redactor
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.snapshots.comparison.changes import Added, Changed, ChangedMany, Removed
from airflow_provider_puretalk.snapshots.comparison.comparing import compare_listings
from airflow_provider_puretalk.snapshots.comparison.result import Listing
from airflow_provider_puretalk.snapshots.format.manifest import Redaction
from tests.places import ACCOUNT, Folder, Place

Records = list[dict[str, Any]]
Keep = Callable[..., str]

FORMS: list[dict[str, Any]] = [{"compression": None}, {"compression": "zstd"}, {"file_format": "parquet"}]


@pytest.fixture
def keep(folder: Folder, sandbox: Sandbox, context: Any) -> Keep:
    """Keep records as a snapshot; returns the path of its manifest."""

    def keep(name: str, records: Records, **arguments: Any) -> str:
        sandbox.fleet.replace_all(records)
        return str(folder.take(context, partition=name, **arguments)["manifest_path"])

    return keep


def fleet(count: int, **fields: Any) -> Records:
    return [{"assistant_id": f"id-{number:03}", "name": f"Agent {number}", **fields} for number in range(count)]


def manifest_of(path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(path).read_bytes())
    return found


def edit(path: str, **fields: Any) -> None:
    Path(path).write_text(json.dumps(manifest_of(path) | fields))


@pytest.mark.parametrize("baseline_form", FORMS, ids=str)
@pytest.mark.parametrize("current_form", FORMS, ids=str)
def test_every_kind_of_change_is_found_whatever_the_formats(keep: Keep, baseline_form: Any, current_form: Any) -> None:
    baseline = fleet(6, voice={"language": "en-US"}, updated_at="2026-11-01T00:00:00Z", llm_states=[1, {"x": None}])
    current = [json.loads(json.dumps(record)) for record in baseline[1:]]
    current[0]["voice"]["language"] = "de-DE"
    current[1]["llm_states"][1] = {}
    current[2]["updated_at"] = "2026-11-02T00:00:00Z"
    current.append({"assistant_id": "id-900", "name": "New"})
    with snapshots.compare(keep("a", baseline, **baseline_form), keep("b", current, **current_form)) as comparison:
        assert list(comparison.changes()) == [
            Removed("id-000", "Agent 0", baseline[0]),
            Changed("id-001", "Agent 1", "/voice/language", "voice", "en-US", "de-DE"),
            Changed("id-002", "Agent 2", "/llm_states/1/x", "behaviour", None, ABSENT),
            Added("id-900", "New", {"assistant_id": "id-900", "name": "New"}),
        ]
        summary = comparison.to_dict()
    assert (summary["snapshot"], summary["baseline"]) == ("b", "a")
    assert (summary["added"], summary["removed"], summary["touched"]) == (["id-900"], ["id-000"], ["id-003"])
    assert summary["changed"] == [
        {"assistant_id": "id-001", "fields": ["voice.language"]},
        {"assistant_id": "id-002", "fields": ["llm_states.1.x"]},
    ]
    assert summary["counts"] == {
        "added": 1,
        "removed": 1,
        "changed": 2,
        "touched": 1,
        "unchanged": 2,
        "behaviour": 1,
        "compliance": 0,
        "routing": 0,
        "voice": 1,
        "cosmetic": 0,
        "identity": 0,
    }
    assert not summary["truncated"]


ids = st.sampled_from([f"id-{number}" for number in range(8)])
small = st.dictionaries(
    ids, st.fixed_dictionaries({"prompt": st.sampled_from(["a", "b"]), "updated_at": st.integers(0, 1)})
)


@pytest.mark.long
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(small, small)
def test_each_assistant_counts_once_and_where_it_belongs(keep: Keep, baseline: Any, current: Any) -> None:
    """Held against a comparison of two dicts in memory."""
    with snapshots.compare(
        keep("a", [{"assistant_id": key, **value} for key, value in baseline.items()]),
        keep("b", [{"assistant_id": key, **value} for key, value in current.items()]),
    ) as comparison:
        summary = comparison.to_dict()
    both = baseline.keys() & current.keys()
    changed = sorted(key for key in both if baseline[key]["prompt"] != current[key]["prompt"])
    touched = sorted(key for key in both if baseline[key] != current[key] and key not in changed)
    assert summary["added"] == sorted(current.keys() - baseline.keys())
    assert summary["removed"] == sorted(baseline.keys() - current.keys())
    assert [one["assistant_id"] for one in summary["changed"]] == changed
    assert summary["touched"] == touched
    assert summary["counts"]["unchanged"] == len(both) - len(changed) - len(touched)


def test_the_same_change_on_five_assistants_is_one_change(keep: Keep) -> None:
    baseline, current = fleet(6, model="gpt-4"), fleet(6, model="gpt-5")
    current[5]["model"] = "another"
    with snapshots.compare(keep("a", baseline), keep("b", current)) as comparison:
        assert list(comparison.changes()) == [
            ChangedMany("/model", "behaviour", "gpt-4", "gpt-5", [f"id-00{number}" for number in range(5)]),
            Changed("id-005", "Agent 5", "/model", "behaviour", "gpt-4", "another"),
        ]
        assert comparison.counts["changed"] == 6
        assert "`model` alike on 5" in comparison.summary


def test_changes_come_in_the_documented_order(keep: Keep) -> None:
    """Those in common by class and pointer, then all others by assistant in order of id."""
    baseline = fleet(7, voice={"name": "A"}, model="a", prompt="a", begin_message="a")
    current = fleet(6, voice={"name": "B"}, model="b", prompt="b", begin_message="b")
    current[3]["timezone"] = current[1]["timezone"] = "UTC"
    current.append({"assistant_id": "id-002-and-a-half"})
    with snapshots.compare(keep("a", baseline), keep("b", current)) as comparison:
        summary = [
            change.pointer if isinstance(change, ChangedMany) else change.assistant_id
            for change in comparison.changes()
        ]
    assert summary == [
        "/model",
        "/prompt",
        "/begin_message",
        "/voice/name",
        "id-001",
        "id-002-and-a-half",
        "id-003",
        "id-006",
    ]


def test_the_same_change_on_four_assistants_is_a_change_of_each(keep: Keep) -> None:
    with snapshots.compare(keep("a", fleet(4, model="a")), keep("b", fleet(4, model="b"))) as comparison:
        assert [type(change) for change in comparison.changes()] == [Changed] * 4


def test_null_to_absent_and_null_to_text_are_not_the_same_change(keep: Keep) -> None:
    baseline, current = fleet(10, tools=None), fleet(5) + fleet(10, tools="")[5:]
    with snapshots.compare(keep("a", baseline), keep("b", current)) as comparison:
        assert [(change.new, len(change.assistant_ids)) for change in comparison.changes()] == [(ABSENT, 5), ("", 5)]  # type: ignore[union-attr]  # only ChangedMany here


def test_fields_that_come_and_go_across_the_fleet_are_named(keep: Keep) -> None:
    baseline = fleet(2, voice={"name": "A"}, timezone="UTC")
    current = fleet(2, voice={"name": "A", "pitch": 1}, brand_new=True)
    with snapshots.compare(keep("a", baseline), keep("b", current)) as comparison:
        assert comparison.fields_appeared == ("/brand_new", "/voice/pitch")
        assert comparison.fields_vanished == ("/timezone",)


def test_an_emptied_fleet_lost_assistants_and_no_fields(keep: Keep) -> None:
    with snapshots.compare(keep("a", fleet(2)), keep("b", [])) as comparison:
        assert (comparison.counts["removed"], comparison.fields_vanished) == (2, ())


def test_ignored_fields_only_touch(keep: Keep) -> None:
    baseline = fleet(1, voice={"avatar": "x", "name": "A"}, model="a")
    current = fleet(1, voice={"avatar": "y", "name": "A"}, model="b")
    a, b = keep("a", baseline), keep("b", current)
    with snapshots.compare(a, b, ignore_fields=["voice.avatar", "model"]) as comparison:
        assert comparison.to_dict()["touched"] == ["id-000"]
        assert not comparison.is_different
    with snapshots.compare(a, b, ignore_fields=["voice"]) as comparison:
        assert comparison.to_dict()["changed"] == [{"assistant_id": "id-000", "fields": ["model"]}]


@pytest.mark.parametrize("names", ["updated_at", [""], ["a..b"], [5], ["*"], 5])
def test_names_to_ignore_that_make_no_sense_are_refused(keep: Keep, names: Any) -> None:
    path = keep("a", fleet(1))
    with pytest.raises(PuretalkConfigurationError, match="ignore_fields"):
        snapshots.compare(path, path, ignore_fields=names)


@pytest.mark.parametrize(
    ("older_complete", "newer_complete", "added", "removed"),
    [(True, True, 1, 1), (True, False, 1, 0), (False, True, 0, 0), (False, False, 0, 0)],
)
def test_absence_counts_only_where_it_is_known(
    keep: Keep, older_complete: bool, newer_complete: bool, added: int, removed: int
) -> None:
    """An assistant is removed only between complete snapshots, and new only where the baseline is complete."""
    a, b = keep("a", fleet(3)[:2]), keep("b", fleet(3)[1:])
    edit(a, complete=older_complete)
    edit(b, complete=newer_complete)
    with snapshots.compare(a, b) as comparison:
        assert (comparison.counts["added"], comparison.counts["removed"]) == (added, removed)
        assert bool(comparison.notes) == (not older_complete or not newer_complete)
        assert ("not counted as removed" in " ".join(comparison.notes)) == (removed == 0)


def test_other_policies_of_redaction_are_said_and_nothing_is_made_of_them(keep: Keep) -> None:
    records = fleet(2, user={"name": "Ann", "email": "ann@example.com"}, model="a")
    changed = fleet(2, user={"name": "Bob", "email": "ann@example.com"}, model="b")
    a = keep("a", records, redact={"user.email": "mask"})
    b = keep("b", changed, redact={"user.email": "drop"})
    with snapshots.compare(a, b) as comparison:
        assert [one["fields"] for one in comparison.to_dict()["changed"]] == [["model", "user.name"]] * 2
        assert any("different policies" in note and "`user.email`" in note for note in comparison.notes)
        assert comparison.fields_vanished == ()


@pytest.mark.parametrize("treatment", ["mask", "drop"])
def test_what_stands_for_a_broken_parent_is_not_compared_with_the_parent(keep: Keep, treatment: str) -> None:
    """Where `user` is text, a policy for `user.email` treats all of it: no change of the fleet's."""
    a = keep("a", fleet(1, user="Ann"), redact={"user.email": treatment})
    b = keep("b", fleet(1, user="Ann"))
    with snapshots.compare(a, b) as comparison:
        assert not comparison.is_different
        assert (comparison.fields_appeared, comparison.fields_vanished) == ((), ())


def test_the_same_policy_compares_what_is_left(keep: Keep) -> None:
    policy = {"user.email": "mask"}
    a = keep("a", fleet(1, user={"email": "a@example.com"}), redact=policy)
    b = keep("b", fleet(1, user={"email": "b@example.com"}), redact=policy)
    with snapshots.compare(a, b) as comparison:
        assert (comparison.notes, comparison.is_different) == ((), False)


def test_hashes_under_two_keys_are_not_compared(keep: Keep, connection: Any, sandbox: Sandbox) -> None:
    paths = []
    for key in ("first key", "second key"):
        connection(host=sandbox.base_url, password=sandbox.api_key, extra={"redaction_key": key})
        paths.append(keep(key[0], fleet(2, phone_number="+1"), redact={"phone_number": "hash"}))
    with snapshots.compare(*paths) as comparison:
        assert not comparison.is_different
        assert "`phone_number`" in comparison.notes[0]


def test_a_first_snapshot_has_nothing_to_compare_with(keep: Keep) -> None:
    with snapshots.compare(None, keep("a", fleet(3))) as comparison:
        assert (comparison.baseline, list(comparison.changes())) == (None, [])
        assert not comparison.is_different
        assert "baseline of 3" in comparison.summary


def test_lists_end_at_their_limit_and_counts_stay_exact(keep: Keep) -> None:
    baseline = [{"assistant_id": f"id-{number}"} for number in range(4)] + fleet(4, model="a", prompt="a")
    current = [{"assistant_id": f"new-{number}"} for number in range(4)] + fleet(4, model="b", prompt="b")
    with snapshots.compare(keep("a", baseline), keep("b", current)) as comparison:
        summary, whole = comparison.to_dict(limit=3), comparison.to_dict(limit=4)
    assert [len(summary[name]) for name in ("added", "removed", "changed")] == [3, 3, 3]
    assert summary["truncated"]
    assert summary["counts"]["added"] == 4
    assert not whole["truncated"]


def test_contents_never_stand_in_what_goes_to_xcom(keep: Keep) -> None:
    a = keep("a", fleet(1, prompt="the old secret", variables=[{"k": "old secret"}]))
    b = keep(
        "b",
        [*fleet(1, prompt="the new secret", variables=[{"k": "new secret"}]), {"assistant_id": "x", "name": "secret"}],
    )
    with snapshots.compare(a, b) as comparison:
        assert "secret" not in json.dumps(comparison.to_dict())


def test_odd_text_and_numbers_come_through_whole(keep: Keep) -> None:
    a = keep("a", fleet(1, name="\ud800", prompt="a\u0000b", behavior=10**400, tools=None))
    b = keep("b", fleet(1, name="\udfff", prompt="a\u2028b", behavior=10**400 + 1, tools=[1e300]))
    with snapshots.compare(a, b) as comparison:
        found = {change.pointer: (change.old, change.new) for change in comparison.changes()}  # type: ignore[union-attr]  # only Changed here
    assert found == {
        "/name": ("\ud800", "\udfff"),
        "/prompt": ("a\u0000b", "a\u2028b"),
        "/behavior": (10**400, 10**400 + 1),
        "/tools": (None, [1e300]),
    }


def test_half_a_character_in_an_id_or_a_field_can_go_to_xcom(keep: Keep) -> None:
    """Airflow stores XComs as UTF-8, which has no lone surrogates: they are spelt out, and the changes stay exact."""
    baseline = [{"assistant_id": f"{number}\ud800", "\udfff": 1} for number in range(6)]
    current = [*({**record, "\udfff": 2} for record in baseline[:5]), {"assistant_id": "9\ud800"}]
    with snapshots.compare(keep("a", baseline), keep("b", current)) as comparison:
        summary = comparison.to_dict()
        assert "\\udfff" in json.loads(json.dumps(summary, ensure_ascii=False).encode())["summary"]
        assert (summary["added"], summary["removed"]) == (["9\\ud800"], ["5\\ud800"])
        assert summary["changed"][0] == {"assistant_id": "0\\ud800", "fields": ["\\udfff"]}
        assert next(comparison.changes()).pointer == "/\udfff"  # type: ignore[union-attr]  # only ChangedMany here


def test_fleet_stats_count_both_fleets(keep: Keep) -> None:
    baseline = fleet(2, voice={"language": "en-US", "name": "Ann"}, model="a", phone_number="+1")
    current = fleet(3, voice={"language": "de-DE", "name": "Ann"}, model="a", phone_number=None)
    current[2] |= {"voice": None, "model": "", "phone_number": "+2"}
    with snapshots.compare(keep("a", baseline), keep("b", current)) as comparison:
        assert comparison.baseline is not None
        old, new = comparison.baseline.fleet_stats, comparison.snapshot.fleet_stats
        assert (old.assistants, old.with_number, old.without_number) == (2, 2, 0)
        assert (new.assistants, new.with_number, new.without_number) == (3, 1, 2)
        assert (old.languages, new.languages) == ({"en-US": 2}, {"de-DE": 2, "(none)": 1})
        assert (new.voices, new.models) == ({"Ann": 2, "(none)": 1}, {"a": 2, "(none)": 1})


def test_shared_numbers_and_twins_are_found_in_the_current_fleet(keep: Keep) -> None:
    baseline = fleet(4, phone_number="+1", prompt="alike")
    current = fleet(4, phone_number="+1", prompt="alike")
    current[1]["prompt"] = "another"
    current[3]["phone_number"] = "+2"
    with snapshots.compare(keep("a", baseline), keep("b", current)) as comparison:
        assert comparison.snapshot.fleet_stats.shared_numbers() == [
            ("+1", [(f"id-00{number}", f"Agent {number}") for number in range(3)])
        ]
        assert comparison.snapshot.fleet_stats.twins() == [
            [(f"id-00{number}", f"Agent {number}") for number in (0, 2, 3)]
        ]


@pytest.mark.parametrize(
    ("spellings", "groups"),
    [
        (
            [
                "+49 30 1234",
                "+49301234",
                "+49-30-1234",
                "tel:+49-30-1234",
                "+49 (0)30/12.34",
                "\u202a+49\xa030\u20111234\u202c",
            ],
            [6],
        ),
        (["030 1234", "(030) 1234", "0301234", "+49 30 1234"], [3]),
        (["+49 30 1234", "49 30 1234", "+49 30 12345", "+49 30 1234 ext. 5", "+49 30 1234;5", "*31#493012"], []),
        (["(0)30 1", "30 1"], []),
        (["sales", "Sales", "sales ", "---", "- -", 4930, "4930"], []),
        (["sales", "sales", "TEL:1", "1"], [2, 2]),
    ],
)
def test_one_number_may_be_spelt_in_many_ways(keep: Keep, spellings: list[Any], groups: list[int]) -> None:
    """It is spelled as its first assistant has it; what differs in more than blanks and marks is another number."""
    agents = fleet(len(spellings))
    for agent, spelling in zip(agents, spellings, strict=True):
        agent["phone_number"] = spelling
    with snapshots.compare(None, keep("a", agents)) as comparison:
        shared = comparison.snapshot.fleet_stats.shared_numbers()
        assert comparison.snapshot.fleet_stats.with_number == len(spellings)
    assert [len(members) for _, members in shared] == groups
    for number, members in shared:
        assert number == next(agent["phone_number"] for agent in agents if agent["assistant_id"] == members[0][0])


def test_masked_numbers_are_not_shared(keep: Keep) -> None:
    path = keep("a", fleet(2, phone_number="+1"), redact={"phone_number": "mask"})
    with snapshots.compare(None, path) as comparison:
        assert comparison.snapshot.fleet_stats.shared_numbers() == []


@pytest.mark.parametrize(
    ("policy", "differs_in", "twins"),
    [
        ({"prompt": "drop"}, "prompt", False),
        ({"prompt": "mask"}, "prompt", False),
        ({"prompt": "hash"}, "prompt", False),
        ({"prompt": "hash"}, "phone_number", True),
        ({"user.email": "mask", "phone_number": "drop"}, "prompt", False),
        ({"user.email": "mask", "phone_number": "drop"}, "phone_number", True),
    ],
)
def test_who_may_differ_in_what_was_taken_out_is_no_twin(
    keep: Keep, connection: Any, sandbox: Sandbox, policy: Any, differs_in: str, twins: bool
) -> None:
    """A hash still keeps two apart; what was dropped or masked does not, and then none are twins."""
    connection(host=sandbox.base_url, password=sandbox.api_key, extra={"redaction_key": "key"})
    records = fleet(2, prompt="alike", phone_number="+1", user={"email": "a@example.com"})
    records[1][differs_in] = "another"
    with snapshots.compare(None, keep("a", records, redact=policy)) as comparison:
        assert bool(comparison.snapshot.fleet_stats.twins()) is twins


def test_snapshots_of_two_accounts_are_refused(keep: Keep, connection: Any, sandbox: Sandbox) -> None:
    a = keep("a", fleet(1))
    connection(host=sandbox.base_url, password=sandbox.api_key, extra={"account": "another"})
    with pytest.raises(PuretalkConfigurationError, match="'puretalk_default' and 'another'"):
        snapshots.compare(a, keep("b", fleet(1)))


@pytest.mark.parametrize("side", ["baseline", "current"])
@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("damage", ["gone", "torn", "flipped", "newer format", "no data"])
def test_a_damaged_snapshot_is_named(keep: Keep, folder: Folder, side: str, form: Any, damage: str) -> None:
    paths = {"baseline": keep("a", fleet(5), **form), "current": keep("b", fleet(5), **form)}
    manifest = Path(paths[side])
    data = manifest.parent / manifest_of(paths[side])["files"][0]["name"]
    whole = data.read_bytes()
    match damage:
        case "gone":
            manifest.unlink()
        case "torn":
            data.write_bytes(whole[:-1])
        case "flipped":
            data.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
        case "newer format":
            edit(paths[side], format_version=2)
        case "no data":
            data.unlink()
    with pytest.raises(PuretalkSnapshotError) as caught:
        snapshots.compare(paths["baseline"], paths["current"])
    assert str(manifest.parent) in str(caught.value)


def rewrite(path: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Write the lines of a snapshot anew, with a hash that fits: what a writer does that breaks the format."""
    import hashlib

    files = manifest_of(path)["files"]
    data = Path(path).parent / files[0]["name"]
    data.write_bytes(b"".join(change(data.read_bytes().splitlines(keepends=True))))
    files[0] |= {"sha256": hashlib.sha256(data.read_bytes()).hexdigest(), "bytes": data.stat().st_size}
    edit(path, files=files)


@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param(lambda lines: lines[::-1], "out of order", id="out of order"),
        pytest.param(lambda lines: [b"{}\n"], "no id", id="no id"),
        pytest.param(lambda lines: [b"{\n"], "no record", id="no JSON"),
        pytest.param(lambda lines: [b"5\n"], "no id", id="no object"),
    ],
)
def test_what_no_snapshot_holds_is_not_compared(keep: Keep, side: str, change: Any, problem: str) -> None:
    """A writer that broke the format must not turn into removed and added assistants; the message names the snapshot."""
    paths = {"a": keep("a", fleet(3), compression=None), "b": keep("b", fleet(3, model="x"), compression=None)}
    rewrite(paths[side], change)
    with pytest.raises(PuretalkSnapshotError, match=f"'{side}' of 'puretalk_default' is damaged.*{problem}"):
        snapshots.compare(paths["a"], paths["b"])


@pytest.mark.parametrize("side", [0, 1])
def test_records_that_are_missing_are_not_removed_ones(keep: Keep, side: int) -> None:
    """A data file with fewer records than its manifest says is damaged, however well its hash fits."""
    paths = [keep("a", fleet(2)), keep("b", fleet(2, model="x"))]
    edit(paths[side], count=3)
    with pytest.raises(PuretalkSnapshotError, match="holds 2 records, not 3"):
        snapshots.compare(*paths)


def test_a_closed_comparison_says_so(keep: Keep) -> None:
    """Changes that are read too late, or in the middle of which it is closed, end in a sentence about that."""
    comparison = snapshots.compare(keep("a", fleet(3)), keep("b", []))
    begun = comparison.changes()
    next(begun)
    comparison.close()
    for late in (begun, comparison.changes()):
        with pytest.raises(ValueError, match="comparison is closed"):
            list(late)
    comparison.close()


@pytest.mark.long
def test_nothing_stays_in_the_temporary_folder(keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a comparison notes down lies in a file without a name, which no kill can leave behind."""
    a, b = keep("a", fleet(300)), keep("b", fleet(300, model="x"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    monkeypatch.setenv("SQLITE_TMPDIR", str(scratch))
    comparison = snapshots.compare(a, b)
    assert len(list(comparison.changes())) == 1
    assert list(scratch.iterdir()) == []


@pytest.mark.long
def test_a_full_temporary_folder_is_a_sentence(keep: Keep) -> None:
    """The comparison of a large fleet needs room; the message says what to do about it."""
    import resource

    from airflow_provider_puretalk.exceptions import PuretalkError

    a, b = keep("a", []), keep("b", fleet(700, prompt="x" * 20_000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(PuretalkError, match="temporary folder .*cannot hold the comparison: .*TMPDIR"):
            snapshots.compare(a, b)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.long
def test_all_kinds_of_storage(place: Place, sandbox: Sandbox, context: Any) -> None:
    paths = []
    for name in ("a", "b"):
        paths.append(place.take(context, partition=name)["manifest_path"])
        sandbox.fleet.change(sandbox.fleet.ids()[0], {"model": "another"})
    with snapshots.compare(*paths) as comparison:
        assert [change.pointer for change in comparison.changes()] == ["/model"]  # type: ignore[union-attr]  # only Changed here
    assert f"{ACCOUNT}/snapshot=a/manifest.json" in place.files()


items = st.recursive(
    st.sampled_from([None, "text", 1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
policies = st.dictionaries(
    st.sampled_from(["x", "x.a", "x.b", "x.*", "x.*.a", "x.*.a.*.b", "x.*.*", "y.a", "y.*.c"]),
    st.sampled_from(["drop", "mask", "hash"]),
    max_size=3,
)


@pytest.mark.long
@settings(max_examples=400, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.fixed_dictionaries({"assistant_id": st.just("1")}, optional={"x": items, "y": items}), policies, policies)
def test_two_policies_never_make_a_change(record: dict[str, Any], one: dict[str, Any], other: dict[str, Any]) -> None:
    """One fleet, redacted in two ways, has not changed: also where items of a list were dropped, and all others moved up."""
    sides = []
    for policy in (one, other):
        try:
            redactor = Redactor(policy, "key") if policy else None
        except PuretalkConfigurationError:
            assume(False)
        stored = record if redactor is None else redactor(record)
        redaction = Redaction(policy=policy, key_fingerprint=redactor.key_fingerprint if redactor else None)
        listing = Listing("a", None, 1, True, datetime(2026, 1, 1, tzinfo=UTC), SchemaReport(), redaction)
        sides += [listing, [(canonical_json.dumps(stored), None)]]
    with compare_listings(*sides) as comparison:
        assert list(comparison.changes()) == [], (record, one, other)
        assert comparison.counts["unchanged"] == 1


def test_a_list_whose_items_may_have_been_dropped_is_not_compared(keep: Keep) -> None:
    """And the comparison says which list it is."""
    states = ["odd", {"id": 1, "x": 1}, {"id": 2, "x": 2}]
    a = keep("a", fleet(1, llm_states=states), redact={"llm_states.*.id": "drop"})
    with snapshots.compare(a, keep("b", fleet(1, llm_states=states))) as comparison:
        assert not comparison.is_different
        assert "`llm_states`" in comparison.notes[0]


LINK = "https://cdn.example/{}.png?X-Amz-Date=1&X-Amz-Signature={}"


def test_links_without_their_query(keep: Keep) -> None:
    """Signed anew is touched, another file is a change, and what is no link counts whole."""
    baseline = fleet(
        4, avatar=LINK.format("a", 1), prompt="Really? 1", voice={"avatar": LINK.format("a", 1), "x": [None]}
    )
    current = [{**one, "avatar": LINK.format("a", 2)} for one in baseline]
    current[1]["avatar"] = LINK.format("b", 1)
    current[2]["avatar"] = None
    current[3] |= {"prompt": "Really? 2", "voice": {"avatar": "https://cdn.example/a.png", "x": [None]}}
    names = ["updated_at", "avatar?", "voice?", "prompt?"]
    with snapshots.compare(keep("a", baseline), keep("b", current), ignore_fields=names) as comparison:
        summary = comparison.to_dict()
        assert summary["touched"] == ["id-000"]
        assert {one["assistant_id"]: one["fields"] for one in summary["changed"]} == {
            "id-001": ["avatar"],
            "id-002": ["avatar"],
            "id-003": ["prompt"],
        }
        assert summary["notes"] == []


def test_names_to_ignore_that_have_no_effect_are_noted(keep: Keep) -> None:
    """A pointer, a list index, a wrong case, a name in no record: in the notes; the others are not."""
    records = fleet(2, voice={"name": None}, llm_states=[{"id": 1}, {"y": 2}])
    useless = ["/voice/name", "Voice.Name", "llm_states.0.id", "nobody?", "voice.name.x"]
    names = ["updated_at", "voice.name", "llm_states.*.y", "name?", "user.email", *useless]
    policy = {"user.email": "drop"}
    a, b = (keep(name, [{**one, "user": {"email": "x"}} for one in records], redact=policy) for name in "ab")
    with snapshots.compare(a, b, ignore_fields=names) as comparison:
        assert [note.split("`")[3] for note in comparison.notes] == sorted(useless)
    with snapshots.compare(a, b) as comparison:
        assert comparison.notes == ()
    with snapshots.compare(None, b, ignore_fields=["nobody"]) as comparison:
        assert len(comparison.notes) == 1


@pytest.mark.long
def test_a_summary_is_bounded_in_bytes(keep: Keep) -> None:
    """A change of very many fields on very many assistants stays small; counts are exact, and ``truncated`` is true."""
    many = {f"field_{number:03}_{'x' * 40}": number for number in range(60)}
    baseline = [{**record, **many} for record in fleet(300)]
    current = [{**record, **dict.fromkeys(many, -1)} for record in fleet(300)] + [{"assistant_id": "new\0"}]
    with snapshots.compare(keep("a", baseline), keep("b", current)) as comparison:
        summary, tiny = comparison.to_dict(), comparison.to_dict(most_bytes=600)
    assert len(json.dumps(summary, ensure_ascii=False).encode()) < 210_000
    assert summary["counts"]["changed"] == 300
    assert summary["truncated"]
    assert len(summary["changed"]) > 100
    assert {len(one["fields"]) for one in summary["changed"]} == {20}
    assert summary["added"] == tiny["added"] == ["new\\0"]
    assert (tiny["changed"], tiny["truncated"]) == ([], True)
