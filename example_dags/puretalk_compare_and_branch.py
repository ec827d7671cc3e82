"""### What changed since yesterday?

Keeps a snapshot a day and compares it with the one before. Where anything changed, a task logs which assistants changed in
which fields; where nothing did, the day ends quietly. The report for people lies beside the snapshot, and the compare task
links to it.

A fleet that lost more than a tenth of its assistants overnight fails the run, with the report already written.

*Connection*: `puretalk_default`, of type PureTalk, with the API key as its password.
*Destination*: the run's parameter `destination`; its default is the environment variable `PURETALK_SNAPSHOTS`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from airflow.providers.common.compat.sdk import Param, dag, task

from airflow_provider_puretalk.operators import PuretalkCompareSnapshotsOperator, PuretalkSnapshotAssistantsOperator

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
def puretalk_compare_and_branch() -> None:
    snapshot = PuretalkSnapshotAssistantsOperator(
        task_id="snapshot",
        puretalk_conn_id="puretalk_default",
        destination="{{ params.destination }}",
        storage_conn_id=STORAGE_CONN_ID,
        # A name of its own, since other DAGs take snapshots at the same moment, to the same place.
        partition="{{ (dag_run.run_after | default(logical_date)).strftime('%Y%m%dT%H%M%S.%fZ') }}-branch",
    )
    comparison = PuretalkCompareSnapshotsOperator(
        task_id="compare",
        destination="{{ params.destination }}",
        storage_conn_id=STORAGE_CONN_ID,
        account=ACCOUNT,
        snapshot="{{ ti.xcom_pull(task_ids='snapshot')['snapshot'] }}",
        max_removed="10%",
    )

    @task.branch
    def anything_new(comparison: dict[str, Any]) -> str:
        """Choose a way by what was counted; the first snapshot is a baseline, and counts as quiet."""
        counts = comparison["counts"]
        return "log_changes" if counts["added"] or counts["removed"] or counts["changed"] else "stay_quiet"

    @task
    def log_changes(comparison: dict[str, Any]) -> str:
        """Log what changed. A message to a chat or a ticket would be sent here: it holds ids and field names only."""
        lines = [comparison["summary"], f"Report: {comparison['report_path']}"]
        lines += [f"  {change['assistant_id']}: {', '.join(change['fields'])}" for change in comparison["changed"]]
        print("\n".join(lines))
        return str(comparison["summary"])

    @task
    def stay_quiet() -> None:
        """Do nothing, so that the graph shows that nothing happened."""

    snapshot >> comparison
    anything_new(comparison.output) >> [log_changes(comparison.output), stay_quiet()]


puretalk_compare_and_branch()
