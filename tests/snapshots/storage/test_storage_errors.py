"""A storage that fails now, or refuses this file, says nothing about what is stored."""

from __future__ import annotations

import errno
import json
import logging
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.exceptions import (
    PuretalkConfigurationError,
    PuretalkError,
    PuretalkSnapshotError,
    is_transient,
)
from airflow_provider_puretalk.operators import PuretalkCompareSnapshotsOperator
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.sensors import PuretalkAssistantsChangedSensor
from airflow_provider_puretalk.snapshots.storage.errors import AccessDenied, translate
from tests.places import ACCOUNT, Bucket, Folder, make_place
from tests.s3_front import guarded_by, tried_once

NAMES = ["20261120T000000Z", "20261121T000000Z", "20261122T000000Z"]


class Front:
    """An S3 server that refuses what it is set to, by the end of a key: ``{"manifest.json": "503 SlowDown"}``."""

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}
        self.conn_id = f"fronted_{uuid.uuid4().hex[:8]}"  # Airflow keeps what was opened with an older one.

    def __call__(self, method: str, path: str, query: dict[str, str]) -> bool | str:
        if method == "GET" and "prefix" in query:
            path = query["prefix"].rstrip("/")
        if method in ("GET", "HEAD"):
            return next((how for end, how in self.refused.items() if path.endswith(end)), True)
        return True


@pytest.fixture
def front(s3_bucket: str, connection: Callable[..., str]) -> Iterator[Front]:
    """The server behind a connection of its own, which is used without retries."""
    front = Front()
    with guarded_by(front) as url:
        connection(front.conn_id, **tried_once(url))
        yield front


@pytest.fixture
def bucket(front: Front, request: pytest.FixtureRequest) -> Bucket:
    """A bucket behind that server."""
    place = make_place("s3", request)
    assert isinstance(place, Bucket)
    return Bucket(
        place.destination, place.named.replace("aws_fleet", front.conn_id), front.conn_id,
        client=place.client, bucket=place.bucket, prefix=place.prefix,
    )  # fmt: skip


@pytest.fixture
def three(bucket: Bucket, sandbox: Sandbox, context: Any) -> Bucket:
    """A bucket with three snapshots of a fleet of 3, read in the order of their names."""
    sandbox.fleet.replace_all(list(sandbox.fleet)[:3])
    for name in NAMES:
        bucket.take(context, partition=name)
    return bucket


def manifest(name: str) -> str:
    return f"snapshot={name}/manifest.json"


def compare(place: Bucket, context: Any, **arguments: Any) -> Any:
    return PuretalkCompareSnapshotsOperator(
        task_id="compare",
        destination=place.destination,
        storage_conn_id=place.storage_conn_id,
        account="puretalk_default",
        **arguments,
    ).execute(context)


def prune(place: Bucket, **arguments: Any) -> snapshots.Pruned:
    return snapshots.prune(
        place.destination, "puretalk_default", keep_daily=1, storage_conn_id=place.storage_conn_id, **arguments
    )


OVER_SOON = ["503 SlowDown", "400 ExpiredToken", "403 RequestTimeTooSkewed"]


@pytest.mark.long
@pytest.mark.parametrize("refusal", OVER_SOON)
def test_a_manifest_that_cannot_be_read_now_is_not_passed_over(
    three: Bucket, front: Front, context: Any, refusal: str
) -> None:
    """List, compare and prune end in an error that may be over soon, and nothing is removed; it is no "damage"."""
    before = three.files()
    front.refused[manifest(NAMES[1])] = refusal
    for work in (
        lambda: snapshots.list_snapshots(three.destination, storage_conn_id=front.conn_id),
        lambda: compare(three, context),
        lambda: prune(three, dry_run=True),
        lambda: prune(three, dry_run=False),
    ):
        with pytest.raises(PuretalkError, match=manifest(NAMES[1])) as caught:
            work()
        assert is_transient(caught.value)
        assert not isinstance(caught.value, PuretalkSnapshotError)
        assert "permission denied" not in str(caught.value)
        assert refusal.split()[1] in str(caught.value)
    assert three.files() == before


