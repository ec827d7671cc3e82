"""Since which version each passage of a text stands. No I/O.

Passages are told apart by the words that changed (:mod:`~airflow_provider_puretalk.records.text_diff`), as in the report.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_puretalk.history.changes import Readings
from airflow_provider_puretalk.history.spans import Begun, FieldSpans, Span
from airflow_provider_puretalk.history.versions import Reading, Version
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.field_paths import ABSENT, Pattern
from airflow_provider_puretalk.records.text_diff import Kind, word_diff


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a text that came with one version.

    :ivar begun: how it came; ``first``: it stood when the history begins, ``redaction``: what was there before is not
        known.
    :ivar reading: the first that shows it.
    :ivar previous: the last that does not; None where the history begins.
    :ivar updated_at: the API's own, in ``reading``; None where it has none.
    """

    text: str
    begun: Begun
    reading: Reading
    previous: Reading | None
    updated_at: Any

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "text": self.text,
            "begun": self.begun,
            "snapshot": self.reading.snapshot,
            "finished_at": self.reading.finished_at.isoformat(),
            "previous_snapshot": None if self.previous is None else self.previous.snapshot,
            "updated_at": self.updated_at,
        }


def blame(versions: Sequence[Version], field: Pattern, readings: Readings) -> list[Passage] | None:
    """Return the passages of the newest value of a field, in reading order; None where no version has the field.

    A value that is no text is one passage, its JSON. So is a text after a redaction, an absence or a return of the
    assistant.
    """
    known = list(FieldSpans(field, readings).of(versions))
    if all(span.value is ABSENT for span in known):
        return None
    #: Parts of the newest text, each with the span that it came with.
    parts: list[tuple[str, Span]] = []
    before: Any = None
    for span in known:
        follows = span.begun == "changed" and isinstance(before, str) and isinstance(span.value, str)
        if follows:
            parts = list(_carried(parts, before, span))
        else:
            parts = [] if span.value is ABSENT else [(_text(span.value), span)]
        before = span.value
    return [_passage(text, span, versions, readings) for text, span in _joined(parts)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json.dumps(value).decode()


def _carried(parts: Sequence[tuple[str, Span]], old: str, span: Span) -> Iterator[tuple[str, Span]]:
    """Yield the parts of a new text: what is equal keeps the span that it came with."""
    origins = iter(parts)
    text, origin = next(origins, ("", span))

    def take(length: int) -> Iterator[tuple[str, Span]]:
        nonlocal text, origin
        while length:
            if not text:
                text, origin = next(origins)
            taken, text = text[:length], text[length:]
            length -= len(taken)
            yield taken, origin

    for run in word_diff(old, span.value):
        if run.kind is Kind.INSERT:
            yield run.text, span
        elif run.kind is Kind.EQUAL:
            yield from take(len(run.text))
        else:
            for _ in take(len(run.text)):
                pass


def _joined(parts: Sequence[tuple[str, Span]]) -> Iterator[tuple[str, Span]]:
    """Join neighbours that came with the same span."""
    texts: list[str] = []
    last: Span | None = None
    for text, span in parts:
        if last is not None and span is not last:
            yield "".join(texts), last
            texts = []
        texts.append(text)
        last = span
    if last is not None:
        yield "".join(texts), last


def _passage(text: str, span: Span, versions: Sequence[Version], readings: Readings) -> Passage:
    index = readings.position(span.first.snapshot) or 0
    updated_at = next((version.runs[0][1] for version in versions if version.first == index), ABSENT)
    return Passage(
        text=text,
        begun=span.begun,
        reading=span.first,
        previous=None if span.begun == "first" else readings[index - 1],
        updated_at=None if updated_at is ABSENT else updated_at,
    )
