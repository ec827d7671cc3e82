"""The sandbox's assistants, in memory and in order of their creation, while people change them.

A page is read in one piece, as a database would. Every record is held as the JSON it will be sent as, so unknown fields,
the order of keys, and the difference between null and absent survive, and a stored record cannot be changed by accident.
Safe to use from several threads. Knows no HTTP.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any

from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.sandbox.fleet import FleetMaker, timestamp


class FleetStore:
    """The assistants of one stand-in account.

    :param records: what it holds at first, as they should be sent; :func:`make_fleet` invents some.
    :param seed: what assistants added later are invented from.
    """

    def __init__(self, records: Iterable[Mapping[str, Any]] = (), *, seed: int = 0) -> None:
        self._lock = threading.RLock()
        self._maker = FleetMaker(seed)
        self._rows: dict[str, bytes] = {}
        self._made = 0
        self.replace_all(records)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with self._lock:
            rows = list(self._rows.values())
        return (decode(row) for row in rows)

    def ids(self) -> list[str]:
        """Return the ids in the order in which the list shows them."""
        with self._lock:
            return list(self._rows)

    def get(self, assistant_id: str) -> dict[str, Any]:
        """Return a copy of one record.

        :raises KeyError: there is none with this id.
        """
        record: dict[str, Any] = decode(self._rows[assistant_id])
        return record

    def add(self, partial: Mapping[str, Any] | None = None, *, complete: bool = True) -> dict[str, Any]:
        """Add an assistant at the end of the list.

        :param partial: what it should say; objects in it are merged into invented ones.
        :param complete: invent whatever ``partial`` leaves out. False stores ``partial`` exactly as it is.
        :returns: a copy of the stored record.
        :raises ValueError: the id is taken.
        """
        with self._lock:
            record = dict(partial or {})
            if complete:
                invented = self._maker.assistant(self._made)
                self._made += 1
                invented["created_at"] = invented["updated_at"] = timestamp(datetime.now(UTC))
                record = _laid_over(invented, record)
            self._insert(record)
        copy: dict[str, Any] = decode(encode(record))
        return copy

    def change(self, assistant_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Merge changes into an assistant, objects field by field, and move its ``updated_at`` forward.

        :returns: a copy of the stored record. Its place in the list stays.
        :raises KeyError: there is none with this id.
        :raises ValueError: the changes would give it another id.
        """
        with self._lock:
            record = self.get(assistant_id)
            if changes.get("assistant_id", assistant_id) != assistant_id:
                raise ValueError("an assistant keeps its assistant_id for life")
            later = {} if "updated_at" in changes else {"updated_at": _later_than(record.get("updated_at"))}
            self._rows[assistant_id] = encode(_laid_over(record, {**changes, **later}))
            return self.get(assistant_id)

    def remove(self, assistant_id: str) -> None:
        """Remove an assistant.

        :raises KeyError: there is none with this id.
        """
        with self._lock:
            del self._rows[assistant_id]

    def replace_all(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Hold these records from now on, exactly as they are, and no others.

        :raises ValueError: an id comes twice, or a record is no object.
        """
        with self._lock:
            self._rows = {}
            for record in records:
                self._insert(record)
            # Assistants added later must not repeat the ids of a fleet made from the same seed.
            self._made = max(self._made, len(self._rows))

    def page(self, offset: int, limit: int, *, shuffled: Random | None = None) -> tuple[int, list[bytes]]:
        """Read one page in one piece.

        :param shuffled: read it from a freshly shuffled list, as a server without a stable order does.
        :returns: how many records there are in all, and the encoded ones of this page.
        """
        with self._lock:
            if shuffled is None:
                return len(self._rows), list(islice(self._rows.values(), offset, offset + limit))
            rows = list(self._rows.values())
        shuffled.shuffle(rows)
        return len(rows), rows[offset : offset + limit]

    def _insert(self, record: Mapping[str, Any]) -> None:
        if not isinstance(record, Mapping):
            raise ValueError(f"a record must be an object, and this is none: {record!r}")
        key = record.get("assistant_id")
        if not isinstance(key, str):
            # Tests store such records on purpose. No id that is a string starts with a NUL.
            key = f"\0{len(self._rows)}"
        if key in self._rows:
            raise ValueError(f"there is an assistant with the id {key} already")
        self._rows[key] = encode(record)


def encode(record: Any) -> bytes:
    """Write JSON the way DRF sends it: keys in their order, no spaces, UTF-8. NaN is written too: tests need it."""
    try:
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    except TypeError:
        return canonical_json.dumps(record)  # Decimals, which only the exact writer spells as numbers
    # A lone surrogate cannot be UTF-8; "backslashreplace" writes it as JSON's own \udXXX escape.
    return text.encode("utf-8", "backslashreplace")


def decode(row: bytes) -> Any:
    """Read a stored record back, numbers as exact as they came."""
    try:
        return canonical_json.loads(row)
    except canonical_json.InvalidJSONError:
        return json.loads(row)  # NaN


def _laid_over(old: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with changes laid over it; objects in it are merged as well, everything else is replaced."""
    new = dict(old)
    for name, value in changes.items():
        before = old.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            value = _laid_over(before, value)
        new[name] = value
    return new


def _later_than(before: Any) -> str:
    now = datetime.now(UTC)
    try:
        return timestamp(max(now, datetime.fromisoformat(before) + timedelta(microseconds=1)))
    except (TypeError, ValueError, OverflowError):
        return timestamp(now)  # it was no date-time, one without an offset, or the last one there is
