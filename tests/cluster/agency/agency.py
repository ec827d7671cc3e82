"""The lines of docs/many-accounts.md, with a storage, a pool and retries."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import dag

from airflow_provider_puretalk.task_groups import puretalk_accounts, puretalk_snapshot_task_group

ACCOUNTS, ALLOWED_FAILURES = "puretalk_accounts", "puretalk_allowed_failures"  # Variables
DESTINATION, STORAGE = "s3://fleet/puretalk", "fleet_storage"
POOL = "puretalk"


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False)
def agency() -> None:
    puretalk_snapshot_task_group(
        puretalk_accounts(variable=ACCOUNTS),
        destination=DESTINATION,
        storage_conn_id=STORAGE,
        pool=POOL,
        allowed_failures=f"{{{{ var.value.{ALLOWED_FAILURES} }}}}",
        default_args={"retries": 3, "retry_delay": timedelta(seconds=1)},
    )


agency()
