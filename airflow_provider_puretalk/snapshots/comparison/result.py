"""What a comparison found, for people and for machines."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from operator import itemgetter
from types import TracebackType
from typing import Any, Self

from airflow_provider_puretalk.invisible import printable
from airflow_provider_puretalk.records.field_classes import FIELD_CLASSES
from airflow_provider_puretalk.snapshots.comparison.change_store import ChangeStore
from airflow_provider_puretalk.snapshots.comparison.changes import Change
from airflow_provider_puretalk.snapshots.comparison.fleet_stats import FleetStats
from airflow_provider_puretalk.storable import MOST_BYTES, fitting, storable
from airflow_provider_puretalk.wording import pluralize

#: Longest list in :meth:`Comparison.to_dict`.
LONGEST_LIST = 1_000
#: Fields that the summary names as changed alike on many assistants.
_NAMED = 3
#: Where the list of an assistant's fields ends when not all fit.
_FEW_FIELDS = 20
#: Where a field's name ends in the summary.
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison.

    :ivar snapshot: the snapshot's name, None for a list that is not stored.
    :ivar taken_at: when its reading was finished, in UTC.
    :ivar census: what it is made of.
    :ivar edition: which content of the snapshot it was, see
        :attr:`~airflow_provider_puretalk.snapshots.format.manifest.Manifest.edition`; None for a list that is not stored.
    """

    account: str
    snapshot: str | None
    count: int
    complete: bool
    taken_at: datetime
    fleet_stats: FleetStats
    edition: str | None = None


class Comparison:
    """What changed. Holds a temporary file until it is closed or collected; a context manager.

    :ivar baseline: the older side, None where there is nothing to compare with.
    :ivar snapshot: the newer side.
    :ivar counts: exact numbers of assistants: ``added``, ``removed``, ``changed``, ``touched``, ``unchanged``, and for
        each class of fields how many changed in one of it.
    :ivar fields_appeared: JSON pointers of fields that no record of the baseline has, and some of the newer side have.
    :ivar fields_vanished: the other way round.
    :ivar notes: sentences about what could not be compared. What is invisible is spelt out in them, and in the summary.
    :ivar rules: 8 hex digits for the fields that were ignored; empty for those that are by default.
    """

    def __init__(
        self,
        change_store: ChangeStore,
        *,
        baseline: Side | None,
        snapshot: Side,
        counts: dict[str, int],
        fields_appeared: tuple[str, ...],
        fields_vanished: tuple[str, ...],
        notes: tuple[str, ...],
        rules: str = "",
    ) -> None:
        self._change_store = change_store
        self.baseline = baseline
        self.snapshot = snapshot
        self.counts = counts
        self.fields_appeared = fields_appeared
        self.fields_vanished = fields_vanished
        self.notes = tuple(map(printable, notes))
        self.rules = rules

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget the changes. Closing twice is fine."""
        self._change_store.close()

    @property
    def is_different(self) -> bool:
        """Whether any assistant was added, removed or changed; touched ones do not count."""
        return any(self.counts[name] for name in ("added", "removed", "changed"))

    def changes(self) -> Iterator[Change]:
        """Yield the changes as ``changes.jsonl`` has them.

        First come those that many assistants have in common, by class and field, then the others by assistant, in order
        of ``assistant_id``.
        """
        return self._change_store.changes()

    @cached_property
    def summary(self) -> str:
        """One line for people."""
        if self.baseline is None:
            return f"A baseline of {pluralize(self.snapshot.count, 'assistant')}; there is nothing to compare with yet."
        counts = self.counts
        told = [f"{counts[name]:,} {name}" for name in ("added", "removed") if counts[name]]
        if counts["changed"]:
            classes = ", ".join(f"{name} {counts[name]:,}" for name in FIELD_CLASSES if counts[name])
            told.append(f"{counts['changed']:,} changed ({classes})")
        if counts["touched"]:
            told.append(f"{counts['touched']:,} only touched")
        alike = self._change_store.in_common(_NAMED + 1)
        told += [f"`{printable(field)[:_LONGEST_NAME]}` alike on {number:,}" for field, number in alike[:_NAMED]]
        if len(alike) > _NAMED:
            told.append("and more of that kind")
        for what, fields in (("new to the fleet", self.fields_appeared), ("gone from the fleet", self.fields_vanished)):
            if fields:
                told.append(f"{pluralize(len(fields), 'field')} {what}")
        return f"{'; '.join(told) or 'No changes'}. {pluralize(self.snapshot.count, 'assistant')} now."

    def to_dict(self, limit: int = LONGEST_LIST, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
        """Return ids and names of fields, never contents, as plain values that XCom can carry.

        Half of a character (a lone surrogate) and NUL in one of them are spelt out as escapes.

        :param limit: where each list ends; ``truncated`` tells whether one did, ``counts`` stays exact.
        :param most_bytes: what all lists together may take, as UTF-8 JSON. Where that is too little, the lists of fields
            end at 20, and then the longest lists end early.
        """
        changed, cut = self._changed(limit)
        lists: dict[str, list[Any]] = {
            "added": self._change_store.ids("added", limit + 1),
            "removed": self._change_store.ids("removed", limit + 1),
            "touched": self._change_store.ids("touched", limit + 1),
            "fields_appeared": list(self.fields_appeared),
            "fields_vanished": list(self.fields_vanished),
        }
        cut = cut or any(len(items) > limit for items in lists.values())
        lists = {name: [*map(storable, items[:limit])] for name, items in lists.items()}
        lists |= {"changed": changed, "notes": [*map(storable, self.notes)]}
        told, ended = fitting(lists, most_bytes)
        if len(told["changed"]) < len(changed):
            for one in changed:
                del one["fields"][_FEW_FIELDS:]
            told, _ = fitting(lists, most_bytes)
        return {
            "snapshot": self.snapshot.snapshot,
            "baseline": None if self.baseline is None else self.baseline.snapshot,
            "added": told["added"],
            "removed": told["removed"],
            "changed": told["changed"],
            "touched": told["touched"],
            "counts": dict(self.counts),
            "fields_appeared": told["fields_appeared"],
            "fields_vanished": told["fields_vanished"],
            "truncated": cut or ended,
            "notes": told["notes"],
            "summary": self.summary,
        }

    def _changed(self, limit: int) -> tuple[list[dict[str, Any]], bool]:
        """Return the changed assistants with their fields, and whether there are more of either."""
        found: list[dict[str, Any]] = []
        cut = False
        for place, (identity, fields) in enumerate(
            itertools.groupby(self._change_store.changed_fields(), key=itemgetter(0))
        ):
            if place == limit:
                return found, True
            names = [storable(field) for _, field in itertools.islice(fields, limit + 1)]
            cut = cut or len(names) > limit
            found.append({"assistant_id": storable(identity), "fields": names[:limit]})
        return found, cut
