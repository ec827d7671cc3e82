"""``snapshots compare``: what changed between two snapshots. Ends with 2 where something did."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.cli.connection import account_in, local_path, manifest_at, place
from airflow_provider_puretalk.cli.output import Output, cell
from airflow_provider_puretalk.cli.parser import CHANGED, DONE
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.records.field_paths import ABSENT
from airflow_provider_puretalk.snapshots.comparison.changes import Added, Change, Changed, ChangedMany
from airflow_provider_puretalk.snapshots.comparison.pair_selection import choose_two
from airflow_provider_puretalk.snapshots.format import layout
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.wording import pluralize

#: A longer value is shown by its length: the first words of two prompts seldom differ.
_LONGEST_VALUE = 40


def compare(options: argparse.Namespace, output: Output) -> int:
    """Compare, print what changed, and write the requested files."""
    _check_files(options)
    older, newer = _chosen(options)
    with snapshots.compare(older, newer, ignore_fields=options.ignore_fields) as comparison:
        if options.changes is not None:
            from airflow_provider_puretalk.snapshots.report.publishing import write_changes

            with _writing("--changes", options.changes) as path:
                write_changes(comparison, path)
        if options.report is not None:
            from airflow_provider_puretalk.history.standing import standings
            from airflow_provider_puretalk.snapshots.report import write_report

            known = standings(comparison, newer)
            with _writing("--report", options.report) as path:
                write_report(comparison, path, standings=known)
        if output.as_json:
            output.document(comparison.to_dict())
        else:
            output.line(comparison.summary)
            for note in comparison.notes:
                output.line(f"Note: {note}")
            if comparison.is_different:
                columns = ["what", "assistant", "name", "class", "field", "baseline", "current"]
                output.table(columns, (row for change in comparison.changes() for row in _rows_of_change(change)))
        return CHANGED if comparison.is_different else DONE


def _check_files(options: argparse.Namespace) -> None:
    """Refuse files that would destroy another one: a snapshot's, or each other.

    :raises PuretalkConfigurationError: one of them would.
    """
    files = {option: name for option, name in (("--changes", options.changes), ("--report", options.report)) if name}
    for option, name in files.items():
        if layout.is_snapshot_file(Path(os.path.realpath(local_path(name))).name):
            raise PuretalkConfigurationError(
                f"{option} {name} has the name of a snapshot's own file; choose another one."
            )
    if len({os.path.realpath(local_path(name)) for name in files.values()}) < len(files):
        raise PuretalkConfigurationError("--changes and --report name the same file; each needs one of its own.")


@contextmanager
def _writing(option: str, name: str) -> Iterator[Path]:
    """Name the file and the option in what goes wrong: a full disk does not say which file it was."""
    try:
        yield local_path(name)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise PuretalkConfigurationError(f"{option} {name} cannot be written: {reason}.") from error


def _chosen(options: argparse.Namespace) -> tuple[str | None, str]:
    """Return the paths of the two manifests; no older one where there is only one complete snapshot."""
    if options.destination is None:
        if len(options.manifests) != 2 or options.account is not None:
            raise PuretalkConfigurationError(
                "Name two snapshots, the older one first, or --destination for the newest two below it."
            )
        older, newer = (manifest_at(path, options.storage_conn_id) for path in options.manifests)
        return older, newer
    if options.manifests:
        raise PuretalkConfigurationError("Name either two snapshots or --destination, not both.")
    storage = Storage(place(options.destination), options.storage_conn_id)
    storage.check(writing=False)
    return choose_two(storage, account_in(storage, options.account))


def _rows_of_change(change: Change) -> Iterator[Sequence[Any]]:
    match change:
        case Changed():
            yield _row("changed", change.assistant_id, change.name, change)
        case ChangedMany():
            yield _row("changed", pluralize(len(change.assistant_ids), "assistant"), None, change)
        case _:
            what = "added" if isinstance(change, Added) else "removed"
            yield what, change.assistant_id, change.name, None, None, None, None


def _row(what: str, assistant: Any, name: Any, change: Changed | ChangedMany) -> Sequence[Any]:
    return what, assistant, name, change.field_class, change.pointer, _short(change.old), _short(change.new)


def _short(value: Any) -> str:
    if value is ABSENT:
        return "(absent)"
    if value is None:
        return "null"
    if isinstance(value, str) and len(value) > _LONGEST_VALUE:
        return f"({len(value):,} characters)"
    return cell(value)
