"""Who had which value of a field, from when to when. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from airflow_provider_puretalk.history.changes import Readings
from airflow_provider_puretalk.history.versions import Reading, Version
from airflow_provider_puretalk.records.equality import equal
from airflow_provider_puretalk.records.field_paths import (
    ABSENT,
    Pattern,
    covers,
    find,
    may_be_gone,
    parse_name,
    parse_names,
)

#: ``redaction``: from then on the field was redacted in another way, so nobody can say whether it changed.
Begun = Literal["first", "added", "changed", "returned", "redaction"]
Ended = Literal["changed", "removed", "redaction"]


@dataclass(frozen=True, slots=True)
class Span:
    """A value that a field of an assistant had over some consecutive readings.

    :ivar name: the assistant's name as of the span's last version.
    :ivar value: :data:`~airflow_provider_puretalk.records.field_paths.ABSENT` where the field was not there.
    :ivar begun: how it began; ``first``: it stood when the history begins.
    :ivar ended: how it ended, None while it stands.
    :ivar first: the first reading that shows it; it is valid from when this was finished, perhaps a while longer.
    :ivar last: the last reading that shows it.
    :ivar end: the first reading that no longer shows it, None while it stands.
    :ivar redacted: how the field, or what it lies in, was redacted meanwhile; None where it was not.
    """

    assistant_id: str
    name: Any
    value: Any
    begun: Begun
    ended: Ended | None
    first: Reading
    last: Reading
    end: Reading | None
    redacted: str | None = None

    @property
    def valid_from(self) -> datetime:
        """When the first reading that shows it was finished."""
        return self.first.finished_at

    @property
    def valid_to(self) -> datetime | None:
        """When the first reading that no longer shows it was finished; None while it stands."""
        return None if self.end is None else self.end.finished_at

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; an absent value is left out."""
        return {
            "assistant_id": self.assistant_id,
            "name": self.name,
            **({} if self.value is ABSENT else {"value": self.value}),
            "begun": self.begun,
            "ended": self.ended,
            "valid_from": self.valid_from.isoformat(),
            "valid_to": None if self.valid_to is None else self.valid_to.isoformat(),
            "first_snapshot": self.first.snapshot,
            "last_snapshot": self.last.snapshot,
            "redacted": self.redacted,
        }


@dataclass(slots=True)
class _Open:
    """A span that is not ended yet."""

    start: int
    begun: Begun
    value: Any


class FieldSpans:
    """The spans of a field of any assistant.

    :param field: a name without ``*``.
    """

    def __init__(self, field: Pattern, readings: Readings) -> None:
        self._field = field
        self._readings = readings
        self._boundaries = [index for index in range(1, len(readings)) if self._is_cut(readings.boundary(index))]

    def of(self, versions: Iterable[Version]) -> Iterator[Span]:
        """Yield the spans of one assistant, oldest first.

        :param versions: all that are known of it, oldest first.
        """
        current: _Open | None = None
        before: Version | None = None
        for version in versions:
            value, start = find(version.record, self._field), version.first
            if before is None or current is None:
                current = _Open(start, "first" if self._readings.begins_at(start) else "added", value)
            elif before.end != start:
                yield self._span(before, current, before.end, "removed")
                current = _Open(start, "returned", value)
            elif start in self._boundaries:
                yield self._span(before, current, start, "redaction")
                current = _Open(start, "redaction", value)
            elif not _same(current.value, value):
                yield self._span(before, current, start, "changed")
                current = _Open(start, "changed", value)
            # Within a version the records are the same, but what they hide may differ.
            for index in self._within(version):
                yield self._span(version, current, index, "redaction")
                current = _Open(index, "redaction", value)
            before = version
        if before is not None and current is not None:
            yield self._span(before, current, before.end, None if before.end is None else "removed")

    def _span(self, version: Version, current: _Open, end: int | None, ended: Ended | None) -> Span:
        first = self._readings[current.start]
        return Span(
            assistant_id=version.assistant_id,
            name=version.record.get("name"),
            value=current.value,
            begun=current.begun,
            ended=ended,
            first=first,
            last=self._readings[-1 if end is None else end - 1],
            end=None if end is None else self._readings[end],
            redacted=treatment(first, self._field),
        )

    def _within(self, version: Version) -> list[int]:
        end = len(self._readings) if version.end is None else version.end
        return [index for index in self._boundaries if version.first < index < end]

    def _is_cut(self, names: Iterable[str]) -> bool:
        return may_be_gone(parse_names("redact", [*names]), self._field)


def treatment(reading: Reading, field: Pattern) -> str | None:
    """Return how a reading's redaction treats a field or what it lies in, None where it does not."""
    policy = reading.redaction.policy
    return next((how for name, how in policy.items() if covers([parse_name("redact", name)], field)), None)


def _same(one: Any, other: Any) -> bool:
    if one is ABSENT or other is ABSENT:
        return one is other
    return equal(one, other)


def overlaps(span: Span, since: datetime | None, before: datetime | None) -> bool:
    """Return whether some of a span lies in ``[since, before)``."""
    starts_late = before is not None and span.valid_from >= before
    ended_early = since is not None and span.valid_to is not None and span.valid_to <= since
    return not (starts_late or ended_early)
