"""``snapshot``: takes one."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from airflow_provider_puretalk.cli.connection import hook_for, place, redaction
from airflow_provider_puretalk.cli.output import Output
from airflow_provider_puretalk.cli.parser import DONE
from airflow_provider_puretalk.snapshots.storage import Storage
from airflow_provider_puretalk.taking import take_snapshot
from airflow_provider_puretalk.wording import counted

_SINCE = {None: "the first one", True: "nothing changed since {}", False: "something changed since {}"}


def snapshot(options: argparse.Namespace, output: Output) -> int:
    """Take a snapshot, and print what came of it: paths, counts and hashes, never contents."""
    taken = take_snapshot(
        hook_for(options.conn_id),
        Storage(place(options.destination), options.storage_conn_id),
        snapshot=options.partition or datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"),
        file_format=options.format,
        compression=None if options.compression == "none" else options.compression,
        consistency=options.consistency,
        redact=redaction(options),
        strict=options.strict,
        max_walks=options.max_walks,
        max_seconds=options.max_seconds,
    )
    result = taken.to_dict()
    if output.as_json:
        output.document(result)
        return DONE
    complete = "complete" if result["complete"] else "NOT complete"
    known = taken.unchanged is not None or taken.is_first
    since = _SINCE[result["unchanged"]].format(result["previous_snapshot"]) if known else taken.told
    assistants = counted(result["count"], "assistant")
    output.line(f"Snapshot {result['snapshot']} of {result['account']}: {assistants}, {complete}; {since}.")
    output.line(result["manifest_path"])
    return DONE
