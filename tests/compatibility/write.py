"""Writes what one release leaves behind, so that later ones can be held against it.

``python -m tests.compatibility.write 0.2.0`` writes ``tests/compatibility/stored/0.2.0``: snapshots in every format and
compression and with every proof, a history, a comparison, arguments of deferred triggers, the events that they fired, and a
watcher's asset state. Only public names are imported, so that an older release can be made to write as well. Needs
Airflow 3.3.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.compatibility.fleets import ACCOUNT, API_KEY, FIRST, REDACT, REDACTION_KEY, SECOND

STORED = Path(__file__).parent / "stored"
#: Of every format and compression one snapshot of the first state and one of the second.
FORMS: tuple[tuple[str, str | None], ...] = (
    ("jsonl", "gzip"),
    ("jsonl", "zstd"),
    ("jsonl", None),
    ("parquet", "zstd"),
    ("parquet", "gzip"),
    ("parquet", "snappy"),
    ("parquet", None),
)
#: A snapshot for each way in which a reading is proven, how the list is read, the most rows of a page that the server gives,
#: and before which request the first state gets one more.
PROOFS: tuple[tuple[str, str, int, int | None], ...] = (
    ("one_page", "verified", 100, None),
    ("two_walks", "verified", 2, 4),
    ("union", "verified", 2, 6),
    ("one_walk", "checked", 2, None),
    ("best_effort", "best_effort", 2, 2),
)
#: The snapshots that a history was made of, by name.
FOLDED: dict[str, list[dict[str, Any]]] = {"folded-1": FIRST, "folded-2": SECOND, "folded-3": FIRST}


def connect(host: str, **extra: Any) -> None:
    """Define the connection that everything here uses."""
    os.environ["AIRFLOW_CONN_PURETALK_DEFAULT"] = json.dumps(
        {
            "conn_type": "puretalk",
            "host": host,
            "password": API_KEY,
            # `redaction_key` is the name that the earliest releases know `redaction_secret` by.
            "extra": {"account": ACCOUNT, "redaction_key": REDACTION_KEY, "retry_backoff": 0, **extra},
        }
    )


def partition(file_format: str, compression: str | None, state: int) -> str:
    """Return the name of a snapshot: its form, and which state of the fleet it holds."""
    return f"{file_format}-{compression}-{state}"


def write(folder: Path) -> None:
    """Write everything into a new folder."""
    from airflow_provider_puretalk import sandbox

    folder.mkdir(parents=True)
    for state, records in ((1, FIRST), (2, SECOND)):
        with sandbox.running(records=records, api_key=API_KEY) as box:
            connect(box.base_url)
            _write_snapshots(folder / "snapshots", state)
            if state == 1:
                _write_watcher(folder / "watcher.json")
            else:
                _compare(folder / "snapshots")
                _write_deferred(folder)
    _write_proofs(folder / "proofs")
    _write_history(folder / "history")


def context(task_id: str) -> Any:
    """Return what an operator finds in a run of the DAG."""
    return {
        "dag_run": SimpleNamespace(logical_date=datetime(2026, 11, 22, tzinfo=UTC), run_after=None),
        "ti": SimpleNamespace(
            dag_id="fleet", task_id=task_id, run_id="manual__1", map_index=-1, max_tries=0, start_date=datetime.now(UTC)
        ),
        "outlet_events": {},
    }


def _write_snapshots(destination: Path, state: int) -> None:
    from airflow_provider_puretalk.operators import PuretalkSnapshotAssistantsOperator

    destination.mkdir(exist_ok=True)
    for file_format, compression in FORMS:
        name = partition(file_format, compression, state)
        form: dict[str, Any] = {"file_format": file_format, "compression": compression}
        PuretalkSnapshotAssistantsOperator(
            task_id="take", destination=str(destination), partition=name, **form
        ).execute(context(name))
    redacted = destination.with_name("redacted")
    redacted.mkdir(exist_ok=True)
    PuretalkSnapshotAssistantsOperator(
        task_id="take", destination=str(redacted), partition=f"redacted-{state}", redact=REDACT
    ).execute(context("redacted"))


def _write_proofs(destination: Path) -> None:
    """Write a snapshot for each way in which a reading is proven, named after it."""
    from airflow_provider_puretalk import sandbox
    from airflow_provider_puretalk.operators import PuretalkSnapshotAssistantsOperator

    destination.mkdir()
    for name, consistency, most, edited in PROOFS:
        with sandbox.running(records=FIRST, api_key=API_KEY, max_limit=most) as box:
            connect(box.base_url, page_size=2, max_parallel_requests=1)
            if edited:
                box.before_request(edited, partial(_add_one, box))
            PuretalkSnapshotAssistantsOperator(
                task_id="take", destination=str(destination), partition=name, consistency=consistency
            ).execute(context(name))


def _write_history(destination: Path) -> None:
    """Fold three snapshots one by one, and prune all but the last: an assistant comes and goes, another one is back."""
    from airflow_provider_puretalk import history, sandbox
    from airflow_provider_puretalk.operators import PuretalkSnapshotAssistantsOperator

    destination.mkdir()
    for name, records in FOLDED.items():
        with sandbox.running(records=records, api_key=API_KEY) as box:
            connect(box.base_url)
            PuretalkSnapshotAssistantsOperator(task_id="take", destination=str(destination), partition=name).execute(
                context(name)
            )
        history.update(str(destination), ACCOUNT, keep="forever")
    for name in [*FOLDED][:-1]:
        shutil.rmtree(destination / f"account={ACCOUNT}" / f"snapshot={name}")


def _add_one(box: Any, request: Any) -> None:
    box.fleet.replace_all([*FIRST, *SECOND[3:]])


def _compare(destination: Path) -> None:
    from airflow_provider_puretalk.operators import PuretalkCompareSnapshotsOperator

    PuretalkCompareSnapshotsOperator(
        task_id="compare",
        destination=str(destination),
        account=ACCOUNT,
        baseline=partition(*FORMS[0], 1),
        snapshot=partition(*FORMS[0], 2),
    ).execute(context("compare"))


def sensors(destination: str) -> dict[str, Any]:
    """Return a deferrable sensor for each kind of condition, by a name; each holds for the second state."""
    from airflow_provider_puretalk.sensors import PuretalkAssistantsChangedSensor, PuretalkAssistantSensor

    waiting: dict[str, Any] = {"deferrable": True, "timeout": 600, "poke_interval": 0.1}
    return {
        "by_id": PuretalkAssistantSensor(
            task_id="by_id", assistant_id="a-5", expect={"voice.language": "de", "recording": True}, **waiting
        ),
        "by_name": PuretalkAssistantSensor(task_id="by_name", name="Complaints", **waiting),
        "changed": PuretalkAssistantsChangedSensor(
            task_id="changed", destination=destination, baseline=partition(*FORMS[0], 1), **waiting
        ),
    }


def _write_deferred(folder: Path) -> None:
    """Write the arguments of each sensor's trigger, and the event that it fires once the condition holds."""
    from airflow.providers.common.compat.sdk import TaskDeferred

    from airflow_provider_puretalk import sandbox
    from airflow_provider_puretalk.operators import PuretalkSnapshotAssistantsOperator

    stored = {}
    # Not yet met, so that each sensor defers; the destination is replaced when the trigger is read back.
    with sandbox.running(records=FIRST, api_key=API_KEY) as box, tempfile.TemporaryDirectory() as destination:
        connect(box.base_url)
        PuretalkSnapshotAssistantsOperator(
            task_id="take", destination=destination, partition=partition(*FORMS[0], 1)
        ).execute(context("take"))
        for name, sensor in sensors(destination).items():
            try:
                sensor.execute(context(name))
            except TaskDeferred as deferred:
                trigger, method = deferred.trigger, deferred.method_name
            path, arguments = trigger.serialize()
            box.fleet.replace_all(SECOND)
            event = asyncio.run(_first(trigger))
            box.fleet.replace_all(FIRST)
            text = json.dumps({"trigger": [path, arguments], "method": method, "event": event})
            stored[name] = json.loads(text.replace(destination, "DESTINATION"))
    (folder / "deferred.json").write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")


