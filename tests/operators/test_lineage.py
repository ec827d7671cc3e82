"""What OpenLineage gets: the API that was read, the files that were written, and no connection id."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.parquet
import pytest

from airflow_provider_puretalk.operators import (
    PuretalkCompareSnapshotsOperator,
    PuretalkListAssistantsOperator,
    PuretalkSnapshotAssistantsOperator,
    PuretalkUpdateHistoryOperator,
    lineage,
)
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import make_place


def names(datasets: Any) -> list[tuple[str, str]]:
    return [(dataset.namespace, dataset.name) for dataset in datasets]


def api(sandbox: Sandbox) -> list[tuple[str, str]]:
    return [(f"http://{urlsplit(sandbox.base_url).netloc}", "/api/ai-assistants")]


@pytest.mark.long
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


@pytest.mark.long
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


def test_facets(sandbox: Sandbox, tmp_path: Path, context: Any) -> None:
    """A snapshot that was written has its content's hash as version, its rows and bytes, and the fields of its records."""
    sandbox.fleet.change(sandbox.fleet.ids()[0], {"region": {"name": "eu"}})
    redact = {"user": "drop", "max_reminder_messages": "mask"}
    task = PuretalkSnapshotAssistantsOperator(task_id="snapshot", destination=str(tmp_path), redact=redact)
    result = task.execute(context)
    (found,) = task.get_openlineage_facets_on_complete(None).outputs
    assert found.facets["version"].datasetVersion == result["content_sha256"]
    size = sum(Path(file).stat().st_size for file in result["files"])
    statistics = found.outputFacets["outputStatistics"]
    assert (statistics.rowCount, statistics.size) == (250, size)
    fields = {field.name: field for field in found.facets["schema"].fields}
    types = {name: fields[name].type for name in ("assistant_id", "voice", "voice_speed", "tools", "region")}
    assert types == {
        "assistant_id": "string",
        "voice": "object",
        "voice_speed": "number",
        "tools": "string",
        "region": "object",
    }
    assert fields["max_reminder_messages"].type == "string"  # The mask is.
    assert "user" not in fields
    assert {field.name: field.type for field in fields["voice"].fields}["is_cloned"] == "boolean"


def test_one_that_is_kept_was_neither_read_nor_written(sandbox: Sandbox, tmp_path: Path, context: Any) -> None:
    """It is the task's result with its version, without an input or statistics of writing."""
    first, second = (
        PuretalkSnapshotAssistantsOperator(task_id="snapshot", destination=str(tmp_path), if_exists="keep")
        for _ in range(2)
    )
    first.execute(context)
    second.execute(context)
    found = second.get_openlineage_facets_on_complete(None)
    (written,) = first.get_openlineage_facets_on_complete(None).outputs
    (kept,) = found.outputs
    assert (found.inputs, kept.outputFacets) == ([], {})
    assert (kept.name, kept.facets["version"]) == (written.name, written.facets["version"])


def test_a_history_has_version_fields_and_size(sandbox: Sandbox, tmp_path: Path, context: Any) -> None:
    """Its version is its manifest's hash, its fields are its columns; one that stays as it is was not written."""
    where: dict[str, Any] = {"destination": str(tmp_path)}
    PuretalkSnapshotAssistantsOperator(task_id="snapshot", **where).execute(context)
    found = []
    for _ in range(2):
        task = PuretalkUpdateHistoryOperator(task_id="history", account="puretalk_default", keep="forever", **where)
        result = task.execute(context)
        found += task.get_openlineage_facets_on_complete(None).outputs
    written, kept = found
    assert written.name == kept.name == result["manifest_path"].removesuffix("/_manifest.json")
    version = hashlib.sha256(Path(result["manifest_path"]).read_bytes()).hexdigest()
    assert written.facets["version"].datasetVersion == kept.facets["version"].datasetVersion == version
    statistics = written.outputFacets["outputStatistics"]
    size = sum(file.stat().st_size for file in Path(result["manifest_path"]).parent.iterdir())
    assert (statistics.rowCount, statistics.size) == (250, size)
    assert kept.outputFacets == {}
    types = {field.name: field.type for field in written.facets["schema"].fields}
    columns = pyarrow.parquet.read_schema(next(Path(result["manifest_path"]).parent.glob("*.parquet"))).names
    assert set(types) == {name for name in columns if not name.startswith("_")}
    assert (types["valid_from"], types["is_current"], types["voice"]) == ("string", "boolean", "object")


