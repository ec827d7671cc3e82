"""One Airflow for all scenarios: starting it takes longer than any of them.

Its home is removed at the end unless something failed; then its path is printed, for the logs.
"""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk.sandbox.state import Sandbox
from tests import statsd as statsd_server
from tests.cluster import deployment, examples
from tests.cluster.deployment import Deployment, Run
from tests.cluster.examples import Surroundings
from tests.statsd import Statsd


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with those that start an Airflow of their own; let those be last that check what all others have left behind."""
    order = ["test_many_accounts_on_celery.py", "", "test_what_is_left_behind.py"]
    items.sort(key=lambda item: order.index(item.path.name if item.path.name in order else ""))


@pytest.fixture(scope="session")
def home(request: pytest.FixtureRequest) -> Iterator[Path]:
    """The folder of the running Airflow, with all logs."""
    folder = Path(tempfile.mkdtemp(prefix="puretalk-cluster-"))
    failed = True
    try:
        yield folder
        failed = bool(request.session.testsfailed)
    finally:
        if failed:
            print(f"\nWhat all components have logged is kept in {folder}.")
        else:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def surroundings(home: Path, s3_server: str) -> Iterator[Surroundings]:
    """What the example DAGs need around them: accounts, a bucket, a warehouse."""
    with examples.surroundings(home, s3_server) as around:
        yield around


@pytest.fixture(scope="session")
def statsd() -> Iterator[Statsd]:
    """A StatsD server, to which all components of the running Airflow send their metrics."""
    with statsd_server.receiving() as server:
        yield server


@pytest.fixture(scope="session")
def airflow(home: Path, surroundings: Surroundings, statsd: Statsd) -> Iterator[Deployment]:
    """A running Airflow 3.3 on PostgreSQL, with the DAGs of this folder and the examples, all paused."""
    from demo.processes import end_on_signals
    from tests.cluster.dags.pages import FOLDER

    end_on_signals()  # the components end with the tests
    shown = json.dumps([str(home / FOLDER), surroundings.destination])
    metrics = {f"AIRFLOW__METRICS__{name}": value for name, value in statsd_server.settings(statsd.port).items()}
    with deployment.running(
        home,
        bundles={"examples": examples.FOLDER},
        prefix=deployment.PREFIX,
        environment={**surroundings.environment, **metrics, "AIRFLOW__PURETALK__UI_DESTINATIONS": shown},
    ) as running:
        yield running


@pytest.fixture(scope="session")
def day(airflow: Deployment, surroundings: Surroundings) -> dict[str, list[Run]]:
    """The runs of all example DAGs on one day."""
    return examples.play(airflow, surroundings)


@pytest.fixture(scope="session")
def account(airflow: Deployment) -> Iterator[Callable[..., Sandbox]]:
    """Open a PureTalk account: a stand-in with a key of its own, and a connection to it in Airflow."""
    from airflow_provider_puretalk import sandbox

    with ExitStack() as open_ones:

        def open_account(conn_id: str, /, *, password: str | None = None, extra: Any = None, **rules: Any) -> Sandbox:
            key = f"key-of-{conn_id}-{secrets.token_hex(16)}"
            box = open_ones.enter_context(sandbox.running(api_key=key, **rules))
            # A try that fails is a poll that failed: so polls can be counted at the sandbox.
            airflow.keys.add(key)
            airflow.connect(conn_id, box.base_url, password or key, **({"max_retries": 0} | (extra or {})))
            return box

        yield open_account
