"""A destination is the place that was named, or it is refused before any request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_puretalk import history, links, locations, params, snapshots
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkError, PuretalkSnapshotError
from airflow_provider_puretalk.operators import (
    PuretalkCompareSnapshotsOperator,
    PuretalkPruneSnapshotsOperator,
    PuretalkSnapshotAssistantsOperator,
    PuretalkUpdateHistoryOperator,
)
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from tests.places import Bucket, Folder, make_place

#: What is cut off, followed or resolved by one storage library or another.
ELSEWHERE = [
    "s3://b/prod::eu",
    "s3://b::file/x",
    "simplecache::s3://b/x",
    "s3://b/x#",
    "s3://b/#x",
    "s3://b#/x",
    "s3://b/x?",
    "s3://b/x?versionId=1",
    "s3://b/*",
    "s3://b/[ab]",
    "s3://b/a//b",
    "s3://b/../c",
    "s3://b/./c",
    "s3://b/a\\b",
    "s3://b/x\n",
    "s3://b\t/x",
    "/data/x\n",
    "/da\tta",
    " /data",
    "~/data",
    "data",
    "",
    "s3:/b/x",
    "file://data/x",
    "file://localhost/data",
    "s3://",
    "s3:///b/x",
    "s3://key:secret@b/x",
    " s3://key:secret@b/x",
    "s3:/key:secret@b/x",
    "s3//key:secret@b/x",
    "key:secret@b/x",
    "s3://key:sec\tret:secret@b/x",
    "s3://key:/secret@b/x",
    "s3://key:se/secret@b/x",
    "s3://key:secret/?@b/x",
    "file://key:secret@/data",
    "file://key:secret@host/data",
    "s3n://b/x",
    "memory://fleet/a::b",
]


@pytest.mark.parametrize("location", ELSEWHERE)
def test_what_would_lead_elsewhere_is_refused(silent: Sandbox, context: Any, location: str) -> None:
    """Such a destination is refused before the first request, by a sentence on one line."""
    with pytest.raises(PuretalkConfigurationError) as caught:
        PuretalkSnapshotAssistantsOperator(task_id="t", destination=location).execute(context)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["s3://", "file://", "s3:/", ""])
def test_credentials_in_the_path_of_a_manifest_are_not_repeated(scheme: str) -> None:
    """Whatever else is wrong with it."""
    for path in ("b/x", "b/account=a/snapshot=s/manifest.json"):
        with pytest.raises(PuretalkError) as caught:
            snapshots.read_manifest(f"{scheme}key:secret@{path}")
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("place", ["b:8020", "arn:aws:s3:eu-central-1:1:accesspoint"])
def test_a_colon_in_a_place_is_no_secret(place: str) -> None:
    """Hosts have ports, and access points of S3 have long names."""
    assert locations.parse(f"s3://{place}/x@y").place == place


@pytest.mark.parametrize(
    "name", ["x#", "x?", "x?versionId=1", "x ", " x", "a::b", "a%20b", "s3:", "~", "a*[b]", "a\\b"]
)
def test_local_names_mean_nothing_else(folder: Folder, sandbox: Sandbox, context: Any, name: str) -> None:
    """On a local disk every name is a name, and the address given back opens what was written."""
    (folder.root / name).mkdir()
    (folder.root / "x").mkdir(exist_ok=True)
    result = folder.take(context, destination=f"{folder.root}/{name}")
    assert (folder.root / name / "account=puretalk_default").is_dir()
    assert result["manifest_path"].startswith(f"{folder.root}/{name}/")
    assert snapshots.verify(result["manifest_path"]).count == 250
    assert len(snapshots.list_snapshots(f"{folder.root}/{name}")) == 1


@pytest.mark.long
@pytest.mark.parametrize("name", ["a%20b", "x ", "a;b=c&d", "ünï"])
def test_keys_are_what_was_named(request: pytest.FixtureRequest, sandbox: Sandbox, context: Any, name: str) -> None:
    """In a bucket the key is the text that was given, letter by letter."""
    place = make_place("s3", request)
    assert isinstance(place, Bucket)
    result = place.take(context, destination=f"S3://{place.bucket}/{name}")
    found = place.client.list_objects_v2(Bucket=place.bucket)["Contents"]
    assert {item["Key"].split("/account=")[0] for item in found} == {name}
    assert snapshots.verify(result["manifest_path"]).count == 250


@pytest.mark.long
@pytest.mark.parametrize("conn_id", ["team/aws", "team:aws", "a#b", "a\\b", "a!(b)", "aws.eu-1"])
def test_ids_of_connections(
    request: pytest.FixtureRequest, sandbox: Sandbox, context: Any, monkeypatch: pytest.MonkeyPatch, conn_id: str
) -> None:
    """Whatever Airflow lets a connection be called, the addresses given back name it and can be opened."""
    import os

    place = make_place("s3", request)
    assert isinstance(place, Bucket)
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", os.environ["AIRFLOW_CONN_AWS_FLEET"])
    result = place.take(context, storage_conn_id=conn_id)
    assert snapshots.read_manifest(result["manifest_path"]).count == 250
    assert Storage(result["manifest_path"]).url == result["manifest_path"]
    assert locations.parse(result["manifest_path"]).conn_id == conn_id
    assert links.address(result["manifest_path"]) is None  # Another endpoint; the id was found, or it would raise.


def test_two_connections(silent: Sandbox, context: Any) -> None:
    """A destination that names one connection, with another beside it, is refused."""
    with pytest.raises(PuretalkConfigurationError, match="connection 'other', and .* another one, 'one'"):
        PuretalkSnapshotAssistantsOperator(task_id="t", destination="s3://one@b/x", storage_conn_id="other").execute(
            context
        )


def test_accounts_with_two_colons_in_a_bucket(request: pytest.FixtureRequest, sandbox: Sandbox, context: Any) -> None:
    """A name that a storage library would follow is refused before the list is read."""
    place = make_place("s3", request)
    with pytest.raises(PuretalkConfigurationError, match="'::'"):
        place.take(context, partition="a::b")
    assert sandbox.request_count == 0


class AzureLike:
    """The file system of an Azure account, as far as a location is concerned."""

    root_marker = ""

    def __init__(self, account_name: str | None) -> None:
        self.account_name = account_name

    @staticmethod
    def _strip_protocol(path: str) -> str:
        _, separator, rest = path.partition("://")
        place, _, key = (rest if separator else path).partition("/")
        return f"{place.partition('@')[0]}/{key}".rstrip("/")


def test_azure_containers_are_no_connections() -> None:
    """What stands before an account's address is a container; before a container it is a connection."""
    whole = locations.parse("abfss://box@account.dfs.core.windows.net/a/b", "azure")
    assert (whole.conn_id, whole.place) == ("azure", "box@account.dfs.core.windows.net")
    assert locations.parse(whole.url) == whole
    assert locations.parse("abfs://azure@box/a").conn_id == "azure"
    assert locations.parse("gs://gcp@bucket/a").conn_id == "gcp"
    assert locations.root_in(AzureLike("account"), whole) == "box/a/b"
    for opened in ("other", None):
        with pytest.raises(PuretalkConfigurationError, match="storage_conn_id"):
            locations.root_in(AzureLike(opened), whole)


