"""The changes of a comparison and their lines in ``changes.jsonl``.

A :data:`Change` is one line. Its shape is part of the format: ``docs/changes.schema.json`` describes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.field_classes import FieldClass
from airflow_provider_puretalk.records.field_paths import ABSENT

#: Assistants with the same change from which on it is one line.
MIN_IN_COMMON = 5


@dataclass(frozen=True, slots=True)
class Added:
    """An assistant that the baseline does not have.

    :ivar name: its name as it came; None where it has none.
    """

    assistant_id: Any
    name: Any
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Removed:
    """An assistant that only the baseline has."""

    assistant_id: Any
    name: Any
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Changed:
    """One field of one assistant.

    :ivar name: the assistant's current name.
    :ivar pointer: its JSON pointer (RFC 6901).
    :ivar old: its value in the baseline, :data:`ABSENT` where it had none; ``new`` likewise.
    """

    assistant_id: Any
    name: Any
    pointer: str
    field_class: FieldClass
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class ChangedMany:
    """The same change of a field on :data:`MIN_IN_COMMON` assistants or more, whose ids are given in order."""

    pointer: str
    field_class: FieldClass
    old: Any
    new: Any
    assistant_ids: list[Any]


Change = Added | Removed | Changed | ChangedMany


def to_line(change: Change) -> bytes:
    """Return a change as a line of ``changes.jsonl``, without the line break."""
    return canonical_json.dumps(dict(_items(change)))


def _items(change: Change) -> Iterator[tuple[str, Any]]:
    match change:
        case Added() | Removed():
            yield "op", "added" if isinstance(change, Added) else "removed"
            yield from (("assistant_id", change.assistant_id), ("name", change.name), ("record", change.record))
            return
        case Changed():
            yield from (("op", "changed"), ("assistant_id", change.assistant_id), ("name", change.name))
        case ChangedMany():
            yield from (("op", "changed_many"), ("assistants", len(change.assistant_ids)))
            yield "assistant_ids", change.assistant_ids
    yield from (("pointer", change.pointer), ("class", change.field_class))
    yield from ((side, value) for side, value in (("old", change.old), ("new", change.new)) if value is not ABSENT)
