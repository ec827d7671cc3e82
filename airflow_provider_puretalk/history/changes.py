"""What happened to an assistant, and between which two readings. No I/O.

The rules are those of comparisons: values are equal by :mod:`~airflow_provider_puretalk.records.equality`, ``updated_at``
alone is no change, and fields that two neighbouring readings redact differently are not compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from airflow_provider_puretalk.history.versions import KEEP, Reading, Version
from airflow_provider_puretalk.records.equality import equal
from airflow_provider_puretalk.records.field_classes import FieldClass, field_class
from airflow_provider_puretalk.records.field_diff import Path, differences
from airflow_provider_puretalk.records.field_paths import ABSENT, Pattern, below, parse_names
from airflow_provider_puretalk.records.ignored_fields import DEFAULT
from airflow_provider_puretalk.records.models import json_pointer
from airflow_provider_puretalk.snapshots.comparison.redactions import incomparable_names, redacted_differently

#: ``first``: it was there when the history begins. ``returned``: its id was gone and is back.
What = Literal["first", "added", "changed", "removed", "returned"]

_IGNORED: Pattern = (DEFAULT,)


class Readings(Sequence[Reading]):
    """The complete readings of a history, in order, with what holds between neighbours."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        self._readings = list(readings)
        self._boundaries: dict[int, tuple[str, ...]] = {}
        kept = [index for index, reading in enumerate(self._readings) if reading.reason == KEEP]
        self._whole_from = kept[-1] + 1 if kept else 0
        self._positions = {reading.snapshot: index for index, reading in enumerate(self._readings)}

    def __getitem__(self, index: Any) -> Any:
        """Return the reading at an index."""
        return self._readings[index]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._readings)

    def position(self, snapshot: str) -> int | None:
        """Return the index of the reading of a snapshot, None where there is none."""
        return self._positions.get(snapshot)

    def boundary(self, index: int) -> tuple[str, ...]:
        """Return the fields that cannot be compared between a reading and the one before it."""
        if index not in self._boundaries:
            before, after = self._readings[index - 1].redaction, self._readings[index].redaction
            names = redacted_differently(before, after) if index else []
            self._boundaries[index] = tuple(incomparable_names(names, before, after))
        return self._boundaries[index]

    def is_known(self, index: int) -> bool:
        """Return whether the history still has all that stood then: ``keep`` drops what ended long ago."""
        return index >= self._whole_from

    def begins_at(self, index: int) -> bool:
        """Return whether nothing is known of what stood before a reading."""
        return index == 0 or not self.is_known(index - 1)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that changed.

    :ivar path: its keys, and the indexes of lists.
    :ivar old: :data:`~airflow_provider_puretalk.records.field_paths.ABSENT` where it was not there; ``new`` likewise.
    """

    path: Path
    old: Any
    new: Any

    @property
    def field(self) -> str:
        """Its dotted name."""
        return ".".join(map(str, self.path))

    @property
    def pointer(self) -> str:
        """Its JSON pointer (RFC 6901)."""
        return json_pointer(self.path)

    @property
    def field_class(self) -> FieldClass:
        """What kind of thing it is about."""
        return field_class(str(self.path[0]))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; an absent side is left out."""
        sides = {side: value for side, value in (("old", self.old), ("new", self.new)) if value is not ABSENT}
        return {"field": self.field, "pointer": self.pointer, "class": self.field_class, **sides}


@dataclass(frozen=True, slots=True)
class LogEntry:
    """Something that happened to an assistant, some time between two readings. The API does not say who did it.

    :ivar name: the assistant's name in the newer of the two; in the older one where it was removed.
    :ivar reading: the first that shows it.
    :ivar previous: the last that does not; None where the history begins.
    :ivar updated_at: the API's own, in the newer of the two; None where it has none, or the assistant was removed.
    :ivar fields: what changed, where ``what`` is ``changed``.
    :ivar not_compared: fields that the two redact differently, of which nothing can be said.
    """

    what: What
    assistant_id: str
    name: Any
    reading: Reading
    previous: Reading | None
    updated_at: Any = None
    fields: tuple[FieldChange, ...] = ()
    not_compared: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "what": self.what,
            "assistant_id": self.assistant_id,
            "name": self.name,
            "snapshot": self.reading.snapshot,
            "finished_at": self.reading.finished_at.isoformat(),
            "previous_snapshot": None if self.previous is None else self.previous.snapshot,
            "previous_started_at": None if self.previous is None else self.previous.started_at.isoformat(),
            "updated_at": self.updated_at,
            "fields": [one.to_dict() for one in self.fields],
            "not_compared": [*self.not_compared],
        }


