"""Updates of a history: the traps that real accounts set, on files."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from airflow_provider_puretalk import history
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkSnapshotError
from airflow_provider_puretalk.history import files, reader
from airflow_provider_puretalk.history.reader import HistoryFiles
from airflow_provider_puretalk.records.field_paths import ABSENT
from airflow_provider_puretalk.snapshots.storage.reader import iter_records
from tests.history.conftest import Fleet
from tests.history.snapshots import ACCOUNT, moment, record, take

LATER = "2026-10-05T10:00:00.123456Z"


def opened(fleet: Fleet) -> HistoryFiles:
    return HistoryFiles.open(fleet.root, ACCOUNT)


def verified(fleet: Fleet) -> list[str]:
    return [*history.verify(opened(fleet)).proven]


def update(fleet: Fleet, **arguments: Any) -> history.Updated:
    return history.update(fleet.root, ACCOUNT, **arguments)


def edit_manifest(fleet: Fleet, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what the history's manifest says."""
    path = fleet.folder / "_manifest.json"
    members = json.loads(path.read_bytes())
    change(members)
    path.write_text(json.dumps(members))


def snapshot(fleet: Fleet, name: str) -> Path:
    return fleet.root / f"account={ACCOUNT}" / f"snapshot={name}"


def days(fleet: Fleet) -> list[str]:
    """Take five days: ``a`` changes and is saved again, ``b`` goes and comes back, ``c`` comes."""
    fleets = [
        [record("a"), record("b")],
        [record("a", prompt="New."), record("b")],
        [record("a", prompt="New.", updated_at=LATER), record("c")],
        [record("a", prompt="New.", updated_at=LATER), record("b"), record("c")],
        [record("a"), record("b"), record("c", voice={"language": "de", "new": 1.50})],
    ]
    return [take(fleet.root, day, records).snapshot for day, records in enumerate(fleets)]


def test_rows_are_a_slowly_changing_dimension(fleet: Fleet) -> None:
    """Each version is a row: half-open times in UTC, its first and last snapshot, and whether it stands or is gone."""
    names = days(fleet)
    done = update(fleet)
    assert (done.folded, done.readings, done.versions) == (tuple(names), 5, 7)
    at = [moment(day) for day in range(5)]
    columns = (
        "assistant_id",
        "prompt",
        "valid_from",
        "valid_to",
        "first_snapshot",
        "last_snapshot",
        "is_current",
        "is_deleted",
    )
    rows = sorted(fleet.rows(*columns), key=lambda row: (row[0], row[2]))
    polite = "You are polite."
    assert rows == [
        ("a", polite, at[0], at[1], names[0], names[0], False, False),
        ("a", "New.", at[1], at[4], names[1], names[3], False, False),
        ("a", polite, at[4], None, names[4], None, True, False),
        ("b", polite, at[0], at[2], names[0], names[1], False, True),
        ("b", polite, at[3], None, names[3], None, True, False),
        ("c", polite, at[2], at[4], names[2], names[3], False, False),
        ("c", polite, at[4], None, names[4], None, True, False),
    ]
    runs = {row[0]: row[1] for row in fleet.rows("first_snapshot", "_runs") if row[1]}
    assert runs == {
        names[1]: json.dumps([[names[1], "2026-09-01T08:00:00Z"], [names[2], LATER]], separators=(",", ":"))
    }


@pytest.mark.parametrize("small", [0, 512 << 10], ids=["in parts", "whole"])
def test_versions_of_one_assistant_are_those_of_the_whole(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, small: int
) -> None:
    """What is fetched for one assistant is what a reader of everything finds; ids that were never seen have nothing."""
    monkeypatch.setattr(reader, "_SMALL", small)
    monkeypatch.setattr(files, "ROWS_PER_GROUP", 2)
    days(fleet)
    update(fleet)
    history_files = opened(fleet)
    everything = [*history_files.versions()]
    for identity in ("a", "b", "c"):
        assert history_files.versions_of(identity) == [one for one in everything if one.assistant_id == identity]
    assert history_files.versions_of("bb") == history_files.versions_of("0") == history_files.versions_of("z") == []
    assert [*history_files.names()] == [("a", "Agent a"), ("b", "Agent b"), ("c", "Agent c")]


