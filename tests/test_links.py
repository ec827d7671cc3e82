"""Links in Airflow's UI lead to what a task wrote, where a browser can open it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_puretalk.links import PuretalkManifestLink, PuretalkReportLink, address
from airflow_provider_puretalk.operators import PuretalkCompareSnapshotsOperator, PuretalkSnapshotAssistantsOperator
from airflow_provider_puretalk.sandbox import Sandbox
from tests import airflow_runner
from tests.test_connection_test import CLONE, installed

try:
    from airflow.sdk import DAG

    AIRFLOW_2 = False
except ImportError:
    from airflow import DAG  # Airflow 2.11

    AIRFLOW_2 = True

Define = Callable[..., str]

BELOW = "account=a/snapshot=20261122T000000Z/report.html"


@pytest.mark.parametrize(
    ("path", "url"),
    [
        (f"https://files.test/the fleet/{BELOW}", f"https://files.test/the%20fleet/{BELOW}"),
        (f"http://files.test:81/{BELOW}", f"http://files.test:81/{BELOW}"),
        (
            f"s3://bucket/pre fix/{BELOW}",
            "https://console.aws.amazon.com/s3/object/bucket?prefix=pre+fix%2F"
            "account%3Da%2Fsnapshot%3D20261122T000000Z%2Freport.html",
        ),
        (f"gs://bucket/fl#t/{BELOW}", f"https://storage.cloud.google.com/bucket/fl%23t/{BELOW}"),
        (f"/data/{BELOW}", None),
        (f"file:///data/{BELOW}", None),
        (f"memory://fleet/{BELOW}", None),
        (f"abfs://container/{BELOW}", None),
    ],
)
def test_addresses_that_need_no_pattern(path: str, url: str | None) -> None:
    """Web addresses stay as they are, two clouds have pages for their objects, nothing else can be opened."""
    assert address(path) == url


@pytest.mark.parametrize(
    ("extra", "url"),
    [
        ({"region_name": "eu-central-1"}, "https://console.aws.amazon.com/s3/object/b?region=eu-central-1&prefix=k"),
        ({"region_name": "cn-north-1"}, "https://console.amazonaws.cn/s3/object/b?region=cn-north-1&prefix=k"),
        (
            {"region_name": "us-gov-west-1"},
            "https://console.amazonaws-us-gov.com/s3/object/b?region=us-gov-west-1&prefix=k",
        ),
        ({"endpoint_url": "https://minio.test"}, None),
        ({"service_config": {"s3": {"endpoint_url": "https://minio.test"}}}, None),
        (
            {"endpoint_url": "https://minio.test", "browse_url": "https://minio.test/browser/{path}"},
            "https://minio.test/browser/b/k",
        ),
    ],
    ids=str,
)
def test_aws_console_only_for_aws(connection: Define, extra: Any, url: str | None) -> None:
    """Region and partition come from the connection; a bucket at another endpoint is not in AWS's console."""
    connection("store", conn_type="aws", host=None, extra=extra)
    assert address("s3://store@b/k") == url


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_aws_console_not_for_another_endpoint(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """The environment can name another endpoint as well."""
    monkeypatch.setenv(variable, "https://minio.test")
    assert address("s3://b/k") is None


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("https://files.test/{path}", f"https://files.test/data/the%20fleet%2C%20%40/{BELOW}".replace("%40", "@")),
        ("http://files.test:8080/{file}?raw=1", f"http://files.test:8080/{BELOW}?raw=1"),
    ],
)
def test_a_pattern_makes_any_storage_browsable(connection: Define, pattern: str, url: str) -> None:
    """`{path}` is the path in the storage, `{file}` the path below the destination, both fit for a URL."""
    connection("store", conn_type="generic", host=None, extra={"browse_url": pattern})
    assert address(f"file://store@/data/the fleet, @/{BELOW}") == url


@pytest.mark.parametrize(
    "pattern",
    ["files.test/{path}", "javascript:alert('{path}')", "https://u:s3cr3t@files.test/{path}", "https://files.test/", 7],
)
def test_a_pattern_that_is_none_is_told_and_not_shown(
    connection: Define, caplog: pytest.LogCaptureFixture, pattern: Any
) -> None:
    """The log names the connection and the field, and repeats nothing of it."""
    connection("store", conn_type="generic", host=None, extra={"browse_url": pattern})
    assert address(f"file://store@/data/{BELOW}") is None
    assert "'store'" in caplog.text
    assert "`browse_url`" in caplog.text
    assert "s3cr3t" not in caplog.text
    assert "files.test" not in caplog.text