@pytest.mark.long
def test_a_sensor_outlasts_it(three: Bucket, front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is one of those that a sensor tolerates some of in a row."""
    front.refused[manifest(NAMES[2])] = "503 SlowDown"
    sensor = PuretalkAssistantsChangedSensor(
        task_id="wait", destination=three.destination, storage_conn_id=front.conn_id, max_consecutive_failures=1
    )
    assert sensor.poke({}) is False
    with pytest.raises(PuretalkError) as caught:
        sensor.poke({})
    assert is_transient(caught.value)


@pytest.mark.long
def test_taking_does_not_depend_on_older_manifests(
    three: Bucket, front: Front, context: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A snapshot is kept also where those before it cannot be read; a warning says so, and no result is made up."""
    front.refused[manifest(NAMES[2])] = "503 SlowDown"
    taken = three.take(context, partition="20261123T000000Z")
    assert (taken["previous_snapshot"], taken["unchanged"]) == (None, None)
    log = caplog.text + capfd.readouterr().out
    assert manifest(NAMES[2]) in log
    assert "not compared with the one before it" in log
    assert "the first one" not in log
    assert snapshots.verify(taken["manifest_path"]).count == 3


@pytest.mark.long
@pytest.mark.parametrize("refusal", ["403 InvalidObjectState", "403 AccessDenied", "400 KMS.DisabledException"])
def test_an_old_manifest_that_may_not_be_read_is_logged_and_skipped(
    three: Bucket, front: Front, context: Any, caplog: pytest.LogCaptureFixture, refusal: str
) -> None:
    """An archived object, one without permission or one under a disabled key stops nobody, and is named."""
    front.refused[manifest(NAMES[0])] = refusal
    with caplog.at_level(logging.WARNING):
        found = snapshots.list_snapshots(three.destination, storage_conn_id=front.conn_id)
    assert [one.snapshot for one in found] == NAMES[1:]
    assert manifest(NAMES[0]) in caplog.text
    assert three.take(context, partition="20261123T000000Z")["previous_snapshot"] == NAMES[2]
    assert compare(three, context)["baseline"] == NAMES[2]
    done = prune(three, dry_run=False)
    assert [one.snapshot for one in done.removed] == NAMES[1:]
    assert [one.name for one in done.skipped] == [NAMES[0]]
    assert f"{ACCOUNT}/{manifest(NAMES[0])}" in three.files()


@pytest.mark.long
@pytest.mark.parametrize("place", [1, 2])
def test_a_comparison_takes_no_older_one_in_its_stead(three: Bucket, front: Front, context: Any, place: int) -> None:
    """Where the newest or the one before it may not be read, the comparison names it and ends."""
    front.refused[manifest(NAMES[place])] = "403 AccessDenied"
    with pytest.raises(PuretalkConfigurationError, match=manifest(NAMES[place])):
        compare(three, context)
    assert compare(three, context, baseline=NAMES[0], snapshot=NAMES[3 - place])["baseline"] == NAMES[0]


@pytest.mark.long
def test_a_damaged_baseline_is_not_replaced_by_an_older_one(three: Bucket, context: Any) -> None:
    """What is compared with the snapshot before would pass for the changes since the last one."""
    three.write(f"{ACCOUNT}/{manifest(NAMES[1])}", b"{")
    for arguments in ({}, {"snapshot": NAMES[2]}):
        with pytest.raises(PuretalkSnapshotError, match=manifest(NAMES[1])):
            compare(three, context, **arguments)


@pytest.mark.long
@pytest.mark.parametrize("refusal", ["503 SlowDown", "403 InvalidObjectState"])
def test_a_rerun_that_cannot_look_at_what_it_replaces_replaces_nothing(
    three: Bucket, front: Front, context: Any, refusal: str
) -> None:
    """Else the file that the old manifest names would stay unseen, with everything that `redact` was to take out."""
    before = three.files()
    front.refused[manifest(NAMES[2])] = refusal
    with pytest.raises(PuretalkError, match=manifest(NAMES[2])):
        three.take(context, partition=NAMES[2], redact={"prompt": "drop"})
    after = three.files()
    assert {name: after[name] for name in before} == before


@pytest.mark.long
def test_verify_tells_bad_from_not_looked_at(
    three: Bucket, front: Front, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the command line ``verified`` is null where the storage failed, and false only where something is wrong."""
    from airflow_provider_puretalk.cli.main import main

    front.refused[manifest(NAMES[0])] = "503 SlowDown"
    three.write(f"{ACCOUNT}/{manifest(NAMES[1])}", b"{")
    capsys.readouterr()
    assert main(["snapshots", "verify", three.destination, "--storage-conn-id", front.conn_id, "--all", "--json"]) == 1
    assert [one["verified"] for one in json.loads(capsys.readouterr().out)] == [None, False, True]


@pytest.mark.parametrize(
    ("number", "transient"),
    [
        (errno.EIO, True),
        (errno.ESTALE, True),
        (errno.ETIMEDOUT, True),
        (errno.ECONNRESET, True),
        (errno.EMFILE, True),
        (errno.ENOSPC, False),
        (errno.EINVAL, False),
    ],
)
def test_file_systems(folder: Folder, take: Any, monkeypatch: pytest.MonkeyPatch, number: int, transient: bool) -> None:
    """A file server that does not answer has not damaged anything either."""
    take(partition="1")

    def fail(self: Any, path: str, **_: Any) -> bytes:
        raise OSError(number, "failed")

    monkeypatch.setattr(LocalFileSystem, "cat_file", fail)
    with pytest.raises(PuretalkError, match=r"manifest\.json cannot be read: failed") as caught:
        snapshots.list_snapshots(folder.destination)
    assert is_transient(caught.value) is transient
    assert not isinstance(caught.value, PuretalkSnapshotError)


def test_a_file_that_cannot_be_looked_for_is_not_missing(
    folder: Folder, take: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Storage libraries answer "it does not exist" where they could not look; who removes files must not believe it."""
    from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

    data = Path(take(partition="1")["files"][0])
    storage = Storage(folder.destination)
    name = str(data.relative_to(folder.root))
    assert storage.exists(name)
    assert not storage.exists(f"{name}x")

    def fail(self: Any, path: str, **_: Any) -> Any:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(LocalFileSystem, "info", fail)
    with pytest.raises(PuretalkError, match="Input/output error"):
        storage.exists(name)


class _HttpResponseError(Exception):
    """As azure-core's."""

    def __init__(self, status: int, code: str | None = None) -> None:
        super().__init__(f"Operation returned\nan invalid status {status}")
        self.status_code, self.error_code = status, code


class HttpError(Exception):
    """As gcsfs's."""

    def __init__(self, code: int) -> None:
        super().__init__("Backend Error")
        self.code = code


class ServiceRequestError(Exception):
    """As azure-core's, where no answer came."""


class NoCredentialsError(Exception):
    """As botocore's."""


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (_HttpResponseError(503, "ServerBusy"), True),
        (_HttpResponseError(500), True),
        (_HttpResponseError(409, "BlobArchived"), None),
        (_HttpResponseError(403, "AuthorizationPermissionMismatch"), None),
        (_HttpResponseError(400, "InvalidInput"), False),
        (HttpError(429), True),
        (HttpError(503), True),
        (HttpError(401), None),
        (OSError("Forbidden: bucket/key\nno"), None),
        (ServiceRequestError("no route"), True),
        (TimeoutError(), True),
        (ConnectionResetError(errno.ECONNRESET, "reset"), True),
        (RuntimeError("what?"), False),
    ],
    ids=repr,
)
def test_errors_of_other_libraries(error: Exception, transient: bool | None) -> None:
    """Azure's, Google's and bare network errors are judged by what they carry: None stands for "not permitted"."""
    ours = translate(error, "gs://b/x", writing=False)
    assert isinstance(ours, AccessDenied if transient is None else PuretalkError)
    assert is_transient(ours) is bool(transient)
    assert isinstance(ours, AccessDenied) is (transient is None)
    assert "\n" not in str(ours)
    assert str(ours).startswith("gs://b/x cannot be read")


