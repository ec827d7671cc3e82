"""Answers what an Airflow 3.1 or newer asks a human, as its UI does.

Run as a program in the Airflow home of the runs that ask. Each line on standard input is the option to choose for the next
question that comes up; each line on standard output says that it was answered. Knows nothing of PureTalk.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any
from urllib.parse import quote

#: Seconds between two looks, and how many looks before giving up: half an hour of them, since a machine may be slow to ask.
_PAUSE, _LOOKS = 0.3, 6_000


def main() -> None:
    """Answer one question for each line."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Airflow may log to standard output, where only answers belong.
    from airflow.api_fastapi.app import create_app, get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from starlette.testclient import TestClient

    client = TestClient(create_app(apps="core"))
    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="tester", role="admin"))
    client.headers["Authorization"] = f"Bearer {token}"
    for line in sys.stdin:
        choice = line.strip()
        answer(client, choice)
        print(choice, file=answers, flush=True)


def answer(client: Any, choice: str) -> None:
    """Wait for a question, and answer it."""
    for _ in range(_LOOKS):
        found = client.get("/api/v2/dags/~/dagRuns/~/hitlDetails", params={"response_received": False}).json()
        for question in found["hitl_details"]:
            instance = question["task_instance"]
            # What waits in `dag.test()` of Airflow 3.1 is soon called queued again, with its trigger.
            if instance["state"] not in ("awaiting_input", "deferred") and instance["trigger"] is None:
                continue  # Asked, but not yet waiting.
            path = (
                f"/api/v2/dags/{instance['dag_id']}/dagRuns/{quote(instance['dag_run_id'])}"
                f"/taskInstances/{instance['task_id']}/{instance['map_index']}/hitlDetails"
            )
            client.patch(path, json={"chosen_options": [choice], "params_input": {}}).raise_for_status()
            return
        time.sleep(_PAUSE)
    sys.exit("Nobody asked.")


if __name__ == "__main__":
    main()
