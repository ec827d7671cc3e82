"""Answers the first question that an Airflow 3.1 or newer asks a human, as its UI does, and ends.

Run as a program with the option to choose, in the Airflow home of the run that asks. Knows nothing of PureTalk.
"""

from __future__ import annotations

import sys
import time
from urllib.parse import quote

#: Seconds between two looks, and how many looks before giving up.
_PAUSE, _LOOKS = 0.3, 400


def main() -> None:
    """Wait for a question, and answer it."""
    (choice,) = sys.argv[1:]
    from airflow.api_fastapi.app import create_app, get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from starlette.testclient import TestClient

    client = TestClient(create_app(apps="core"))
    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="tester", role="admin"))
    client.headers["Authorization"] = f"Bearer {token}"
    for _ in range(_LOOKS):
        answer = client.get("/api/v2/dags/~/dagRuns/~/hitlDetails", params={"response_received": False}).json()
        for question in answer["hitl_details"]:
            instance = question["task_instance"]
            if instance["state"] not in ("awaiting_input", "deferred"):
                continue  # Asked, but not yet waiting.
            path = (
                f"/api/v2/dags/{instance['dag_id']}/dagRuns/{quote(instance['dag_run_id'])}"
                f"/taskInstances/{instance['task_id']}/{instance['map_index']}/hitlDetails"
            )
            response = client.patch(path, json={"chosen_options": [choice], "params_input": {}})
            print(response.status_code, response.text)
            sys.exit(0 if response.is_success else 1)
        time.sleep(_PAUSE)
    sys.exit("Nobody asked.")


if __name__ == "__main__":
    main()
