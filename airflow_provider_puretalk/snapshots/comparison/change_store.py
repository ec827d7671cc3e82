"""Where a comparison notes what it finds, so that memory grows neither with the fleet nor with the changes.

In come, in order of ``assistant_id``, the changes of each assistant and what it is made of; out come the changes in the
order of ``changes.jsonl`` and counts over the fleet. SQLite keeps all of it in a temporary file that has no name: it is
gone with the ledger, and with a killed process as well.
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
from airflow_provider_puretalk.snapshots.comparison.changes import ALIKE, Added, Change, Changed, ChangedMany, Removed

#: Which side of a comparison has an assistant: the baseline, the newer one.
THEN, NOW = 1, 2

#: Memory in KiB that SQLite may use for its pages.
_CACHE_KIB = 8_192
#: What the temporary folder is to hold, in a sentence.
_HELD = "the comparison"
#: Rows after which a batch is handed to SQLite.
_BATCH = 256

# All text is kept as bytes of JSON: names may hold lone surrogates, which SQLite's own text cannot.
_TABLES = """
CREATE TABLE change (
    place INTEGER PRIMARY KEY, op TEXT, id BLOB, name BLOB, record BLOB,
    pointer BLOB, field BLOB, class TEXT, old BLOB, new BLOB, alike BLOB
);
CREATE TABLE member (
    id BLOB, name BLOB, side INT, language BLOB, voice BLOB, model BLOB, number BLOB, line BLOB, likeness BLOB
);
"""
_GROUPING = f"""
CREATE INDEX change_alike ON change (alike) WHERE alike IS NOT NULL;
CREATE TABLE many AS
    SELECT alike, min(place) AS first FROM change WHERE alike IS NOT NULL GROUP BY alike HAVING count(*) >= {ALIKE};
