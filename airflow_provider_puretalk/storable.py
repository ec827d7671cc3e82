"""What results and events may hold of ids, names and sentences: text that every database keeps, and lists that end.

Cheap to import: DAG files build watches.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

#: Bytes of UTF-8 JSON that the lists of a result may take together.
MOST_BYTES: Final = 200_000
_LARGEST = 2**63


def storable(value: Any) -> Any:
    """Return text without what some database refuses: half of a character (a lone surrogate) and NUL are spelt out.

    An id may also be what it should not: of an integer beyond 64 bits, and whatever is neither text, integer nor null, the
    JSON spelling stands for it.
    """
    if value is None or (isinstance(value, int) and -_LARGEST <= value < _LARGEST):
        return value
    if not isinstance(value, str):
        from airflow_provider_puretalk.records import canonical_json

        value = canonical_json.dumps(value).decode()
    return value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def size(value: Any) -> int:
    """Return how many bytes a value takes in a list of UTF-8 JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) + 1


def fitting(lists: Mapping[str, list[Any]], most_bytes: int = MOST_BYTES) -> tuple[dict[str, list[Any]], bool]:
    """Cut lists so that they fit together, and whether one was cut.

    Short lists stay whole; what they leave, the long ones share alike. Items stay whole, in order, from the first on.

    :param lists: of storable values.
    """
    sizes = {name: [*map(size, items)] for name, items in lists.items()}
    found: dict[str, list[Any]] = {name: [] for name in lists}
    left = most_bytes
    for waiting, name in zip(range(len(lists), 0, -1), sorted(lists, key=lambda name: sum(sizes[name])), strict=True):
        share = left // waiting
        for item, length in zip(lists[name], sizes[name], strict=True):
            if length > share:
                break
            found[name].append(item)
            share -= length
            left -= length
    return found, any(len(found[name]) < len(items) for name, items in lists.items())