def test_every_reading_is_what_its_snapshot_was(fleet: Fleet) -> None:
    """``standing_at`` gives each reading's records, but for ``updated_at``, which a version has of its last run."""
    names = days(fleet)
    update(fleet)
    history_files = opened(fleet)
    for index, name in enumerate(names):
        found = [*history_files.standing_at(index)]
        expected = [*iter_records(str(snapshot(fleet, name) / "manifest.json"))]
        assert [{**one.record, "updated_at": 0} for one in found] == [{**one, "updated_at": 0} for one in expected]
        for version, one in zip(found, expected, strict=True):
            values = [value for start, value in version.runs if start <= index]
            assert values[-1] == one.get("updated_at", ABSENT)


def test_proofs_outlive_the_snapshots(fleet: Fleet) -> None:
    """Every folded reading is rebuilt with both hashes of its snapshot, also once that was pruned."""
    names = days(fleet)
    update(fleet)
    before = fleet.files()
    for name in names[:4]:
        shutil.rmtree(snapshot(fleet, name))
    assert update(fleet).folded == ()
    assert fleet.files() == before
    assert verified(fleet) == names


@pytest.mark.long
@pytest.mark.parametrize("order", [*itertools.permutations(range(4))][::5], ids=str)
def test_any_order_of_arrival_gives_the_same_bytes(fleet: Fleet, tmp_path: Path, order: tuple[int, ...]) -> None:
    """Snapshots that come late, or each alone, or some twice, make the files that all at once make."""
    fleets = [
        [record("a", prompt=str(day // 2)), record(f"b{day % 2}", updated_at=f"2026-10-0{day + 1}T00:00:00Z")]
        for day in range(4)
    ]
    for day in order:
        take(fleet.root, day, fleets[day])
        update(fleet)
        assert update(fleet).folded == ()
    other = Fleet(tmp_path / "other")
    other.root.mkdir()
    for day in range(4):
        take(other.root, day, fleets[day])
    update(other)
    assert fleet.files() == other.files()


def test_a_rerun_takes_its_place_in_time(fleet: Fleet, tmp_path: Path) -> None:
    """A snapshot of a known name replaces the reading that was folded, wherever it now lies in time."""
    names = days(fleet)
    update(fleet)
    take(fleet.root, 2.5, [record("a", prompt="Again."), record("c")], name=names[1])
    done = update(fleet)
    assert (done.folded, done.replaced) == ((names[1],), (names[1],))
    assert [reading.snapshot for reading in opened(fleet).readings] == [
        names[0],
        names[2],
        names[1],
        names[3],
        names[4],
    ]
    assert len(verified(fleet)) == 5
    once = Fleet(tmp_path / "once")
    shutil.copytree(fleet.root, once.root)
    shutil.rmtree(once.folder)
    update(once)
    assert once.files() == fleet.files()


def test_a_rerun_in_which_only_updated_at_differs_is_seen(fleet: Fleet) -> None:
    """The content hash is the same, the raw hash is not: the reading is folded again, and is provable as it is now."""
    name = take(fleet.root, 0, [record("a")]).snapshot
    update(fleet)
    take(fleet.root, 0, [record("a", updated_at=LATER)])
    assert update(fleet).replaced == (name,)
    assert opened(fleet).versions_of("a")[0].runs == ((0, LATER),)
    assert verified(fleet) == [name]


def test_an_incomplete_snapshot_closes_nothing(fleet: Fleet) -> None:
    """It is listed, with the reason why it is not folded, and what it lacks goes on standing."""
    take(fleet.root, 0, [record("a"), record("b")])
    name = take(fleet.root, 1, [record("a", prompt="Half.")], complete=False).snapshot
    done = update(fleet)
    assert (done.readings, done.versions) == (1, 2)
    assert [one for one, _ in done.skipped] == [name]
    assert "incomplete" in done.skipped[0][1]
    assert [reading.snapshot for reading in opened(fleet).incomplete] == [name]
    before = fleet.files()
    update(fleet)
    assert fleet.files() == before


@pytest.mark.long
def test_a_complete_day_that_is_rerun_as_incomplete_is_taken_out(fleet: Fleet, tmp_path: Path) -> None:
    """What was folded of it goes, as if it had been incomplete from the beginning."""
    other = Fleet(tmp_path / "other")
    other.root.mkdir()
    names = days(fleet)
    update(fleet)
    take(fleet.root, 1, [record("a")], name=names[1], complete=False)
    done = update(fleet)
    assert (done.folded, done.replaced, done.readings) == ((), (names[1],), 4)
    shutil.copytree(fleet.root, other.root, dirs_exist_ok=True)
    shutil.rmtree(other.folder)
    update(other)
    assert other.files() == fleet.files()


@pytest.mark.long
def test_a_retracted_snapshot_stays_out_until_it_is_another(fleet: Fleet) -> None:
    """It goes, and is not folded again, until a rerun of that name has other records."""
    names = days(fleet)
    update(fleet)
    done = update(fleet, retract=[names[1]])
    assert (done.retracted, done.readings) == ((names[1],), 4)
    assert update(fleet).readings == 4
    assert verified(fleet) == [names[0], *names[2:]]
    take(fleet.root, 1, [record("a")], name=names[1])
    assert update(fleet).folded == (names[1],)
    assert verified(fleet) == names
    with pytest.raises(PuretalkConfigurationError, match="'never'"):
        update(fleet, retract=["never"])


def test_days_are_ordered_by_when_they_were_read(fleet: Fleet) -> None:
    """Names that sort otherwise do not matter."""
    take(fleet.root, 1, [record("a", prompt="second")], name="a-late-one")
    take(fleet.root, 0, [record("a", prompt="first")], name="z-early-one")
    update(fleet)
    assert [reading.snapshot for reading in opened(fleet).readings] == ["z-early-one", "a-late-one"]
    assert [one.record["prompt"] for one in opened(fleet).versions_of("a")] == ["first", "second"]


def test_readings_of_one_moment_are_ordered_by_name(fleet: Fleet) -> None:
    """Two snapshots may be finished in the same microsecond; each stands for itself all the same."""
    take(fleet.root, 0, [record("a", prompt="2")], name="two")
    take(fleet.root, 0, [record("a", prompt="1")], name="one")
    take(fleet.root, 1, [record("a", prompt="2")], name="three")
    update(fleet)
    history_files = opened(fleet)
    found = [[one.record["prompt"] for one in history_files.standing_at(index)] for index in range(3)]
    assert found == [["1"], ["2"], ["2"]]
    assert verified(fleet) == ["one", "two", "three"]


def test_an_account_without_assistants_has_a_history(fleet: Fleet) -> None:
    """An empty list is a reading like any other: it ends what stood, and is proven."""
    names = [take(fleet.root, 0, []).snapshot]
    update(fleet)
    assert verified(fleet) == names
    names += [take(fleet.root, 1, [record("a")]).snapshot, take(fleet.root, 2, []).snapshot]
    update(fleet)
    assert verified(fleet) == names
    assert opened(fleet).versions_of("a")[0].is_deleted


@pytest.mark.long
def test_records_of_any_shape_come_back(fleet: Fleet) -> None:
    """Ids that are no text, values that break the documentation and numbers of any length are rebuilt to the byte."""
    odd = [
        record("a", prompt=None, voice="text", llm_states=[{"id": 1.0}], user={"email": None, "x": {}}),
        record("b", prompt=["a list"], updated_at=17, created_at="yesterday"),
        {"assistant_id": 17, "name": {"first": "A"}},
        {"assistant_id": "\ud800", "name": "\udfff"},
        {"assistant_id": "üö😀", "a": 10**30, "updated_at": None},
        {"assistant_id": 'quote"d', "Z before": 1, "name": "n"},
    ]
    names = [take(fleet.root, 0, odd).snapshot]
    names += [take(fleet.root, 1, [one | {"prompt": f"changed {at}"} for at, one in enumerate(odd)]).snapshot]
    names += [take(fleet.root, 2, odd[1::2], file_format="parquet").snapshot]
    update(fleet)
    assert verified(fleet) == names
    history_files = opened(fleet)
    for identity in ("17", "\ud800", "üö😀", 'quote"d', "a"):
        assert len(history_files.versions_of(identity)) >= 2, identity
    assert [name for _, name in history_files.names()] == [{"first": "A"}, "Agent a", "Agent b", "n", None, "\udfff"]


@pytest.mark.parametrize(
    "members", [{"canonical_version": 2}, {"format_version": 2}], ids=["canonical version", "format version"]
)
def test_a_snapshot_of_a_newer_version_is_refused(
    fleet: Fleet, members: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It is not folded, the reason says so, nothing that was folded is lost, and an upgrade folds it."""
    name = take(fleet.root, 0, [record("a")]).snapshot
    update(fleet)
    newer = take(fleet.root, 1, [record("a", prompt="New.")], **members).snapshot
    with caplog.at_level(logging.WARNING):
        done = update(fleet)
    assert [one for one, _ in done.skipped] == [newer]
    assert "pgrade airflow-provider-puretalk" in done.skipped[0][1]
    assert newer in caplog.text
    assert verified(fleet) == [name]


@pytest.mark.parametrize("rebuild", [False, True])
def test_a_history_of_a_newer_format_is_refused(fleet: Fleet, rebuild: bool) -> None:
    """Nothing of it is read or replaced, not even by a rebuild."""
    take(fleet.root, 0, [record("a")])
    update(fleet)
    manifest = fleet.folder / "_manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"format_version": 1', b'"format_version": 2'))
    before = fleet.files()
    with pytest.raises(PuretalkSnapshotError, match="Upgrade"):
        update(fleet, rebuild=rebuild)
    with pytest.raises(PuretalkSnapshotError, match="Upgrade"):
        opened(fleet)
    assert fleet.files() == before


def test_a_torn_snapshot_is_skipped_until_it_is_whole(fleet: Fleet) -> None:
    """Others are folded, the reason names the file, and the next update tries again."""
    names = days(fleet)
    (data,) = snapshot(fleet, names[1]).glob("assistants-*")
    whole = data.read_bytes()
    data.write_bytes(whole[:-9])
    done = update(fleet)
    assert done.folded == (names[0], *names[2:])
    assert data.name in dict(done.skipped)[names[1]]
    data.write_bytes(whole)
    assert update(fleet).folded == (names[1],)
    assert verified(fleet) == names


@pytest.mark.long
@pytest.mark.parametrize("damage", ["missing", "torn", "flipped"])
@pytest.mark.parametrize("kind", ["current", "closed"])
def test_a_damaged_file_is_named_and_rebuilt(fleet: Fleet, kind: str, damage: str) -> None:
    """Every reader names it in one error; a rebuild folds the snapshots that are there, and says since when."""
    names = days(fleet)
    update(fleet)
    (path,) = fleet.folder.glob(f"{kind}-*")
    if damage == "missing":
        path.unlink()
    elif damage == "torn":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        data = bytearray(path.read_bytes())
        data[len(data) // 3] ^= 1
        path.write_bytes(data)
    history_files = opened(fleet)
    reads = [
        lambda: [*history_files.versions()],
        lambda: history_files.versions_of("a"),
        lambda: [*history_files.standing_at(1)],
        lambda: history.verify(history_files),
        lambda: update(fleet, retract=[names[2]]),
    ]
    for read in reads:
        with pytest.raises(PuretalkSnapshotError, match=path.name):
            read()
    shutil.rmtree(snapshot(fleet, names[0]))
    done = update(fleet, rebuild=True)
    assert (done.lost, done.since, done.readings) == ((names[0],), moment(1), 4)
    assert verified(fleet) == names[1:]


@pytest.mark.parametrize("field", ["raw_sha256", "content_sha256", "count"])
def test_a_history_that_holds_something_else_is_not_proven(fleet: Fleet, field: str) -> None:
    """All files are whole, and a reading is not what its snapshot was: that one is named, and a rebuild is right again."""
    names = days(fleet)
    update(fleet)
    edit_manifest(fleet, lambda members: members["readings"][2].update({field: 7 if field == "count" else "0" * 64}))
    with pytest.raises(PuretalkSnapshotError, match=rf"does not hold what 1 snapshot held: {names[2]}\.") as caught:
        history.verify(opened(fleet))
    assert "`rebuild`" in str(caught.value)
    update(fleet, rebuild=True)
    assert verified(fleet) == names


def test_what_is_proven_can_be_handed_on(fleet: Fleet) -> None:
    """As plain values: what is proven, what no longer can be and why, and how many of both."""
    names = days(fleet)
    update(fleet, keep=2)
    assert history.verify(opened(fleet)).to_dict() == {
        "account": ACCOUNT,
        "proven": names[2:],
        "not_provable": [{"snapshot": name, "why": "keep"} for name in names[:2]],
        "counts": {"proven": 3, "not_provable": 2},
        "versions": 5,
        "truncated": False,
    }


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"format_version": None}, "it names no format"),
        ({"format_version": 99}, "is of format 99"),
        ({"canonical_version": 99}, "canonical version 99"),
        ({"account": "another"}, "that of another account, 'another'"),
        ({"files": [{"name": "../x", "rows": 1, "bytes": 1, "sha256": "0" * 64, "kind": "current"}]}, "files"),
        ({"readings": "all"}, "readings"),
    ],
    ids=str,
)
def test_a_manifest_that_is_not_this_historys_is_refused(fleet: Fleet, members: dict[str, Any], said: str) -> None:
    """Each by what is wrong with it, in one sentence that names the file."""
    days(fleet)
    update(fleet)
    edit_manifest(fleet, lambda found: found.update(members))
    with pytest.raises(PuretalkSnapshotError, match="_manifest.json") as caught:
        opened(fleet).versions_of("a")
    assert said in str(caught.value)


@pytest.mark.parametrize("kind", ["foreign", "another format", "other columns", "no columns", "strange columns"])
def test_a_file_of_another_kind_is_no_part_of_a_history(fleet: Fleet, kind: str) -> None:
    """Parquet, whole, with the hash that the manifest names, and yet not a history's: one error that names it."""
    days(fleet)
    update(fleet)
    (path,) = fleet.folder.glob("current-*")
    table = pq.read_table(path)
    own = table.schema.metadata
    match kind:
        case "foreign":
            table = table.replace_schema_metadata({})
        case "another format":
            table = table.replace_schema_metadata(own | {files.FORMAT_KEY: b"99"})
        case "no columns":
            table = table.replace_schema_metadata({key: own[key] for key in own if key != files.COLUMNS_KEY})
        case "strange columns":
            table = table.replace_schema_metadata(own | {files.COLUMNS_KEY: b"[7]"})
        case _:
            table = table.rename_columns(["renamed", *table.column_names[1:]]).replace_schema_metadata(own)
    pq.write_table(table, path)
    as_it_is = {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    edit_manifest(fleet, lambda members: [one.update(as_it_is) for one in members["files"] if one["name"] == path.name])
    with pytest.raises(PuretalkSnapshotError, match=path.name) as caught:
        [*opened(fleet).versions()]
    assert ("not a file of a history" in str(caught.value)) is (kind not in ("other columns", "strange columns"))


def test_readings_out_of_order_are_refused(fleet: Fleet) -> None:
    """Everything that plays back rests on their order."""
    days(fleet)
    update(fleet)
    edit_manifest(fleet, lambda members: members["readings"].reverse())
    with pytest.raises(PuretalkSnapshotError, match="its readings are out of order"):
        opened(fleet).versions_of("a")


def test_a_damaged_manifest_is_named_and_rebuilt(fleet: Fleet) -> None:
    """The error names it; a rebuild makes the same history of the same snapshots."""
    days(fleet)
    update(fleet)
    whole = fleet.files()
    manifest = fleet.folder / "_manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-30])
    for read in (lambda: opened(fleet), lambda: update(fleet)):
        with pytest.raises(PuretalkSnapshotError, match="_manifest.json is damaged"):
            read()
    update(fleet, rebuild=True)
    assert fleet.files() == whole


def test_a_history_of_another_account_is_refused(fleet: Fleet) -> None:
    """One that was copied or moved is not updated as if it were this account's."""
    take(fleet.root, 0, [record("a")])
    update(fleet)
    take(fleet.root, 0, [record("a")], account="support")
    shutil.copytree(fleet.folder, fleet.root / "account=support" / "history")
    with pytest.raises(PuretalkSnapshotError, match="another account"):
        history.update(fleet.root, "support")


def test_an_account_without_snapshots_has_no_history(fleet: Fleet) -> None:
    """A mistaken name makes no folder; a history that is not there is one clear error."""
    with pytest.raises(PuretalkSnapshotError, match="no snapshot"):
        update(fleet)
    assert [*fleet.root.iterdir()] == []
    with pytest.raises(PuretalkSnapshotError, match="no history"):
        opened(fleet)


def test_a_moved_destination_keeps_its_history(fleet: Fleet, tmp_path: Path) -> None:
    """Nothing in the files names the place where they lie."""
    names = days(fleet)
    update(fleet)
    other = Fleet(tmp_path / "elsewhere")
    shutil.move(fleet.root, other.root)
    assert update(other).folded == ()
    assert verified(other) == names


@pytest.mark.long
def test_ended_versions_lie_by_the_day_they_ended(fleet: Fleet) -> None:
    """An update rewrites only those that ended since the last boundary, and a boundary moves every sixteen days."""
    early: dict[str, bytes] = {}
    moved = 0
    for day in range(40):
        take(fleet.root, day, [record("a", prompt=str(day)), record("b", prompt=str(day // 5))])
        update(fleet)
        now = {name: data for name, data in fleet.files().items() if name.startswith("closed-early")}
        moved += bool(now) and now != early
        early = now
    assert moved == 2
    days_ended = sorted(path.name.split("-")[1] for path in fleet.folder.glob("closed-*"))
    assert days_ended == ["20261026", "early"]
    assert len(verified(fleet)) == 40
    once = fleet.files()
    shutil.rmtree(fleet.folder)
    update(fleet)
    assert fleet.files() == once


def test_keep_bounds_how_long_ended_versions_are_kept(fleet: Fleet) -> None:
    """Those that ended longer ago go; what stands stays; readings from before that say that they cannot be proven."""
    names = days(fleet)
    update(fleet, keep="forever")
    done = update(fleet, keep=2)
    ended = [row[0] for row in fleet.rows("valid_to") if row[0] is not None]
    assert ended == [moment(4), moment(4)]
    assert done.versions == 5
    found = history.verify(opened(fleet))
    assert found.proven == tuple(names[2:])
    assert found.not_provable == ((names[0], "keep"), (names[1], "keep"))
    before = fleet.files()
    assert update(fleet).folded == ()  # As before: two days.
    assert fleet.files() == before
    late = take(fleet.root, 0.5, [record("a")], name="late").snapshot
    assert "older than what the history keeps" in dict(update(fleet).skipped)[late]
    for wrong in (0, -1, True, "for ever", 1.5):
        with pytest.raises(PuretalkConfigurationError, match="`keep`"):
            update(fleet, keep=wrong)