def test_the_library_has_the_last_word() -> None:
    """Where a storage library makes another place of a location, whatever the reason, it is refused."""

    class Shortening(AzureLike):
        @staticmethod
        def _strip_protocol(path: str) -> str:
            return "b/prod"

    with pytest.raises(PuretalkConfigurationError, match="another place"):
        locations.root_in(Shortening(None), locations.parse("s3://b/prod-eu"))


@pytest.mark.long
def test_path_objects_everywhere(
    request: pytest.FixtureRequest, folder: Folder, sandbox: Sandbox, context: Any
) -> None:
    """Operators and the library take a ``Path`` and an ``ObjectStoragePath``, with its connection, through templates."""
    bucket = make_place("s3", request)
    for given in (
        folder.root,
        ObjectStoragePath(f"file://{folder.root}"),
        ObjectStoragePath(bucket.destination, conn_id=bucket.storage_conn_id),
    ):
        operator = PuretalkSnapshotAssistantsOperator(task_id="t", destination=given, partition="1")
        assert operator.destination is given
        operator.render_template_fields(context)
        result = operator.execute(context)
        again = PuretalkSnapshotAssistantsOperator(task_id="t", destination=given, partition="2")
        again.render_template_fields(context)
        newer = again.execute(context)["manifest_path"]
        assert len(snapshots.list_snapshots(given)) == 2
        manifest = given / "account=puretalk_default" / "snapshot=1" / "manifest.json"
        assert snapshots.read_manifest(manifest).count == 250
        assert len(list(snapshots.iter_records(manifest))) == 250
        assert snapshots.compare(manifest, newer).counts["unchanged"] == 250
        ran = {"account": "puretalk_default", "destination": given}
        context["ti"].xcom_push = lambda **_: None
        PuretalkCompareSnapshotsOperator(task_id="c", snapshot="2", baseline="1", **ran).execute(context)
        PuretalkUpdateHistoryOperator(task_id="h", keep="forever", **ran).execute(context)
        assert len(history.open(given, "puretalk_default").verify().proven) == 2
        PuretalkPruneSnapshotsOperator(task_id="p", keep_daily=1, require_history=True, **ran).execute(context)
        assert snapshots.prune(given, "puretalk_default", keep_daily=1).account == "puretalk_default"
        json.dumps(params.location("destination", given))
        assert snapshots.verify(result["manifest_path"]).count == 250
    assert history.open(given, "puretalk_default").forget(fields=["prompt"]).readings == 2
    assert history.open(given, "puretalk_default").verify().proven == ()


