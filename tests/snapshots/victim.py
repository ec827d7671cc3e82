"""Runs operators in processes that die at a chosen moment; started by the fixture ``die`` of ``conftest.py``.

Each line on standard input is an order in JSON: ``{"operator", "arguments", "moment", "environment"}``. It is carried out in
a process forked for it, where an audit hook sends SIGKILL when the moment comes. Each line on standard output is the status
that the process ended with: minus the signal, or the exit code.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from types import SimpleNamespace
from typing import Any

from airflow.providers.common.compat.sdk import BaseHook, ObjectStoragePath

# ruff: isort: split
# So that no victim need load them itself.
import pyarrow  # noqa: F401
import s3fs  # noqa: F401
from airflow.providers.amazon.aws.fs import s3  # noqa: F401

from airflow_provider_puretalk import hooks, snapshots  # noqa: F401
from airflow_provider_puretalk.operators import PuretalkCompareSnapshotsOperator, PuretalkSnapshotAssistantsOperator

OPERATORS: dict[str, Any] = {"take": PuretalkSnapshotAssistantsOperator, "compare": PuretalkCompareSnapshotsOperator}


def _request(number: int) -> Callable[..., bool]:
    sent = count(1)
    return lambda event, *args: event == "http.client.send" and b"GET" in args[1] and next(sent) == number


def _nameless_file(number: int) -> Callable[..., bool]:
    opened = count(1)
    return lambda event, *args: event == "open" and "/proc/self/fd/" in repr(args) and next(opened) == number


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
    "while the third page is asked for": _request(3),
    "when half of the data is written": _half_of_the_data,
    "before the data gets its name": _names("/assistants-"),
    "before the manifest is written": _opens_manifest,
    "before the manifest gets its name": _names("/manifest.json"),
    "before the old data is removed": _removes_old_data,
    # Files in the temporary folder have no names, and are opened again through those of their descriptors.
    "while the list is read": _request(2),
    "when the data is opened": _nameless_file(1),
    "when the data is hashed or sent": _nameless_file(2),
    "when both sides are fetched": _nameless_file(4),
    "when the changes are written": _nameless_file(7),
    "never": lambda event, *args: False,
}


def _run(order: dict[str, Any]) -> None:
    has_come = MOMENTS[order["moment"]]
    os.environ.update(order["environment"])
    tempfile.tempdir = None  # As it is in a process that has just begun.

    def watch(event: str, args: tuple[Any, ...]) -> None:
        if has_come(event, *args):
            os.kill(os.getpid(), signal.SIGKILL)

    operator = OPERATORS[order["operator"]](task_id="task", **order["arguments"])
    context: Any = {
        "dag_run": SimpleNamespace(logical_date=datetime(2026, 11, 22, tzinfo=UTC), run_after=None),
        "ti": SimpleNamespace(dag_id="fleet", task_id="task", run_id="run", xcom_push=lambda **given: None),
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
    gc.freeze()  # What is there already need not be looked through in each process.
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
