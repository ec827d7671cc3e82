"""The account that the demo reads: a stand-in on this machine, or the real one if its key is in the environment.

The key goes into the environment of Airflow's processes and nowhere else: not into a file, not onto the screen.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from airflow_provider_puretalk import sandbox, snapshots
from demo.steps import say, step

CONNECTION = "puretalk_default"
ASSISTANTS = 250


@dataclass(frozen=True)
class Account:
    """Where assistants come from.

    :ivar what: the account in a few words.
    :ivar folder: the name of the folder that its snapshots go to.
    :ivar environment: what a program needs in order to find the connection.
    :ivar control: address of the stand-in's control route; None for the real service, in which nothing is changed.
    """

    what: str
    folder: str
    environment: dict[str, str]
    control: str | None = None


@contextmanager
def account() -> Iterator[Account]:
    """Give the account to read; a stand-in runs until the context is left."""
    key = os.environ.get("PURETALK_API_KEY")
    if key:
        host = os.environ.get("PURETALK_BASE_URL", "")
        yield Account(f"PureTalk{f' at {host}' if host else ''}", "snapshots-real", _connection(key, host))
        return
    with ExitStack() as stack:
        with step(f"Start a stand-in PureTalk with {ASSISTANTS} invented assistants"):
            box = stack.enter_context(sandbox.running(assistants=ASSISTANTS))
            say(f"it listens on {box.base_url}")
        root = box.base_url.removesuffix("/api")
        yield Account(
            f"a stand-in PureTalk on {box.base_url}",
            "snapshots",
            _connection(box.api_key, box.base_url),
            f"{root}/_sandbox/assistants",
        )


def change(control: str, manifest_path: str) -> list[str]:
    """Change the stand-in's fleet as people would: edit a prompt, add two assistants, remove one.

    :param manifest_path: a snapshot of the fleet, to choose from.
    :returns: what was done, in words.
    """
    edited, removed = islice(snapshots.iter_records(manifest_path), 2)
    edit(control, edited["assistant_id"], {"prompt": edited["prompt"] + "\nNever promise a refund."})
    added = [_send("POST", control, {"name": name}) for name in ("Night line", "Night line (test)")]
    _send("DELETE", f"{control}/{removed['assistant_id']}", None)
    return [
        f"edited the prompt of {edited['name']!r}",
        *(f"added {record['name']!r}" for record in added),
        f"removed {removed['name']!r}",
    ]


def edit(control: str, assistant_id: str, fields: dict[str, Any]) -> None:
    """Change fields of an assistant of the stand-in."""
    _send("PATCH", f"{control}/{assistant_id}", fields)


def _connection(key: str, host: str) -> dict[str, str]:
    connection = {"conn_type": "puretalk", "password": key, "host": host}
    return {f"AIRFLOW_CONN_{CONNECTION.upper()}": json.dumps(connection)}


def _send(method: str, url: str, body: dict[str, Any] | None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        text = answer.read()
        return json.loads(text) if text else None
