"""Old snapshots are removed by a rule, and never one that matters."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkError
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.snapshots import Pruned
from airflow_provider_puretalk.snapshots.format import layout
from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from tests.places import ACCOUNT, Folder, Place

DAYS = [f"202611{day:02}T000000Z" for day in range(1, 23)]  # Sunday the 1st to Sunday the 22nd

#: Which content of a snapshot a comparison's file says that it was made of; the one that is there is another.
EDITION = "0123abcd"

Prune = Callable[..., Pruned]
Keep = Callable[..., None]


@pytest.fixture
def prune(place: Place) -> Prune:
    """Prune the account's snapshots, for real by default."""
    arguments = {"storage_conn_id": place.storage_conn_id, "dry_run": False}
    return lambda **given: snapshots.prune(place.destination, "puretalk_default", **arguments | given)


@pytest.fixture
def keep(place: Place, sandbox: Sandbox, context: Any) -> Keep:
    """Put snapshots of these names there: copies of one that was taken, with other facts in the manifest."""
    sandbox.fleet.replace_all(list(sandbox.fleet)[:3])
    place.take(context, partition="template")
    template = place.files()
    for name in template:
        place.remove(name)

    def put(*names: str, **facts: Any) -> None:
        for name in names:
            for path, data in template.items():
                if path.endswith("manifest.json"):
                    manifest = json.loads(data)
                    del manifest["consistency"]["certificate"]  # It would contradict other facts.
                    data = json.dumps(manifest | {"snapshot": name} | facts).encode()
                place.write(path.replace("template", name), data)

    return put


def left(place: Place) -> list[str]:
    """List the snapshots that are there, each of them whole."""
    found = snapshots.list_snapshots(place.destination, storage_conn_id=place.storage_conn_id)
    for one in found:
        snapshots.verify(one.manifest_path)
    return [one.snapshot for one in found]


@pytest.mark.long
def test_the_newest_of_the_last_days_weeks_and_months_stays(place: Place, keep: Keep, prune: Prune) -> None:
    """Each number counts periods that have a snapshot; the rest is gone without a trace, and every reason is reported."""
    keep("20260831T000000Z", "20260930T000000Z", "20261030T000000Z", *DAYS[:5], *DAYS[14:])
    pruned = prune(keep_daily=2, keep_weekly=3, keep_monthly=3)
    assert {one.snapshot: one.reasons for one in pruned.kept} == {
        "20260930T000000Z": ("newest of month 2026-09",),
        "20261030T000000Z": ("newest of month 2026-10",),
        "20261105T000000Z": ("newest of week 2026-W45",),
        "20261115T000000Z": ("newest of week 2026-W46",),
        "20261121T000000Z": ("newest of 2026-11-21",),
        "20261122T000000Z": (
            "newest of 2026-11-22",
            "newest of week 2026-W47",
            "newest of month 2026-11",
            "newest complete",
        ),
    }
    assert left(place) == [one.snapshot for one in pruned.kept]
    assert {name.split("/")[1] for name in place.files()} == {f"snapshot={one.snapshot}" for one in pruned.kept}
    assert not pruned.skipped
    assert not pruned.orphans


@pytest.mark.long
def test_by_default_nothing_is_removed(place: Place, keep: Keep, prune: Prune) -> None:
    """A dry run reports exactly what the real one then does, sizes included, and touches nothing."""
    keep(*DAYS[:5])
    before = place.files()
    planned = snapshots.prune(place.destination, "puretalk_default", 2, storage_conn_id=place.storage_conn_id)
    assert planned.dry_run is True
    assert place.files() == before
    done = prune(keep_daily=2)
    assert (done.kept, done.removed, done.bytes) == (planned.kept, planned.removed, planned.bytes)
    assert [one.snapshot for one in done.removed] == DAYS[:3]
    gone = {name: data for name, data in before.items() if name not in place.files()}
    assert done.bytes == sum(map(len, gone.values()))


@pytest.mark.long
def test_a_second_run_finds_nothing_to_do(place: Place, keep: Keep, prune: Prune) -> None:
    """What one run keeps, the next one keeps as well."""
    keep(*DAYS)
    prune(keep_daily=3, keep_weekly=2)
    again = prune(keep_daily=3, keep_weekly=2)
    assert again.removed == ()
    assert left(place) == [DAYS[14], *DAYS[19:]] == [one.snapshot for one in again.kept]


