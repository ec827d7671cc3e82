"""The change store of a comparison: changes and traits of assistants, outside of memory.

Rows come in order of ``assistant_id``; changes are read in the order of ``changes.jsonl``. SQLite keeps them in a temporary
file without a name, which ends with the store, and with a killed process as well.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import sqlite3
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, Literal

from airflow_provider_puretalk import temporary
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.field_classes import FieldClass
from airflow_provider_puretalk.records.field_paths import ABSENT
from airflow_provider_puretalk.snapshots.comparison.changes import (
    MIN_IN_COMMON,
    Added,
    Change,
    Changed,
    ChangedMany,
    Removed,
)

#: Which sides of a comparison have an assistant, as bits.
BASELINE, CURRENT = 1, 2

#: Memory in KiB that SQLite may use for its pages.
_CACHE_KIB = 8_192
#: What errors of the temporary folder call its content.
_CONTENT = "the comparison"
#: Rows of a batch that is written to SQLite at once.
_BATCH = 256

# All text is stored as bytes of JSON: names may hold lone surrogates, which SQLite's own text cannot.
_TABLES = """
CREATE TABLE change (
    place INTEGER PRIMARY KEY, op TEXT, id BLOB, name BLOB, record BLOB,
    pointer BLOB, field BLOB, class TEXT, old BLOB, new BLOB, digest BLOB
);
CREATE TABLE member (
    id BLOB, name BLOB, side INT, language BLOB, voice BLOB, model BLOB,
    number BLOB, normalized_number BLOB, fingerprint BLOB
);
"""
_GROUPING = f"""
CREATE INDEX change_digest ON change (digest) WHERE digest IS NOT NULL;
CREATE TABLE many AS
    SELECT digest, min(place) AS first FROM change
    WHERE digest IS NOT NULL GROUP BY digest HAVING count(*) >= {MIN_IN_COMMON};
