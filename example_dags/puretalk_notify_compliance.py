"""### Notify people when what the law cares about has changed

Keeps a snapshot a day and compares it with the one before. Where a field of the class *compliance* changed on any assistant
(call recording, opening words, allowed domains), people are notified, and also when the snapshot is late (Airflow 3.1
or newer).

Who is notified is up to you: any notifier will do. Without one, the message stands in the log of the task. With
`PURETALK_SLACK_CONN_ID` set to a connection of Slack's incoming webhooks, and `apache-airflow-providers-slack` installed,
it goes there.

*Connection*: `puretalk_default`, of type PureTalk, with the API key as its password.
*Destination*: the run's parameter `destination`; its default is the environment variable `PURETALK_SNAPSHOTS`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

from airflow.providers.common.compat.notifier import BaseNotifier
from airflow.providers.common.compat.sdk import Param, dag, task

from airflow_provider_puretalk.operators import PuretalkCompareSnapshotsOperator, PuretalkSnapshotAssistantsOperator

try:
    from airflow.sdk.definitions.deadline import (  # type: ignore[attr-defined]  # where Airflow 3.1 has them as well
        AsyncCallback,
        DeadlineAlert,
        DeadlineReference,
    )
except ImportError:  # Airflow before 3.1 has no deadlines
    DeadlineAlert = None  # type: ignore[assignment,misc]

#: The account's name in paths: the connection's id, unless the connection says otherwise.
ACCOUNT = "puretalk_default"
#: Any address that Airflow's object storage knows: s3://bucket/path, gs://bucket/path, /a/mounted/folder.
DESTINATION = os.environ.get("PURETALK_SNAPSHOTS", "s3://my-bucket/puretalk")
#: The connection that opens this storage, such as "aws_default"; None where none is needed.
STORAGE_CONN_ID = os.environ.get("PURETALK_STORAGE_CONN_ID") or None
#: The connection of Slack's incoming webhooks; None where Slack is not used.
SLACK_CONN_ID = os.environ.get("PURETALK_SLACK_CONN_ID") or None
SLACK = "airflow.providers.slack.notifications.slack_webhook.SlackWebhookNotifier"

CHANGED = "{% set found = ti.xcom_pull(task_ids='compare') %}Compliance: {{ found.summary }} {{ found.report_path }}"
LATE = "The daily snapshot of the voice assistants is late."


class LogNotifier(BaseNotifier):
    """Writes to the log, until you choose another notifier."""

    template_fields = ("text",)

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def notify(self, context: Any) -> None:
        print(self.text)


def notifier(text: str) -> BaseNotifier:
    """Return the notifier. Put the one of your choice here."""
    if SLACK_CONN_ID is None:
        return LogNotifier(text)
    module, _, name = SLACK.rpartition(".")
    slack: BaseNotifier = getattr(import_module(module), name)(slack_webhook_conn_id=SLACK_CONN_ID, text=text)
    return slack


def deadline() -> dict[str, Any]:
    """Return the DAG's argument for an alert when a run takes too long. It runs in the triggerer, so it needs a path."""
    if DeadlineAlert is None or SLACK_CONN_ID is None:
        return {}
    return {
        "deadline": DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=timedelta(hours=1),
            callback=AsyncCallback(SLACK, kwargs={"slack_webhook_conn_id": SLACK_CONN_ID, "text": LATE}),
        )
    }


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,  # PureTalk shows only how things are now: a run for a day gone by would keep today's fleet
    max_active_runs=1,
    params={"destination": Param(DESTINATION, type="string", description="Where snapshots are kept")},
    tags=["puretalk", "example"],
    doc_md=__doc__,
    **deadline(),
)
def puretalk_notify_compliance() -> None:
    snapshot = PuretalkSnapshotAssistantsOperator(
        task_id="snapshot",
        puretalk_conn_id="puretalk_default",
        destination="{{ params.destination }}",
        storage_conn_id=STORAGE_CONN_ID,
        # A name of its own, since other DAGs take snapshots at the same moment, to the same place.
        partition="{{ (dag_run.run_after | default(logical_date)).strftime('%Y%m%dT%H%M%S.%fZ') }}-compliance",
    )
    compare = PuretalkCompareSnapshotsOperator(
        task_id="compare",
        destination="{{ params.destination }}",
        account=ACCOUNT,
        storage_conn_id=STORAGE_CONN_ID,
    )

    @task.short_circuit
    def compliance_changed(comparison: dict[str, Any]) -> bool:
        """Go on only where a field of that class changed."""
        return bool(comparison["counts"]["compliance"])

    @task(on_success_callback=[notifier(CHANGED)])
    def notify(comparison: dict[str, Any]) -> list[str]:
        """Name the assistants; the notifier says the rest when this task succeeds."""
        return [change["assistant_id"] for change in comparison["changed"]]

    snapshot >> compare >> compliance_changed(compare.output) >> notify(compare.output)


puretalk_notify_compliance()