async def _first(trigger: Any) -> Any:
    async for event in trigger.run():
        return event.payload
    return None


class State:
    """An asset's state as Airflow 3.3 gives it to a trigger.

    :param values: what it holds by now.
    """

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        self.values: dict[str, Any] = values or {}

    async def aget(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    async def aset(self, key: str, value: Any) -> None:
        self.values[key] = json.loads(json.dumps(value))

    async def adelete(self, key: str) -> None:
        self.values.pop(key, None)


def _write_watcher(file: Path) -> None:
    """Write a watcher's arguments, and what it keeps in the asset's state once it has seen the fleet."""
    from airflow_provider_puretalk.triggers import PuretalkAssistantsChangedTrigger

    state, trigger = State(), PuretalkAssistantsChangedTrigger(poll_interval=0.05)

    async def watch() -> None:
        trigger.asset_state_store = state  # type: ignore[assignment]  # a stand-in
        with suppress(TimeoutError):
            async with asyncio.timeout(3):  # Many polls: the first one is saved at the second.
                async for _ in trigger.run():
                    raise AssertionError("nothing has changed")

    asyncio.run(watch())
    assert state.values, "nothing was saved"
    file.write_text(
        json.dumps({"trigger": trigger.serialize(), "state": state.values}, indent=1, sort_keys=True) + "\n"
    )


if __name__ == "__main__":
    target = STORED / sys.argv[1]
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.setdefault("AIRFLOW_HOME", f"{scratch}/airflow")
        write(Path(scratch) / "release")
        shutil.copytree(Path(scratch) / "release", target)
