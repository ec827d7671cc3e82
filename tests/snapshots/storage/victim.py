"""Runs the snapshot operator in processes that die at a chosen moment; started by ``test_killed_process.py``.

Each line on standard input is an order in JSON: ``{"moment", "arguments", "connection"}``. It is carried out in a
process forked for it, where an audit hook sends SIGKILL when the moment comes. Each line on standard output is the
status that the process ended with: minus the signal, or the exit code.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from types import SimpleNamespace
from typing import Any

from airflow.providers.common.compat.sdk import BaseHook, ObjectStoragePath

from airflow_provider_puretalk import hooks, snapshots  # noqa: F401 - so that each victim need not load them itself
from airflow_provider_puretalk.operators import PuretalkSnapshotAssistantsOperator

_PAGES = count(1)


def _third_page(event: str, *args: Any) -> bool:
    return event == "http.client.send" and b"GET" in args[1] and next(_PAGES) == 3


def _half_of_the_data(event: str, *args: Any) -> bool:
    if event == "open" and str(args[0]).startswith("/proc/self/fd/") and args[1] == "w":
        # From here on the kernel ends the process as soon as it writes beyond so many bytes, and nobody can prevent it.
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return False


def _names(what: str) -> Callable[..., bool]:
    return lambda event, *args: event in ("os.rename", "os.link") and what in str(args[1])


def _opens_manifest(event: str, *args: Any) -> bool:
    return event == "open" and "/.manifest.json" in str(args[0])


def _removes_old_data(event: str, *args: Any) -> bool:
    return event == "os.remove" and "/assistants-" in str(args[0])


#: When a process dies, by name.
MOMENTS: dict[str, Callable[..., bool]] = {
    "while the third page is asked for": _third_page,
    "when half of the data is written": _half_of_the_data,
    "before the data gets its name": _names("/assistants-"),
    "before the manifest is written": _opens_manifest,
    "before the manifest gets its name": _names("/manifest.json"),
    "before the old data is removed": _removes_old_data,
    "never": lambda event, *args: False,
}


def _run(order: dict[str, Any]) -> None:
    has_come = MOMENTS[order["moment"]]
    os.environ["AIRFLOW_CONN_PURETALK_DEFAULT"] = order["connection"]

    def watch(event: str, args: tuple[Any, ...]) -> None:
        if has_come(event, *args):
            os.kill(os.getpid(), signal.SIGKILL)

    operator = PuretalkSnapshotAssistantsOperator(task_id="snapshot", **order["arguments"])
    context: Any = {
        "dag_run": SimpleNamespace(logical_date=datetime(2026, 11, 22, tzinfo=UTC)),
        "ti": SimpleNamespace(dag_id="fleet", task_id="snapshot", run_id="run"),
        "outlet_events": {},
    }
    sys.addaudithook(watch)
    operator.execute(context)


if __name__ == "__main__":
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Airflow logs to standard output, where only results belong.
    # Airflow loads much at the first use of either.
    os.environ["AIRFLOW_CONN_ANY"] = '{"conn_type": "generic"}'
    assert BaseHook.get_connection("any").conn_id
    assert ObjectStoragePath("/").fs
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                _run(json.loads(line))
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=results, flush=True)
