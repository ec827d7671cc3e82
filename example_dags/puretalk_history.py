"""### What did every assistant say, at any time?

Keeps a snapshot a day, compares it with the one before, folds it into the history, and then says which old snapshots could
go: those that the history can rebuild. What any assistant was on any day, `python -m airflow_provider_puretalk history log`
shows; it stays true when the snapshots are gone.

Set `dry_run=False` on the last task once you have read in its log what it would remove.

*Connection*: `puretalk_default`, of type PureTalk, with the API key as its password.
*Destination*: the run's parameter `destination`; its default is the environment variable `PURETALK_SNAPSHOTS`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

from airflow.providers.common.compat.sdk import Param, dag

from airflow_provider_puretalk.assets import puretalk_history_asset
from airflow_provider_puretalk.operators import (
    PuretalkCompareSnapshotsOperator,
    PuretalkPruneSnapshotsOperator,
    PuretalkSnapshotAssistantsOperator,
    PuretalkUpdateHistoryOperator,
)

#: The account's name in paths: the connection's id, unless the connection says otherwise.
ACCOUNT = "puretalk_default"
#: Any address that Airflow's object storage knows: s3://bucket/path, gs://bucket/path, /a/mounted/folder.
DESTINATION = os.environ.get("PURETALK_SNAPSHOTS", "s3://my-bucket/puretalk")
#: The connection that opens this storage, such as "aws_default"; None where none is needed.
STORAGE_CONN_ID = os.environ.get("PURETALK_STORAGE_CONN_ID") or None


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,  # PureTalk shows only how things are now: a run for a day gone by would keep today's fleet
    max_active_runs=1,
    params={"destination": Param(DESTINATION, type="string", description="Where snapshots are kept")},
    tags=["puretalk", "example"],
    doc_md=__doc__,
)
def puretalk_history() -> None:
    where = {"destination": "{{ params.destination }}", "storage_conn_id": STORAGE_CONN_ID}
    snapshot = PuretalkSnapshotAssistantsOperator(
        task_id="snapshot",
        puretalk_conn_id="puretalk_default",
        # A name of its own, since other DAGs take snapshots at the same moment, to the same place.
        partition="{{ (dag_run.run_after | default(logical_date)).strftime('%Y%m%dT%H%M%S.%fZ') }}-history",
        **where,
    )
    compare = PuretalkCompareSnapshotsOperator(task_id="compare", account=ACCOUNT, **where)
    update = PuretalkUpdateHistoryOperator(
        task_id="history",
        account=ACCOUNT,
        keep="forever",  # or a number of days, where what ended long ago must go
        outlets=[puretalk_history_asset(ACCOUNT)],
        **where,
    )
    prune = PuretalkPruneSnapshotsOperator(
        task_id="prune",
        account=ACCOUNT,
        keep_daily=14,
        require_history=True,
        dry_run=True,
        **where,
    )
    snapshot >> compare >> update >> prune


puretalk_history()
