"""### Many accounts, one report

Keeps a snapshot a day of each account, compares it with the one before and folds it into the account's history. An account
that fails stops there, and the others go on; the fleet's report names it, with what to do about it: a page and a table in
the folder `_fleet-puretalk` of the destination. The run fails where more than 5 % of the accounts have failed. When one was
repaired, clear its failed task with what comes after: the report is made anew.

*Connections*: one of type PureTalk for each account, named by the run's parameter `accounts`, a name in each line. To read
the list from an Airflow Variable instead, put `puretalk_accounts(variable="...")` there.
*Destination*: the run's parameter `destination`; its default is the environment variable `PURETALK_SNAPSHOTS`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

from airflow.providers.common.compat.sdk import Param, dag

from airflow_provider_puretalk.task_groups import puretalk_snapshot_task_group

#: Any address that Airflow's object storage knows: s3://bucket/path, gs://bucket/path, /a/mounted/folder.
DESTINATION = os.environ.get("PURETALK_SNAPSHOTS", "s3://my-bucket/puretalk")
#: The connection that opens this storage, such as "aws_default"; None where none is needed.
STORAGE_CONN_ID = os.environ.get("PURETALK_STORAGE_CONN_ID") or None


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,  # PureTalk shows only how things are now: a run for a day gone by would keep today's fleet
    max_active_runs=1,
    params={
        "destination": Param(DESTINATION, type="string", description="Where snapshots are kept"),
        "accounts": Param(
            "puretalk_default", type="string", format="multiline", description="A connection in each line"
        ),
    },
    tags=["puretalk", "example"],
    doc_md=__doc__,
)
def puretalk_many_accounts() -> None:
    puretalk_snapshot_task_group(
        "{{ params.accounts }}",
        destination="{{ params.destination }}",
        storage_conn_id=STORAGE_CONN_ID,
        # A name of its own, since other DAGs take snapshots at the same moment, to the same place.
        partition="{{ (dag_run.run_after | default(logical_date)).strftime('%Y%m%dT%H%M%S.%fZ') }}-accounts",
        allowed_failures="5%",
    )


puretalk_many_accounts()
