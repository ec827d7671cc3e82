"""The pages, mounted below Airflow's auth manager, with a fleet of which two snapshots were taken and compared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_puretalk import compat

if not compat.has("pages of plugins"):
    collect_ignore_glob = ["test_*.py"]  # All but what is tested of an Airflow without pages, in tests/test_plugin.py.

#: The assistant whose prompt changes between the two runs.
ASSISTANT = "eba4389c-9c13-490b-8a36-fef23a9c237c"
DAG, RUNS = "fleet", ("scheduled__2026-11-22T00:00:00+00:00", "scheduled__2026-11-23T00:00:00+00:00")


def context_of(run_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
    """Return what an operator finds in ``execute(context)``, as far as ours read it."""
    moment = datetime.fromisoformat(run_id.partition("__")[2])
    ti = SimpleNamespace(
        dag_id=DAG, task_id=task_id, run_id=run_id, map_index=map_index, xcom_push=lambda key, value: None
    )
    return {
        "dag_run": SimpleNamespace(logical_date=moment, run_after=moment, dag_id=DAG, run_id=run_id),
        "ti": ti,
        "outlet_events": {},
    }


@dataclass(frozen=True)
class Stored:
    """What lies below the destination that is shown.

    :ivar snapshots: what the snapshot operator returned, for each of :data:`RUNS`.
    :ivar comparison: what the compare operator returned for the last.
    """

    root: Path
    snapshots: list[dict[str, Any]]
    comparison: dict[str, Any]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """Two daily runs of a fleet, the second of which compares, shown as the only destination."""
    from airflow_provider_puretalk import sandbox
    from airflow_provider_puretalk.operators import (
        PuretalkCompareSnapshotsOperator,
        PuretalkSnapshotAssistantsOperator,
        PuretalkUpdateHistoryOperator,
    )

    root = tmp_path_factory.mktemp("the fleet, @home")
    with pytest.MonkeyPatch.context() as patch, sandbox.running(assistants=8) as box:
        extra = {"account": "acme", "retry_backoff": 0}
        connection = {"conn_type": "puretalk", "host": box.base_url, "password": box.api_key, "extra": extra}
        patch.setenv("AIRFLOW_CONN_PURETALK_DEFAULT", json.dumps(connection))
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "0123456789" * 7)
        patch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", json.dumps([str(root)]))
        taken = []
        for run_id in RUNS:
            take = PuretalkSnapshotAssistantsOperator(task_id="snapshot", destination=str(root))
            taken.append(take.execute(context_of(run_id, "snapshot")))
            box.fleet.change(ASSISTANT, {"prompt": "You now answer in verse."})
        compare = PuretalkCompareSnapshotsOperator(
            task_id="compare", destination=str(root), account="acme", snapshot=taken[1]["snapshot"]
        )
        comparison = compare.execute(context_of(RUNS[1], "compare"))
        update = PuretalkUpdateHistoryOperator(task_id="history", destination=str(root), account="acme", keep="forever")
        update.execute(context_of(RUNS[1], "history"))
        yield Stored(root, taken, comparison)


class Pages:
    """A browser of the pages, with the cookie of a user of Airflow's."""

    def __init__(self, users: dict[str, Any]) -> None:
        from airflow.api_fastapi.app import init_auth_manager, purge_cached_app
        from airflow.api_fastapi.core_api import app as core_api
        from fastapi import FastAPI
        from starlette.testclient import TestClient

        from airflow_provider_puretalk.ui import plugin

        purge_cached_app()  # What knows which auth manager was configured before.
        root = FastAPI()
        self._auth_manager = init_auth_manager(root)
        root.mount(plugin.PREFIX, plugin._PagesOnDemand())
        if hasattr(core_api, "init_middlewares"):  # The first Airflows with pages have none.
            core_api.init_middlewares(root)
        self.users = users
        self.client = TestClient(root, raise_server_exceptions=False, follow_redirects=False)

    def get(self, path: str, user: str | None = "op", method: str = "GET") -> Any:
        """Send a request as a user; None: without a login."""
        return self.get_with_cookie(path, None if user is None else self.token(user), method)

    def token(self, user: str) -> str:
        """Return what a user's browser keeps of the login."""
        return str(self._auth_manager.generate_jwt(self.users[user]))

    def get_with_cookie(self, path: str, cookie: str | None, method: str = "GET") -> Any:
        """Send a request with what a browser keeps of a login."""
        self.client.cookies.clear()
        if cookie is not None:
            self.client.cookies.set("_token", cookie)
        return self.client.request(method, f"/puretalk{path}")


@pytest.fixture(scope="module")
def database() -> None:
    """Airflow's database, empty."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(scope="module")
def pages(database: None, stored: Stored) -> Pages:
    """The pages for users of the simple auth manager: ``op`` may read connections, ``viewer`` may not."""
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    return Pages({role: SimpleAuthManagerUser(username=role, role=role) for role in ("op", "viewer")})
