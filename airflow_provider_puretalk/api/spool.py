"""Where the records of a reading wait, sorted, on the local disk: memory must not grow with the fleet.

In come records in any order, walk after walk; out come their canonical lines in order of ``assistant_id``. It also
remembers in which walks an id was seen, which is what the proofs of :mod:`airflow_provider_puretalk.api.scan` count.
SQLite does the sorting and the counting; the file lives in the temporary folder, readable by its owner only, and goes
with the spool.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from airflow_provider_puretalk.api import exact_json
from airflow_provider_puretalk.api.errors import PuretalkError
from airflow_provider_puretalk.api.pages import record_id

#: Memory in KiB that SQLite may use for pages; the sorted index of 200,000 ids fits.
_CACHE_KIB = 16_384


class Spool:
    """Records on disk, each once, with the walks that saw it. A context manager; closing it deletes everything."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="puretalk-reading-")
        self._database = sqlite3.connect(Path(self._folder.name) / "records.sqlite", isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", f"cache_size=-{_CACHE_KIB}"):
            self._database.execute(f"PRAGMA {pragma}")
        # An ordinary table under a small index: lines are appended as they come, only the ids are kept in order. Ids are
        # compared as bytes, which is the order of their code points.
        self._database.execute(
            "CREATE TABLE record (id BLOB PRIMARY KEY, first_walk INT, walk_before INT, last_walk INT, line BLOB)"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Delete everything. Closing twice is fine."""
        self._database.close()
        self._folder.cleanup()

    def add(self, walk: int, records: Iterable[dict[str, Any]]) -> None:
        """Keep the records of one page; a record seen before is replaced by what came now."""
        rows = (
            (_key(record), walk, walk, exact_json.dumps(record))
            for record in records
        )
        try:
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT INTO record VALUES (?, ?, 0, ?, ?) ON CONFLICT (id) DO UPDATE SET line = excluded.line, "
                "walk_before = CASE WHEN last_walk < excluded.last_walk THEN last_walk ELSE walk_before END, "
                "last_walk = excluded.last_walk",
                rows,
            )
            self._database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise PuretalkError(f"The temporary folder cannot hold the reading: {error}.") from error

    def seen_in(self, walk: int) -> int:
        """Count the ids that the latest walk saw."""
        return self._count("last_walk = ?", walk)

    def seen_in_both(self, walk: int) -> int:
        """Count the ids that the latest walk saw and the one before it had seen too."""
        return self._count("last_walk = ? AND walk_before = ?", walk, walk - 1)

    def seen_around(self, walk: int) -> int:
        """Count the ids that were seen before the walk's first request, and after it as well."""
        return self._count("first_walk < ? AND last_walk >= ?", walk, walk)

    def lines_seen_in(self, walk: int) -> Iterator[bytes]:
        """Yield the canonical lines of what the latest walk saw, in order of id, without line breaks."""
        return self._lines("last_walk = ?", walk)

    def lines_seen_around(self, walk: int) -> Iterator[bytes]:
        """Yield the canonical lines of what was seen before the walk's first request and after it, in order of id."""
        return self._lines("first_walk < ? AND last_walk >= ?", walk, walk)

    def _count(self, condition: str, *values: int) -> int:
        row = self._database.execute(f"SELECT count(*) FROM record WHERE {condition}", values).fetchone()
        return int(row[0])

    def _lines(self, condition: str, *values: int) -> Iterator[bytes]:
        for (line,) in self._database.execute(f"SELECT line FROM record WHERE {condition} ORDER BY id", values):
            yield line


def _key(record: dict[str, Any]) -> bytes:
    identity = record_id(record)
    if identity is None:
        raise ValueError("a record without assistant_id cannot be kept")  # read_page has refused it already
    # Ids may hold lone surrogates; encoded like this they still sort by code point.
    return identity.encode("utf-8", "surrogatepass")