@pytest.mark.parametrize("link", [PuretalkManifestLink(), PuretalkReportLink()], ids=lambda link: link.name)
def test_a_link_never_raises(link: Any) -> None:
    """What is not there, or cannot be read, is no link: a page of the UI must not break because of it."""
    task = PuretalkSnapshotAssistantsOperator(task_id="failed_before_it_wrote", destination="/fleet")
    assert link.get_link(task, ti_key=None) == ""
    assert link.get_link(None, ti_key=None) == ""


def test_a_link_never_fails_a_task(
    sandbox: Sandbox, tmp_path: Any, context: Any, caplog: pytest.LogCaptureFixture, connection: Define
) -> None:
    """Where XCom cannot be written, the snapshot is taken all the same, and the log says what it goes without."""
    connection("store", conn_type="generic", host=None, extra={"browse_url": "https://files.test/{path}"})
    del context["ti"].xcom_push
    with caplog.at_level(logging.WARNING):
        taken = PuretalkSnapshotAssistantsOperator(
            task_id="snapshot", destination=f"file://{tmp_path}", storage_conn_id="store"
        ).execute(context)
    assert taken["manifest_path"].startswith("file://store@/")
    assert "Link 'Manifest' in the UI failed" in caplog.text


@pytest.fixture
def browsable(connection: Define) -> str:
    """A connection that makes a local folder browsable; its id."""
    return connection("store", conn_type="generic", host=None, extra={"browse_url": "https://files.test/{file}"})


@pytest.fixture(scope="module")
def web_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A web server, in a process of its own, see :mod:`tests.airflow_links`."""
    airflow_runner.initialise_database()
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(CLONE), str(installed(tmp_path_factory.mktemp("installed")))]),
        "AIRFLOW__API_AUTH__JWT_SECRET": "not-a-secret-" * 8,
    }
    # What the worker knew, the web server need not know.
    environment = {name: value for name, value in environment.items() if not name.startswith("AIRFLOW_CONN_")}
    command = [sys.executable, str(CLONE / "tests/airflow_links.py")]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


def shown(web_server: Any, dag: Any, run_id: str, *task_ids: str) -> Any:
    """Ask the web server what the pages of tasks link to."""
    if AIRFLOW_2:  # There `dag.test()` runs what was never serialized.
        from airflow.models.serialized_dag import SerializedDagModel

        write: Any = SerializedDagModel.write_dag
        write(dag)
    print(json.dumps([dag.dag_id, run_id, *task_ids]), file=web_server.stdin, flush=True)
    return json.loads(web_server.stdout.readline())


@pytest.mark.long
def test_airflow_shows_the_links(web_server: Any, sandbox: Sandbox, tmp_path: Any, browsable: str) -> None:
    """After a run, also one that failed because too much changed, the UI has the addresses of manifest and report."""
    arguments = {"destination": f"file://{tmp_path}", "storage_conn_id": browsable}
    with DAG("links", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        before = PuretalkSnapshotAssistantsOperator(task_id="before", partition="1", **arguments)
        after = PuretalkSnapshotAssistantsOperator(task_id="after", partition="2", **arguments)
        compare = PuretalkCompareSnapshotsOperator(
            task_id="compare", account="puretalk_default", fail_on_change=True, **arguments
        )
        edit = _edit(sandbox)
        before >> edit >> after >> compare
    result = airflow_runner.run(dag)
    assert result.states == {"before": "success", "edit": "success", "after": "success", "compare": "failed"}
    folder = "https://files.test/account=puretalk_default/snapshot"
    (report,) = tmp_path.rglob("_report-vs-1~*.html")
    assert shown(web_server, dag, result.run_id, "after", "compare") == {
        "after": {"Manifest": f"{folder}=2/manifest.json"},
        "compare": {"Manifest": f"{folder}=2/manifest.json", "Report": f"{folder}=2/{report.name}"},
    }


@pytest.mark.long
def test_airflow_shows_a_dead_link_where_a_browser_cannot_go(web_server: Any, sandbox: Sandbox, tmp_path: Any) -> None:
    """A folder on the worker's disk has no address: the UI has the link's name, and nothing to click."""
    with DAG("no_links", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        PuretalkSnapshotAssistantsOperator(task_id="snapshot", destination=str(tmp_path))
    result = airflow_runner.run(dag)
    assert shown(web_server, dag, result.run_id, "snapshot") == {"snapshot": {"Manifest": None}}


def _edit(sandbox: Sandbox) -> Any:
    from airflow.providers.common.compat.sdk import task

    @task
    def edit() -> None:
        sandbox.fleet.change(sandbox.fleet.ids()[0], {"name": "Renamed"})

    return edit()
