"""A process of Airflow's that does what tasks and triggers do: ``python -m tests.metrics_emitter FOLDER``.

Each thing is done with an account of its own, so that its metrics can be told apart. Prints, as JSON, how many requests each
account sent to the stand-in PureTalk.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_HOME = tempfile.TemporaryDirectory(prefix="puretalk-metrics-airflow-")
os.environ["AIRFLOW_HOME"] = _HOME.name  # Before Airflow is imported.

from airflow_provider_puretalk import sandbox  # noqa: E402
from airflow_provider_puretalk.exceptions import PuretalkError  # noqa: E402
from airflow_provider_puretalk.hooks import PuretalkHook  # noqa: E402
from airflow_provider_puretalk.operators import (  # noqa: E402
    PuretalkCompareSnapshotsOperator,
    PuretalkListAssistantsOperator,
    PuretalkSnapshotAssistantsOperator,
)
from airflow_provider_puretalk.sensors import PuretalkAssistantSensor  # noqa: E402
from airflow_provider_puretalk.triggers import fleet_polls  # noqa: E402
from tests.outlet_events import OutletEvents  # noqa: E402


def context() -> dict[str, Any]:
    """Return what an operator finds in its context."""
    instance = SimpleNamespace(
        dag_id="fleet",
        task_id="task",
        run_id="manual",
        xcom_push=lambda **given: None,
        xcom_pull=lambda **given: [],
    )
    run = SimpleNamespace(logical_date=None, run_after=None)
    return {"ti": instance, "dag_run": run, "outlet_events": OutletEvents()}


@contextmanager
def account(name: str, *faults: str) -> Iterator[Any]:
    """Give a stand-in PureTalk, and make ``puretalk_default`` the connection to it."""
    with sandbox.running(assistants=20, faults=faults) as box:
        extra = {"account": name, "retry_backoff": 0, "max_parallel_requests": 1}
        connection = {"conn_type": "puretalk", "host": box.base_url, "password": box.api_key, "extra": extra}
        os.environ["AIRFLOW_CONN_PURETALK_DEFAULT"] = json.dumps(connection)
        yield box
        _served[name] = len(box.requests)


_served: dict[str, int] = {}


def main(folder: Path) -> None:
    """Do each thing once."""
    with suppress(ImportError):  # Before Airflow 3.2, nothing has to be set up.
        import airflow.sdk.serde  # noqa: F401 - it sets metrics up, as the start of a task does

    def take(partition: str, **arguments: Any) -> None:
        PuretalkSnapshotAssistantsOperator(
            task_id="snapshot", destination=str(folder), partition=partition, **arguments
        ).execute(context())

    def compare() -> None:
        PuretalkCompareSnapshotsOperator(
            task_id="compare", destination=str(folder), account="snapshots", snapshot="b", baseline="a"
        ).execute(context())

    with account("snapshots") as box:
        take("a")
        first, second, third = box.fleet.ids()[:3]
        box.fleet.change(first, {"prompt": "Hello.", "phone_number": "+4930"})
        box.fleet.change(second, {"voice_speed": 1.75})
        box.fleet.remove(third)
        take("b")
        take("c")
        take("c", if_exists="keep")
        compare()
    with account("stormy", "503", "half_body", "429"):
        PuretalkListAssistantsOperator(task_id="list").execute(context())
    with account("refused", "status:code=401,times=always"), suppress(PuretalkError):
        PuretalkListAssistantsOperator(task_id="list").execute(context())
    with account("silent", "reset:times=always"), suppress(PuretalkError):
        PuretalkListAssistantsOperator(task_id="list").execute(context())
    with account("by:page"):
        PuretalkListAssistantsOperator(task_id="list", page=1, limit=5).execute(context())
        assert len([*PuretalkHook().iter_assistants(limit=10)]) == 20
    with account("waiting"):
        assert not PuretalkAssistantSensor(task_id="wait", name="Nobody").poke(context())
    with account("watched"):

        async def poll() -> None:
            async for _ in fleet_polls.observations("puretalk_default", None, fleet_polls.Pace(0.01, 60)):
                return

        asyncio.run(poll())
    print(json.dumps(_served))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
