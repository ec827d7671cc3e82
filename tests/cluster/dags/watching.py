"""DAGs that start when a fleet has changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.providers.common.compat.sdk import DAG
from airflow.sdk import task

from airflow_provider_puretalk.assets import puretalk_assistants_asset

#: Seconds between two polls.
POLL_INTERVAL = 0.5


def reacting(dag_id: str, account: str, **watch: Any) -> DAG:
    """Return a DAG that watches an account, with the connection of the same name."""
    asset = puretalk_assistants_asset(
        account, watch=True, puretalk_conn_id=account, poll_interval=POLL_INTERVAL, **watch
    )
    with DAG(dag_id, schedule=[asset], start_date=datetime(2026, 1, 1)) as dag:

        @task
        def changes(triggering_asset_events: Any = None) -> list[Any]:
            """Return what has started this run."""
            return [event.extra["payload"] for found in triggering_asset_events.values() for event in found]

        changes()
    return dag


react = reacting("react", "watched")
react_after_outage = reacting("react_after_outage", "watched_in_outage")
