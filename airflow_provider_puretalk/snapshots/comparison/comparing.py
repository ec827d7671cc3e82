"""Compares two snapshots, or a snapshot and a list that was just read.

Both are streams of records in canonical spelling, in order of ``assistant_id``, merged in one pass, so that memory does not
grow with the fleet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import fields

from airflow_provider_puretalk.cycle_collector import collector_paused
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.locations import AnyLocation
from airflow_provider_puretalk.records.contract_check import fields_present
from airflow_provider_puretalk.records.field_paths import Pattern, covers, parse_names
from airflow_provider_puretalk.records.ignored_fields import DEFAULT, UNMATCHED_WARNING, IgnoredFields
from airflow_provider_puretalk.records.models import pointer_path
from airflow_provider_puretalk.snapshots.comparison.change_store import BASELINE, CURRENT, ChangeStore
from airflow_provider_puretalk.snapshots.comparison.fleet_stats import FleetStats
from airflow_provider_puretalk.snapshots.comparison.merge_join import Merge, Records, Row
from airflow_provider_puretalk.snapshots.comparison.redactions import incomparable_names, redacted_differently
from airflow_provider_puretalk.snapshots.comparison.result import Comparison, Listing, Side
from airflow_provider_puretalk.snapshots.storage import reader

#: Ignored by default: it changes with every save.
IGNORED = (DEFAULT,)


def compare(a: AnyLocation | None, b: AnyLocation, *, ignore_fields: Iterable[str] = IGNORED) -> Comparison:
    """Compare two stored snapshots of one account, whatever their formats.

    Every file is checked against its manifest first. What an incomplete snapshot lacks counts neither as added nor as
    removed.

    :param a: path of the baseline's manifest; None: there is no baseline.
    :param b: path of the current one's manifest.
    :param ignore_fields: dotted names (``voice.avatar``, ``llm_states.*.id``) whose changes do not count, with all that
        lies below; with a ``?`` behind it (``voice.avatar?``) the query of a link does not count. An assistant in which
        nothing else changed is *touched*. A name that is in no record of either is warned of, in ``notes`` too.
    :raises PuretalkSnapshotError: a snapshot is missing, torn or not what its manifest says; the message names the file.
    :raises PuretalkConfigurationError: they are of different accounts, or a name to ignore is invalid.
    """
    with ExitStack() as opened:
        current, rows = opened.enter_context(reader.opened_rows(b))
        if a is None:
            return compare_listings(None, (), Listing.of(current), rows, ignore_fields=ignore_fields)
        baseline, baseline_rows = opened.enter_context(reader.opened_rows(a))
        return compare_listings(
            Listing.of(baseline), baseline_rows, Listing.of(current), rows, ignore_fields=ignore_fields
        )


def compare_listings(
    baseline: Listing | None,
    baseline_rows: Iterable[Row],
    current: Listing,
    current_rows: Iterable[Row],
    *,
    ignore_fields: Iterable[str] = IGNORED,
) -> Comparison:
    """Compare two lists, given in canonical spelling in order of ``assistant_id``; see :func:`compare`."""
    ignored = IgnoredFields(ignore_fields)
    if baseline is not None and baseline.account != current.account:
        raise PuretalkConfigurationError(
            f"Snapshots of different accounts cannot be compared: {baseline.account!r} and {current.account!r}."
        )
    notes = list(_notes_on_completeness(baseline, current))
    incomparable: list[Pattern] = []
    hidden: list[Pattern] = []
    if baseline is not None and (names := redacted_differently(baseline.redaction, current.redaction)):
        hidden = parse_names("redact", [name for name in names if name in current.redaction.policy])
        names = incomparable_names(names, baseline.redaction, current.redaction)
        incomparable = parse_names("redact", [*names])
        notes.append(
            f"The two were redacted by different policies: changes of {', '.join(f'`{name}`' for name in names)} "
            "are not reported."
        )
    change_store = ChangeStore()
    try:
        merge = Merge(change_store, ignored=ignored, incomparable=incomparable, hidden=hidden)
        with collector_paused():
            before, after = Records(baseline_rows, _label(baseline)), Records(current_rows, _label(current))
            merge.run(
                before,
                after,
                additions=baseline is not None and baseline.complete,
                removals=baseline is not None and baseline.complete and current.complete,
            )
        before.check_count(baseline.count if baseline else 0)
        after.check_count(current.count)
        change_store.finish()
    except BaseException:
        change_store.close()
        raise
    if baseline is not None:
        notes.extend(merge.notes())
    taken_out = {*current.redaction.policy, *(baseline.redaction.policy if baseline else ())}
    notes.extend(UNMATCHED_WARNING % name for name in ignored.unmatched(taken_out))
    appeared, vanished = _appeared_and_vanished(baseline, current, ignored.fields, incomparable)
    return Comparison(
        change_store,
        baseline=None if baseline is None else _side(baseline, change_store, BASELINE),
        snapshot=_side(current, change_store, CURRENT),
        counts=dict(merge.counts),
        fields_appeared=appeared,
        fields_vanished=vanished,
        notes=tuple(notes),
        rules=_rules(ignored),
    )


def _rules(ignored: IgnoredFields) -> str:
    """Return a digest of the ignored fields; empty for the default ones."""
    if ignored.names == sorted(IGNORED):
        return ""
    return hashlib.sha256("\n".join(ignored.names).encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _side(listing: Listing, change_store: ChangeStore, side: int) -> Side:
    values = {field.name: getattr(listing, field.name) for field in fields(listing)}
    return Side(**values, fleet_stats=FleetStats(change_store, side, listing.redaction.policy))


def _label(listing: Listing | None) -> str:
    """Return the name of a side in a sentence."""
    if listing is None or listing.snapshot is None:
        return "The list"
    return f"The snapshot {listing.snapshot!r} of {listing.account!r}"


def _notes_on_completeness(baseline: Listing | None, current: Listing) -> Iterator[str]:
    for listing in filter(None, (baseline, current)):
        if not listing.complete:
            yield f"{_label(listing)} is incomplete: what it lacks may have been there."


def _appeared_and_vanished(
    baseline: Listing | None, current: Listing, ignored: Sequence[Pattern], incomparable: Sequence[Pattern]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the fields that only records of the current side have, and those that only records of the baseline have."""
    if baseline is None or not baseline.count or not current.count:
        return (), ()  # A fleet without assistants shows no fields.

    def is_comparable(pointer: str) -> bool:
        path = tuple(pointer_path(pointer))
        # Redaction drops a parent that is no object as a whole.
        hides = any(pattern[: len(path)] == path for pattern in incomparable)
        return not hides and not covers([*ignored, *incomparable], path)

    before, after = fields_present(baseline.schema), fields_present(current.schema)
    return tuple(sorted(filter(is_comparable, after - before))), tuple(sorted(filter(is_comparable, before - after)))
