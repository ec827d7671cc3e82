"""### Something changed in the fleet

Starts whenever assistants are added, removed or changed, and logs which changed in which fields. Airflow's triggerer polls
the account every five minutes; no schedule, no sensor and no worker waits. What changed while Airflow was down starts a run
when it is up again (Airflow 3.3; before that the first poll after a start is the baseline).

The asset is also updated by each snapshot of *puretalk_daily_snapshot*, which starts this DAG too. On Airflow 2, which
watches nothing by itself, that is all that starts it.

*Connection*: `puretalk_default`, of type PureTalk, with the API key as its password.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.providers.common.compat.sdk import dag, get_current_context, task

from airflow_provider_puretalk.assets import HAS_WATCHERS, puretalk_assistants_asset

#: The account's name in assets: the connection's id, unless the connection says otherwise.
ACCOUNT = "puretalk_default"


@dag(
    # The watcher takes `poll_interval`, `field_classes=["compliance"]` and more; every file must name them alike.
    schedule=[puretalk_assistants_asset(ACCOUNT, watch=HAS_WATCHERS)],
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    tags=["puretalk", "example"],
    doc_md=__doc__,
)
def puretalk_react_to_change() -> None:
    @task
    def log_changes() -> list[str]:
        """Log what has started this run."""
        context: dict[str, Any] = dict(get_current_context())
        # Airflow 2 calls assets datasets.
        events = context.get("triggering_asset_events") or context.get("triggering_dataset_events") or {}
        lines = [line for found in events.values() for event in found for line in in_words(event.extra)]
        print(*lines, sep="\n")
        return lines

    log_changes()


def in_words(extra: dict[str, Any]) -> list[str]:
    """Return an event's changes, a line each. It may come twice: the same change has the same `digest`."""
    if "payload" not in extra and "snapshot" not in extra:
        return ["an event was created by hand"]  # Airflow's UI and API can.
    if "payload" not in extra:
        return [f"a snapshot was taken: {extra['snapshot']}, {extra['count']} assistants"]
    change = extra["payload"]
    lines = [f"{assistant_id} is new" for assistant_id in change["added"]]
    lines += [f"{assistant_id} is gone" for assistant_id in change["removed"]]
    lines += [f"{one['assistant_id']} changed: {', '.join(one['fields'])}" for one in change["changed"]]
    if change["truncated"]:
        lines.append(f"and more, in all: {change['counts']}")
    return lines


puretalk_react_to_change()
