"""Many accounts that share a pool."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_puretalk.task_groups import puretalk_snapshot_task_group

POOL, SLOTS = "puretalk", 2
#: Connections; the key of the last one is wrong.
ACCOUNTS = [f"pooled_{number}" for number in range(5)]

with DAG("many_accounts", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
    puretalk_snapshot_task_group(
        ACCOUNTS,
        destination=os.path.join(os.environ["AIRFLOW_HOME"], "fleets"),  # noqa: PTH118 - Airflow parses this all day
        compare=False,
        history=False,
        pool=POOL,
        allowed_failures=1,
        default_args={"retries": 2, "retry_delay": timedelta(seconds=1)},
    )
