"""What every test may use: an Airflow home of its own, a stand-in PureTalk, a running S3 server.

Airflow reads its home when it is imported, so the home is set here, before anything imports it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings

from tests.forked import Forks, forking
from tests.outlet_events import OutletEvents

# A test gives the same result each time, on a loaded machine too; HYPOTHESIS_PROFILE=new_examples draws others.
settings.register_profile("reproducible", derandomize=True, database=None, deadline=None)
settings.register_profile("new_examples", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "reproducible"))

_HOME = tempfile.TemporaryDirectory(prefix="puretalk-tests-airflow-")
os.environ["AIRFLOW_HOME"] = _HOME.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
# A DAG that is registered again under its id is written at once, not only half a minute after the last time.
os.environ["AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL"] = "0"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "False"
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(Path(_HOME.name) / "dags")
# Nothing of the machine that runs the tests may leak into them.
_FOREIGN = ("AIRFLOW_CONN_", "AWS_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
for _name in [name for name in os.environ if name.startswith(_FOREIGN) or name.lower().endswith("_proxy")]:
    del os.environ[_name]

API_KEY = "test-key-0123456789"
BASE_URL = "https://puretalk.test/api"


#: Tests of rooms that know no Airflow, as `make lint` sees to: with every Airflow they are the same.
_WITHOUT_AIRFLOW = tuple(Path(__file__).parent / room for room in ("change_detection", "records", "scan"))


@pytest.hookimpl(tryfirst=True)  # Before tests are chosen by their marks.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long tests: one process has them, while the others do the rest and then take what it has left."""
    for item in items:
        if any(item.path.is_relative_to(room) for room in _WITHOUT_AIRFLOW):
            item.add_marker(pytest.mark.any_airflow)
        # Nearly all of them are run in a folder as well, which is faster.
        if (callspec := getattr(item, "callspec", None)) and "s3" in callspec.params.values():
            item.add_marker(pytest.mark.long)
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(autouse=True)
def nothing_known_about_servers() -> None:
    """Let no test know the page sizes that another one found: they last as long as the process."""
    if module := sys.modules.get("airflow_provider_puretalk.scan.assistant_scan"):
        module._page_sizes.clear()


@pytest.fixture(autouse=True)
def secrets_backends_of_its_own() -> Iterator[None]:
    """Let no test have the secrets backends of another: Airflow 3.3 keeps those that it found first for all that follow."""
    yield
    if module := sys.modules.get("airflow.sdk.configuration"):
        getattr(module, "clear_secrets_backends_cache", lambda: None)()


@pytest.fixture(autouse=True)
def usual_recursion_limit() -> None:
    """Give every test Python's own: Airflow raises it to 5,000, for all that follow, wherever it copies an operator."""
    sys.setrecursionlimit(1_000)


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Define an Airflow connection from keyword arguments; returns its id. By default it names ``BASE_URL``."""

    def define(conn_id: str = "puretalk_default", **fields: Any) -> str:
        fields = {"conn_type": "puretalk", "password": API_KEY, "host": BASE_URL} | fields
        fields.setdefault("extra", {})
        if fields["conn_type"] == "puretalk" and isinstance(fields["extra"], dict):
            # Tests must not sit out real pauses.
            fields["extra"] = {"retry_backoff": 0} | fields["extra"]
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))
        return conn_id

    return define


@pytest.fixture
def sandbox(connection: Callable[..., str]) -> Iterator[Any]:
    """A running stand-in PureTalk with 250 assistants, and ``puretalk_default`` pointing at it."""
    from airflow_provider_puretalk import sandbox

    with sandbox.running(records=_invented()) as box:
        connection(host=box.base_url, password=box.api_key)
        yield box


@cache
def _invented() -> list[dict[str, Any]]:
    """Invent the assistants once, which takes longer than to serve them; a sandbox keeps copies."""
    from airflow_provider_puretalk import sandbox

    return sandbox.make_fleet(250)


@pytest.fixture
def context() -> dict[str, Any]:
    """What an operator finds in ``execute(context)``, as far as ours look."""
    return {
        "dag_run": SimpleNamespace(logical_date=datetime(2026, 11, 22, tzinfo=UTC), run_after=None),
        "ti": SimpleNamespace(
            dag_id="fleet",
            task_id="snapshot",
            run_id="scheduled__2026-11-22T00:00:00+00:00",
            xcom_push=lambda **given: None,
            xcom_pull=lambda **given: [],
        ),
        "outlet_events": OutletEvents(),
    }


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """What starts processes that need not load Airflow."""
    with forking() as started:
        yield started


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """A running server that speaks S3; yields its address."""
    import botocore.session
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        # Each session reads the descriptions of AWS's services anew, which takes longer than what a test does with it.
        patch.setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_bucket(s3_server: str, connection: Callable[..., str]) -> str:
    """A fresh, empty bucket, opened with the Airflow connection ``aws_fleet``; its name."""
    import uuid

    import boto3

    bucket = f"fleet-{uuid.uuid4().hex[:12]}"
    connection(
        "aws_fleet",
        conn_type="aws",
        host=None,
        login="access-key",
        password="secret-key",
        extra={"endpoint_url": s3_server, "region_name": "us-east-1"},
    )
    client = boto3.client(
        "s3",
        endpoint_url=s3_server,
        region_name="us-east-1",
        aws_access_key_id="access-key",
        aws_secret_access_key="secret-key",
    )
    client.create_bucket(Bucket=bucket)
    return bucket


@pytest.fixture
def memory_storage() -> Iterator[str]:
    """An empty storage in memory; yields its URL."""
    from airflow.providers.common.compat.sdk import ObjectStoragePath  # noqa: F401 - so that attach is importable

    try:
        from airflow.sdk.io import attach
    except ImportError:
        from airflow.io.store import attach  # Airflow 2.11
    import fsspec

    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = [""]
    attach("memory", fs=filesystem)
    yield "memory://fleet"
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = [""]
