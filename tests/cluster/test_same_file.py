"""The DAG file of the running Airflow's sensors, on whatever Airflow the tests run with."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from tests import airflow_runner


@pytest.mark.long
@pytest.mark.parametrize("polls", [1, 3], ids=["already there", "appears while waiting"])
def test_the_same_file_waits_on_every_airflow(
    polls: int, sandbox: Any, connection: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow runs the trigger in the process of the test: with its own event loop and through its own database."""
    monkeypatch.setenv("POKE_INTERVAL", "0.2")
    from tests.cluster.dags import waiting

    dag = importlib.reload(waiting).wait_for_assistant
    connection("waiting", host=sandbox.base_url, password=sandbox.api_key)
    record = {"assistant_id": "night", "name": "Night line", "voice": {"language": "en-GB"}}
    sandbox.before_request(polls, lambda _: sandbox.fleet.add(record))
    result = airflow_runner.run(dag)
    assert result.states == {"wait": "success"}
    assert result.xcoms["wait"]["name"] == "Night line"
