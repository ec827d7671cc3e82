"""Accounts whose snapshots come as they do in life, and a judge who folds them by hand.

Each schedule is made from one number: a few assistants over a few days, of whom some are edited, saved again, deleted, and
come back; and how their snapshots arrive: in order or late, rerun (with other records, with another ``updated_at`` alone, at
another moment, as incomplete), retracted, pruned once they are folded, incomplete to begin with, redacted otherwise. The
history is updated in between. The judge holds what it is in the end against lists that were filled by hand, and against
folding the same snapshots once, in order.

``python -m tests.history.model --schedules 500000 --processes 2`` plays many.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pyarrow as pa

from airflow_provider_puretalk.history import layout
from airflow_provider_puretalk.history.append import Append
from airflow_provider_puretalk.history.columns import to_versions
from airflow_provider_puretalk.history.fold import Sink, fold
from airflow_provider_puretalk.history.manifest import HistoryManifest
from airflow_provider_puretalk.history.planning import change, plan
from airflow_provider_puretalk.history.versions import Reading, Version
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.field_paths import ABSENT
from airflow_provider_puretalk.snapshots.format.manifest import Redaction
from airflow_provider_puretalk.snapshots.format.parquet_schema import Columns
from tests.schedules import in_processes, parse_arguments

#: Few, so that a schedule takes a millisecond or two.
COLUMNS: Columns = {"assistant_id": "string", "prompt": "string", "updated_at": "string"}

_NEWEST_DAY = datetime(2026, 11, 1, 2, tzinfo=UTC)
_PROMPTS = ("Be polite.", "Be brief.", None)
_SAVED = tuple(f"2026-10-0{day}T00:00:00Z" for day in (1, 2))

Lines = dict[str, bytes]


@dataclass(frozen=True)
class Taken:
    """A snapshot: its reading, and the lines of its assistants."""

    reading: Reading
    lines: Lines


@dataclass
class Schedule:
    """What arrives, in which order; made from one number."""

    seed: int
    dice: random.Random = field(init=False)
    #: What is stored under each name by now.
    there: dict[str, Taken] = field(default_factory=dict)
    #: What the history has to know in the end: the last of each name that an update found.
    known: dict[str, Taken] = field(default_factory=dict)
    retracted: dict[str, str] = field(default_factory=dict)
    happened: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        dice = self.dice
        self.ids = ["a", "b", "c", "d"][: dice.choice((1, 1, 2, 3, 4))]
        self.days = dice.choice((2, 3, 4, 5, 6))
        # Sixteen days begin a block of ended versions: where days lie far apart, boundaries move.
        self.apart = dice.choice((1, 1, 5, 11))
        self.redacts = dice.random() < 0.25

    def arrivals(self) -> Iterator[list[str]]:
        """Let snapshots arrive; yields the names to retract with each update."""
        dice = self.dice
        states = [*self._states()]
        order = [*range(self.days)]
        if dice.random() < 0.5:
            dice.shuffle(order)
        for day in order:
            complete = dice.random() < 0.9
            self._take(f"day-{day}", day, states[day], complete=complete, event="taken")
            while dice.random() < 0.35 and self.there:
                self._again(states)
            if dice.random() < 0.75:
                yield self._retract()
                while self.there and dice.random() < 0.2:
                    self.there.pop(dice.choice([*self.there]))
                    self.happened["pruned"] += 1
        yield []

    def settle(self, retract: Sequence[str]) -> None:
        """Note what an update makes of what is there."""
        for name in retract:
            taken = self.there.get(name) or self.known[name]
            self.retracted[name] = taken.reading.edition
        for name, taken in self.there.items():
            if self.retracted.get(name) != taken.reading.edition:
                self.retracted.pop(name, None)
                self.known[name] = taken
        for name in self.retracted:
            self.known.pop(name, None)

    def _states(self) -> Iterator[Lines]:
        """Yield the fleet of each day."""
        dice = self.dice
        fleet: dict[str, tuple[Any, Any] | None] = {one: None for one in self.ids}
        redaction_from = dice.randint(0, self.days) if self.redacts else self.days
        for day in range(self.days):
            for one in self.ids:
                state = fleet[one]
                if state is None:
                    if dice.random() < 0.6:
                        fleet[one] = (dice.choice(_PROMPTS), dice.choice(_SAVED))
                        self.happened["new or back"] += 1
                elif (luck := dice.random()) < 0.15:
                    fleet[one] = None
                elif luck < 0.4:
                    fleet[one] = (dice.choice(_PROMPTS), dice.choice(_SAVED))
                elif luck < 0.6:
                    fleet[one] = (state[0], dice.choice((*_SAVED, None, ABSENT, 7)))
            yield {
                one: _line(one, "***" if day >= redaction_from else state[0], state[1])
                for one, state in fleet.items()
                if state is not None
            }

    def _again(self, states: list[Lines]) -> None:
        """Take a snapshot once more, under its name."""
        dice = self.dice
        name = dice.choice([*self.there])
        old = self.there[name]
        day = (old.reading.finished_at - _NEWEST_DAY) / timedelta(days=self.apart)
        match dice.choice(("same", "records", "saved", "moment", "incomplete", "complete")):
            case "same":
                self._take(name, day, old.lines, complete=old.reading.complete, event="the same again")
            case "records":
                self._take(name, day, dice.choice(states), complete=old.reading.complete, event="other records")
            case "saved":
                lines = {
                    one: _line(one, canonical_json.loads(line).get("prompt"), dice.choice(_SAVED))
                    for one, line in old.lines.items()
                }
                self._take(name, day, lines, complete=old.reading.complete, event="updated_at alone")
            case "moment":
                day = dice.choice((day + 0.5, dice.randint(0, self.days), dice.random() * self.days))
                self._take(name, day, old.lines, complete=old.reading.complete, event="another moment")
            case "incomplete":
                lines = {one: line for one, line in old.lines.items() if dice.random() < 0.5}
                self._take(name, day, lines, complete=False, event="incomplete")
            case "complete":
                self._take(name, day, dice.choice(states), complete=True, event="complete")

    def _retract(self) -> list[str]:
        names = sorted({*self.there, *self.known})
        if not names or self.dice.random() > 0.15:
            return []
        self.happened["retracted"] += 1
        return [self.dice.choice(names)]

    def _take(self, name: str, day: float, lines: Lines, *, complete: bool, event: str) -> None:
        self.happened[event] += 1
        self.there[name] = taken(name, _NEWEST_DAY + day * timedelta(days=self.apart), lines, complete=complete)


def taken(name: str, finished_at: datetime, lines: Lines, *, complete: bool = True) -> Taken:
    """Return a snapshot of these lines."""
    in_order = [lines[one] for one in sorted(lines)]
    raw = hashlib.sha256(b"\n".join([*in_order, b""])).hexdigest()
    is_redacted = any(b'"***"' in line for line in in_order)
    reading = Reading(
        snapshot=name,
        started_at=finished_at,
        finished_at=finished_at,
        complete=complete,
        count=len(lines),
        content_sha256="",
        raw_sha256=raw,
        edition=hashlib.sha256(f"{raw} {complete} {is_redacted}".encode()).hexdigest()[:8],
        redaction=Redaction(policy={"prompt": "mask"} if is_redacted else {}),
    )
    return Taken(reading, {one: lines[one] for one in sorted(lines)})


@cache
def _line(identity: str, prompt: Any, saved: Any) -> bytes:
    record = {"assistant_id": identity, "prompt": prompt}
    return canonical_json.dumps(record if saved is ABSENT else record | {"updated_at": saved})


class Tables:
    """A file of versions that stays in memory."""

    columns = COLUMNS
    where = "memory"

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._written: list[pa.Table] = []

    def __enter__(self) -> Tables:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        self._written.append(table)

    def staged(self, since: Any) -> Tables | None:
        """Return itself, if there are rows."""
        return self if self._written else None

    @property
    def table(self) -> pa.Table:
        """All rows."""
        return pa.concat_tables(self._written).combine_chunks()

    @property
    def batch(self) -> pa.RecordBatch:
        """All rows."""
        [batch] = self.table.to_batches()
        return batch

    def groups(self) -> range:
        """Return the indexes of row groups: there is one."""
        return range(1)

    def lacks_ids(self) -> bool:
        """Return whether a row has no id in its column."""
        return bool(self.table["assistant_id"].null_count)

    def group(self, index: int, names: Sequence[str] | None = None) -> pa.Table:
        """Return all rows, or some of their columns."""
        return self.table if names is None else self.table.select(names)

    def batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield all rows."""
        yield from self.table.to_batches(rows)


