"""Some days of history of a stand-in's fleet, and the log of one assistant over them.

The days are made up: snapshots are taken one right after the other, and their manifests are dated back.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from demo import fleet
from demo.steps import DemoError, say

#: What is added to the prompt of one assistant from one day to the next, and set beside it; on one day nothing is.
_EDITS: Sequence[tuple[str, dict[str, Any]]] = (
    ("\nNever give legal advice.", {}),
    ("\nOffer a call back within the hour.", {"call_recording_enabled": True}),
    ("", {}),
    ("\nClose with a friendly word.", {}),
)


def make(source: fleet.Account, folder: Path) -> str:
    """Take a snapshot of each day, editing an assistant between them, and fold them; returns the assistant's id."""
    from airflow_provider_puretalk import history, snapshots
    from airflow_provider_puretalk.hooks import PuretalkHook
    from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
    from airflow_provider_puretalk.take_snapshot import take_snapshot

    assert source.control is not None
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ.update(source.environment)
    storage = Storage(str(folder))
    edited: dict[str, Any] = {}
    for day in range(len(_EDITS) + 1):
        taken = take_snapshot(PuretalkHook(fleet.CONNECTION), storage, snapshot=f"day-{day + 1}").to_dict()
        _date_back(Path(taken["manifest_path"]), days=len(_EDITS) - day)
        if day < len(_EDITS):
            edited = edited or next(snapshots.iter_records(taken["manifest_path"]))
            added, fields = _EDITS[day]
            edited["prompt"] += added
            if changes := {**fields, **({"prompt": edited["prompt"]} if added else {})}:
                fleet.edit(source.control, edited["assistant_id"], changes)
    say(history.update(str(folder), fleet.CONNECTION, keep="forever").summary)
    return str(edited["assistant_id"])


def show(folder: Path, assistant_id: str) -> None:
    """Print the log of an assistant, and since when each passage of its prompt stands, as the command line does."""
    from airflow_provider_puretalk.cli.main import main

    place = os.path.relpath(folder)
    for shown in (["log", place, assistant_id], ["blame", place, assistant_id, "prompt"]):
        title = f"python -m airflow_provider_puretalk history {' '.join(shown)}"
        print(f"\n{title}\n{'-' * len(title)}", flush=True)
        if main(["history", *shown]) != 0:
            raise DemoError("the history could not be read.")


def _date_back(path: Path, days: int) -> None:
    manifest = json.loads(path.read_text())
    for name in ("started_at", "finished_at"):
        manifest[name] = (datetime.fromisoformat(manifest[name]) - timedelta(days=days)).isoformat()
    path.write_text(json.dumps(manifest, indent=2))
