"""The result of a comparison: changes, counts, summary."""

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
from airflow_provider_puretalk.records.contract_check import SchemaReport
from airflow_provider_puretalk.records.field_classes import FIELD_CLASSES
from airflow_provider_puretalk.snapshots.comparison.change_store import ChangeStore
from airflow_provider_puretalk.snapshots.comparison.changes import Change
from airflow_provider_puretalk.snapshots.comparison.fleet_stats import FleetStats
from airflow_provider_puretalk.snapshots.format.manifest import Manifest, Redaction
from airflow_provider_puretalk.storable import MOST_BYTES, fitting, storable
from airflow_provider_puretalk.wording import pluralize

#: Longest list in :meth:`Comparison.to_dict`.
MAX_LIST = 1_000
#: Fields of changes in common that the summary names.
_MAX_NAMED = 3
#: Fields of an assistant in :meth:`Comparison.to_dict` when not all fit.
_REDUCED_FIELDS = 20
#: Characters of a field's name in the summary.
_MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class Listing:
    """The metadata of one side of a comparison: a snapshot, or a list that was just read.

    :ivar snapshot: the snapshot's name, None for a list that is not stored.
    :ivar complete: whether an assistant that it lacks did not exist.
    :ivar taken_at: when the reading finished, in UTC.
    :ivar edition: which content of the snapshot it is, see
        :attr:`~airflow_provider_puretalk.snapshots.format.manifest.Manifest.edition`; None for a list that is not stored,
        as is ``content_sha256``, the manifest's.
    """

    account: str
    snapshot: str | None
    count: int
    complete: bool
    taken_at: datetime
    schema: SchemaReport
    redaction: Redaction
    edition: str | None = None
    content_sha256: str | None = None

    @staticmethod
    def of(manifest: Manifest) -> Listing:
        """Return the listing of a stored snapshot."""
        return Listing(
            account=manifest.account,
            snapshot=manifest.snapshot,
            count=manifest.count,
            complete=manifest.complete,
            taken_at=manifest.finished_at,
            schema=manifest.schema_report,
            redaction=manifest.redaction,
            edition=manifest.edition,
            content_sha256=manifest.content_sha256,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Side(Listing):
    """One side of a comparison, with its stats."""

    fleet_stats: FleetStats


class Comparison:
    """What changed. Holds a temporary file until it is closed or collected; a context manager.

    :ivar baseline: None where there is nothing to compare with.
    :ivar snapshot: the current side.
    :ivar counts: exact numbers of assistants: ``added``, ``removed``, ``changed``, ``touched``, ``unchanged``, and for
        each class of fields how many changed in one of it.
    :ivar fields_appeared: JSON pointers of fields that only records of the current side have.
    :ivar fields_vanished: those that only records of the baseline have.
    :ivar notes: sentences about what could not be compared. Invisible characters are spelled out, as in the summary.
    :ivar rules: 8 hex digits for the ignored fields; empty for the default ones.
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
        """Drop the changes. Closing twice is fine."""
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
        parts = [f"{counts[name]:,} {name}" for name in ("added", "removed") if counts[name]]
        if counts["changed"]:
            classes = ", ".join(f"{name} {counts[name]:,}" for name in FIELD_CLASSES if counts[name])
            parts.append(f"{counts['changed']:,} changed ({classes})")
        if counts["touched"]:
            parts.append(f"{counts['touched']:,} only touched")
        in_common = self._change_store.in_common(_MAX_NAMED + 1)
        parts += [f"`{printable(field)[:_MAX_NAME]}` alike on {number:,}" for field, number in in_common[:_MAX_NAMED]]
        if len(in_common) > _MAX_NAMED:
            parts.append("and more of that kind")
        for what, fields in (("new to the fleet", self.fields_appeared), ("gone from the fleet", self.fields_vanished)):
            if fields:
                parts.append(f"{pluralize(len(fields), 'field')} {what}")
        return f"{'; '.join(parts) or 'No changes'}. {pluralize(self.snapshot.count, 'assistant')} now."

    def to_dict(self, limit: int = MAX_LIST, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
        """Return ids and names of fields, never contents, as plain values that XCom can carry.

        Lone surrogates and NUL are spelled as escapes.

        :param limit: length at which each list ends; ``truncated`` says whether one did, ``counts`` stays exact.
        :param most_bytes: size of all lists together, as UTF-8 JSON. Where they take more, the lists of fields end at 20,
            and then the longest lists end early.
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
        fitted, ended = fitting(lists, most_bytes)
        if len(fitted["changed"]) < len(changed):
            for one in changed:
                del one["fields"][_REDUCED_FIELDS:]
            fitted, _ = fitting(lists, most_bytes)
        return {
            "snapshot": self.snapshot.snapshot,
            "baseline": None if self.baseline is None else self.baseline.snapshot,
            "added": fitted["added"],
            "removed": fitted["removed"],
            "changed": fitted["changed"],
            "touched": fitted["touched"],
            "counts": dict(self.counts),
            "fields_appeared": fitted["fields_appeared"],
            "fields_vanished": fitted["fields_vanished"],
            "truncated": cut or ended,
            "notes": fitted["notes"],
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