CREATE UNIQUE INDEX many_alike ON many (alike);
"""
_CHANGE = (
    "INSERT INTO change (op, id, name, record, pointer, field, class, old, new, alike) VALUES (?,?,?,?,?,?,?,?,?,?)"
)
_MEMBER = "INSERT INTO member VALUES (?,?,?,?,?,?,?,?,?)"

Trait = Literal["language", "voice", "model"]


class ChangeStore:
    """What a comparison found. All calls come from one thread; first everything is noted, then it is asked for."""

    def __init__(self) -> None:
        self._database = temporary.database(_HELD)
        with _told():
            self._database.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            self._database.executescript(_TABLES)
        self._changes: list[tuple[Any, ...]] = []
        self._members: list[tuple[Any, ...]] = []

    def close(self) -> None:
        """Forget everything. Closing twice is fine."""
        self._database.close()

    def whole(self, op: Literal["added", "removed"], identity: Any, name: Any, line: bytes) -> None:
        """Note an assistant that only one side has, with its record in canonical spelling."""
        self._note(op, identity, name, record=line)

    def touched(self, identity: Any) -> None:
        """Note an assistant of which only ignored fields moved."""
        self._note("touched", identity, None)

    def field(
        self, identity: Any, name: Any, *, pointer: str, dotted: str, kind: FieldClass, old: Any, new: Any
    ) -> None:
        """Note a changed field of an assistant."""
        before, after = (None if value is ABSENT else canonical_json.dumps(value) for value in (old, new))
        place = canonical_json.dumps(pointer)
        digest = hashlib.blake2b(digest_size=16)
        for part in (place, before or b"", after or b""):
            digest.update(b"%d:%b" % (len(part), part))
        self._note(
            "changed", identity, name, None, place, canonical_json.dumps(dotted), kind, before, after, digest.digest()
        )

    def member(
        self,
        identity: Any,
        name: Any,
        side: int,
        *,
        language: Any,
        voice: Any,
        model: Any,
        number: Any,
        line: Any,
        likeness: bytes | None,
    ) -> None:
        """Note what an assistant is made of.

        :param side: :data:`THEN`, :data:`NOW`, or their sum where both have it unchanged.
        :param number: its phone number as it is spelt, None where it has none.
        :param line: what all spellings of that number have in common.
        :param likeness: a digest that twins have in common.
        """
        texts = (
            None if value is None else canonical_json.dumps(value) for value in (language, voice, model, number, line)
        )
        self._members.append((canonical_json.dumps(identity), canonical_json.dumps(name), side, *texts, likeness))
        if len(self._members) >= _BATCH:
            self._save()

    def finish(self) -> None:
        """Take in what was noted last, and find the changes that many assistants have in common."""
        self._save()
        with _told():
            self._database.executescript(_GROUPING)

    def changes(self) -> Iterator[Change]:
        """Yield the changes: first those that many have in common, then the others by assistant, in order of id."""
        for alike, pointer, kind, old, new in self._rows(
            "SELECT many.alike, pointer, class, old, new FROM many JOIN change ON place = first "
            "ORDER BY class, pointer, first"
        ):
            ids = [
                _value(identity)
                for (identity,) in self._rows("SELECT id FROM change WHERE alike = ? ORDER BY place", alike)
            ]
            yield ChangedMany(_value(pointer), kind, _value(old), _value(new), ids)
        for op, identity, name, record, pointer, kind, old, new in self._rows(
            "SELECT op, id, name, record, pointer, class, old, new FROM change "
            "WHERE op != 'touched' AND (alike IS NULL OR alike NOT IN (SELECT alike FROM many)) ORDER BY place"
        ):
            if op == "changed":
                yield Changed(_value(identity), _value(name), _value(pointer), kind, _value(old), _value(new))
            else:
                yield (Added if op == "added" else Removed)(_value(identity), _value(name), _value(record))

    def ids(self, op: Literal["added", "removed", "touched"], limit: int) -> list[Any]:
        """Return the first ids of a kind, in order."""
        found = self._rows("SELECT id FROM change WHERE op = ? ORDER BY place LIMIT ?", op, limit)
        return [_value(identity) for (identity,) in found]

    def changed_fields(self) -> Iterator[tuple[Any, str]]:
        """Yield id and dotted field of every changed field, by assistant, in order of id."""
        for identity, field in self._rows("SELECT id, field FROM change WHERE op = 'changed' ORDER BY place"):
            yield _value(identity), _value(field)

    def in_common(self, limit: int) -> list[tuple[str, int]]:
        """Return the fields that changed alike on many assistants, with how many, the largest first."""
        found = self._rows(
            "SELECT field, count(*) FROM change JOIN many USING (alike) GROUP BY alike ORDER BY 2 DESC, field LIMIT ?",
            limit,
        )
        return [(_value(field), count) for field, count in found]

    def members(self, side: int) -> int:
        """Count the assistants of a side."""
        return int(next(self._rows("SELECT count(*) FROM member WHERE side & ?", side))[0])

    def numbered(self, side: int) -> int:
        """Count the assistants of a side that have a phone number."""
        return int(next(self._rows("SELECT count(number) FROM member WHERE side & ?", side))[0])

    def trait(self, side: int, trait: Trait, limit: int) -> Iterator[tuple[Any, int]]:
        """Yield each value of a trait with how many assistants of a side have it; rare ones together as ``ABSENT``.

        :param limit: how many values, the most frequent first, are told one by one.
        """
        found = self._rows(
            f"SELECT {trait}, count(*) FROM member WHERE side & ? GROUP BY {trait} ORDER BY 2 DESC, 1", side
        )
        for place, (value, count) in enumerate(found):
            yield _value(value, None) if place < limit else ABSENT, count

    def sharing(self, column: Literal["line", "likeness"], limit: int) -> Iterator[tuple[Any, list[tuple[Any, Any]]]]:
        """Yield id and name of the assistants of the newer side that share a line or a likeness, group by group.

        Before them comes the phone number of a group's first assistant, ``ABSENT`` where it has none.
        """
        shared = (
            f"SELECT {column} FROM member WHERE side & {NOW} AND {column} IS NOT NULL "
            f"GROUP BY {column} HAVING count(*) > 1 ORDER BY min(id) LIMIT ?"
        )
        found = self._rows(
            f"SELECT {column}, id, name, number FROM member WHERE side & {NOW} AND {column} IN ({shared}) ORDER BY 1, 2",
            limit,
        )
        for _, group in itertools.groupby(found, key=itemgetter(0)):
            members = [*group]
            yield _value(members[0][3]), [(_value(identity), _value(name)) for _, identity, name, _ in members]

    def _note(self, op: str, identity: Any, name: Any, record: bytes | None = None, *rest: Any) -> None:
        row = (op, canonical_json.dumps(identity), canonical_json.dumps(name), record, *(rest or [None] * 6))
        self._changes.append(row)
        if len(self._changes) >= _BATCH:
            self._save()

    def _save(self) -> None:
        with _told():
            self._database.execute("BEGIN")
            self._database.executemany(_CHANGE, self._changes)
            self._database.executemany(_MEMBER, self._members)
            self._database.execute("COMMIT")
        self._changes, self._members = [], []

    def _rows(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        with _told():
            yield from self._database.execute(query, values)


def _value(data: bytes | None, absent: Any = ABSENT) -> Any:
    return absent if data is None else canonical_json.loads(data)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        with temporary.reported(_HELD):
            yield
    except sqlite3.ProgrammingError as error:
        raise ValueError("The comparison is closed: it lasts as long as its `with` block, in one thread.") from error
