"""``snapshot``: takes a snapshot."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from airflow_provider_puretalk.cli.connection import hook_for, place, redaction
from airflow_provider_puretalk.cli.output import Output
from airflow_provider_puretalk.cli.parser import DONE
from airflow_provider_puretalk.exceptions import SnapshotExistsError
from airflow_provider_puretalk.scan.options import ScanOptions
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.take_snapshot import Taken, take_snapshot
from airflow_provider_puretalk.wording import pluralize

_SINCE = {None: "the first one", True: "nothing changed since {}", False: "something changed since {}"}


def snapshot(options: argparse.Namespace, output: Output) -> int:
    """Take a snapshot, and print the result: paths, counts and hashes, never contents."""
    taken = _taken(options)
    result = taken.to_dict()
    if output.as_json:
        output.document(result)
        return DONE
    complete = "complete" if result["complete"] else "NOT complete"
    known = taken.unchanged is not None or taken.is_first
    since = _SINCE[result["unchanged"]].format(result["previous_snapshot"]) if known else taken.outcome
    assistants = pluralize(result["count"], "assistant")
    output.line(f"Snapshot {result['snapshot']} of {result['account']}: {assistants}, {complete}; {since}.")
    output.line(result["manifest_path"])
    return DONE


def _taken(options: argparse.Namespace) -> Taken:
    hook, storage = hook_for(options.conn_id), Storage(place(options.destination), options.storage_conn_id)

    def take(snapshot: str, if_exists: str) -> Taken:
        return take_snapshot(
            hook,
            storage,
            snapshot=snapshot,
            if_exists=if_exists,
            file_format=options.format,
            compression=None if options.compression == "none" else options.compression,
            options=ScanOptions(
                consistency=options.consistency, max_walks=options.max_walks, max_seconds=options.max_seconds
            ),
            redact=redaction(options),
            strict=options.strict,
        )

    if options.partition is not None:
        return take(options.partition, options.if_exists)
    now = datetime.now(UTC)
    try:
        return take(f"{now:%Y%m%dT%H%M%SZ}", "fail")
    except SnapshotExistsError:  # Another one of this second: more digits keep them apart.
        return take(f"{now:%Y%m%dT%H%M%S.%fZ}", "fail")
