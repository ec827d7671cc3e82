"""DAGs that wait for an assistant without holding a worker; the same file on every Airflow."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_puretalk.sensors import PuretalkAssistantSensor

#: Seconds between two polls of the wait that ends well. Two of them are time enough for a worker to start as well.
POKE_INTERVAL = float(os.environ.get("POKE_INTERVAL", "15"))


def waiting(dag_id: str, puretalk_conn_id: str, poke_interval: float, retries: int = 0) -> DAG:
    """Return a DAG of one task."""
    with DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        PuretalkAssistantSensor(
            task_id="wait",
            puretalk_conn_id=puretalk_conn_id,
            name="Night line",
            expect={"voice.language": "en-GB"},
            deferrable=True,
            poke_interval=poke_interval,
            timeout=600,
            max_consecutive_failures=5,
            retries=retries,
            retry_delay=timedelta(hours=1),
        )
    return dag


wait_for_assistant = waiting("wait_for_assistant", "waiting", POKE_INTERVAL)
# Retries would come an hour later: a task that uses them does not end while a test watches.
wait_with_wrong_key = waiting("wait_with_wrong_key", "wrong_key", 2, retries=3)
wait_with_revoked_key = waiting("wait_with_revoked_key", "revoked_key", 2, retries=3)
wait_and_count = waiting("wait_and_count", "counted", 2, retries=3)
wait_in_outage = waiting("wait_in_outage", "outage", 2)
