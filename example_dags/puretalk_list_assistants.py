"""### Do assistants that record calls say so?

Lists the assistants that call people, speak first and record the call, and checks the opening words of each in a task
of its own; the last task names those that say nothing about the recording.

*Connection*: `puretalk_default`, of type PureTalk, with the API key as its password.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.providers.common.compat.sdk import dag, get_current_context, task

from airflow_provider_puretalk.operators import PuretalkListAssistantsOperator

#: Words by which an opening can mention the recording, in the languages of this fleet.
RECORDING_WORDS = ("record", "grab", "enregistr", "aufgezeichnet", "registr", "gravad")


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    tags=["puretalk", "example"],
    doc_md=__doc__,
)
def puretalk_list_assistants() -> None:
    assistants = PuretalkListAssistantsOperator(
        task_id="list_assistants",
        puretalk_conn_id="puretalk_default",
        # Only these fields travel to the tasks below; names with a dot reach into nested objects.
        fields=["assistant_id", "name", "voice.language", "begin_message"],
        filters={"assistant_type": "outbound", "who_speaks_first": "assistant", "call_recording_enabled": True},
    )

    @task(map_index_template="{{ assistant_name }}")
    def check_opening(assistant: dict[str, Any]) -> dict[str, Any]:
        """Search the opening words for the recording; the UI shows each check under its assistant's name."""
        get_current_context()["assistant_name"] = assistant["name"]  # type: ignore[typeddict-unknown-key]
        opening = (assistant["begin_message"] or "").lower()
        return {"name": assistant["name"], "says_so": any(word in opening for word in RECORDING_WORDS)}

    @task
    def report(checks: list[dict[str, Any]]) -> list[str]:
        """Name the assistants whose opening is silent about the recording."""
        silent = sorted(check["name"] for check in checks if not check["says_so"])
        print(f"{len(silent)} of {len(checks)} assistants record without saying so:", *silent, sep="\n  ")
        return silent

    report(check_opening.expand(assistant=assistants.output))


puretalk_list_assistants()