def test_reports_go_with_their_snapshot_and_foreign_files_stay(place: Place, keep: Keep, prune: Prune) -> None:
    """What a comparison wrote is removed too; a file that people put there stays, and so do other accounts."""
    keep(*DAYS[:2])
    folder = f"{ACCOUNT}/snapshot={DAYS[0]}"
    foreign = [f"{folder}/notes.txt", "account=other/snapshot=1/manifest.json", f"{ACCOUNT}/README", "index.html"]
    manifest = Manifest.model_validate_json(place.files()[f"{folder}/manifest.json"])
    compared = ["changes.jsonl", "report.html"]
    for edition in (manifest.edition, EDITION):
        compared += layout.comparison_files(edition, ("a", EDITION), "0" * 8)
    for name in (*(f"{folder}/{one}" for one in compared), *foreign):
        place.write(name, b"text")
    planned = prune(keep_daily=1, dry_run=True)
    pruned = prune(keep_daily=1)
    assert (planned.orphans, planned.bytes) == (pruned.orphans, pruned.bytes)
    assert [one.snapshot for one in pruned.removed] == DAYS[:1]
    assert [(one.name, one.why) for one in pruned.skipped] == [
        (f"snapshot={DAYS[0]}/notes.txt", "it is not a file that a snapshot has")
    ]
    assert {name for name in place.files() if DAYS[1] not in name} == set(foreign)


def test_the_newest_complete_one_stays(place: Place, keep: Keep, prune: Prune) -> None:
    """It stays however old it is: an incomplete one cannot replace it as the baseline of a comparison."""
    keep(*DAYS[:3])
    keep(*DAYS[3:6], complete=False)
    pruned = prune(keep_daily=1)
    assert {one.snapshot: one.reasons for one in pruned.kept} == {
        DAYS[2]: ("newest complete",),
        DAYS[5]: ("newest of 2026-11-06",),
    }
    assert left(place) == [DAYS[2], DAYS[5]]


def test_of_one_day_the_complete_one_stays(place: Place, keep: Keep, prune: Prune) -> None:
    """A later but incomplete snapshot of the same day does not push it out."""
    keep("20261122T080000Z", "20261122T120000Z")
    keep("20261122T160000Z", complete=False)
    prune(keep_daily=1)
    assert left(place) == ["20261122T120000Z"]