#: Runs a snapshot, a comparison and a history in each place, in an Airflow of its own, whose events go into a file.
_PROGRAM = """
import json, sys
from datetime import datetime, timezone
from airflow.providers.common.compat.sdk import DAG
from airflow_provider_puretalk.operators import (
    PuretalkCompareSnapshotsOperator, PuretalkSnapshotAssistantsOperator, PuretalkUpdateHistoryOperator
)
from tests import airflow_runner
def main():
    for kind, where in json.loads(sys.argv[1]).items():
        account = where | {"account": "puretalk_default"}
        with DAG(f"lineage_{kind}", schedule=None, start_date=datetime(2026, 11, 1, tzinfo=timezone.utc)) as dag:
            snapshot = PuretalkSnapshotAssistantsOperator(task_id="snapshot", **where)
            compare = PuretalkCompareSnapshotsOperator(task_id="compare", **account)
            snapshot >> compare >> PuretalkUpdateHistoryOperator(task_id="history", keep="forever", **account)
        state = airflow_runner.run(dag, logical_date=datetime(2026, 11, 22, tzinfo=timezone.utc)).state
        if state != "success":
            sys.exit(f"the run with {kind} is {state}")
if __name__ == "__main__":  # Processes that send events import this file, from Python 3.14 on.
    main()
"""


@pytest.mark.long
def test_events_of_a_run(request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path) -> None:
    """In what Airflow emits, the snapshot's output is the comparison's and the history's input, with name and version."""
    places, log = {kind: make_place(kind, request) for kind in ("path", "s3")}, tmp_path / "events.jsonl"
    transport = {"type": "file", "log_file_path": str(log), "append": True}
    root = str(Path(__file__).parents[2])
    (tmp_path / "airflow").mkdir()  # Some Airflows make it for their command line only.
    home = {"AIRFLOW_HOME": str(tmp_path / "airflow"), "PYTHONPATH": root}
    settings = {"AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport), "AIRFLOW__OPENLINEAGE__NAMESPACE": "fleet"}
    program = tmp_path / "lineage_events.py"  # A file: Airflow keeps the source of a DAG.
    program.write_text(_PROGRAM)
    where = {
        kind: {"destination": place.destination, "storage_conn_id": place.storage_conn_id}
        for kind, place in places.items()
    }
    done = subprocess.run(
        [sys.executable, str(program), json.dumps(where)],
        env=os.environ | home | settings,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    text = log.read_text()
    events = {event["job"]["name"]: event for event in map(json.loads, text.splitlines())}
    completed = {name: event for name, event in events.items() if event["eventType"] == "COMPLETE"}
    for kind in places:
        found = {task_id: completed[f"lineage_{kind}.{task_id}"] for task_id in ("snapshot", "compare", "history")}
        written = datasets(found["snapshot"]["outputs"])
        assert len(written) == 1
        assert datasets(found["compare"]["inputs"]) == written
        assert datasets(found["history"]["inputs"]) == written
        (folded,) = found["history"]["outputs"]
        assert folded["facets"]["version"]["datasetVersion"]
        assert folded["outputFacets"]["outputStatistics"]["rowCount"] == 250
        (output,) = found["snapshot"]["outputs"]
        statistics = output["outputFacets"]["outputStatistics"]
        assert statistics["rowCount"] == 250
        assert statistics["size"] > 0
        assert "assistant_id" in [field["name"] for field in output["facets"]["schema"]["fields"]]
        assert "aws_fleet@" not in json.dumps([[one["inputs"], one["outputs"]] for one in found.values()])
    assert sandbox.api_key not in text


def datasets(side: Any) -> list[tuple[str, str, str]]:
    """Return namespace, name and version of datasets as an event has them."""
    return [(one["namespace"], one["name"], one["facets"]["version"]["datasetVersion"]) for one in side]


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
    assert names(lineage.of(api=None, files=[lineage.Data(url)]).outputs) == [name]


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