class History:
    """A history in memory, updated by the same plan, the same algebra and the same columns as one on files."""

    def __init__(self) -> None:
        self.manifest = HistoryManifest(account="model")
        self.files: dict[str, Tables] = {}
        self.paths: Counter[str] = Counter()

    def update(self, there: dict[str, Taken], retract: Sequence[str] = (), *, at_once: int = 1) -> None:
        """Fold what is there."""
        planned = plan(self.manifest, [one.reading for one in there.values()], retract)
        self.manifest = self.manifest.model_copy(update={"retracted": planned.retracted})
        removed, listed = planned.removed, planned.listed
        to_fold = planned.to_fold
        for batch in [to_fold[at : at + at_once] for at in range(0, len(to_fold), at_once)] or [[]]:
            step = change(self.manifest, removed, listed, batch)
            removed, listed = set(), []
            if not step.is_same:
                index_of = {reading.snapshot: index for index, reading in enumerate(step.complete)}
                lines = {index_of[one.snapshot]: there[one.snapshot].lines for one in batch}
                self._make(step, lines)
            self.manifest = self.manifest.model_copy(update={"readings": step.readings})

    def versions(self, complete: Sequence[Reading]) -> list[Version]:
        """Return all versions, in order."""
        indexes = {reading.snapshot: index for index, reading in enumerate(complete)}
        found = [one for file in self.files.values() for one in to_versions(file.batch, COLUMNS, indexes)]
        return sorted(found, key=lambda version: (version.assistant_id, version.first))

    def _make(self, step: Any, lines: dict[int, Lines]) -> None:
        before = self.manifest.complete
        writer: Any = Tables
        made: dict[str, Tables] = {}
        # Where there are two ways, mostly one of them is taken, so that there is time for more schedules.
        way = len(before) % 3
        if step.complete and not (step.is_append and way == 1):
            with Sink(step.complete, COLUMNS, None, writer) as sink:
                snapshots = {index: iter(found.items()) for index, found in lines.items()}
                fold(self.versions(before), step.edit, snapshots, sink)
            made = _by_kind(sink.staged())
            self.paths["general"] += 1
        if step.is_append and way != 2:
            opened: Any = {kind: (file, file) for kind, file in self.files.items()}
            append = Append(step.complete, opened, COLUMNS, None, writer)
            fast = _by_kind(append.run(iter(lines[step.edit.size - 1].items())))
            self.paths["append"] += 1
            if made and tables_of(made) != tables_of(fast):
                raise WrongError("the fast path differs from the general one")
            made = fast
        self.files = made