@pytest.mark.parametrize("damage", ["a newer format", "half a file", "another snapshot's"])
def test_what_cannot_be_parsed_is_skipped(place: Place, keep: Keep, prune: Prune, damage: str) -> None:
    """A folder whose manifest cannot be read keeps everything, old files that could be orphans too."""
    keep(*DAYS[:3])
    name = f"{ACCOUNT}/snapshot={DAYS[0]}/manifest.json"
    data = place.files()[name]
    if damage == "a newer format":
        data = json.dumps(json.loads(data) | {"format_version": 2}).encode()
    elif damage == "half a file":
        data = data[: len(data) // 2]
    else:
        data = json.dumps(json.loads(data) | {"snapshot": DAYS[1]}).encode()
    place.write(name, data)
    place.write(name.replace("manifest.json", "assistants-0000000000000000.jsonl"), b"{}")
    place.age(name.replace("manifest.json", "assistants-0000000000000000.jsonl"), 200_000)
    before = {path: content for path, content in place.files().items() if DAYS[0] in path}
    pruned = prune(keep_daily=1)
    assert [one.name for one in pruned.skipped] == [DAYS[0]]
    assert name in pruned.skipped[0].why
    assert {path: content for path, content in place.files().items() if DAYS[0] in path} == before
    assert [one.snapshot for one in pruned.removed] == [DAYS[1]]


@pytest.mark.long
def test_orphans_go_after_a_day(place: Place, keep: Keep, prune: Prune) -> None:
    """Data and reports that no manifest names are removed once they are old; a younger file may still get its manifest."""
    keep(DAYS[0])
    old = [
        f"{ACCOUNT}/snapshot={DAYS[0]}/assistants-0000000000000000.jsonl.gz",
        f"{ACCOUNT}/snapshot=killed/assistants-1111111111111111.parquet",
        f"{ACCOUNT}/snapshot=killed/report.html",
        f"{ACCOUNT}/snapshot=killed/changes.jsonl",
        f"{ACCOUNT}/snapshot=killed/.staging-ab_c1234/assistants",
        f"{ACCOUNT}/snapshot=killed/.manifest.json.{'0a' * 16}.tmp",
        f"{ACCOUNT}/snapshot=killed/{layout.comparison_files(EDITION, None).report}",
        f"{ACCOUNT}/snapshot=killed/.{layout.comparison_files(EDITION, None).changes}.{'0a' * 16}.tmp",
        f"{ACCOUNT}/snapshot={DAYS[0]}/{layout.comparison_files(EDITION, None).report}",
    ]
    young = [
        f"{ACCOUNT}/snapshot={DAYS[0]}/assistants-2222222222222222.jsonl.gz",
        f"{ACCOUNT}/snapshot=running/assistants-3333333333333333.jsonl.gz",
        f"{ACCOUNT}/snapshot=running/.staging-running1/assistants",
    ]
    for name in (*old, *young):
        place.write(name, b"orphan")
    for name in old:
        place.age(name, 86_500)
    if isinstance(place, Folder):  # There a folder has an age of its own.
        place.age(f"{ACCOUNT}/snapshot=killed/.staging-ab_c1234", 86_500)
    planned = prune(keep_daily=1, dry_run=True)
    assert set(place.files()) >= {*old, *young}
    done = prune(keep_daily=1)
    assert done.orphans == planned.orphans
    expected = {name.removeprefix(f"{ACCOUNT}/").removesuffix("/assistants") for name in old}
    assert {one.name for one in done.orphans} == expected
    assert done.bytes == len(b"orphan") * len(old)
    assert {one.name for one in done.skipped} == {
        name.removeprefix(f"{ACCOUNT}/").removesuffix("/assistants") for name in young
    }
    assert {name for name in place.files() if "/manifest.json" not in name} >= set(young)
    assert not {*place.files()} & {*old}
    assert left(place) == [DAYS[0]]


def test_a_deserted_folder_goes_after_a_day(folder: Folder) -> None:
    """A task that was killed before it wrote anything leaves an empty folder; one that begins makes a new one."""
    for name, days in (("killed", 2), ("beginning", 0)):
        (folder.root / ACCOUNT / f"snapshot={name}").mkdir(parents=True)
        folder.age(f"{ACCOUNT}/snapshot={name}", days * 86_400)
    pruned = snapshots.prune(folder.destination, "puretalk_default", keep_daily=1, dry_run=False)
    assert [path.name for path in (folder.root / ACCOUNT).iterdir()] == ["snapshot=beginning"]
    assert not pruned.removed
    assert not pruned.orphans


def test_an_old_file_that_a_manifest_names_is_no_orphan(place: Place, keep: Keep, prune: Prune) -> None:
    """Snapshots grow old; that alone harms none of their files."""
    keep(*DAYS[:2])
    for name in place.files():
        place.age(name, 10_000_000)
    before = place.files()
    assert prune(keep_daily=2).orphans == ()
    assert place.files() == before


def test_a_snapshot_that_is_being_written_again_is_skipped(place: Place, keep: Keep, prune: Prune) -> None:
    """New data beside an old manifest means that its rerun has begun."""
    keep(*DAYS[:2])
    place.write(f"{ACCOUNT}/snapshot={DAYS[0]}/assistants-0000000000000000.jsonl", b"{}")
    pruned = prune(keep_daily=1)
    assert pruned.removed == ()
    assert DAYS[0] in {one.name for one in pruned.skipped}
    assert left(place) == DAYS[:2]


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("20261105", "2026-11-05"),
        ("2026-11-05", "2026-11-05"),
        ("2026-11-05T12:00:00", "2026-11-05"),
        ("20261105120000", "2026-11-05"),
        ("2026-11-05_full", "2026-11-05"),
        ("20261399", "2026-10-09"),
        ("202611050", "2026-10-09"),
        ("nightly-20261105", "2026-10-09"),
        ("42", "2026-10-09"),
        ("2026-W45", "2026-10-09"),
    ],
)
def test_a_snapshot_belongs_to_the_day_of_its_name_else_of_its_reading(
    name: str, day: str, folder: Folder, sandbox: Sandbox, context: Any
) -> None:
    """Names that begin with a day are filed under it; any other under the day, in UTC, on which it was read."""
    folder.take(context, partition=name)
    path = f"{ACCOUNT}/snapshot={name}/manifest.json"
    manifest = json.loads(folder.files()[path]) | {"finished_at": "2026-10-10T01:00:00+02:00"}
    folder.write(path, json.dumps(manifest).encode())
    (kept,) = snapshots.prune(folder.destination, "puretalk_default", keep_daily=1).kept
    assert kept.reasons[0] == f"newest of {day}"


def test_names_that_are_no_days_are_kept_by_their_reading(place: Place, keep: Keep, prune: Prune) -> None:
    """Numbered snapshots of three days: the newest by name of each of the last two stays."""
    for number, day in enumerate([1, 2, 2, 3, 3]):
        keep(f"run-{number}", finished_at=f"2026-11-{day:02}T12:00:00Z")
    prune(keep_daily=2)
    assert left(place) == ["run-2", "run-4"]


def test_snapshots_can_be_kept_by_name(place: Place, keep: Keep, prune: Prune) -> None:
    """A baseline that people compare with stays."""
    keep(*DAYS[:4])
    pruned = prune(keep_daily=1, keep_named=[DAYS[1]])
    assert left(place) == [DAYS[1], DAYS[3]]
    assert pruned.kept[0].reasons == ("named",)