class Transition(NamedTuple):
    """What becomes of an assistant's versions: one begins, follows another, or ends.

    :ivar what: ``changed`` where one follows the other, also where nothing that counts differs.
    :ivar at: index of the first reading that shows it.
    :ivar version: the newer one; the one that ended where ``what`` is ``removed``.
    :ivar before: the older one, where ``what`` is ``changed``.
    """

    what: What
    at: int
    version: Version
    before: Version | None = None


def transitions(versions: Iterable[Version], readings: Readings) -> Iterator[Transition]:
    """Yield the transitions of one assistant, oldest first. Nothing is compared.

    :param versions: all that are known of it, oldest first.
    """
    before: Version | None = None
    for version in versions:
        if before is None:
            what: What = "first" if readings.begins_at(version.first) else "added"
            yield Transition(what, version.first, version)
        elif before.end == version.first:
            yield Transition("changed", version.first, version, before)
        else:
            assert before.end is not None
            yield Transition("removed", before.end, before)
            yield Transition("returned", version.first, version)
        before = version
    if before is not None and before.end is not None:
        yield Transition("removed", before.end, before)


def entries(versions: Iterable[Version], readings: Readings) -> Iterator[LogEntry]:
    """Yield what happened to one assistant, oldest first.

    :param versions: all that are known of it, oldest first.
    """
    for what, index, version, before in transitions(versions, readings):
        if before is not None:
            if (entry := _changed(before, version, readings)) is not None:
                yield entry
        elif what == "removed":
            yield _entry(what, version, index, readings)
        else:
            yield _entry(what, version, index, readings, updated_at=_updated_at(version))


def _changed(before: Version, after: Version, readings: Readings) -> LogEntry | None:
    """Return what changed; None where the two differ in spelling only, or in what cannot be compared."""
    fields = tuple(field_changes(before, after, readings))
    if not fields:
        return None
    return _entry(
        "changed",
        after,
        after.first,
        readings,
        updated_at=_updated_at(after),
        fields=fields,
        not_compared=readings.boundary(after.first),
    )


def field_changes(before: Version, after: Version, readings: Readings) -> Iterator[FieldChange]:
    """Yield the fields that differ between two versions of which one follows the other without a gap."""
    incomparable = parse_names("redact", readings.boundary(after.first))
    for path, old, new in differences(
        before.record, after.record, leave_out=[_IGNORED, *incomparable], unknowable=incomparable
    ):
        yield FieldChange(path, old, new)


def changed_classes(before: Version, after: Version, readings: Readings) -> set[FieldClass]:
    """Return the classes of the :func:`field_changes`: of each class only one change is searched for, which takes less."""
    incomparable = parse_names("redact", readings.boundary(after.first))
    leave_out = [_IGNORED, *incomparable]
    found = set[FieldClass]()
    for name in before.record.keys() | after.record.keys():
        old, new = before.record.get(name, ABSENT), after.record.get(name, ABSENT)
        if equal(old, new) or field_class(name) in found:
            continue
        inside = below(leave_out, name)
        if () not in inside and any(
            differences(old, new, leave_out=inside, unknowable=below(incomparable, name), path=(name,))
        ):
            found.add(field_class(name))
    return found


def _entry(what: What, version: Version, index: int, readings: Readings, **more: Any) -> LogEntry:
    return LogEntry(
        what,
        version.assistant_id,
        version.record.get("name"),
        readings[index],
        None if what == "first" else readings[index - 1],
        **more,
    )


def _updated_at(version: Version) -> Any:
    value = version.runs[0][1]
    return None if value is ABSENT else value


def of_fields(entry: LogEntry, patterns: Sequence[Pattern]) -> LogEntry | None:
    """Return an entry with the changes of some fields alone; None where it is a change of others."""
    if entry.what != "changed":
        return entry
    fields = tuple(one for one in entry.fields if _concerns(one, patterns))
    return replace(entry, fields=fields) if fields else None


def _concerns(change: FieldChange, patterns: Sequence[Pattern]) -> bool:
    """Return whether a change lies in one of the fields, or one of the fields in it."""
    for key in change.path:
        patterns = below(patterns, key)
        if () in patterns:
            return True
    return bool(patterns)