@pytest.mark.parametrize(
    ("status", "code", "transient"),
    [
        (409, "ConditionalRequestConflict", True),
        (404, "NoSuchUpload", True),
        (400, "UnsupportedSignature", False),
        (409, "InvalidBucketState", False),
        (404, "NoSuchBucket", False),
        (400, "KeyTooLongError", False),
    ],
)
def test_codes_of_s3(status: int, code: str, transient: bool) -> None:
    """What S3 says decides, not the number that its library makes of it; "no such bucket" is not "no such file"."""
    from botocore.exceptions import ClientError
    from s3fs.errors import translate_boto_error

    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    ours = translate(translate_boto_error(ClientError(answer, "PutObject")), "s3://b/x", writing=False)
    assert isinstance(ours, PuretalkError)
    assert is_transient(ours) is transient
    if code == "KeyTooLongError":
        assert isinstance(ours, PuretalkConfigurationError)
        assert "use shorter names" in str(ours)


def test_a_name_that_is_too_long_is_a_matter_of_configuration(folder: Folder) -> None:
    """Also where it is only looked up, in the folder of an account that is there."""
    folder.write(f"{ACCOUNT}/notes.txt", b"")
    with pytest.raises(PuretalkConfigurationError, match="use shorter names"):
        snapshots.read_manifest(f"{folder.root}/{ACCOUNT}/snapshot={'1' * 250}/manifest.json")
    with pytest.raises(PuretalkConfigurationError, match="use shorter names"):
        snapshots.list_snapshots(f"{folder.root}/{'ж' * 128}")


