"""``PuretalkCompareSnapshotsOperator``: which snapshots it takes, what it writes, when it fails."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkDriftError, PuretalkSnapshotError
from airflow_provider_puretalk.operators import PuretalkCompareSnapshotsOperator
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import ACCOUNT, Folder, Place, make_place

Records = list[dict[str, Any]]

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "changes.schema.json").read_bytes())


@pytest.fixture
def keep(folder: Folder, sandbox: Sandbox, context: Any) -> Callable[..., Any]:
    """Keep records as a snapshot."""

    def keep(name: str, records: Records, **arguments: Any) -> Any:
        sandbox.fleet.replace_all(records)
        return folder.take(context, partition=name, **arguments)

    return keep


def compare(place: Place, context: Any, **arguments: Any) -> dict[str, Any]:
    arguments = {
        "destination": place.destination,
        "storage_conn_id": place.storage_conn_id,
        "account": "puretalk_default",
    } | arguments
    return PuretalkCompareSnapshotsOperator(task_id="compare", **arguments).execute(context)


def fleet(count: int, **fields: Any) -> Records:
    return [{"assistant_id": f"id-{number:03}", "name": f"Agent {number}", **fields} for number in range(count)]


def written(place: Place, snapshot: str, kind: str) -> bytes:
    """Return the only file of that kind that comparisons wrote beside a snapshot."""
    found = [data for name, data in place.files().items() if name.startswith(f"{ACCOUNT}/snapshot={snapshot}/_{kind}")]
    assert len(found) == 1
    return found[0]


def lines(place: Place, snapshot: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written(place, snapshot, "changes").splitlines()]


@pytest.mark.long
@pytest.mark.parametrize("kind", ["path", "file", "s3", "memory"])
def test_changes_and_report_lie_beside_the_newer_manifest(
    kind: str, request: pytest.FixtureRequest, sandbox: Sandbox, context: Any
) -> None:
    place = make_place(kind, request)
    place.take(context, partition="a")
    changed = sandbox.fleet.ids()[0]
    sandbox.fleet.change(changed, {"prompt": "Something else."})
    place.take(context, partition="b")
    result = compare(place, context)
    assert result["changed"] == [{"assistant_id": changed, "fields": ["prompt"]}]
    for key, kind, suffix in (("changes_path", "changes", "jsonl"), ("report_path", "report", "html")):
        below = re.escape(f"{place.named}/{ACCOUNT}/snapshot=b/_{kind}-vs-a")
        assert re.fullmatch(rf"{below}~[0-9a-f]{{8}}~[0-9a-f]{{8}}\.{suffix}", result[key])
        assert result[key].removeprefix(f"{place.named}/") in place.files()
    (line,) = lines(place, "b")
    assert (line["op"], line["pointer"], line["class"], line["new"]) == (
        "changed",
        "/prompt",
        "behaviour",
        "Something else.",
    )
    assert written(place, "b", "report").lower().startswith(b"<!doctype html>")
    assert set(place.files()) == {name for name in place.files() if ".staging" not in name}


def test_what_is_returned_has_the_documented_shape(folder: Folder, keep: Any, context: Any) -> None:
    keep("a", fleet(2))
    keep("b", fleet(2)[1:])
    result = compare(folder, context)
    assert list(result) == [
        "account",
        "snapshot",
        "baseline",
        "added",
        "removed",
        "changed",
        "touched",
        "counts",
        "fields_appeared",
        "fields_vanished",
        "truncated",
        "notes",
        "summary",
        "changes_path",
        "report_path",
    ]
    assert (result["snapshot"], result["baseline"], result["removed"]) == ("b", "a", ["id-000"])
    assert json.loads(json.dumps(result)) == result


def test_every_line_of_changes_jsonl_is_as_its_schema_says(folder: Folder, keep: Any, context: Any) -> None:
    keep("a", [*fleet(9, model="a", tools=None), {"assistant_id": "gone"}])
    keep("b", [*fleet(5, model="b"), *fleet(9, model="c")[5:], {"assistant_id": "new", "name": None}])
    compare(folder, context)
    found = lines(folder, "b")
    assert {line["op"] for line in found} == {"added", "removed", "changed", "changed_many"}
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for line in found:
        validator.validate(line)


def test_the_schema_refuses_what_is_no_change() -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    change = {"op": "changed", "assistant_id": "a", "name": "A", "pointer": "/model", "class": "behaviour", "new": 1}
    assert validator.is_valid(change)
    for wrong in ({"op": "moved"}, {"class": "other"}, {"pointer": "model"}, {"more": 1}, {"assistant_id": None}):
        assert not validator.is_valid(change | wrong)
    del change["new"]
    assert not validator.is_valid(change)


def test_by_default_the_newest_complete_snapshot_meets_the_complete_one_before(
    folder: Folder, keep: Any, context: Any
) -> None:
    for name in "abcd":
        keep(name, fleet(1, model=name))
    for name in "bd":
        path = folder.root / ACCOUNT / f"snapshot={name}" / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_bytes()) | {"complete": False}))
    result = compare(folder, context)
    assert (result["snapshot"], result["baseline"]) == ("c", "a")


@pytest.mark.long
def test_snapshots_can_be_named(folder: Folder, keep: Any, context: Any) -> None:
    for name in "abcd":
        keep(name, fleet(1, model=name))
    chosen = [
        compare(folder, context, snapshot="c"),
        compare(folder, context, baseline="a"),
        compare(folder, context, snapshot="c", baseline="a"),
        compare(folder, context, snapshot="a", baseline="b"),
    ]
    assert [(result["snapshot"], result["baseline"]) for result in chosen] == [
        ("c", "b"),
        ("d", "a"),
        ("c", "a"),
        ("a", "b"),
    ]


def test_the_first_snapshot_is_a_baseline(folder: Folder, keep: Any, context: Any) -> None:
    keep("a", fleet(3))
    result = compare(folder, context, fail_on_change=True, max_removed=0)
    assert (result["baseline"], result["added"], result["counts"]["added"]) == (None, [], 0)
    assert lines(folder, "a") == []
    assert written(folder, "a", "report")


def test_comparing_again_writes_the_same_files(folder: Folder, keep: Any, context: Any) -> None:
    """A retry of a comparison leaves what the first try left, to the byte."""
    keep("a", fleet(2, model="a"))
    keep("b", fleet(2, model="b"))
    compare(folder, context)
    first = folder.files()
    compare(folder, context)
    assert folder.files() == first


@pytest.mark.parametrize(
    ("max_removed", "fails"),
    [
        (2, False),
        ("2", False),
        (1, True),
        ("20%", False),
        ("19.9 %", True),
        ("0%", True),
        (None, False),
        ("None", False),
    ],
)
def test_more_removed_than_allowed_fails_once_all_is_written(
    folder: Folder, keep: Any, context: Any, max_removed: Any, fails: bool
) -> None:
    """Two of ten are gone; the limit itself still passes."""
    keep("a", fleet(10))
    keep("b", fleet(10)[2:])
    if fails:
        with pytest.raises(PuretalkDriftError, match="2 of 10"):
            compare(folder, context, max_removed=max_removed)
    else:
        compare(folder, context, max_removed=max_removed)
    assert len(lines(folder, "b")) == 2
    assert written(folder, "b", "report")


@pytest.mark.long
def test_a_share_is_taken_at_its_word(folder: Folder, keep: Any, context: Any) -> None:
    """64.6 % of 500 are 323, though not in binary fractions; the limit itself still passes."""
    keep("a", fleet(500))
    keep("b", fleet(500)[323:])
    assert compare(folder, context, max_removed="64.6%")["counts"]["removed"] == 323


@pytest.mark.parametrize("change", ["added", "removed", "changed"])
def test_fail_on_change_fails_once_all_is_written(folder: Folder, keep: Any, context: Any, change: str) -> None:
    keep("a", fleet(3))
    keep("b", {"added": fleet(4), "removed": fleet(2), "changed": fleet(3, model="b")}[change])
    with pytest.raises(PuretalkDriftError, match="fail_on_change"):
        compare(folder, context, fail_on_change=True)
    assert lines(folder, "b")


def test_fail_on_change_passes_where_a_record_was_only_saved_again(folder: Folder, keep: Any, context: Any) -> None:
    keep("a", fleet(3, updated_at="2026-11-01T00:00:00Z"))
    keep("b", fleet(3, updated_at="2026-11-02T00:00:00Z"))
    assert compare(folder, context, fail_on_change=True)["counts"]["touched"] == 3


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"account": ""}, "account"),
        ({"account": "../x"}, "account"),
        ({"snapshot": ""}, "snapshot"),
        ({"baseline": "a/b"}, "partition"),
        ({"snapshot": "a", "baseline": "a"}, "same"),
        ({"max_removed": "many"}, "max_removed"),
        ({"max_removed": -1}, "max_removed"),
        ({"max_removed": True}, "max_removed"),
        ({"max_removed": "1000000%"}, "max_removed"),
        ({"ignore_fields": "updated_at"}, "ignore_fields"),
        ({"ignore_fields": ""}, "ignore_fields"),
        ({"ignore_fields": [""]}, "ignore_fields"),
        ({"fail_on_change": "False"}, "fail_on_change"),
        ({"destination": "relative"}, "destination"),
        ({"destination": "/does/not/exist"}, "does not exist"),
    ],
)
def test_wrong_arguments_are_named(folder: Folder, keep: Any, context: Any, arguments: Any, named: str) -> None:
    keep("a", fleet(1))
    keep("b", fleet(1))
    with pytest.raises(PuretalkConfigurationError, match=named):
        compare(folder, context, **arguments)


@pytest.mark.parametrize("arguments", [{}, {"snapshot": "z"}, {"baseline": "z"}])
def test_what_does_not_exist_is_named(folder: Folder, keep: Any, context: Any, arguments: Any) -> None:
    if arguments:
        keep("b", fleet(1))
    with pytest.raises(PuretalkSnapshotError, match="There is no"):
        compare(folder, context, **arguments)


@pytest.mark.parametrize("text", ["{", '{"format_version": 2}'])
def test_a_newest_snapshot_that_cannot_be_understood_is_not_passed_over(
    folder: Folder, keep: Any, context: Any, text: str
) -> None:
    """The snapshots before it are not compared once more."""
    for name in "abc":
        keep(name, fleet(1, model=name))
    (folder.root / ACCOUNT / "snapshot=c" / "manifest.json").write_text(text)
    with pytest.raises(PuretalkSnapshotError, match="snapshot=c/manifest.json"):
        compare(folder, context)
    assert compare(folder, context, snapshot="b")["baseline"] == "a"


def test_nothing_is_written_where_a_snapshot_is_damaged(folder: Folder, keep: Any, context: Any) -> None:
    keep("a", fleet(1))
    keep("b", fleet(1, model="b"))
    data = next((folder.root / ACCOUNT / "snapshot=a").glob("assistants-*"))
    data.write_bytes(data.read_bytes()[:-1])
    before = folder.files()
    with pytest.raises(PuretalkSnapshotError, match=data.name):
        compare(folder, context)
    assert folder.files() == before


def test_the_log_names_the_change_and_holds_no_contents(
    folder: Folder, keep: Any, context: Any, spoken: Callable[[], str]
) -> None:
    keep("a", fleet(2, prompt="the old secret"))
    keep("b", fleet(1, prompt="the new secret"))
    spoken()
    compare(folder, context)
    logged = spoken()
    assert "1 removed; 1 changed (behaviour 1). 1 assistant now." in logged
    assert "secret" not in logged
