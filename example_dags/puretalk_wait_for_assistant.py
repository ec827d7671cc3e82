"""### Act when an assistant is ready

Waits until an assistant of a given name exists and records its calls, then says which number it answers.
The wait holds no worker: Airflow's triggerer polls the account once a minute. After a day the run ends, skipped.

*Connection*: `puretalk_default`, of type PureTalk, with the API key as its password. *Parameters*: the assistant's name.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import Param, dag, task

from airflow_provider_puretalk.sensors import PuretalkAssistantSensor


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    params={"name": Param("Reception", type="string", description="Whom to wait for")},
    tags=["puretalk", "example"],
    doc_md=__doc__,
)
def puretalk_wait_for_assistant() -> None:
    ready = PuretalkAssistantSensor(
        task_id="wait_until_ready",
        puretalk_conn_id="puretalk_default",
        name="{{ params.name }}",
        expect={"call_recording_enabled": True},
        deferrable=True,
        poke_interval=timedelta(minutes=1),
        timeout=timedelta(days=1),
        soft_fail=True,
    )

    @task
    def go_live(assistant: dict[str, Any]) -> str:
        """Whatever has to happen now: the sensor hands on the assistant as it was found."""
        line = f"{assistant['name']} answers {assistant['phone_number'] or 'no number yet'}"
        print(line)
        return line

    go_live(ready.output)


puretalk_wait_for_assistant()