@pytest.mark.parametrize("value", [None, 7.5, b"/data", ["/data"]])
def test_what_is_no_location(context: Any, silent: Sandbox, value: Any) -> None:
    """Anything else is a configuration error."""
    with pytest.raises(PuretalkConfigurationError):
        PuretalkSnapshotAssistantsOperator(task_id="t", destination=value).execute(context)
    with pytest.raises(PuretalkConfigurationError):
        snapshots.list_snapshots(value)


@pytest.mark.parametrize("kind", ["path", "s3"])
def test_names_that_are_too_long(request: pytest.FixtureRequest, sandbox: Sandbox, context: Any, kind: str) -> None:
    """A name that the storage cannot hold is refused before the list is read."""
    place = make_place(kind, request)
    with pytest.raises(PuretalkConfigurationError, match="too long"):
        place.take(context, partition="1" * (250 if kind == "path" else 900))
    assert sandbox.request_count == 0


@pytest.mark.long
@pytest.mark.parametrize("fits", [True, False])
def test_the_longest_names_that_fit(request: pytest.FixtureRequest, sandbox: Sandbox, context: Any, fits: bool) -> None:
    """Where a snapshot may be taken its comparisons can be stored, too; letters of several bytes count as these."""
    bucket = make_place("s3", request)
    assert isinstance(bucket, Bucket)
    names = ["a" * 160, "b" * 160]
    room = 1024 - 250 - len(f"/account=puretalk_default/snapshot={names[0]}") + (not fits)
    destination = f"s3://{bucket.bucket}/{'ä' * (room // 2)}{'x' * (room % 2)}"
    if not fits:
        with pytest.raises(PuretalkConfigurationError, match="too long for a key"):
            bucket.take(context, destination=destination, partition=names[0])
        assert sandbox.request_count == 0
        return
    for name in names:
        bucket.take(context, destination=destination, partition=name)
    PuretalkCompareSnapshotsOperator(
        task_id="compare",
        destination=destination,
        storage_conn_id=bucket.storage_conn_id,
        account="puretalk_default",
        snapshot=names[1],
        baseline=names[0],
        ignore_fields=["name"],
    ).execute(context)
    keys = [item["Key"] for item in bucket.client.list_objects_v2(Bucket=bucket.bucket)["Contents"]]
    assert len(keys) == 6
    assert max(len(key.encode()) for key in keys) <= 1024


@pytest.mark.parametrize("read_only", ["account=puretalk_default", "account=puretalk_default/snapshot=1"])
def test_read_only_folders(folder: Folder, sandbox: Sandbox, context: Any, read_only: str) -> None:
    """A folder below the destination that cannot be written is found out before the list is read."""
    import subprocess

    from tests.operators.test_snapshot_storage_failures import mounted

    folder.take(context, partition="1")
    before = sandbox.request_count
    at = folder.root / read_only
    with mounted(at, "--bind", str(at)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(at)], check=True)
        with pytest.raises(PuretalkConfigurationError, match="read-only"):
            folder.take(context, partition="1")
    assert sandbox.request_count == before


@pytest.mark.parametrize("reader", [lambda path: list(snapshots.iter_records(path)), snapshots.verify])
@pytest.mark.parametrize("files", ["none", "another count"])
def test_manifests_whose_files_hold_less(
    folder: Folder, sandbox: Sandbox, context: Any, reader: Any, files: str
) -> None:
    """A manifest whose files do not hold what it counts is refused, never read as fewer assistants."""
    path = Path(folder.take(context)["manifest_path"])
    manifest = json.loads(path.read_bytes())
    if files == "none":
        manifest["files"] = []
    else:
        manifest["count"] = manifest["files"][0]["count"] = 251
    path.write_text(json.dumps(manifest))
    with pytest.raises(PuretalkSnapshotError, match="count"):
        reader(str(path))
