"""The spool: the records of a scan, sorted, on the local disk, because memory must not grow with the fleet.

It takes the pages of one walk after the other and gives canonical lines in order of ``assistant_id``. It also knows which
ids each walk saw, which is what the proofs of :mod:`airflow_provider_puretalk.scan.prover` count, and which pages it has
already, so that the same bytes need not be decoded twice. As long as all pages are those of the last reading
(:mod:`airflow_provider_puretalk.scan.page_memory`), their bytes only wait here, and are decoded when that is needed.

Lines go to the end of a flat file, one write a page. SQLite keeps where they lie and does the sorting and counting. Neither
file has a name: they go with the spool, and with a killed process as well.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, NamedTuple, Self

from airflow_provider_puretalk import temporary
from airflow_provider_puretalk.api.validators import Validated
from airflow_provider_puretalk.scan.page_memory import PageMemory, key_of

#: Memory in KiB that SQLite may use for its pages, and for each sort. So little that a fleet of some ten thousand fills it:
#: larger ones take no more. What is read is read in order, so that a larger one saves no time.
_CACHE_KIB = 2_000
#: What the temporary folder is to hold, in a sentence.
_HELD = "the reading"

# A batch is the rows of one page, kept once however many walks got the same bytes.
_TABLES = """
CREATE TABLE record (batch INT, place INT, id BLOB, position INT, length INT, note INT, PRIMARY KEY (batch, place))
    WITHOUT ROWID;
