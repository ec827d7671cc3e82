"""Playback: what a history says of an assistant, a field, a day, and of all of them over time.

A day is the state at its end, in UTC or in the history's ``timezone``; the name of a snapshot is that snapshot. The API does
not say who edited: every change lies between two readings.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from operator import attrgetter
from typing import Any, NamedTuple

from airflow_provider_puretalk import params
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkSnapshotError
from airflow_provider_puretalk.history import blame as passages
from airflow_provider_puretalk.history import layout, updating, verifying
from airflow_provider_puretalk.history import timeline as lines
from airflow_provider_puretalk.history.blame import Passage
from airflow_provider_puretalk.history.changes import LogEntry, Readings, entries, of_fields
from airflow_provider_puretalk.history.forgetting import hash_of
from airflow_provider_puretalk.history.moments import Calendar, Point, When, shown
from airflow_provider_puretalk.history.reader import HistoryFiles
from airflow_provider_puretalk.history.spans import FieldSpans, Span, overlaps, treatment
from airflow_provider_puretalk.history.timeline import TimelineEntry
from airflow_provider_puretalk.history.updating import Updated
from airflow_provider_puretalk.history.verifying import Verified
from airflow_provider_puretalk.history.versions import Reading, Version
from airflow_provider_puretalk.invisible import printable
from airflow_provider_puretalk.locations import AnyLocation
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.field_paths import ABSENT, ITEMS, Pattern, covers, parse_name, parse_names
from airflow_provider_puretalk.records.ignored_fields import DEFAULT
from airflow_provider_puretalk.snapshots.format.manifest import Manifest

log = logging.getLogger(__name__)

#: Assistants that an error lists.
_MOST_LISTED = 10

_RETURNED = (
    "The assistant %s was gone, and is back since snapshot %s: proofs of readings rest on ids that do not come back."
)


def open(
    destination: AnyLocation,
    account: str,
    storage_conn_id: str | None = None,
    *,
    timezone: str | tzinfo = "UTC",
) -> History:
    """Open the history of an account. Its files are fetched as they are needed.

    :param destination: where its snapshots are, or were: a local absolute path or a URL.
    :param storage_conn_id: the Airflow connection of the storage.
    :param timezone: name of the time zone in which days begin and end.
    :raises PuretalkSnapshotError: there is none, or it is damaged or of a newer format; the message names the file.
    :raises PuretalkConfigurationError: the destination does not exist or may not be read, or an argument is invalid.
    """
    zone = params.time_zone("timezone", timezone)
    return History(HistoryFiles.open(destination, params.text("account", account), storage_conn_id), zone)


@dataclass(frozen=True, slots=True)
class State:
    """The fleet, or one assistant, as one reading shows it.

    :ivar reading: the snapshot that this stands for.
    :ivar next: the reading after it; None where there is none yet.
    :ivar gap: the time in which it may be off: what changed meanwhile may not be in it.
    :ivar assistant_id: the one assistant that it is of; None for the fleet.
    """

    account: str
    reading: Reading
    next: Reading | None
    gap: tuple[datetime, datetime]
    assistant_id: str | None
    _records: Callable[[], Iterator[dict[str, Any]]] = field(repr=False)

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the records as they were read, in order of id: of one assistant one, or none where it was not there."""
        return self._records()

    @property
    def statement(self) -> str:
        """A sentence on what this stands for, and when it may be off."""
        seen = f"is first seen in {self.next.snapshot}" if self.next is not None else "is in no snapshot yet"
        begins, ends = (shown(moment) for moment in self.gap)
        return (
            f"As of snapshot {self.reading.snapshot}. What changed between {begins} and {ends} may be missing, "
            f"and {seen}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, without the records."""
        return {
            "account": self.account,
            "snapshot": self.reading.snapshot,
            "started_at": self.reading.started_at.isoformat(),
            "finished_at": self.reading.finished_at.isoformat(),
            "next_snapshot": None if self.next is None else self.next.snapshot,
            "gap": [moment.isoformat() for moment in self.gap],
            "assistant_id": self.assistant_id,
        }


class DatedVersion(NamedTuple):
    """A version of an assistant, as a row of a slowly changing dimension.

    :ivar valid_from: when the first reading that shows it was finished.
    :ivar valid_to: when the first reading that no longer shows it was finished; None while it stands.
    :ivar last_snapshot: the last that shows it; None while it stands.
    :ivar is_deleted: whether it ended because the assistant was gone.
    :ivar record: as of its last snapshot.
    """

    assistant_id: str
    valid_from: datetime
    valid_to: datetime | None
    first_snapshot: str
    last_snapshot: str | None
    is_current: bool
    is_deleted: bool
    record: dict[str, Any]

    @property
    def json(self) -> str:
        """The record as JSON, in its canonical spelling."""
        return canonical_json.dumps(self.record).decode()


class History:
    """The history of an account. See :func:`open`."""

    def __init__(self, files: HistoryFiles, zone: tzinfo = UTC) -> None:
        self._files = files
        self._zone = zone
        self.account = files.account
        self._known = files.readings, Readings(files.readings)
        self._proven: frozenset[str] | None = None
        self._fetched: tuple[str, Readings, list[Version]] | None = None

    @property
    def readings(self) -> Readings:
        """The readings that were folded, in order: of the manifest that the last files were read with.

        An update may have replaced the history meanwhile, and indexes of versions are those of its readings. So versions
        come first wherever both are needed.
        """
        if self._known[0] is not self._files.readings:
            self._known = self._files.readings, Readings(self._files.readings)
        return self._known[1]

    @property
    def incomplete(self) -> list[Reading]:
        """The readings that were seen and not folded, in order."""
        return [*self._files.incomplete]

    @property
    def retracted(self) -> dict[str, str]:
        """The snapshots that are not folded because a person said so, each with its edition."""
        return {one.snapshot: one.edition for one in self._files.manifest.retracted}

    def hidden(self, name: str) -> str | None:
        """Return why a field is not to be seen as it was in the newest reading; None where it is.

        :param name: a dotted name without ``*``.
        """
        pattern = parse_name("name", name)
        if self._is_forgotten(pattern):
            return "forgotten"
        how = treatment(self.readings[-1], pattern) if self.readings else None
        return how and f"redacted: {how}"

    def log(
        self,
        assistant_id: str,
        fields: Iterable[str] | None = None,
        since: When | None = None,
        until: When | None = None,
    ) -> list[LogEntry]:
        """Return what happened to an assistant, newest first.

        :param fields: names (``prompt``, ``llm_states.*.prompt``); changes of other fields are left out.
        :param since: a snapshot's name, a day or a moment; what was seen before it is left out. ``until`` likewise.
        :raises PuretalkConfigurationError: the history never saw the assistant, or an argument is invalid.
        """
        patterns = None if fields is None else parse_names("fields", fields)
        versions = self._versions_of(assistant_id)
        begins, ends = self._range(since, until)
        found = []
        for entry in entries(versions, self.readings):
            kept = entry if patterns is None else of_fields(entry, patterns)
            if kept is not None and _lies_in(kept.reading, begins, ends):
                found.append(kept)
                if kept.what == "returned":
                    log.warning(_RETURNED, printable(kept.assistant_id), kept.reading.snapshot)
        return found[::-1]

    def at(self, when: When | None = None, assistant_id: str | None = None) -> State:
        """Return the fleet, or one assistant, as it was.

        :param when: a snapshot's name, a day (the state at its end) or a moment; None: the newest reading.
        :raises PuretalkConfigurationError: the history begins later, or never saw the assistant.
        """
        if assistant_id is not None:
            self._versions_of(assistant_id)
        if when is None:
            when = self.readings[-1].snapshot if self.readings else datetime.now(UTC)
        point = self._calendar.point("when", when)
        index = self._calendar.index("when", point)
        reading = self.readings[index]
        return State(
            account=self.account,
            reading=reading,
            next=self.readings[index + 1] if index + 1 < len(self.readings) else None,
            gap=(reading.started_at, reading.finished_at if point.snapshot is not None else _last_moment(point)),
            assistant_id=assistant_id,
            _records=lambda: self._records_at(reading, assistant_id),
        )

    def _records_at(self, reading: Reading, assistant_id: str | None) -> Iterator[dict[str, Any]]:
        if assistant_id is None:
            started, rest = _started(self._files.standing_at(self._index_of(reading)))
        else:
            started, rest = self._versions_of(assistant_id), iter(())
        index = self._index_of(reading)
        for version in itertools.chain(started, rest):
            if _stands(version, index):
                yield record_at(version, index)

    def _index_of(self, reading: Reading) -> int:
        index = self.readings.position(reading.snapshot)
        if index is None:
            raise PuretalkSnapshotError(f"The snapshot {reading.snapshot} was retracted from the history meanwhile.")
        return index

    def field(self, name: str, since: When | None = None, until: When | None = None) -> Iterator[Span]:
        """Yield who had which value of a field from when to when, by assistant in order of id, oldest first.

        A day for ``until`` is meant as a whole: ``since="2026-10-01", until="2026-10-31"`` is October. Spans that lie in it
        in part come as they are, from before or until after it.

        :param name: a dotted name without ``*`` (``voice.language``).
        :raises PuretalkConfigurationError: an argument is invalid, or the field was forgotten.
        """
        field, (begins, ends) = self._field("name", name), self._range(since, until)

        def spans() -> Iterator[Span]:
            started, rest = _started(self._files.versions())
            found = FieldSpans(field, self.readings)
            for _, versions in itertools.groupby(itertools.chain(started, rest), key=attrgetter("assistant_id")):
                yield from (span for span in found.of(versions) if overlaps(span, begins, ends))

        return spans()

    def blame(self, assistant_id: str, field: str) -> list[Passage]:
        """Return the passages of a text in the newest version of an assistant, each with the version since which it stands.

        They spell the whole text; none where the newest version does not have the field. A value that is no text is one
        passage, its JSON.

        :param field: a dotted name without ``*`` (``prompt``).
        :raises PuretalkConfigurationError: the history never saw the assistant, or never a field of that name in it.
        """
        versions = self._versions_of(assistant_id)
        found = passages.blame(versions, self._field("field", field), self.readings)
        if found is None:
            raise PuretalkConfigurationError(
                f"`field` names {field!r}, which the assistant {assistant_id} has in no version that the history of "
                f"{self.account} holds."
            )
        return found

    def timeline(self, since: When | None = None, until: When | None = None) -> list[TimelineEntry]:
        """Return a line for each reading, oldest first, with counts of what changed since the one before.

        Incomplete ones, gaps, changes of the redaction and names that contradict the order of reading are in the notes.
        """
        started, rest = _started(self._files.versions())
        begins, ends = self._range(since, until)
        chosen = [index for index, reading in enumerate(self.readings) if _lies_in(reading, begins, ends)]
        span = range(chosen[0], chosen[-1] + 1) if chosen else range(0)
        beside = [one for one in self.incomplete if _lies_in(one, begins, ends)]
        everything = itertools.chain(started, rest)
        found = [*lines.timeline(everything, self.readings, span), *map(lines.of_incomplete, beside)]
        return sorted(found, key=lambda entry: entry.reading.order)

    def versions(self) -> Iterator[DatedVersion]:
        """Yield every version of every assistant, in order of id and of time: what a warehouse loads."""
        started, rest = _started(self._files.versions())
        readings = self.readings
        for one in itertools.chain(started, rest):
            yield DatedVersion(
                assistant_id=one.assistant_id,
                valid_from=readings[one.first].finished_at,
                valid_to=None if one.end is None else readings[one.end].finished_at,
                first_snapshot=readings[one.first].snapshot,
                last_snapshot=None if one.end is None else readings[one.end - 1].snapshot,
                is_current=one.end is None,
                is_deleted=one.is_deleted,
                record=one.record,
            )

    @property
    def files(self) -> list[str]:
        """The addresses of its Parquet files, whose rows are the :meth:`versions`."""
        folder = layout.history_folder(self.account)
        return [self._files.storage.url_of(f"{folder}/{file.name}") for file in self._files.manifest.files]

    @property
    def bytes(self) -> int:
        """The bytes of its Parquet files: what is read for all that is not of one assistant."""
        return sum(file.bytes for file in self._files.manifest.files)

    def find_assistant(self, text: str) -> str:
        """Return the id of the assistant that is meant by its id, the start of its id, or a name that it alone has.

        :raises PuretalkConfigurationError: none is meant, or several, which the message lists.
        """
        if self._found(text):
            return text
        found = [(one, name) for one, name in self._files.names() if one.startswith(text) or name == text]
        if len(found) == 1:
            return found[0][0]
        if not found:
            raise PuretalkConfigurationError(
                f"The history of {self.account} has no assistant whose id is or begins with {text!r}, or whose name it is."
            )
        listed = "; ".join(f"{one} ({name or 'no name'})" for one, name in found[:_MOST_LISTED])
        more = f"; and {len(found) - _MOST_LISTED:,} more" if len(found) > _MOST_LISTED else ""
        raise PuretalkConfigurationError(f"{text!r} may mean {len(found):,} assistants: {listed}{more}.")

    def knows(self, assistant_id: str) -> bool:
        """Return whether the history ever saw an assistant of this id, or was made to forget it."""
        return bool(self._found(assistant_id)) or hash_of(assistant_id) in self._files.manifest.forgotten.assistants

    def verify(self) -> Verified:
        """Rebuild every reading, also those whose snapshot was pruned, and compare its hashes with those of its snapshot.

        :raises PuretalkSnapshotError: a file is missing, torn or not what the manifest says, or a reading is not what its
            snapshot was; the message names it.
        """
        return verifying.verify(self._files)

    def keeps(self, manifest: Manifest) -> str | None:
        """Return why a snapshot must not be removed, None where the history can rebuild it.

        Made for ``snapshots.prune(..., require=history.open(...).keeps)``.

        The first call verifies the whole history.

        :raises PuretalkSnapshotError: the history is damaged.
        """
        if self._proven is None:
            self._proven = frozenset(self.verify().proven)
        if not manifest.complete:
            return "it is incomplete, and the history holds no such snapshot"
        index = self.readings.position(manifest.snapshot)
        if index is None:
            return "the history does not hold it yet"
        if not self.readings[index].is_of_the_same(Reading.of(manifest)):
            return "the history holds what was there before under its name"
        if manifest.snapshot not in self._proven:
            return "the history can no longer rebuild it"
        return None

    def forget(self, *, assistant_ids: Iterable[str] = (), fields: Iterable[str] = ()) -> Updated:
        """Take assistants, or fields of all assistants, out of every file, for good; open the history again afterwards.

        See :func:`~airflow_provider_puretalk.history.forget`.
        """
        where = self._files.storage.url
        return updating.forget(where, self.account, assistant_ids=assistant_ids, fields=fields)

    def _versions_of(self, assistant_id: str) -> list[Version]:
        found = self._found(params.data("assistant_id", assistant_id))
        if not found:
            raise PuretalkConfigurationError(
                f"The history of {self.account} never saw an assistant {assistant_id!r}, or has forgotten it."
            )
        return found

    def _found(self, assistant_id: str) -> list[Version]:
        if self._fetched is None or self._fetched[:2] != (assistant_id, self.readings):
            versions = self._files.versions_of(assistant_id)
            self._fetched = assistant_id, self.readings, versions
        return self._fetched[2]

    @property
    def _calendar(self) -> Calendar:
        return Calendar(self.account, self.readings, self.incomplete, self._zone)

    def _field(self, argument: str, name: str) -> Pattern:
        pattern = parse_name(argument, name)
        if ITEMS in pattern:
            raise PuretalkConfigurationError(
                f"`{argument}` names {name!r}; here it must be one field, without `{ITEMS}` for the items of a list."
            )
        if self._is_forgotten(pattern):
            raise PuretalkConfigurationError(
                f"`{argument}` names {name!r}, which the history of {self.account} forgot."
            )
        return pattern

    def _is_forgotten(self, field: Pattern) -> bool:
        return covers(parse_names("fields", self._files.manifest.forgotten.fields), field)

    def _range(self, since: When | None, until: When | None) -> tuple[datetime | None, datetime | None]:
        begins = None if since is None else self._calendar.point("since", since).begins
        return begins, None if until is None else self._calendar.point("until", until).ends


def record_at(version: Version, index: int) -> dict[str, Any]:
    """Return the record of a version as a reading shows it, which has the ``updated_at`` of its run."""
    if version.runs[-1][0] <= index:
        return version.record
    updated_at = next(value for first, value in reversed(version.runs) if first <= index)
    if updated_at is ABSENT:
        return {name: value for name, value in version.record.items() if name != DEFAULT}
    return version.record | {DEFAULT: updated_at}


def _started(versions: Iterator[Version]) -> tuple[list[Version], Iterator[Version]]:
    """Begin to read versions: from then on the files are fixed, and so are the readings. Returns the first, and the rest."""
    return list(itertools.islice(versions, 1)), versions


def _stands(version: Version, index: int) -> bool:
    return version.first <= index and (version.end is None or index < version.end)


def _lies_in(reading: Reading, begins: datetime | None, ends: datetime | None) -> bool:
    return (begins is None or reading.finished_at >= begins) and (ends is None or reading.finished_at < ends)


def _last_moment(point: Point) -> datetime:
    return point.ends if point.is_day else point.begins
