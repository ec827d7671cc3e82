"""Merge join of two sorted lists of records, which writes what differs to the change store.

Records are in canonical spelling, in order of ``assistant_id``. Equal lines are decoded once, for the fleet stats, and not
compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from airflow_provider_puretalk import time_limit
from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.field_classes import FIELD_CLASSES, FieldClass, field_class
from airflow_provider_puretalk.records.field_diff import differences
from airflow_provider_puretalk.records.field_paths import Pattern, without
from airflow_provider_puretalk.records.ignored_fields import IgnoredFields
from airflow_provider_puretalk.records.models import json_pointer
from airflow_provider_puretalk.records.record_id import record_id
from airflow_provider_puretalk.snapshots.comparison import fleet_stats
from airflow_provider_puretalk.snapshots.comparison.change_store import BASELINE, CURRENT, ChangeStore
from airflow_provider_puretalk.wording import pluralize

#: Counts of assistants: each is in one of the first five, changed ones also in the classes of their fields.
_COUNTS = ("added", "removed", "changed", "touched", "unchanged", *FIELD_CLASSES)


#: A record in canonical spelling, and decoded where that was done already.
Row = tuple[bytes, dict[str, Any] | None]


class Records:
    """The records of one side, one at a time, decoded only where needed.

    :param where: name of the side in errors.
    """

    def __init__(self, rows: Iterable[Row], where: str) -> None:
        self._rows = iter(rows)
        self._where = where
        self._last = ""
        self._count = 0
        self._record: dict[str, Any] | None = None
        self._is_checked = False
        self.line: bytes | None = None
        self.advance()

    def advance(self) -> None:
        """Move to the next record; ``line`` is None after the last one."""
        self.line, self._record = next(self._rows, (None, None))
        self._is_checked = False
        self._count += self.line is not None

    def check_count(self, expected: int) -> None:
        """Refuse another number of records than expected, after the last one: missing records are not removed ones."""
        if self._count != expected:
            raise PuretalkSnapshotError(
                f"{self._where} is damaged: it holds {self._count:,} records, not {expected:,}."
            )

    @property
    def record(self) -> dict[str, Any]:
        """The record, decoded, with its id checked to be greater than the previous one."""
        if self._record is None:
            try:
                self._record = canonical_json.loads(self.line or b"")
            except canonical_json.InvalidJSONError as error:
                raise PuretalkSnapshotError(
                    f"{self._where} is damaged: a line of it is no record ({error})."
                ) from error
        if not self._is_checked:
            identity = record_id(self._record)
            if identity is None or identity <= self._last:
                raise PuretalkSnapshotError(f"{self._where} is damaged: a record has no id or is out of order.")
            self._last, self._is_checked = identity, True
        return self._record

    @property
    def id(self) -> str:
        """The record's id, as it sorts."""
        self.record  # noqa: B018 - sets it
        return self._last


class Merge:
    """Compares two sides.

    :param ignored: fields whose changes only touch an assistant; notices which of its names the records have.
    :param incomparable: fields that cannot be compared.
    :param hidden: fields that the current side's redaction takes out: values of the baseline are not stored either.
    """

    def __init__(
        self,
        change_store: ChangeStore,
        *,
        ignored: IgnoredFields,
        incomparable: Sequence[Pattern],
        hidden: Sequence[Pattern] = (),
    ) -> None:
        self._change_store = change_store
        self._ignored = ignored
        self._leave_out = [*ignored.fields, *incomparable]
        self._incomparable = incomparable
        self._hidden = hidden
        self.counts: Counter[str] = Counter(dict.fromkeys(_COUNTS, 0))
        self._not_added = self._not_removed = 0

    def run(self, baseline: Records, current: Records, *, additions: bool, removals: bool) -> None:
        """Compare all records.

        :param additions: whether an assistant that only the current side has counts as added; ``removals`` likewise.
        """
        while baseline.line is not None or current.line is not None:
            time_limit.check()
            if baseline.line == current.line:
                self._same(current.record)
                baseline.advance()
                current.advance()
            elif current.line is None or (baseline.line is not None and baseline.id < current.id):
                self._only_baseline(baseline, counts=removals)
                baseline.advance()
            elif baseline.line is None or current.id < baseline.id:
                self._only_current(current, counts=additions)
                current.advance()
            else:
                self._both(baseline.record, current.record)
                baseline.advance()
                current.advance()

    def notes(self) -> Iterator[str]:
        """Yield sentences about what could not be decided."""
        if self._not_removed:
            yield (
                f"Only in the baseline: {pluralize(self._not_removed, 'assistant')}, not counted as removed, because not "
                "both snapshots are complete."
            )
        if self._not_added:
            yield (
                f"Not in the baseline: {pluralize(self._not_added, 'assistant')}, not counted as added, because the "
                "baseline is not complete."
            )

    def _same(self, record: dict[str, Any]) -> None:
        self.counts["unchanged"] += 1
        self._ignored.notice(record)
        fleet_stats.add(self._change_store, record["assistant_id"], record, BASELINE + CURRENT)

    def _only_baseline(self, side: Records, *, counts: bool) -> None:
        record, line = side.record, side.line or b""
        self._ignored.notice(record)
        if self._hidden:
            record = without(record, self._hidden)
            line = canonical_json.dumps(record)
        fleet_stats.add(self._change_store, record["assistant_id"], record, BASELINE)
        if counts:
            self.counts["removed"] += 1
            self._change_store.add_record("removed", record["assistant_id"], record.get("name"), line)
        else:
            self._not_removed += 1

    def _only_current(self, side: Records, *, counts: bool) -> None:
        record = side.record
        self._ignored.notice(record)
        fleet_stats.add(self._change_store, record["assistant_id"], record, CURRENT)
        if counts:
            self.counts["added"] += 1
            self._change_store.add_record("added", record["assistant_id"], record.get("name"), side.line or b"")
        else:
            self._not_added += 1

    def _both(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        identity, name = new["assistant_id"], new.get("name")
        self._ignored.notice(old)
        self._ignored.notice(new)
        fleet_stats.add(self._change_store, identity, without(old, self._hidden) if self._hidden else old, BASELINE)
        fleet_stats.add(self._change_store, identity, new, CURRENT)
        kinds: set[FieldClass] = set()
        for path, before, after in differences(
            old, new, leave_out=self._leave_out, unknowable=self._incomparable, links=self._ignored.links
        ):
            kind = field_class(str(path[0]))
            kinds.add(kind)
            self._change_store.add_field(
                identity,
                name,
                pointer=json_pointer(path),
                dotted=".".join(map(str, path)),
                kind=kind,
                old=before,
                new=after,
            )
        if kinds:
            self.counts["changed"] += 1
            self.counts.update(kinds)
        elif any(differences(old, new, leave_out=self._incomparable, unknowable=self._incomparable)):
            self.counts["touched"] += 1
            self._change_store.add_touched(identity)
        else:
            self.counts["unchanged"] += 1
