"""A task that is killed ends at once, wherever it is: the timeouts here are ten minutes long."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import AirflowTaskTimeout

from airflow_provider_puretalk.exceptions import PuretalkInconsistentScanError
from airflow_provider_puretalk.killable import TaskKilledError
from airflow_provider_puretalk.operators import (
    PuretalkCompareSnapshotsOperator,
    PuretalkListAssistantsOperator,
    PuretalkPruneSnapshotsOperator,
    PuretalkSnapshotAssistantsOperator,
    PuretalkUpdateHistoryOperator,
)
from airflow_provider_puretalk.sensors import PuretalkAssistantsChangedSensor, PuretalkAssistantSensor
from tests.s3_front import guarded_by

airflow_3 = pytest.mark.skipif(airflow_version.startswith("2."), reason="Airflow 2 raises an error there itself")


class Silent:
    """A server that accepts connections and says nothing."""

    def __init__(self) -> None:
        self.requested, self.over = threading.Event(), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.storage_conn_id = f"aws_{self.port}"  # Its own: Airflow keeps file systems by connection.
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            self.requested.set()
            self.over.wait(120)

    def close(self) -> None:
        self.over.set()
        self._listener.close()


@pytest.fixture
def silent(connection: Callable[..., str]) -> Iterator[Silent]:
    """It is where both connections lead: that of the API, and that of the storage."""
    server = Silent()
    connection(host=server.address, extra={"timeout": 600})
    connection(
        server.storage_conn_id,
        conn_type="aws",
        login="key",
        password="secret",
        extra={"endpoint_url": server.address, "region_name": "us-east-1", "config_kwargs": {"read_timeout": 600}},
    )
    yield server
    server.close()


class HangingStorage:
    """A bucket with several snapshots, whose manifests are listed and never come.

    :ivar place: its name for operators.
    """

    def __init__(self, address: str, requested: threading.Event) -> None:
        self.requested = requested
        self.place = {"destination": f"s3://{BUCKET}/puretalk", "storage_conn_id": f"aws_{address.rpartition(':')[2]}"}


BUCKET = "killed-while-reading"


@pytest.fixture
def hanging(s3_server: str, connection: Callable[..., str]) -> Iterator[HangingStorage]:
    """Snapshots of the account ``fleet``."""
    requested, over = threading.Event(), threading.Event()

    def policy(method: str, path: str, query: dict[str, str]) -> bool:
        if method == "GET" and path.endswith("manifest.json"):
            requested.set()
            over.wait(120)
        return True

    connection(extra={"account": "fleet"})
    with guarded_by(policy) as address:
        access: dict[str, Any] = {"endpoint_url": address, "region_name": "us-east-1"}
        client = boto3.client("s3", aws_access_key_id="key", aws_secret_access_key="secret", **access)
        client.create_bucket(Bucket=BUCKET)
        for day in range(10, 15):
            key = f"puretalk/account=fleet/snapshot=2026-11-{day}/manifest.json"
            client.put_object(Bucket=BUCKET, Key=key, Body=b"{}")
        storage = HangingStorage(address, requested)
        extra = {**access, "config_kwargs": {"read_timeout": 600}}
        connection(storage.place["storage_conn_id"], conn_type="aws", login="key", password="secret", extra=extra)
        yield storage
        over.set()


def api_operators(tmp_path: Any) -> dict[str, Any]:
    return {
        "list": PuretalkListAssistantsOperator(task_id="list"),
        "page": PuretalkListAssistantsOperator(task_id="page", page=1),
        "snapshot": PuretalkSnapshotAssistantsOperator(task_id="snapshot", destination=str(tmp_path)),
        "sensor": PuretalkAssistantSensor(task_id="sensor", name="Reception"),
        "deferrable": PuretalkAssistantSensor(task_id="deferrable", name="Reception", deferrable=True),
    }


def storage_operators(storage_conn_id: str) -> dict[str, Any]:
    place: dict[str, Any] = {"destination": "s3://bucket/puretalk", "storage_conn_id": storage_conn_id}
    return {
        "compare": PuretalkCompareSnapshotsOperator(task_id="compare", account="fleet", **place),
        "prune": PuretalkPruneSnapshotsOperator(task_id="prune", account="fleet", keep_daily=1, **place),
        "history": PuretalkUpdateHistoryOperator(task_id="history", account="fleet", keep="forever", **place),
        "snapshot to S3": PuretalkSnapshotAssistantsOperator(task_id="to_s3", **place),
        "changed": PuretalkAssistantsChangedSensor(task_id="changed", **place),
    }


API = ["list", "page", "snapshot", "sensor", "deferrable"]
STORAGE = ["compare", "prune", "history", "snapshot to S3", "changed"]


def operator_of(kind: str, tmp_path: Any, storage_conn_id: str) -> Any:
    return {**api_operators(tmp_path), **storage_operators(storage_conn_id)}[kind]


@contextlib.contextmanager
def on_alarm(handler: Callable[..., Any], silent: Silent | HangingStorage) -> Iterator[None]:
    """Call something in the main thread, in the middle of what it does, once the server has got a request."""
    before = signal.signal(signal.SIGALRM, handler)

    def ring() -> None:
        if silent.requested.wait(60):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)

    thread = threading.Thread(target=ring, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(60)
        signal.signal(signal.SIGALRM, before)


@airflow_3
@pytest.mark.parametrize("kind", API + STORAGE)
def test_a_signal_that_only_calls_on_kill(silent: Silent, context: Any, tmp_path: Any, kind: str) -> None:
    """As Airflow 3 does it: the call under way ends, whatever it waits for, and nothing takes the end for a failure."""
    operator = operator_of(kind, tmp_path, silent.storage_conn_id)
    with on_alarm(lambda *_: operator.on_kill(), silent), pytest.raises(TaskKilledError):
        operator.execute(context)
    assert not list(tmp_path.rglob("*.json*"))


@pytest.mark.parametrize("kind", API + STORAGE)
def test_execution_timeout(silent: Silent, context: Any, tmp_path: Any, kind: str) -> None:
    """Airflow raises its own error in the main thread, which is passed on at once, and calls ``on_kill`` afterwards."""
    operator = operator_of(kind, tmp_path, silent.storage_conn_id)

    def raises(*_: Any) -> None:
        raise AirflowTaskTimeout

    with on_alarm(raises, silent), pytest.raises(AirflowTaskTimeout):
        operator.execute(context)
    operator.on_kill()


@pytest.mark.long
@pytest.mark.parametrize("kind", ["compare", "changed"])
@pytest.mark.parametrize("way", [pytest.param("on_kill", marks=airflow_3), "execution_timeout"])
def test_manifests_that_are_read_side_by_side(hanging: HangingStorage, context: Any, kind: str, way: str) -> None:
    """No thread that is stuck in the storage holds up the end, neither that of the task nor that of its process."""
    place: dict[str, Any] = hanging.place
    operator: Any = {
        "compare": lambda: PuretalkCompareSnapshotsOperator(task_id="compare", account="fleet", **place),
        "changed": lambda: PuretalkAssistantsChangedSensor(task_id="changed", **place),
    }[kind]()

    def raises(*_: Any) -> None:
        raise AirflowTaskTimeout

    handler = raises if way == "execution_timeout" else lambda *_: operator.on_kill()
    with on_alarm(handler, hanging), pytest.raises((AirflowTaskTimeout, TaskKilledError)):
        operator.execute(context)
    stuck = [thread for thread in threading.enumerate() if thread.name.startswith("puretalk-manifests")]
    assert stuck
    assert all(thread.daemon for thread in stuck)


@pytest.mark.parametrize("kind", API[:3])
def test_on_kill_from_another_thread(silent: Silent, context: Any, tmp_path: Any, kind: str) -> None:
    """The connections are shut down under the reading."""
    operator = operator_of(kind, tmp_path, silent.storage_conn_id)

    def kill() -> None:
        silent.requested.wait(60)
        operator.on_kill()

    threading.Thread(target=kill, daemon=True).start()
    with pytest.raises(PuretalkInconsistentScanError, match="cancelled"):
        operator.execute(context)


@pytest.mark.parametrize("kind", API + STORAGE)
def test_on_kill_of_what_does_nothing(tmp_path: Any, kind: str) -> None:
    """Before a task began, and after it ended, there is nothing to end."""
    operator_of(kind, tmp_path, "aws_default").on_kill()


def test_one_task_does_not_end_another(silent: Silent, sandbox: Any, context: Any) -> None:
    """Two tasks in one process, as ``dag.test`` and tests have them."""
    other, operator = (PuretalkListAssistantsOperator(task_id=name, fields=["name"]) for name in "ab")
    sandbox.before_request(1, lambda _: other.on_kill())
    assert len(operator.execute(context)) == 250