def _by_kind(files: Sequence[Any]) -> dict[str, Tables]:
    return {file.kind: file for file in files}


class WrongError(Exception):
    """The history is not what it has to be."""


def tables_of(files: dict[str, Tables]) -> dict[str, pa.Table]:
    """Return the tables of files, by kind."""
    return {kind: file.table for kind, file in files.items()}


def by_hand(known: dict[str, Taken]) -> list[tuple[Any, ...]]:
    """Return the versions of these snapshots: kind, id, first and last name, moments, whether deleted, runs, record."""
    days = sorted((one for one in known.values() if one.reading.complete), key=lambda one: one.reading.order)
    if not days:
        return []
    newest = days[-1].reading.finished_at.date()
    boundary = newest - timedelta(days=(newest - datetime(1970, 1, 1).date()).days % 16)
    rows = []
    for identity in sorted({one for day in days for one in day.lines}):
        row: dict[str, Any] | None = None
        for day in days:
            line = day.lines.get(identity)
            record = None if line is None else canonical_json.loads(line)
            content = None if record is None else {**record, "updated_at": 0}
            if row is not None and content != row["content"]:
                row |= {"valid_to": day.reading.finished_at, "is_deleted": record is None}
                rows.append(row)
                row = None
            if record is None:
                continue
            saved = [record["updated_at"]] if "updated_at" in record else []
            if row is None:
                row = {"id": identity, "content": content, "runs": [], "first": day.reading}
            if not row["runs"] or row["runs"][-1][1:] != saved:
                row["runs"].append([day.reading.snapshot, *saved])
            row |= {"record": record, "last": day.reading.snapshot}
        if row is not None:
            rows.append(row)
    return [
        (
            *(_kind(row.get("valid_to"), boundary), row["id"], row["first"].snapshot),
            *(row["last"] if "valid_to" in row else None, row["first"].finished_at, row.get("valid_to")),
            *(row.get("is_deleted", False), row["runs"], row["record"]),
        )
        for row in rows
    ]