def test_nothing_goes_where_a_name_to_keep_is_not_there(place: Place, keep: Keep, prune: Prune) -> None:
    """A typo must not cost the snapshot that was meant."""
    keep(*DAYS[:4])
    with pytest.raises(PuretalkConfigurationError, match="lost"):
        prune(keep_daily=1, keep_named=[DAYS[1], "lost"])
    assert left(place) == DAYS[:4]


@pytest.mark.parametrize("place", ["path"], indirect=True)
def test_a_storage_that_fails_halfway(place: Folder, keep: Keep, prune: Prune, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the file; what stays is whole, and the next run does the rest."""
    keep(*DAYS[:4])
    remove = LocalFileSystem.rm_file

    def fail(self: Any, path: str) -> None:
        if f"{DAYS[1]}/assistants-" in path:
            raise OSError(errno.EIO, "Input/output error")
        remove(self, path)

    with monkeypatch.context() as broken:
        broken.setattr(LocalFileSystem, "rm_file", fail)
        with pytest.raises(PuretalkError, match=f"{DAYS[1]}/assistants-.*Input/output error"):
            prune(keep_daily=1)
    assert left(place) == DAYS[2:4]
    assert [one.snapshot for one in prune(keep_daily=1).removed] == [DAYS[2]]
    assert left(place) == [DAYS[3]]


@pytest.mark.parametrize("place", ["path"], indirect=True)
def test_a_storage_that_tells_no_age(place: Folder, keep: Keep, prune: Prune, monkeypatch: pytest.MonkeyPatch) -> None:
    """There nobody knows whether a file is an orphan or just being written; snapshots themselves need no age."""
    keep(*DAYS[:3])
    path = f"{ACCOUNT}/snapshot=killed/assistants-0000000000000000.jsonl.gz"
    place.write(path, b"orphan")
    place.age(path, 1_000_000)

    def unknown(self: Any, path: str) -> None:
        raise NotImplementedError

    monkeypatch.setattr(LocalFileSystem, "modified", unknown)
    pruned = prune(keep_daily=1)
    assert [one.snapshot for one in pruned.removed] == DAYS[:2]
    assert not pruned.orphans
    assert [one.name for one in pruned.skipped] == [path.removeprefix(f"{ACCOUNT}/")]
    assert path in place.files()


@pytest.mark.long
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"keep_daily": 0, "keep_weekly": 0, "keep_monthly": 0},
        {"keep_daily": -1},
        {"keep_weekly": 1.5},
        {"keep_monthly": True},
        {"keep_daily": "7"},
        {"keep_daily": 1, "keep_named": "20261101T000000Z"},
        {"keep_daily": 1, "keep_named": ["../other"]},
        {"keep_daily": 1, "keep_named": [None]},
        {"keep_daily": 1, "keep_named": None},
    ],
    ids=str,
)
def test_a_rule_that_makes_no_sense_is_refused(place: Place, keep: Keep, prune: Prune, arguments: Any) -> None:
    """Keeping nothing is never meant, and a number that is none is not guessed at; nothing is touched."""
    keep(*DAYS[:2])
    before = place.files()
    with pytest.raises(PuretalkConfigurationError, match="keep_|partition"):
        prune(**arguments)
    assert place.files() == before


def test_an_account_without_snapshots(place: Place, prune: Prune) -> None:
    """Nothing is kept, nothing removed; a destination that does not exist is an error, as everywhere."""
    assert prune(keep_daily=1).to_dict() == {
        "account": "puretalk_default",
        "dry_run": False,
        "kept": [],
        "removed": [],
        "left_alone": [],
        "debris": [],
        "bytes": 0,
        "counts": {"kept": 0, "removed": 0, "left_alone": 0, "debris": 0},
        "truncated": False,
    }


def test_a_destination_that_is_not_there_is_refused(tmp_path: Any) -> None:
    """A disk that is not mounted has no snapshots, and that is not the same as nothing to do."""
    with pytest.raises(PuretalkConfigurationError, match="does not exist"):
        snapshots.prune(f"{tmp_path}/nowhere", "puretalk_default", keep_daily=1)


def test_comparisons_of_what_a_snapshot_held_before_go_at_once(place: Place, keep: Keep, prune: Prune) -> None:
    """A killed rerun left them: nobody writes them again, so they need not get old. What was made of it now stays."""
    keep(DAYS[0])
    folder = f"{ACCOUNT}/snapshot={DAYS[0]}"
    edition = Manifest.model_validate_json(place.files()[f"{folder}/manifest.json"]).edition
    kept, gone = (layout.comparison_files(one, ("a", EDITION)) for one in (edition, EDITION))
    for name in (*kept, *gone):
        place.write(f"{folder}/{name}", b"text")
    pruned = prune(keep_daily=1)
    assert {one.name for one in pruned.orphans} == {f"snapshot={DAYS[0]}/{name}" for name in gone}
    assert {name.rpartition("/")[2] for name in place.files() if "/_" in name} == {*kept}
