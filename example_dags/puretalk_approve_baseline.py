"""### Changes count only once a human has approved them

Keeps a snapshot a day and compares it with the *accepted* one: the last state of the fleet that a human has approved. Where
they differ, the run waits under *Required Actions* until a human has read the report and chosen. After *Approve* the new
snapshot is the accepted one; after *Reject* the old one stays, and the next run needs approval again, with all that has come
since.

The accepted snapshot's name is kept in the Airflow variable `puretalk_accepted_snapshot`. The first run needs approval too.

Needs Airflow 3.1 or newer; on an older one this file makes no DAG.

*Connection*: `puretalk_default`, of type PureTalk, with the API key as its password.
*Destination*: the run's parameter `destination`; its default is the environment variable `PURETALK_SNAPSHOTS`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from airflow.providers.common.compat.sdk import (
    AirflowOptionalProviderFeatureException,
    Param,
    Variable,
    dag,
    task,
)

from airflow_provider_puretalk.operators import PuretalkCompareSnapshotsOperator, PuretalkSnapshotAssistantsOperator

try:
    from airflow.providers.standard.operators.hitl import ApprovalOperator
except (ImportError, AirflowOptionalProviderFeatureException):  # Airflow before 3.1 has no approvals
    ApprovalOperator = None  # type: ignore[assignment,misc]

#: The account's name in paths: the connection's id, unless the connection says otherwise.
ACCOUNT = "puretalk_default"
#: Any address that Airflow's object storage knows: s3://bucket/path, gs://bucket/path, /a/mounted/folder.
DESTINATION = os.environ.get("PURETALK_SNAPSHOTS", "s3://my-bucket/puretalk")
#: The connection that opens this storage, such as "aws_default"; None where none is needed.
STORAGE_CONN_ID = os.environ.get("PURETALK_STORAGE_CONN_ID") or None
#: The Airflow variable that holds the accepted snapshot's name.
ACCEPTED = "puretalk_accepted_snapshot"


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,  # PureTalk shows only how things are now: a run for a day gone by would keep today's fleet
    max_active_runs=1,  # one approval at a time
    params={"destination": Param(DESTINATION, type="string", description="Where snapshots are kept")},
    tags=["puretalk", "example"],
    doc_md=__doc__,
)
def puretalk_approve_baseline() -> None:
    snapshot = PuretalkSnapshotAssistantsOperator(
        task_id="snapshot",
        puretalk_conn_id="puretalk_default",
        destination="{{ params.destination }}",
        storage_conn_id=STORAGE_CONN_ID,
        # A name of its own, since other DAGs take snapshots at the same moment, to the same place.
        partition="{{ (dag_run.run_after | default(logical_date)).strftime('%Y%m%dT%H%M%S.%fZ') }}-approval",
    )

    @task
    def accepted(snapshot: dict[str, Any]) -> str | None:
        """Name the snapshot that was approved last; None before the first, and where this run's own was (it runs again)."""
        name: str | None = Variable.get(ACCEPTED, default=None)
        return None if name == snapshot["snapshot"] else name

    accepted_before = accepted(snapshot.output)
    comparison = PuretalkCompareSnapshotsOperator(
        task_id="compare",
        destination="{{ params.destination }}",
        storage_conn_id=STORAGE_CONN_ID,
        account=ACCOUNT,
        snapshot="{{ ti.xcom_pull(task_ids='snapshot')['snapshot'] }}",
        baseline=accepted_before,
    )

    @task.short_circuit
    def needs_a_decision(accepted: str | None, comparison: dict[str, Any]) -> bool:
        """Go on where nothing was ever accepted, or where the fleet is not as it was then."""
        counts = comparison["counts"]
        return accepted is None or any(counts[what] for what in ("added", "removed", "changed"))

    approval = ApprovalOperator(
        task_id="approve",
        subject="Is this how the voice assistants shall be?",
        body=(
            "{{ ti.xcom_pull(task_ids='compare')['summary'] }}\n\n"
            "Report: `{{ ti.xcom_pull(task_ids='compare')['report_path'] }}`"
        ),
    )

    @task
    def accept(snapshot: dict[str, Any]) -> str:
        """Make this run's snapshot the one that later runs are compared with."""
        Variable.set(ACCEPTED, snapshot["snapshot"])
        return str(snapshot["snapshot"])

    needs_a_decision(accepted_before, comparison.output) >> approval >> accept(snapshot.output)


if ApprovalOperator is not None:
    puretalk_approve_baseline()
