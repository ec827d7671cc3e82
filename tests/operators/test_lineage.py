"""What OpenLineage is told: the API that was read, the files that were written, and no connection id."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_puretalk.operators import PuretalkListAssistantsOperator, PuretalkSnapshotAssistantsOperator
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import make_place


def names(datasets: Any) -> list[tuple[str, str]]:
    return [(dataset.namespace, dataset.name) for dataset in datasets]


def api(sandbox: Sandbox) -> list[tuple[str, str]]:
    return [(f"http://{urlsplit(sandbox.base_url).netloc}", "/api/ai-assistants")]


@pytest.mark.parametrize("kind", ["path", "file", "s3"])
def test_snapshot(kind: str, request: pytest.FixtureRequest, sandbox: Sandbox, context: dict[str, Any]) -> None:
    """Files are called as OpenLineage calls them on every storage, and a second connection changes no name."""
    place = make_place(kind, request)
    task = PuretalkSnapshotAssistantsOperator(
        task_id="snapshot", destination=place.destination, storage_conn_id=place.storage_conn_id
    )
    name = Path(task.execute(context)["files"][0]).name
    lineage = task.get_openlineage_facets_on_complete(None)
    below = f"account=puretalk_default/snapshot=20261122T000000Z/{name}"
    if kind == "s3":
        bucket, _, prefix = place.destination.removeprefix("s3://").partition("/")
        expected = (f"s3://{bucket}", f"{prefix}/{below}")
    else:
        expected = ("file", f"{place.destination.removeprefix('file://')}/{below}")
    assert names(lineage.inputs) == api(sandbox)
    assert names(lineage.outputs) == [expected]
    assert "aws_fleet" not in str(lineage)


def test_list(sandbox: Sandbox, context: dict[str, Any]) -> None:
    """A list is read and nothing is written."""
    task = PuretalkListAssistantsOperator(task_id="list", fields=["name"])
    task.execute(context)
    lineage = task.get_openlineage_facets_on_complete(None)
    assert names(lineage.inputs) == api(sandbox)
    assert names(lineage.outputs) == []


def test_the_real_service_has_the_documented_name(connection: Any, requests_mock: Any, context: Any) -> None:
    """The vendor's own address gives the namespace and name under which others know it."""
    connection(host=None)
    requests_mock.get(
        "https://api.puretalk.ai/api/ai-assistants", json={"count": 0, "next": None, "previous": None, "results": []}
    )
    task = PuretalkListAssistantsOperator(task_id="list")
    assert task.execute(context) == []
    lineage = task.get_openlineage_facets_on_complete(None)
    assert names(lineage.inputs) == [("https://api.puretalk.ai", "/api/ai-assistants")]


@pytest.mark.parametrize(
    "task",
    [
        PuretalkListAssistantsOperator(task_id="list"),
        PuretalkSnapshotAssistantsOperator(task_id="snapshot", destination="/fleet"),
    ],
    ids=lambda task: task.task_id,
)
def test_a_task_that_did_not_run_has_none(task: Any) -> None:
    """What was not read or written is not claimed."""
    lineage = task.get_openlineage_facets_on_complete(None)
    assert (lineage.inputs, lineage.outputs) == ([], [])
