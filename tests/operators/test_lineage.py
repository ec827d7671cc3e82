"""What OpenLineage gets: the API that was read, the files that were written, and no connection id."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_puretalk.operators import (
    PuretalkCompareSnapshotsOperator,
    PuretalkListAssistantsOperator,
    PuretalkSnapshotAssistantsOperator,
    lineage,
)
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import make_place


def names(datasets: Any) -> list[tuple[str, str]]:
    return [(dataset.namespace, dataset.name) for dataset in datasets]


def api(sandbox: Sandbox) -> list[tuple[str, str]]:
    return [(f"http://{urlsplit(sandbox.base_url).netloc}", "/api/ai-assistants")]


@pytest.mark.parametrize("kind", ["path", "file", "s3"])
def test_snapshot(kind: str, request: pytest.FixtureRequest, sandbox: Sandbox, context: Any) -> None:
    """A snapshot is its folder, called as OpenLineage calls it on every storage; a connection changes no name."""
    place = make_place(kind, request)
    task = PuretalkSnapshotAssistantsOperator(
        task_id="snapshot", destination=place.destination, storage_conn_id=place.storage_conn_id
    )
    task.execute(context)
    found = task.get_openlineage_facets_on_complete(None)
    below = "account=puretalk_default/snapshot=20261122T000000Z"
    if kind == "s3":
        bucket, _, prefix = place.destination.removeprefix("s3://").partition("/")
        expected = (f"s3://{bucket}", f"{prefix}/{below}")
    else:
        expected = ("file", f"{place.destination.removeprefix('file://')}/{below}")
    assert names(found.inputs) == api(sandbox)
    assert names(found.outputs) == [expected]
    assert "aws_fleet" not in str(found)


@pytest.mark.parametrize("file_format", ["jsonl", "parquet"])
@pytest.mark.parametrize("kind", ["path", "file", "s3"])
def test_what_a_comparison_reads_is_what_snapshots_wrote(
    kind: str, file_format: str, request: pytest.FixtureRequest, sandbox: Sandbox, context: Any
) -> None:
    """The graph has an edge from each snapshot to the comparison, and from there to changes and report."""
    place = make_place(kind, request)
    where: dict[str, Any] = {"destination": place.destination, "storage_conn_id": place.storage_conn_id}
    written = []
    for name in ("a", "b"):
        task = PuretalkSnapshotAssistantsOperator(task_id="snapshot", partition=name, file_format=file_format, **where)
        task.execute(context)
        written += names(task.get_openlineage_facets_on_complete(None).outputs)
    if kind == "path":  # Other spellings of one place.
        where["destination"] = f"file://{place.destination}/"
    elif kind == "s3":
        where["destination"] = place.destination.replace("s3://", "s3://aws_fleet@")
        where["storage_conn_id"] = None
    compare = PuretalkCompareSnapshotsOperator(task_id="compare", account="puretalk_default", **where)
    result = compare.execute(context)
    found = compare.get_openlineage_facets_on_complete(None)
    assert names(found.inputs) == written
    namespace, snapshot = written[1]
    files = [Path(result[key]).name for key in ("changes_path", "report_path")]
    assert names(found.outputs) == [(namespace, f"{snapshot}/{file}") for file in files]


def test_list(sandbox: Sandbox, context: Any) -> None:
    """A list is read and nothing is written."""
    task = PuretalkListAssistantsOperator(task_id="list", fields=["name"])
    task.execute(context)
    found = task.get_openlineage_facets_on_complete(None)
    assert names(found.inputs) == api(sandbox)
    assert names(found.outputs) == []


def test_the_real_service_has_the_documented_name() -> None:
    """The vendor's own address gives the namespace and name under which others know it."""
    found = lineage.of(api="https://api.puretalk.ai/api")
    assert names(found.inputs) == [("https://api.puretalk.ai", "/api/ai-assistants")]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("/fleet/a@b/x.jsonl", ("file", "/fleet/a@b/x.jsonl")),
        ("file:///fleet/a@b/x.jsonl", ("file", "/fleet/a@b/x.jsonl")),
        ("file://conn@/fleet/x.jsonl", ("file", "/fleet/x.jsonl")),
        ("file:///fleet//x.jsonl", ("file", "/fleet/x.jsonl")),
        ("s3a://conn@bucket/x.jsonl", ("s3://bucket", "x.jsonl")),
        ("s3://bucket/a@b/x.jsonl", ("s3://bucket", "a@b/x.jsonl")),
        ("s3://conn@bucket/a@b/x.jsonl", ("s3://bucket", "a@b/x.jsonl")),
        ("gs://conn@bucket/x.jsonl", ("gs://bucket", "x.jsonl")),
    ],
)
def test_names_of_files(url: str, name: tuple[str, str]) -> None:
    """Only the connection's id is taken off an address, not what is like one further on."""
    assert names(lineage.of(api=None, files=[url]).outputs) == [name]


@pytest.mark.parametrize(
    "task",
    [
        PuretalkListAssistantsOperator(task_id="list"),
        PuretalkSnapshotAssistantsOperator(task_id="snapshot", destination="/fleet"),
        PuretalkCompareSnapshotsOperator(task_id="compare", destination="/fleet", account="a"),
    ],
    ids=lambda task: task.task_id,
)
def test_a_task_that_did_not_run_has_none(task: Any) -> None:
    """What was not read or written is not claimed."""
    found = task.get_openlineage_facets_on_complete(None)
    assert (found.inputs, found.outputs) == ([], [])