CREATE TABLE sighting (moment INTEGER PRIMARY KEY, phase INT, batch INT);
"""
_SEEN_IN = "FROM sighting JOIN record USING (batch) WHERE phase = ? GROUP BY id"
# Each batch once, however many walks got it: usually that halves what has to be sorted.
_SEEN_IN_BOTH = """
    FROM (SELECT batch, max(phase = ?) AS one, max(phase = ?) AS other FROM sighting GROUP BY batch)
    JOIN record USING (batch) GROUP BY id HAVING sum(one) AND sum(other)"""
# Sums, not min() and max(): a query whose rows are those of the greatest moment has room for that one max() only.
_SEEN_AROUND = """
    FROM (SELECT batch, min(phase) AS first, max(phase) AS last, max(moment) AS moment FROM sighting GROUP BY batch)
    JOIN record USING (batch) GROUP BY id HAVING sum(first < ?) AND sum(last > ?)"""


# The batches of two ranges of phases, and which of the two each was seen in.
_SIDES = """(
    SELECT batch, max(phase BETWEEN ? AND ?) AS one, max(phase BETWEEN ? AND ?) AS other FROM sighting GROUP BY batch
)"""
_SEEN_ON_A_SIDE = f"""
    SELECT id, max(one), max(other) FROM {_SIDES} JOIN record USING (batch) WHERE one OR other GROUP BY id ORDER BY id"""


# Which ids came how often; the same in two phases when neither has one that the other has not.
_ROWS_OF = "SELECT id, count(*) FROM sighting JOIN record USING (batch) WHERE phase = ? GROUP BY id"


class Row(NamedTuple):
    """One record, ready to be kept.

    :ivar id: its ``assistant_id``, encoded so that bytes sort as code points do.
    :ivar line: its canonical spelling.
    :ivar note: the result of the caller's ``examine``; equal notes are kept once.
    """

    id: bytes
    line: bytes
    note: Hashable


@dataclass(frozen=True, slots=True)
class ScannedPage:
    """One page, as far as a scan needs it.

    :ivar number: the page that was requested, from 1.
    :ivar limit: rows requested.
    :ivar count: how many assistants there are in all, says the server.
    :ivar has_next: whether the server says that there is more.
    :ivar size: rows in it.
    :ivar rows: the rows; None where the spool has a page with this digest already.
    :ivar digest: hash of the page's bytes; None where it is not needed.
    :ivar requested_at: moment on the monotonic clock at which the request began that it is the response to.
    :ivar responded_at: the same of its last byte.
    :ivar body_bytes: how large the response was, decoded; 0 where nobody needs to know.
    :ivar seconds: how long it took.
    """

    number: int
    limit: int
    count: int
    has_next: bool
    size: int
    rows: list[Row] | None
    digest: bytes | None = None
    requested_at: float = 0.0
    responded_at: float = 0.0
    body_bytes: int = 0
    seconds: float = 0.0


class NotSentAgainError(ValueError):
    """The records of a page are needed that the API has not sent again, since it is as it was at the last reading."""

    def __init__(self) -> None:
        super().__init__("The records were not sent again: they are those of the last reading.")


class Spool:
    """The pages of a scan. A context manager; closing it deletes everything. All calls come from one thread.

    :param memory: of the last reading; with one, all pages must have a digest.
    :param decode: gives a page of the last reading its rows back, made from its bytes.
    """

    def __init__(
        self, memory: PageMemory | None = None, decode: Callable[[ScannedPage, bytes], ScannedPage] | None = None
    ) -> None:
        self._lines = temporary.unnamed(_HELD)
        self._end = 0
        self._database = temporary.database(_HELD)
        with temporary.reported(_HELD):
            self._database.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            self._database.executescript(_TABLES)
        self._known: dict[bytes, tuple[int, ScannedPage]] = {}
        self._batch_count = 0
        self._notes: dict[Hashable, int] = {}
        self._found: tuple[str, tuple[int, ...]] | None = None
        self._memory = memory
        self._decode = decode
        #: Where the bytes of pages lie that were not decoded; None of those that the API has not sent again.
        self._skipped: dict[bytes, tuple[int, int] | None] = {}
        #: What was seen while there were only such pages.
        self._waiting: list[tuple[int, ScannedPage]] | None = None if memory is None else []
        self._seen: defaultdict[int, list[ScannedPage]] = defaultdict(list)
        self._counts: dict[bytes, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Delete everything. Closing twice is fine."""
        self._database.close()
        self._lines.close()

    def known(self, digest: bytes) -> ScannedPage | None:
        """Return the page with this digest that is kept already, without its rows, ready to be added again."""
        return self._known[digest][1] if digest in self._known else None

    def can_do_without(self, digest: bytes) -> bool:
        """Return whether a page with this digest need not be sent again, as far as is known now. For any thread."""
        kept = digest in self._known or self._skipped.get(digest) is not None
        return kept or (self._waiting is not None and self._memory is not None and digest in self._memory.pages)

    def skip(self, digest: bytes, body: memoryview | None) -> ScannedPage | None:
        """Return a page of the last reading, as :meth:`known` does, as long as there were only such pages.

        :param body: its bytes, which are kept as they are; None where it was not sent again.
        """
        if self._memory is None or not self.can_do_without(digest):
            return None
        if self._skipped.setdefault(digest, None) is None and body is not None:
            with temporary.reported(_HELD):
                self._skipped[digest] = self._write(body), len(body)
        return self._memory.pages[digest]

    def add(self, phase: int, page: ScannedPage) -> None:
        """Keep a page. Phases are numbered upwards: what is fetched in one is requested after all of the one before came."""
        self._found = None
        if self._memory is not None:
            self._seen[phase].append(page if page.rows is None else replace(page, rows=None))
        if self._waiting is not None and page.rows is None:
            self._waiting.append((phase, page))
        else:
            self.decode_waiting()
            self._sight(phase, page)

    def seen_in(self, phase: int) -> int:
        """Count the ids that were seen in a phase."""
        pages = self._seen[phase]
        return self._in_both(pages, pages, lambda: self._count_found(_SEEN_IN, phase))

    def seen_in_both(self, phase: int, other: int) -> int:
        """Count the ids that were seen in each of two phases."""
        count = lambda: self._count(f"(SELECT id {_SEEN_IN_BOTH})", phase, other)  # noqa: E731
        return self._in_both(self._seen[phase], self._seen[other], count)

    def seen_around(self, phase: int) -> int:
        """Count the ids that were seen before a phase, and after it as well."""
        before = [page for one, pages in self._seen.items() if one < phase for page in pages]
        after = [page for one, pages in self._seen.items() if one > phase for page in pages]
        return self._in_both(before, after, lambda: self._count_found(_SEEN_AROUND, phase, phase))

    def saw_the_same(self, phase: int, other: int) -> bool:
        """Return whether the same ids were seen in two phases, each as often."""
        one, another = (Counter(page.digest for page in self._seen[which]) for which in (phase, other))
        return (bool(one) and one == another) or not any(
            self._count(f"({_ROWS_OF} EXCEPT {_ROWS_OF})", *phases) for phases in ((phase, other), (other, phase))
        )

    def rows_seen_in(self, phase: int) -> Iterator[tuple[bytes, Any]]:
        """Yield line and note of what was seen in a phase, in order of id. Until they end, call nothing else."""
        return self._sorted_rows(_SEEN_IN, phase)

    def rows_seen_around(self, phase: int) -> Iterator[tuple[bytes, Any]]:
        """Yield line and note of what was seen before a phase and after it, in order of id, likewise."""
        return self._sorted_rows(_SEEN_AROUND, phase, phase)

    def ids_on_both_sides(self, phase: int, moment: int | None, size: int) -> Iterator[list[tuple[str, bool, bool]]]:
        """Yield the ids that a proof rests on, in order, so many at once: whether each was seen before, and after.

        :param phase: the latest one; what was seen after a moment was seen until then.
        :param moment: the phase that the proof is about. None stands for one between ``phase`` and the phase before it,
            which are the two sides then.
        """
        sides = (phase - 1, phase - 1, phase, phase) if moment is None else (0, moment - 1, moment + 1, phase)
        with temporary.reported(_HELD):
            if self._count(f"{_SIDES} WHERE one <> other", *sides):
                found = self._database.execute(_SEEN_ON_A_SIDE, sides)
            else:  # The same bytes on both sides: these ids were sorted already.
                self._find(*((_SEEN_IN, phase) if moment is None else (_SEEN_AROUND, moment, moment)))
                found = self._database.execute("SELECT id, 1, 1 FROM found ORDER BY rowid")
            while rows := found.fetchmany(size):
                yield [(one.decode("utf-8", "surrogatepass"), bool(first), bool(last)) for one, first, last in rows]

    def result(self, phase: int) -> bytes:
        """Return what names the pages that were seen in a phase, in whatever order: equal for equal bytes."""
        return key_of(page.digest for page in self._seen[phase] if page.digest is not None)

    def keep_in(self, memory: PageMemory, validated: Mapping[tuple[int, int], Validated], result: bytes | None) -> None:
        """Let the next reading know this one.

        :param validated: how the API can be asked about its pages.
        :param result: what names the pages that hold exactly its records.
        """
        pages = (page for _, pages in sorted(self._seen.items()) for page in pages)
        memory.keep(pages, validated, self._counts, result)

    def _in_both(self, one: list[ScannedPage], other: list[ScannedPage], count: Callable[[], int]) -> int:
        """Count the ids that are in one of some pages and in one of others: not anew what was counted of the same ones."""
        if self._memory is None:
            return count()
        sizes = {page.digest or b"": page.size for page in other}
        key = key_of((page.digest or b"" for page in one), sizes)
        if (found := self._memory.counts.get(key)) is None:
            found = count()
        self._counts[key] = found
        if found == sum(sizes.values()):  # So none of the others has an id twice, nor two of them the same one.
            self._counts[key_of(sizes, sizes)] = found
        return found

    def decode_waiting(self) -> None:
        """Keep what was only skipped so far.

        :raises NotSentAgainError: something of it was not sent.
        """
        if any(self._skipped[page.digest or b""] is None for _, page in self._waiting or ()):
            raise NotSentAgainError
        waiting, self._waiting = self._waiting, None
        for phase, page in waiting or ():
            self._sight(phase, page)

    def _sight(self, phase: int, page: ScannedPage) -> None:
        with temporary.reported(_HELD):
            batch = self._keep(page) if page.rows is not None else self._batch(page)
            self._database.execute("INSERT INTO sighting (phase, batch) VALUES (?, ?)", (phase, batch))

    def _batch(self, page: ScannedPage) -> int:
        """Return the batch of a page that came without its rows."""
        digest = page.digest or b""
        if digest in self._known or self._decode is None:
            return self._known[digest][0]
        if (place := self._skipped[digest]) is None:
            raise NotSentAgainError
        position, length = place
        return self._keep(self._decode(page, os.pread(self._lines.fileno(), length, position)))

    def _keep(self, page: ScannedPage) -> int:
        """Keep the rows of a page that is new."""
        rows = page.rows or []
        self._batch_count += 1
        batch, index = self._batch_count, []
        position = self._write(b"".join([row.line for row in rows]))
        for place, row in enumerate(rows):
            note = self._notes.setdefault(row.note, len(self._notes))
            index.append((batch, place, row.id, position, len(row.line), note))
            position += len(row.line)
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?)", index)
        self._database.execute("COMMIT")
        if page.digest is not None:
            self._known[page.digest] = batch, replace(page, rows=None)
        return batch

    def _write(self, data: bytes | memoryview) -> int:
        """Write at the end of the flat file; return where it lies."""
        position, left = self._end, memoryview(data)
        while left:  # An unbuffered write may take less than all.
            left = left[self._lines.write(left) :]
        self._end = position + len(data)
        return position

    def _count_found(self, seen: str, *values: int) -> int:
        self._find(seen, *values)
        return self._count("found")

    def _count(self, what: str, *values: int) -> int:
        self.decode_waiting()
        with temporary.reported(_HELD):  # Sorting takes room, too.
            return int(self._database.execute(f"SELECT count(*) FROM {what}", values).fetchone()[0])

    def _find(self, seen: str, *values: int) -> None:
        """Sort what was seen by id, its latest sighting each. Once: what proofs count is what is read afterwards."""
        if self._found == (seen, values):
            return
        self.decode_waiting()
        self._found = None
        with temporary.reported(_HELD):
            self._database.execute("DROP TABLE IF EXISTS found")
            # With max() SQLite takes the other columns from the row that has the maximum.
            self._database.execute(
                f"CREATE TABLE found AS SELECT id, position, length, note, max(moment) {seen} ORDER BY id", values
            )
        self._found = seen, values

    def _sorted_rows(self, seen: str, *values: int) -> Iterator[tuple[bytes, Any]]:
        """Yield what was seen, sorted by id."""
        try:
            with temporary.reported(_HELD):
                self._find(seen, *values)
                notes = list(self._notes)
                found = self._database.execute("SELECT position, length, note FROM found ORDER BY rowid")
                descriptor = self._lines.fileno()
                for position, length, note in found:
                    yield os.pread(descriptor, length, position), notes[note]
        except sqlite3.ProgrammingError as error:
            raise ValueError("The reading is closed: it lasts as long as its `with` block, in one thread.") from error
