"""``history log``, ``show``, ``blame``, ``field`` and ``timeline``: what a history says."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from airflow_provider_puretalk import history
from airflow_provider_puretalk.cli.assistants import COLUMNS, values_of
from airflow_provider_puretalk.cli.connection import account_in, place
from airflow_provider_puretalk.cli.output import Output, print_message
from airflow_provider_puretalk.cli.parser import DONE
from airflow_provider_puretalk.cli.word_diff import print_change, spelled
from airflow_provider_puretalk.history.moments import shown
from airflow_provider_puretalk.records.field_classes import FIELD_CLASSES
from airflow_provider_puretalk.records.field_paths import ABSENT, find, parse_name
from airflow_provider_puretalk.records.matching import ExpectedValue
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage


def opened(options: argparse.Namespace) -> history.History:
    """Open the history that a command is about."""
    storage = Storage(place(options.destination), options.storage_conn_id)
    storage.check(writing=False)
    account = account_in(storage, options.account)
    return history.open(place(options.destination), account, options.storage_conn_id, timezone=options.timezone)


def log(options: argparse.Namespace, output: Output) -> int:
    """Print what happened to an assistant, newest first."""
    found = opened(options)
    entries = found.log(found.find_assistant(options.assistant), options.fields, options.since, options.until)
    if output.as_json:
        output.array(entry.to_dict() for entry in entries)
        return DONE
    for position, entry in enumerate(entries):
        if position:
            output.line("")
        _print_entry(output, entry)
    if not entries:
        print_message("Nothing of that kind happened to it then.")
    return DONE


def _print_entry(output: Output, entry: history.LogEntry) -> None:
    output.text([(f"{entry.what} {entry.assistant_id}", "title"), (f" {_name(entry.name)}", None)])
    if entry.previous is None:
        output.line(
            f"Seen:     {shown(entry.reading.finished_at)}, in {entry.reading.snapshot}, where the history begins"
        )
    else:
        output.line(f"Between:  {shown(entry.previous.started_at)}, {entry.previous.snapshot}")
        output.line(f"And:      {shown(entry.reading.finished_at)}, {entry.reading.snapshot}")
    if entry.updated_at is not None:
        output.line(f"Updated:  {spelled(entry.updated_at)}, as the API says")
    if entry.not_compared:
        output.line(f"Unknown:  {', '.join(entry.not_compared)}, redacted in another way before")
    for change in entry.fields:
        output.line("")
        output.text([(change.field, "title"), (f" ({change.field_class})", "faint")], indent="  ")
        print_change(output, change.old, change.new)


def show(options: argparse.Namespace, output: Output) -> int:
    """Print an assistant, or the fleet, as it was."""
    found = opened(options)
    chosen = None if options.assistant is None else found.find_assistant(options.assistant)
    state = found.at(options.at, chosen)
    if output.as_json:
        output.document({**state.to_dict(), "records": [*state.records()]})
        return DONE
    if chosen is None:
        fields = [parse_name("fields", name) for name in COLUMNS]
        output.table(COLUMNS, ([_found(record, field) for field in fields] for record in state.records()))
    else:
        for record in state.records():
            _print_record(output, record)
            break
        else:
            output.line(f"{chosen} was not there.")
    print_message(state.statement)
    return DONE


def _print_record(output: Output, record: dict[str, Any]) -> None:
    """Print a record: short values side by side with their names, then texts of several lines."""
    long = {name for name, value in record.items() if isinstance(value, str) and "\n" in value}
    output.facts(sorted((name, value) for name, value in record.items() if name not in long))
    for name in sorted(long):
        output.line("")
        output.text([(name, "title")])
        output.text([(record[name], None)], indent="    ")


def _found(record: dict[str, Any], field: Sequence[str]) -> Any:
    value = find(record, tuple(field))
    return None if value is ABSENT else value


def blame(options: argparse.Namespace, output: Output) -> int:
    """Print each passage of a text with the version since which it stands."""
    found = opened(options)
    passages = found.blame(found.find_assistant(options.assistant), options.field)
    if output.as_json:
        output.array(one.to_dict() for one in passages)
        return DONE
    margins = [f"{one.reading.finished_at:%Y-%m-%d} {one.reading.snapshot} {one.begun}" for one in passages]
    width = max(map(len, margins), default=0)
    for margin, one in zip(margins, passages, strict=True):
        for line in one.text.removesuffix("\n").split("\n"):
            output.text([(f"{margin:{width}} |", "faint"), (f" {line}", None)])
            margin = ""
    if not passages:
        print_message("The newest version does not have the field.")
    return DONE


def field(options: argparse.Namespace, output: Output) -> int:
    """Print who had which value of a field from when to when."""
    values = [] if options.value is None else values_of(options.field, options.value)
    given = [ExpectedValue("--value", options.field, value) for value in values]
    spans = opened(options).field(options.field, options.since, options.until)
    chosen = (span for span in spans if not given or any(one.is_met_by(span.value) for one in given))
    if output.as_json:
        output.array(span.to_dict() for span in chosen)
        return DONE
    columns = ["assistant", "name", "from", "to", "value", "began", "ended"]
    output.table(columns, (_row_of_span(span) for span in chosen))
    return DONE


def _row_of_span(span: history.Span) -> Sequence[Any]:
    value = spelled(span.value) if span.redacted is None else f"{spelled(span.value)} (redacted: {span.redacted})"
    until = None if span.valid_to is None else shown(span.valid_to)
    return span.assistant_id, span.name, shown(span.valid_from), until, value, span.begun, span.ended


def timeline(options: argparse.Namespace, output: Output) -> int:
    """Print a line for each reading: what changed since the one before, and what is out of the ordinary."""
    entries = opened(options).timeline(options.since, options.until)
    if output.as_json:
        output.array(entry.to_dict() for entry in entries)
        return DONE
    columns = ["snapshot", "read", "assistants", "added", "removed", "returned", "changed", *FIELD_CLASSES]
    output.table(columns, (_row_of_reading(entry) for entry in entries))
    for name, note in _notes(entries):
        output.line(f"{name}: {note}.")
    return DONE


def _row_of_reading(entry: history.TimelineEntry) -> Sequence[Any]:
    reading = entry.reading
    counts = entry.counts or {}
    kinds = ("added", "removed", "returned", "changed", *FIELD_CLASSES)
    return reading.snapshot, shown(reading.finished_at), reading.count, *(counts.get(kind) for kind in kinds)


def _notes(entries: Sequence[history.TimelineEntry]) -> Iterator[tuple[str, str]]:
    yield from ((entry.reading.snapshot, note) for entry in entries for note in entry.notes)


def _name(name: Any) -> str:
    return name if isinstance(name, str) and name else "(no name)"