def _kind(ended: datetime | None, boundary: Any) -> str:
    if ended is None:
        return layout.CURRENT
    return layout.EARLY if ended.date() < boundary else layout.RECENT


def as_by_hand(history: History) -> list[tuple[Any, ...]]:
    """Return a history's versions as :func:`by_hand` does."""
    rows = []
    readings = history.manifest.complete
    indexes = {reading.snapshot: index for index, reading in enumerate(readings)}
    for kind, file in history.files.items():
        own = file.table.select(["first_snapshot", "last_snapshot", "valid_from", "valid_to", "is_deleted"]).to_pylist()
        for row, version in zip(own, to_versions(file.batch, COLUMNS, indexes), strict=True):
            runs = [[readings[start].snapshot, *([] if value is ABSENT else [value])] for start, value in version.runs]
            rows.append((kind, version.assistant_id, *row.values(), runs, version.record))
    return sorted(rows, key=lambda row: (row[1], indexes[row[2]]))


def play_one(seed: int) -> tuple[Counter[str], str | None]:
    """Play a schedule; returns what happened in it, and what was wrong."""
    schedule, history = Schedule(seed), History()
    try:
        for retract in schedule.arrivals():
            history.update(schedule.there, retract, at_once=schedule.dice.choice((1, 1, 2, 24)))
            schedule.settle(retract)
        expected = by_hand(schedule.known)
        if as_by_hand(history) != expected:
            raise WrongError("the versions are not those made by hand")
        once = History()
        once.update(schedule.known, at_once=24)
        if tables_of(once.files) != tables_of(history.files):
            raise WrongError("the bytes are not those of folding once")
        if once.manifest.readings != history.manifest.readings:
            raise WrongError("the readings are not those of folding once")
        before = tables_of(history.files)
        history.update(schedule.there)
        if tables_of(history.files) != before:
            raise WrongError("a further update changes something")
    except WrongError as error:
        return schedule.happened, f"seed {seed}: {error}"
    schedule.happened.update(history.paths)
    schedule.happened["versions"] += len(expected)
    return schedule.happened, None


@dataclass
class Tally:
    """What became of many schedules."""

    schedules: int = 0
    happened: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __iadd__(self, other: Tally) -> Tally:
        self.schedules += other.schedules
        self.happened += other.happened
        self.wrong += other.wrong
        return self

    def __str__(self) -> str:
        happened = ", ".join(f"{name} {count:,}" for name, count in self.happened.most_common())
        return f"{self.schedules:,} schedules, {len(self.wrong)} wrong ({happened})"


def play(seeds: range) -> Tally:
    """Play schedules."""
    tally = Tally()
    for seed in seeds:
        happened, wrong = play_one(seed)
        tally += Tally(1, happened, [] if wrong is None else [wrong])
    return tally


def play_in_processes(schedules: int, processes: int, first: int = 0) -> Tally:
    """Play many schedules on several cores."""
    total = Tally()
    for part in in_processes(play, schedules, processes, first):
        total += part
    return total


def main() -> None:
    """Play schedules and print what became of them."""
    arguments = parse_arguments(__doc__)
    started = time.monotonic()
    tally = play_in_processes(arguments.schedules, arguments.processes, arguments.first)
    print(f"{tally}; {time.monotonic() - started:.0f} s")
    for line in itertools.islice(tally.wrong, 20):
        print(line)
    raise SystemExit(bool(tally.wrong))


if __name__ == "__main__":
    main()