@pytest.mark.parametrize("below", ["", f"{ACCOUNT}/"], ids=["destination", "account"])
def test_a_folder_that_cannot_be_looked_up_is_not_called_missing(folder: Folder, take: Any, below: str) -> None:
    """A link that leads to itself, for a disk that fails: the reason is named, and nobody is told to create the folder."""
    loop = folder.root / below / "loop"
    loop.parent.mkdir(exist_ok=True)
    loop.symlink_to(loop)
    with pytest.raises(PuretalkError, match="symbolic link") as caught:
        snapshots.list_snapshots(str(loop)) if below else take(destination=str(loop))
    assert "does not exist" not in str(caught.value)


@pytest.mark.long
def test_a_refusal_that_is_over_when_its_reason_is_asked_for(
    three: Bucket, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 gives no reason where it refuses a HEAD: what is over by then is not taken for a lack of permission."""
    refused = list[str]()

    def once(self: Front, method: str, path: str, query: dict[str, str]) -> bool | str:
        if refused or method != "HEAD" or not path.endswith(".jsonl.gz"):
            return True
        refused.append(path)
        return "403 RequestTimeTooSkewed"

    monkeypatch.setattr(Front, "__call__", once)
    assert [one.snapshot for one in prune(three).kept] == NAMES[2:]
    assert refused


def test_missing_credentials_are_a_matter_of_configuration() -> None:
    """Nobody need try again with none."""
    ours = translate(NoCredentialsError("Unable to locate credentials"), "s3://b", writing=True)
    assert isinstance(ours, PuretalkConfigurationError)


#: Snapshots in the order in which they were read, by names that do not sort so as text, or not at all.
ORDERS = [
    ("nightly-8", "nightly-9", "nightly-10", "nightly-11"),
    ("20261123T100000Z", "20261123T000000Z", "20261123T200000Z", "20261123T050000Z"),
]


@pytest.mark.parametrize("names", ORDERS, ids=["numbers", "moments in another order"])
@pytest.mark.parametrize("damaged", [1, 2, 3])
def test_names_do_not_hide_a_damaged_baseline(
    folder: Folder, sandbox: Sandbox, context: Any, names: tuple[str, ...], damaged: int
) -> None:
    """A damaged manifest is passed over only where its snapshot was not read between those that are compared."""
    sandbox.fleet.replace_all(list(sandbox.fleet)[:3])
    for name in names:
        folder.take(context, partition=name)
    folder.write(f"{ACCOUNT}/{manifest(names[damaged])}", b"{")
    operator = PuretalkCompareSnapshotsOperator(
        task_id="compare",
        destination=folder.destination,
        account="puretalk_default",
        snapshot=None if damaged == 3 else names[damaged + 1],
    )
    with pytest.raises(PuretalkSnapshotError, match=manifest(names[damaged])):
        operator.execute(context)
    if damaged == 3:
        sensor = PuretalkAssistantsChangedSensor(task_id="wait", destination=folder.destination)
        with pytest.raises(PuretalkSnapshotError, match=manifest(names[damaged])):
            sensor.poke(context)


def test_the_only_one_before_may_be_the_baseline(folder: Folder, take: Any, sandbox: Sandbox) -> None:
    """Where the first snapshot is damaged, the second is not reported as the first one, in a DAG or outside."""
    from airflow_provider_puretalk.snapshots.comparison.pair_selection import choose_two
    from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

    for name in NAMES[:2]:
        take(partition=name)
    folder.write(f"{ACCOUNT}/{manifest(NAMES[0])}", b"{")
    with pytest.raises(PuretalkSnapshotError, match=manifest(NAMES[0])):
        choose_two(Storage(folder.destination), "puretalk_default")


@pytest.mark.long
def test_an_account_that_may_not_be_listed_hides_no_other(
    three: Bucket, front: Front, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list of all accounts names it in a warning, a check of all says that it was not made; alone it is an error."""
    from airflow_provider_puretalk.cli.main import main

    three.write("account=another/snapshot=1/manifest.json", b"{}")
    for refusal, is_for_good in (("403 AccessDenied", True), ("503 SlowDown", False)):
        front.refused = {"account=another": refusal}
        caplog.clear()
        if is_for_good:
            found = snapshots.list_snapshots(three.destination, storage_conn_id=front.conn_id)
            assert [one.snapshot for one in found] == NAMES
            assert "account=another" in caplog.text
        for account in ["another"] if is_for_good else ["another", None]:
            with pytest.raises(PuretalkError, match="account=another cannot be read") as caught:
                snapshots.list_snapshots(three.destination, account, storage_conn_id=front.conn_id)
            assert is_transient(caught.value) is not is_for_good
        capsys.readouterr()
        options = ["--storage-conn-id", front.conn_id, "--all", "--json"]
        assert main(["snapshots", "verify", three.destination, *options]) == 1
        rows = json.loads(capsys.readouterr().out)
        assert [one["verified"] for one in rows] == [None, True, True, True]
        assert "account=another" in rows[0]["manifest_path"]
