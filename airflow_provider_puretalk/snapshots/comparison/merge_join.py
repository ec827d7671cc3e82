"""Goes through two lists side by side and notes in a ledger what differs.

In come records in canonical spelling, in order of ``assistant_id``. Those that are spelled alike are decoded once, to
count what the fleet is made of, and not compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.field_classes import FIELD_CLASSES, FieldClass, field_class
from airflow_provider_puretalk.records.field_diff import differences
from airflow_provider_puretalk.records.field_paths import Pattern, without
from airflow_provider_puretalk.records.ignored_fields import IgnoredFields
from airflow_provider_puretalk.records.models import json_pointer
from airflow_provider_puretalk.records.record_id import record_id
from airflow_provider_puretalk.snapshots.comparison import fleet_stats
from airflow_provider_puretalk.snapshots.comparison.change_store import NOW, THEN, ChangeStore
from airflow_provider_puretalk.wording import pluralize

#: What is counted: assistants, each under one of the first five, and changed ones under the classes of their fields.
_COUNTS = ("added", "removed", "changed", "touched", "unchanged", *FIELD_CLASSES)


#: A record in canonical spelling, and decoded where that has been done already.
Row = tuple[bytes, dict[str, Any] | None]


class Records:
    """The records of one side, one at a time; only those that have to be are decoded.

    :param where: what the side is called where it turns out to be damaged.
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
        """Go on to the next record; ``line`` is None after the last one."""
        self.line, self._record = next(self._rows, (None, None))
        self._is_checked = False
        self._count += self.line is not None

    def check_count(self, said: int) -> None:
        """Refuse, once all have gone by, another number of records than was said: what is missing is not removed."""
        if self._count != said:
            raise PuretalkSnapshotError(f"{self._where} is damaged: it holds {self._count:,} records, not {said:,}.")

    @property
    def record(self) -> dict[str, Any]:
        """The record, decoded, with its id checked to come after the one before."""
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

    :param ledger: where it is noted.
    :param ignored: fields whose changes only touch an assistant; notes which of its names the records have.
    :param concerned: fields that cannot be compared at all.
    :param hidden: fields that the newer side's redaction took out: of the older side's records, too, nothing is noted.
    """

    def __init__(
        self,
        change_store: ChangeStore,
        *,
        ignored: IgnoredFields,
        concerned: Sequence[Pattern],
        hidden: Sequence[Pattern] = (),
    ) -> None:
        self._change_store = change_store
        self._ignored = ignored
        self._leave_out = [*ignored.fields, *concerned]
        self._concerned = concerned
        self._hidden = hidden
        self.counts: Counter[str] = Counter(dict.fromkeys(_COUNTS, 0))
        self._not_added = self._not_removed = 0

    def run(self, older: Records, newer: Records, *, additions: bool, removals: bool) -> None:
        """Compare all.

        :param additions: whether an assistant that only the newer side has is a new one; ``removals`` likewise.
        """
        while older.line is not None or newer.line is not None:
            if older.line == newer.line:
                self._same(newer.record)
                older.advance()
                newer.advance()
            elif newer.line is None or (older.line is not None and older.id < newer.id):
                self._only_older(older, counts=removals)
                older.advance()
            elif older.line is None or newer.id < older.id:
                self._only_newer(newer, counts=additions)
                newer.advance()
            else:
                self._both(older.record, newer.record)
                older.advance()
                newer.advance()

    def notes(self) -> Iterator[str]:
        """Yield sentences about what could not be told."""
        if self._not_removed:
            yield (
                f"Not seen: {pluralize(self._not_removed, 'assistant')} of the baseline, not counted as removed, because "
                "not both snapshots are complete."
            )
        if self._not_added:
            yield (
                f"Not in the baseline: {pluralize(self._not_added, 'assistant')}, not counted as added, because the "
                "baseline is not complete."
            )

    def _same(self, record: dict[str, Any]) -> None:
        self.counts["unchanged"] += 1
        self._ignored.notice(record)
        fleet_stats.enter(self._change_store, record["assistant_id"], record, THEN + NOW)

    def _only_older(self, side: Records, *, counts: bool) -> None:
        record, line = side.record, side.line or b""
        self._ignored.notice(record)
        if self._hidden:
            record = without(record, self._hidden)
            line = canonical_json.dumps(record)
        fleet_stats.enter(self._change_store, record["assistant_id"], record, THEN)
        if counts:
            self.counts["removed"] += 1
            self._change_store.whole("removed", record["assistant_id"], record.get("name"), line)
        else:
            self._not_removed += 1

    def _only_newer(self, side: Records, *, counts: bool) -> None:
        record = side.record
        self._ignored.notice(record)
        fleet_stats.enter(self._change_store, record["assistant_id"], record, NOW)
        if counts:
            self.counts["added"] += 1
            self._change_store.whole("added", record["assistant_id"], record.get("name"), side.line or b"")
        else:
            self._not_added += 1

    def _both(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        identity, name = new["assistant_id"], new.get("name")
        self._ignored.notice(old)
        self._ignored.notice(new)
        fleet_stats.enter(self._change_store, identity, without(old, self._hidden) if self._hidden else old, THEN)
        fleet_stats.enter(self._change_store, identity, new, NOW)
        kinds: set[FieldClass] = set()
        for path, before, after in differences(
            old, new, leave_out=self._leave_out, unknowable=self._concerned, links=self._ignored.links
        ):
            kind = field_class(str(path[0]))
            kinds.add(kind)
            self._change_store.field(
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
        elif any(differences(old, new, leave_out=self._concerned, unknowable=self._concerned)):
            self.counts["touched"] += 1
            self._change_store.touched(identity)
        else:
            self.counts["unchanged"] += 1