CREATE UNIQUE INDEX many_digest ON many (digest);
"""
_CHANGE = (
    "INSERT INTO change (op, id, name, record, pointer, field, class, old, new, digest) VALUES (?,?,?,?,?,?,?,?,?,?)"
)
_MEMBER = "INSERT INTO member VALUES (?,?,?,?,?,?,?,?,?)"

Trait = Literal["language", "voice", "model"]


class ChangeStore:
    """The changes of a comparison. For one thread; every ``add_...`` comes before :meth:`finish`, reading after it."""

    def __init__(self) -> None:
        self._database = temporary.database(_CONTENT)
        with _translated_errors():
            self._database.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            self._database.executescript(_TABLES)
        self._changes: list[tuple[Any, ...]] = []
        self._members: list[tuple[Any, ...]] = []

    def close(self) -> None:
        """Drop everything. Closing twice is fine."""
        self._database.close()

    def add_record(self, op: Literal["added", "removed"], identity: Any, name: Any, line: bytes) -> None:
        """Add an assistant that only one side has, with its record in canonical spelling."""
        self._add(op, identity, name, record=line)

    def add_touched(self, identity: Any) -> None:
        """Add an assistant of which only ignored fields changed."""
        self._add("touched", identity, None)

    def add_field(
        self, identity: Any, name: Any, *, pointer: str, dotted: str, kind: FieldClass, old: Any, new: Any
    ) -> None:
        """Add a changed field of an assistant."""
        before, after = (None if value is ABSENT else canonical_json.dumps(value) for value in (old, new))
        place = canonical_json.dumps(pointer)
        digest = hashlib.blake2b(digest_size=16)
        for part in (place, before or b"", after or b""):
            digest.update(b"%d:%b" % (len(part), part))
        self._add(
            "changed", identity, name, None, place, canonical_json.dumps(dotted), kind, before, after, digest.digest()
        )

    def add_member(
        self,
        identity: Any,
        name: Any,
        side: int,
        *,
        language: Any,
        voice: Any,
        model: Any,
        number: Any,
        normalized_number: Any,
        fingerprint: bytes | None,
    ) -> None:
        """Add the traits of an assistant, for the fleet stats.

        :param side: :data:`BASELINE`, :data:`CURRENT`, or their sum where both have it unchanged.
        :param number: its phone number as it is spelt, None where it has none.
        :param normalized_number: the same for all spellings of that number.
        :param fingerprint: a digest that twins have in common.
        """
        texts = (
            None if value is None else canonical_json.dumps(value)
            for value in (language, voice, model, number, normalized_number)
        )
        self._members.append((canonical_json.dumps(identity), canonical_json.dumps(name), side, *texts, fingerprint))
        if len(self._members) >= _BATCH:
            self._save()

    def finish(self) -> None:
        """Write the last batch, and find the changes that many assistants have in common."""
        self._save()
        with _translated_errors():
            self._database.executescript(_GROUPING)

    def changes(self) -> Iterator[Change]:
        """Yield the changes: first those that many assistants have in common, then the others in order of id."""
        for digest, pointer, kind, old, new in self._select(
            "SELECT many.digest, pointer, class, old, new FROM many JOIN change ON place = first "
            "ORDER BY class, pointer, first"
        ):
            ids = [
                _value(identity)
                for (identity,) in self._select("SELECT id FROM change WHERE digest = ? ORDER BY place", digest)
            ]
            yield ChangedMany(_value(pointer), kind, _value(old), _value(new), ids)
        for op, identity, name, record, pointer, kind, old, new in self._select(
            "SELECT op, id, name, record, pointer, class, old, new FROM change "
            "WHERE op != 'touched' AND (digest IS NULL OR digest NOT IN (SELECT digest FROM many)) ORDER BY place"
        ):
            if op == "changed":
                yield Changed(_value(identity), _value(name), _value(pointer), kind, _value(old), _value(new))
            else:
                yield (Added if op == "added" else Removed)(_value(identity), _value(name), _value(record))

    def ids(self, op: Literal["added", "removed", "touched"], limit: int) -> list[Any]:
        """Return the first ids of a kind, in order."""
        found = self._select("SELECT id FROM change WHERE op = ? ORDER BY place LIMIT ?", op, limit)
        return [_value(identity) for (identity,) in found]

    def changed_fields(self) -> Iterator[tuple[Any, str]]:
        """Yield id and dotted field of every changed field, by assistant, in order of id."""
        for identity, field in self._select("SELECT id, field FROM change WHERE op = 'changed' ORDER BY place"):
            yield _value(identity), _value(field)

    def in_common(self, limit: int) -> list[tuple[str, int]]:
        """Return the fields that changed alike on many assistants, with how many, the largest first."""
        found = self._select(
            "SELECT field, count(*) FROM change JOIN many USING (digest) GROUP BY digest ORDER BY 2 DESC, field LIMIT ?",
            limit,
        )
        return [(_value(field), count) for field, count in found]

    def members(self, side: int) -> int:
        """Count the assistants of a side."""
        return int(next(self._select("SELECT count(*) FROM member WHERE side & ?", side))[0])

    def with_number(self, side: int) -> int:
        """Count the assistants of a side that have a phone number."""
        return int(next(self._select("SELECT count(number) FROM member WHERE side & ?", side))[0])

    def trait(self, side: int, trait: Trait, limit: int) -> Iterator[tuple[Any, int]]:
        """Yield each value of a trait with how many assistants of a side have it; rare ones together as ``ABSENT``.

        :param limit: how many values, the most frequent first, are counted one by one.
        """
        found = self._select(
            f"SELECT {trait}, count(*) FROM member WHERE side & ? GROUP BY {trait} ORDER BY 2 DESC, 1", side
        )
        for place, (value, count) in enumerate(found):
            yield _value(value, None) if place < limit else ABSENT, count

    def sharing(
        self, column: Literal["normalized_number", "fingerprint"], limit: int
    ) -> Iterator[tuple[Any, list[tuple[Any, Any]]]]:
        """Yield id and name of the current assistants that share a phone number or a fingerprint, group by group.

        Before them comes the phone number of a group's first assistant, ``ABSENT`` where it has none.
        """
        shared = (
            f"SELECT {column} FROM member WHERE side & {CURRENT} AND {column} IS NOT NULL "
            f"GROUP BY {column} HAVING count(*) > 1 ORDER BY min(id) LIMIT ?"
        )
        found = self._select(
            f"SELECT {column}, id, name, number FROM member WHERE side & {CURRENT} AND {column} IN ({shared}) ORDER BY 1, 2",
            limit,
        )
        for _, group in itertools.groupby(found, key=itemgetter(0)):
            members = [*group]
            yield _value(members[0][3]), [(_value(identity), _value(name)) for _, identity, name, _ in members]

    def _add(self, op: str, identity: Any, name: Any, record: bytes | None = None, *rest: Any) -> None:
        row = (op, canonical_json.dumps(identity), canonical_json.dumps(name), record, *(rest or [None] * 6))
        self._changes.append(row)
        if len(self._changes) >= _BATCH:
            self._save()

    def _save(self) -> None:
        with _translated_errors():
            self._database.execute("BEGIN")
            self._database.executemany(_CHANGE, self._changes)
            self._database.executemany(_MEMBER, self._members)
            self._database.execute("COMMIT")
        self._changes, self._members = [], []

    def _select(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        with _translated_errors():
            yield from self._database.execute(query, values)


def _value(data: bytes | None, absent: Any = ABSENT) -> Any:
    return absent if data is None else canonical_json.loads(data)


@contextlib.contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        with temporary.reported(_CONTENT):
            yield
    except sqlite3.ProgrammingError as error:
        raise ValueError("The comparison is closed: it lasts as long as its `with` block, in one thread.") from error
