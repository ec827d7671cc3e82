"""Nothing is removed on an unchecked claim, a dry run reports what a real one does, and days are days somewhere."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkError, is_transient
from airflow_provider_puretalk.operators import PuretalkPruneSnapshotsOperator
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.snapshots import Pruned
from airflow_provider_puretalk.snapshots.storage import deletion
from tests.places import ACCOUNT, Folder, Place
from tests.s3_front import guarded_by, tried_once

DAYS = [f"202611{day:02}T000000Z" for day in range(1, 6)]


class Kept:
    """A place with snapshots, each read at the moment that was given, else at the one of its name."""

    def __init__(self, place: Place, context: Any) -> None:
        self.place = place
        place.take(context, partition="template")
        self._template = place.files()
        for name in self._template:
            place.remove(name)

    def put(self, *names: str, read_at: datetime | None = None, **facts: Any) -> None:
        for name in names:
            moment = read_at or datetime.strptime(name[:8], "%Y%m%d").replace(tzinfo=UTC)
            said = {"snapshot": name, "finished_at": moment.isoformat()} | facts
            for path, data in self._template.items():
                if path.endswith("manifest.json"):
                    data = json.dumps(json.loads(data) | said).encode()
                self.place.write(path.replace("template", name), data)

    def data(self, name: str) -> str:
        (found,) = [path for path in self.place.files() if f"snapshot={name}/assistants-" in path]
        return found

    def prune(self, **arguments: Any) -> Pruned:
        arguments = {"keep_daily": 1, "storage_conn_id": self.place.storage_conn_id, "dry_run": False} | arguments
        return snapshots.prune(self.place.destination, "puretalk_default", **arguments)

    def left(self) -> list[str]:
        return sorted(
            {name.split("snapshot=")[1].split("/")[0] for name in self.place.files() if name.endswith("/manifest.json")}
        )


@pytest.fixture
def kept(place: Place, sandbox: Sandbox, context: Any) -> Kept:
    sandbox.fleet.replace_all(list(sandbox.fleet)[:3])
    return Kept(place, context)


@pytest.mark.parametrize("damage", ["missing", "cut off", "of no file", "a name that is none"])
def test_a_snapshot_without_its_data_is_no_reason_to_remove_another(kept: Kept, damage: str) -> None:
    """The newest one that is whole is kept in its stead; the other stays where it is, and is reported."""
    kept.put(*DAYS)
    path = kept.data(DAYS[4])
    if damage == "missing":
        kept.place.remove(path)
    elif damage == "cut off":
        kept.place.write(path, kept.place.files()[path][:-1])
    elif damage == "of no file":
        kept.put(DAYS[4], files=[])
    else:
        files = json.loads(kept.place.files()[f"{ACCOUNT}/snapshot={DAYS[4]}/manifest.json"])["files"]
        kept.put(DAYS[4], files=[files[0] | {"name": "../elsewhere"}])
    planned = kept.prune(dry_run=True)
    done = kept.prune()
    for pruned in (planned, done):
        assert [(one.snapshot, one.reasons) for one in pruned.kept] == [
            (DAYS[3], ("newest of 2026-11-04", "newest complete"))
        ]
        assert [one.snapshot for one in pruned.removed] == DAYS[:3]
        assert [one.name for one in pruned.skipped] == [DAYS[4]]
    assert kept.left() == DAYS[3:]


def test_where_none_is_whole_nothing_is_removed(kept: Kept) -> None:
    """A bucket that lost its data keeps every manifest: they are all that is left to find it by."""
    kept.put(*DAYS)
    for name in DAYS:
        kept.place.remove(kept.data(name))
    pruned = kept.prune(keep_weekly=2)
    assert (pruned.removed, pruned.kept) == ((), ())
    assert [one.name for one in pruned.skipped] == DAYS
    assert kept.left() == DAYS


def test_each_period_has_one_that_is_whole(kept: Kept) -> None:
    """Also the older ones: of a day whose newest has lost its data, the one before stays."""
    moment = datetime(2026, 11, 1, 20, tzinfo=UTC)
    kept.put(DAYS[0])
    kept.put("20261101T200000Z", read_at=moment)
    kept.put(*DAYS[1:])
    kept.place.remove(kept.data("20261101T200000Z"))
    kept.prune(keep_daily=5)
    assert kept.left() == sorted([*DAYS, "20261101T200000Z"])


@pytest.mark.long
@pytest.mark.parametrize("place", ["s3"], indirect=True)
@pytest.mark.parametrize(
    "marker",
    [
        "",
        f"{ACCOUNT}/",
        f"{ACCOUNT}/snapshot={DAYS[0]}/",
        f"{ACCOUNT}/snapshot={DAYS[4]}/",
        f"{ACCOUNT}/snapshot=made by hand/",
        f"{ACCOUNT}/snapshot=empty/",
        f"{ACCOUNT}/snapshot={DAYS[0]}/.staging-x/",
        f"{ACCOUNT}/snapshot={DAYS[0]}/assistants-0000000000000000.jsonl.gz/",
        f"{ACCOUNT}/snapshot={DAYS[0]}/manifest.json/",
    ],
)
def test_keys_that_stand_for_folders(kept: Kept, marker: str) -> None:
    """Consoles make a folder by an empty key: a dry run and the real ones go on as if it were not there."""
    kept.put(*DAYS[:2], DAYS[4])
    kept.place.write(marker, b"")
    kept.place.age(marker, 1_000_000)
    planned, done, again = kept.prune(dry_run=True), kept.prune(), kept.prune()
    assert [one.snapshot for one in planned.removed] == DAYS[:2] == [one.snapshot for one in done.removed]
    assert (planned.skipped, planned.orphans) == (done.skipped, done.orphans)
    assert again.removed == ()
    assert kept.left() == [DAYS[4]]


@pytest.mark.parametrize(
    ("name", "zone", "day"),
    [
        ("2026110500", "UTC", "2026-11-05"),
        ("2026110523", "UTC", "2026-11-05"),
        ("2026-11-05-23", "UTC", "2026-11-05"),
        ("20261105T23", "UTC", "2026-11-05"),
        ("2026110523", "Europe/Berlin", "2026-11-06"),
        ("20261105T233000Z", "Europe/Berlin", "2026-11-06"),
        ("20261105T033000.123456Z", "America/New_York", "2026-11-04"),
        ("202611050330", "America/New_York", "2026-11-04"),
        ("2026-11-05", "America/New_York", "2026-11-05"),
        ("20261105", "Pacific/Kiritimati", "2026-11-05"),
        ("2026-11-05-99", "America/New_York", "2026-11-05"),
        ("run-1", "UTC", "2026-10-09"),
        ("run-1", "Asia/Tokyo", "2026-10-10"),
        ("202611050", "Asia/Tokyo", "2026-10-10"),
        ("99991231T230000Z", "Asia/Tokyo", "2026-10-10"),
        ("00010101T000000Z", "America/New_York", "2026-10-09"),
    ],
)
def test_the_day_of_a_snapshot(folder: Folder, sandbox: Sandbox, context: Any, name: str, zone: str, day: str) -> None:
    """A time in a name is UTC and falls on a day of the zone, a day alone is what it says, else the reading counts."""
    sandbox.fleet.replace_all(list(sandbox.fleet)[:3])
    kept = Kept(folder, context)
    kept.put(name, read_at=datetime(2026, 10, 9, 23, tzinfo=UTC))
    (one,) = kept.prune(timezone=zone).kept
    assert one.reasons[0] == f"newest of {day}"


@pytest.mark.parametrize("place", ["path"], indirect=True)
def test_no_day_is_lost_where_clocks_change(kept: Kept) -> None:
    """Snapshots of 1 a.m. in Berlin: on the day of 23 hours two of them fall on one day of UTC, and both are kept."""
    names = ["20260328T000000Z", "20260329T000000Z", "20260329T230000Z", "20260330T230000Z"]
    kept.put(*names)
    assert [one.snapshot for one in kept.prune(keep_daily=4, dry_run=True).removed] == [names[1]]
    pruned = kept.prune(keep_daily=4, timezone="Europe/Berlin")
    assert [one.reasons[0] for one in pruned.kept] == [f"newest of 2026-03-{day}" for day in (28, 29, 30, 31)]
    assert kept.left() == names


@pytest.mark.parametrize("place", ["path"], indirect=True)
@pytest.mark.parametrize("zone", ["Berlin", "", "../UTC", "America", "Europe/", None, 1])
def test_a_zone_that_is_none_is_refused(kept: Kept, zone: Any) -> None:
    """Before anything is read, and by the name of the argument."""
    kept.put(*DAYS)
    with pytest.raises(PuretalkConfigurationError, match="timezone"):
        kept.prune(timezone=zone)
    assert kept.left() == DAYS


@pytest.mark.parametrize("place", ["path"], indirect=True)
def test_the_operator_and_the_command_line_take_a_zone(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    """By its name; the library takes Python's own zones, too."""
    from airflow_provider_puretalk.cli.main import main

    kept.put("20261105T233000Z")
    operator = PuretalkPruneSnapshotsOperator(
        task_id="prune",
        destination=kept.place.destination,
        account="puretalk_default",
        keep_daily=1,
        timezone="Europe/Berlin",
    )
    assert "timezone" in operator.template_fields
    result = operator.execute({})
    capsys.readouterr()
    assert result["kept"][0]["reasons"][0] == "newest of 2026-11-06"
    command = ["snapshots", "prune", kept.place.destination, "--keep-daily", "1", "--json"]
    assert main([*command, "--timezone", "Europe/Berlin"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == result["kept"]
    (one,) = kept.prune(timezone=timezone(timedelta(hours=-24, minutes=1))).kept
    assert one.reasons[0] == "newest of 2026-11-04"


@pytest.mark.long
@pytest.mark.parametrize("place", ["s3"], indirect=True)
@pytest.mark.parametrize("locked", [DAYS[:1], DAYS[:4]])
def test_what_may_not_be_removed_stops_nothing_else(
    kept: Kept, connection: Callable[..., str], locked: list[str]
) -> None:
    """An object under a lock is reported and the rest is done; where nothing could be removed at all, that is an error."""

    def policy(method: str, path: str, query: dict[str, str]) -> bool:
        return method != "DELETE" or not any(name in path for name in locked)

    kept.put(*DAYS)
    with guarded_by(policy) as url:
        conn_id = f"locked_{uuid.uuid4().hex[:8]}"
        extra = {"endpoint_url": url, "region_name": "us-east-1"}
        connection(conn_id, conn_type="aws", host=None, login="access-key", password="secret-key", extra=extra)
        if len(locked) == 1:
            pruned = kept.prune(storage_conn_id=conn_id)
            assert [one.snapshot for one in pruned.removed] == DAYS[1:4]
            assert [one.name for one in pruned.skipped] == locked
            assert kept.left() == [*locked, DAYS[4]]
        else:
            with pytest.raises(PuretalkConfigurationError, match="cannot be removed: permission denied"):
                kept.prune(storage_conn_id=conn_id)
            assert kept.left() == DAYS


@pytest.mark.long
@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_a_snapshot_whose_data_may_not_be_removed_is_told_as_removed(
    kept: Kept, connection: Callable[..., str]
) -> None:
    """Without its manifest it is none any more: the files that stay are named, and the next run takes them."""
    allowed = False

    def policy(method: str, path: str, query: dict[str, str]) -> bool:
        return allowed or method != "DELETE" or "/assistants-" not in path

    kept.put(*DAYS[:3])
    data = [kept.data(name).partition("/")[2] for name in DAYS[:2]]
    manifests = sum(len(kept.place.files()[f"{ACCOUNT}/snapshot={name}/manifest.json"]) for name in DAYS[:2])
    with guarded_by(policy) as url:
        conn_id = f"locked_{uuid.uuid4().hex[:8]}"
        extra = {"endpoint_url": url, "region_name": "us-east-1"}
        connection(conn_id, conn_type="aws", host=None, login="access-key", password="secret-key", extra=extra)
        pruned = kept.prune(storage_conn_id=conn_id)
        assert [one.snapshot for one in pruned.removed] == DAYS[:2] == sorted({*DAYS[:3]} - {*kept.left()})
        assert [one.name for one in pruned.skipped] == data
        assert pruned.bytes == manifests
        for name in data:
            kept.place.age(f"{ACCOUNT}/{name}", 2 * 86_400)
        with pytest.raises(PuretalkConfigurationError, match="cannot be removed: permission denied"):
            kept.prune(storage_conn_id=conn_id)
        allowed = True
        assert [one.name for one in kept.prune(storage_conn_id=conn_id).orphans] == data


@pytest.mark.long
@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_a_storage_that_fails_halfway(
    kept: Kept, connection: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    """The error may be over soon, the log names what is gone already, and the next run does the rest."""
    refusal = "503 SlowDown"

    def policy(method: str, path: str, query: dict[str, str]) -> bool | str:
        return refusal if refusal and method == "DELETE" and DAYS[1] in path else True

    kept.put(*DAYS[:3])
    with guarded_by(policy) as url:
        conn_id = f"halfway_{uuid.uuid4().hex[:8]}"
        connection(conn_id, **tried_once(url))
        with pytest.raises(PuretalkError, match=f"{DAYS[1]}.*SlowDown") as caught:
            kept.prune(storage_conn_id=conn_id)
        assert is_transient(caught.value)
        assert f"Removed by then: {DAYS[0]}" in caplog.text
        assert kept.left() == DAYS[1:3]
        refusal = ""
        assert [one.snapshot for one in kept.prune(storage_conn_id=conn_id).removed] == [DAYS[1]]


@pytest.mark.parametrize("place", ["path"], indirect=True)
def test_an_orphan_that_may_be_needed_is_restored(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody can see whether a task has just come to name a file that was removed, it is put back."""
    kept.put(*DAYS[:1])
    orphans = f"{ACCOUNT}/snapshot={DAYS[0]}/assistants-{'0' * 16}.jsonl"
    kept.place.write(orphans, b"{}")
    kept.place.age(orphans, 2 * 86_400)
    answers = iter([False])

    def is_named(self: deletion.Folder, name: str) -> bool:
        for found in answers:
            return found
        raise PuretalkError("SlowDown", transient=True)

    monkeypatch.setattr(deletion.Folder, "_is_named", is_named)
    with pytest.raises(PuretalkError, match="SlowDown"):
        kept.prune()
    assert kept.place.files()[orphans] == b"{}"


@pytest.mark.parametrize("place", ["path", "s3"], indirect=True)
def test_what_is_kept_by_name_need_not_be_understood(kept: Kept) -> None:
    """A damaged manifest is there; it is kept in any case, and naming it is no mistake."""
    kept.put(*DAYS[:3])
    kept.place.write(f"{ACCOUNT}/snapshot={DAYS[0]}/manifest.json", b"{")
    pruned = kept.prune(keep_named=[DAYS[0]])
    assert [one.name for one in pruned.skipped] == [DAYS[0]]
    assert kept.left() == [DAYS[0], DAYS[2]]
    with pytest.raises(PuretalkConfigurationError, match="no such snapshot"):
        kept.prune(keep_named=["20261109T000000Z"])
