"""What the fleet pages show of an account: read from its history and its snapshots, in bounds of time, rows and bytes."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from airflow_provider_puretalk import history
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.history import History, LogEntry, Passage, Reading, Span, State, TimelineEntry
from airflow_provider_puretalk.history import layout as history_layout
from airflow_provider_puretalk.history.standing import standings
from airflow_provider_puretalk.params import is_path_part
from airflow_provider_puretalk.records.record_id import record_id
from airflow_provider_puretalk.snapshots.comparison import comparing
from airflow_provider_puretalk.snapshots.comparison.result import Comparison
from airflow_provider_puretalk.snapshots.format import layout, naming
from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from airflow_provider_puretalk.snapshots.report.standing import Standings
from airflow_provider_puretalk.snapshots.storage import reader
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.time_limit import TimeLimitError
from airflow_provider_puretalk.ui.concurrent_reads import Reads, read_each
from airflow_provider_puretalk.ui.destinations import AccountAt, Destination
from airflow_provider_puretalk.ui.failures import NotThereError, TooMuchError, sentence
from airflow_provider_puretalk.ui.task_snapshots import read_bounded
from airflow_provider_puretalk.wording import pluralize

_Page = TypeVar("_Page")

#: Rows of a page: readings, entries of a log, numbers, assistants that a search finds; accounts of a destination.
MOST_ROWS, MOST_ACCOUNTS = 200, 1_000
#: Snapshots to choose from for a comparison; an address may name others.
MOST_CHOICES: Final = 2_000
#: Manifests that are read of an account, and sentences on those that cannot be.
MOST_MANIFESTS, MOST_PROBLEMS = 1_000, 5
#: Bytes of a history that is read as a whole, and of two snapshots that are compared: about what can be had in time. Where
#: it cannot, the time limit ends it.
MAX_HISTORY: Final = 12_000_000
MAX_COMPARED: Final = 50_000_000
#: Snapshots that a history does not hold of which a page says whether they are newer than it.
_MOST_NEWER: Final = 16
#: How people and the API spell phone numbers.
_NUMBER: Final = re.compile(r"(?:tel:)?[\d\s()+./-]+")
#: Files that are open at once for a page; snapshots have one, histories three.
_MOST_FILES: Final = 20
#: Earlier holders of a phone number that are shown.
MOST_EARLIER: Final = 5


@dataclass(slots=True)
class Timeline:
    """The readings of an account, the last first.

    :ivar has_history: whether it has a history; without one nothing is known of what changed.
    :ivar more: how many readings are older than those shown.
    :ivar stored: the names of the snapshots that are still there, which can be compared; the last first.
    :ivar problems: what could not be read, in sentences.
    """

    entries: list[TimelineEntry]
    has_history: bool
    more: int
    stored: list[str]
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Number:
    """A phone number: who is on it, and who was."""

    number: str
    current: list[Span] = field(default_factory=list)
    earlier: list[Span] = field(default_factory=list)


@dataclass(slots=True)
class Listed:
    """Rows of a page.

    :ivar more: how many are not shown.
    :ivar is_complete: whether all could be read in time.
    :ivar state: the reading that the rows are of.
    :ivar notes: what is not among them, in sentences: what the history does not hold yet, and what it holds redacted.
    """

    rows: list[Any]
    more: int = 0
    is_complete: bool = True
    state: State | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Assistant:
    """One assistant.

    :ivar prompt: the passages of its prompt; empty where it has none.
    :ivar on: the day or the snapshot that was asked for; empty for the newest reading.
    :ivar state: what the record is of; None where ``problem`` says in a sentence why nothing is known of it.
    :ivar record: as of ``state``, None where it was not there.
    :ivar notes: what the history does not hold yet, and what it holds redacted, in sentences.
    """

    assistant_id: str
    log: list[LogEntry]
    more: int
    prompt: list[Passage]
    on: str
    notes: list[str]
    state: State | None = None
    record: dict[str, Any] | None = None
    problem: str | None = None


def accounts(destination: Destination, until: float) -> Listed:
    """Return the names of the accounts below a destination."""
    storage = Storage(destination.url)
    names = storage.names()
    if not names:
        storage.check(writing=False)
    found = [name for folder in names if (name := layout.value_of("account", folder))]
    return Listed(found[:MOST_ACCOUNTS], max(0, len(found) - MOST_ACCOUNTS))


def timeline(at: AccountAt, until: float) -> Timeline:
    """Return the readings of an account, with what changed where it has a history."""
    storage = Storage(at.destination.url)
    names = reader.snapshot_names(storage, layout.account_folder(at.account))
    has_history = storage.exists(history_layout.manifest_file(at.account))
    if not names and not has_history:
        storage.check(writing=False)
        raise NotThereError(f"There is nothing of {at.account} here.")
    opened: History | None = None
    entries, more, problems = list[TimelineEntry](), 0, list[str]()
    try:
        if has_history:
            opened = _whole(at)
            entries, more = _of_history(opened)
    except TimeLimitError:
        raise
    except Exception as error:
        if not names:
            raise
        opened = None  # The snapshots can be compared all the same.
        problems.append(sentence(f"the history of {at.account}", error))
    outside = _outside(opened, names)
    newest = [one.snapshot for one in opened.readings[-1:] if one.snapshot in names] if opened else []
    reads = _manifests(at, storage, [*newest, *outside[-MOST_MANIFESTS:][::-1]], until)
    entries = [_with_note(entry, reads.found.pop(entry.reading.snapshot, None)) for entry in entries]
    entries += [
        TimelineEntry(Reading.of(one), None, _notes_of(one, opened))
        for name, one in reads.found.items()
        if name not in newest
    ]
    entries.sort(key=lambda entry: entry.reading.order, reverse=True)
    problems += [*reads.failed.values()][:MOST_PROBLEMS]
    if (unnamed := len(reads.failed) - MOST_PROBLEMS) > 0:
        problems.append(f"{unnamed:,} more could not be read.")
    if unread := len(reads.late) + max(0, len(outside) - MOST_MANIFESTS):
        problems.append(
            f"Not read in time, or too many: {pluralize(unread, 'snapshot')}, those whose names come first."
        )
    shown, more = entries[:MOST_ROWS], more + max(0, len(entries) - MOST_ROWS)
    return Timeline(shown, has_history, more, sorted(names, key=naming.order, reverse=True), problems)


def _of_history(opened: History) -> tuple[list[TimelineEntry], int]:
    """Return the last readings that a history holds, and how many are older."""
    moments = sorted(reading.finished_at for reading in (*opened.readings, *opened.incomplete))
    # What is not shown is not compared.
    entries = opened.timeline(since=moments[-MOST_ROWS] if len(moments) > MOST_ROWS else None)
    return entries[-MOST_ROWS:], max(0, len(moments) - MOST_ROWS)


def _outside(opened: History | None, names: Iterable[str]) -> list[str]:
    """Return the names of snapshots that a history does not hold, in their order."""
    held = {one.snapshot for one in (*opened.readings, *opened.incomplete)} if opened else set()
    return sorted(set(names) - held, key=naming.order)


def _with_note(entry: TimelineEntry, stored: Manifest | None) -> TimelineEntry:
    """Note of a reading that another one is stored under its name by now, if that is known."""
    if stored is None or entry.reading.is_of_the_same(Reading.of(stored)):
        return entry
    return replace(entry, notes=(*entry.notes, "replaced since: what is stored by now is not in the history yet"))


def _notes_of(manifest: Manifest, opened: History | None) -> tuple[str, ...]:
    """Return what is to be noted of a snapshot that a history does not hold."""
    if opened is None:
        return ()
    if opened.retracted.get(manifest.snapshot) == manifest.edition:
        return ("retracted: the history was made to leave it out",)
    yet = " yet" if _is_newer(manifest, opened) else ""
    return (f"not in the history{yet}, so what changed is not known",)


def _is_newer(manifest: Manifest, opened: History) -> bool:
    return not opened.readings or reader.reading_order(manifest) > opened.readings[-1].order


def _behind(at: AccountAt, opened: History, until: float) -> str | None:
    """Return a sentence on stored snapshots that are newer than a history; None where there is none."""
    storage = Storage(at.destination.url)
    folder = layout.account_folder(at.account)
    listed = read_each(at.destination, lambda one: reader.snapshot_names(storage, one), [folder], until)
    outside = _outside(opened, listed.found.get(folder, ()))
    reads = _manifests(at, storage, outside[-_MOST_NEWER:], until)
    newer = [
        one
        for one in reads.found.values()
        if _is_newer(one, opened) and opened.retracted.get(one.snapshot) != one.edition
    ]
    if newer:
        last = max(newer, key=reader.reading_order)
        others = f" and {pluralize(len(newer) - 1, 'other')}" if newer[1:] else ""
        return f"Newer than the history, so not on this page: the snapshot `{last.snapshot}`{others}."
    newest = opened.readings[-1].snapshot if opened.readings else ""
    failed = [why for name, why in reads.failed.items() if not naming.is_before(name, newest)]
    if why := next(iter((*listed.failed.values(), *failed)), None):
        return f"Whether there are snapshots that are newer than the history is not known: {why}"
    if listed.late or reads.late:
        return "Whether there are snapshots that are newer than the history could not be read in time."
    return None


def _notes(at: AccountAt, opened: History, until: float, *fields: str) -> list[str]:
    """Return sentences on what a page does not show: fields that the history does not hold as they were, newer snapshots."""
    hidden = [f"`{name}` ({why})" for name in fields if (why := opened.hidden(name))]
    behind = _behind(at, opened, until)
    return [*([f"Hidden from this page: {', '.join(hidden)}."] if hidden else ()), *([behind] if behind else ())]


def compare(
    at: AccountAt, until: float, baseline: str, snapshot: str, render: Callable[[Comparison, Standings | None], _Page]
) -> _Page:
    """Compare two snapshots of an account, and return what a renderer makes of that.

    :param render: takes, too, how long the old values stood; None where the account has no history.

    :raises NotThereError: one of them is not stored any more.
    :raises TooMuchError: they are too large to be compared for a page.
    """
    storage = Storage(at.destination.url)
    if baseline == snapshot:
        raise NotThereError("Choose two different snapshots to compare.")
    found = [_manifest(storage, at.account, name) for name in (baseline, snapshot)]
    files = [file for manifest in found for file in manifest.files]
    if sum(file.bytes for file in files) > MAX_COMPARED or len(files) > _MOST_FILES:
        raise TooMuchError(
            "These snapshots are too large to be compared for a page: `compare` on the command line, or the compare task, "
            "writes their report."
        )
    before, now = (reader.manifest_path(storage, manifest) for manifest in found)
    with comparing.compare(before, now) as comparison:
        has_history = storage.exists(history_layout.manifest_file(at.account))
        return render(comparison, standings(comparison, now) if has_history else None)


def numbers(at: AccountAt, until: float) -> Listed:
    """Return the phone numbers of an account, with who is and who was on them."""
    found: dict[str, Number] = {}
    is_complete = True
    opened = _whole(at)
    try:
        spans = opened.field("phone_number")
    except PuretalkConfigurationError:
        raise NotThereError(f"The history of {at.account} was made to forget phone numbers.") from None
    for span in spans:
        if time.monotonic() > until:
            is_complete = False
            break
        if isinstance(span.value, str) and span.value:
            number = found.setdefault(span.value, Number(span.value))
            (number.current if span.end is None else number.earlier).append(span)
    for number in found.values():
        number.earlier.sort(key=lambda span: span.valid_from, reverse=True)
    rows = [found[one] for one in sorted(found)]
    notes = _notes(at, opened, until, "phone_number")
    return Listed(rows[:MOST_ROWS], max(0, len(rows) - MOST_ROWS), is_complete, opened.at(), notes)


def search(at: AccountAt, until: float, text: str) -> Listed:
    """Return the assistants of the newest reading whose name, number or prompt holds a text, whatever its case."""
    opened = _whole(at)
    state = opened.at()
    rows: list[tuple[dict[str, Any], str | None, list[str]]] = []
    more, is_complete, plain = 0, True, _plain(text)
    for record in state.records():
        if time.monotonic() > until:
            is_complete = False
            break
        places = [*_places(record, plain)]
        if places and len(rows) < MOST_ROWS:
            rows.append((record, record_id(record), places))
        elif places:
            more += 1
    rows.sort(key=lambda row: _plain(str(row[0].get("name") or "")))
    return Listed(rows, more, is_complete, state, _notes(at, opened, until, "name", "phone_number", "prompt"))


def assistant(at: AccountAt, until: float, assistant_id: str, when: str | None) -> Assistant:
    """Return what a history says of an assistant: its log, since when its prompt stands, its record on a date.

    :param when: a day or a snapshot's name; None for the newest reading.
    :raises NotThereError: the address names no assistant.
    """
    if not assistant_id.strip():
        raise NotThereError("This address names no assistant; the search finds them.")
    opened = history.open(at.destination.url, at.account)
    log = opened.log(assistant_id)
    try:
        prompt = opened.blame(assistant_id, "prompt")
    except PuretalkConfigurationError:
        prompt = []
    notes = _notes(at, opened, until, "name", "prompt")
    found = Assistant(assistant_id, log[:MOST_ROWS], max(0, len(log) - MOST_ROWS), prompt, when or "", notes)
    try:
        found.state = opened.at(when, assistant_id)
        found.record = next(found.state.records(), None)
    except PuretalkConfigurationError as error:  # Before the history begins, or no day at all: the rest is known.
        found.problem = str(error).replace("`when`", "The date", 1)
    return found


def _whole(at: AccountAt) -> History:
    opened = history.open(at.destination.url, at.account)
    if opened.bytes > MAX_HISTORY or len(opened.files) > _MOST_FILES:
        raise TooMuchError(
            "The history of this account is too large to be read as a whole for a page: `history` on the command line "
            "reads it, and a page of one assistant reads only what it needs."
        )
    return opened


def _manifest(storage: Storage, account: str, name: str) -> Manifest:
    if is_path_part(name):
        try:
            return read_bounded(storage, account, name)
        except FileNotFoundError:
            storage.check(writing=False)
    raise NotThereError(
        "This snapshot is not stored any more; what the history keeps of it is on the page of an assistant."
    )


def _manifests(at: AccountAt, storage: Storage, names: Iterable[str], until: float) -> Reads[str, Manifest]:
    return read_each(at.destination, lambda name: read_bounded(storage, at.account, name), names, until)


def _plain(text: str) -> str:
    """Return a text as it is searched: in one case, and without differences that people do not see or type."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _places(record: dict[str, Any], text: str) -> Iterator[str]:
    """Yield where a record holds a text.

    :param text: plain.
    """
    number = record.get("phone_number")
    # Digits of a text that is no number, such as "agent 42", mean nothing in one.
    digits = "".join(filter(str.isdigit, text)) if _NUMBER.fullmatch(text) else ""
    if isinstance(name := record.get("name"), str) and text in _plain(name):
        yield "name"
    if isinstance(number, str) and (
        text in _plain(number) or (len(digits) > 2 and digits in "".join(filter(str.isdigit, number)))
    ):
        yield "number"
    if isinstance(prompt := record.get("prompt"), str) and text in _plain(prompt):
        yield "prompt"
