"""What changed between two snapshots, or between a snapshot and a list that was just read.

In come two lists of records in canonical spelling, in order of ``assistant_id``; both go by once, side by side, so that
memory does not grow with the fleet. Out comes a
:class:`~airflow_provider_puretalk.snapshots.comparison.result.Comparison`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from airflow_provider_puretalk.cycle_collector import collector_paused
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.locations import AnyLocation
from airflow_provider_puretalk.records.contract_check import SchemaReport, fields_present
from airflow_provider_puretalk.records.field_paths import ITEMS, Pattern, covers, parse_names
from airflow_provider_puretalk.records.ignored_fields import DEFAULT, UNMATCHED_WARNING, IgnoredFields
from airflow_provider_puretalk.records.models import pointer_path
from airflow_provider_puretalk.snapshots.comparison.change_store import NOW, THEN, ChangeStore
from airflow_provider_puretalk.snapshots.comparison.fleet_stats import FleetStats
from airflow_provider_puretalk.snapshots.comparison.merge_join import Merge, Records, Row
from airflow_provider_puretalk.snapshots.comparison.result import Comparison, Side
from airflow_provider_puretalk.snapshots.format.manifest import Manifest, Redaction
from airflow_provider_puretalk.snapshots.storage import reader

#: What is not a change by default: it moves with every save.
IGNORED = (DEFAULT,)


@dataclass(frozen=True, slots=True)
class Listing:
    """One side that goes into a comparison: a snapshot, or a list that was just read.

    :ivar account: whose assistants they are.
    :ivar snapshot: the snapshot's name, None for a list that is not stored.
    :ivar complete: whether what is not in it is not there.
    :ivar taken_at: when the reading was finished.
    :ivar schema: which fields there are.
    :ivar redaction: what was taken out.
    :ivar edition: which content of that snapshot it is; None for a list that is not stored.
    """

    account: str
    snapshot: str | None
    count: int
    complete: bool
    taken_at: datetime
    schema: SchemaReport
    redaction: Redaction
    edition: str | None = None

    @classmethod
    def of(cls, manifest: Manifest) -> Listing:
        """Return what a manifest says of its snapshot."""
        return cls(
            account=manifest.account,
            snapshot=manifest.snapshot,
            count=manifest.count,
            complete=manifest.complete,
            taken_at=manifest.finished_at,
            schema=manifest.schema_report,
            redaction=manifest.redaction,
            edition=manifest.edition,
        )


def compare(a: AnyLocation | None, b: AnyLocation, *, ignore_fields: Iterable[str] = IGNORED) -> Comparison:
    """Compare two stored snapshots of one account, in whatever formats they are.

    Every file is checked against its manifest first. What an incomplete snapshot lacks counts neither as added nor as
    removed.

    :param a: path of the older one's manifest, the baseline; None tells of ``b`` alone.
    :param b: path of the newer one's manifest.
    :param ignore_fields: dotted names (``voice.avatar``, ``llm_states.*.id``) whose changes do not count, with all that
        lies below; with a ``?`` behind it (``voice.avatar?``) the query of a link does not count. An assistant in which
        nothing else moved is *touched*. A name that is in no record of either is warned of, in ``notes`` too.
    :raises PuretalkSnapshotError: a snapshot is missing, torn or not what its manifest says; the message names the file.
    :raises PuretalkConfigurationError: they are of different accounts, or a name to ignore makes no sense.
    """
    with ExitStack() as opened:
        now, rows = opened.enter_context(reader.opened_rows(b))
        if a is None:
            return compare_listings(None, (), Listing.of(now), rows, ignore_fields=ignore_fields)
        then, older_rows = opened.enter_context(reader.opened_rows(a))
        return compare_listings(Listing.of(then), older_rows, Listing.of(now), rows, ignore_fields=ignore_fields)


def compare_listings(
    then: Listing | None,
    older: Iterable[Row],
    now: Listing,
    newer: Iterable[Row],
    *,
    ignore_fields: Iterable[str] = IGNORED,
) -> Comparison:
    """Compare two lists, given in canonical spelling in order of ``assistant_id``; see :func:`compare`."""
    ignored = IgnoredFields(ignore_fields)
    if then is not None and then.account != now.account:
        raise PuretalkConfigurationError(
            f"Snapshots of different accounts are not compared: {then.account!r} and {now.account!r}."
        )
    notes = list(_notes_on_completeness(then, now))
    concerned: list[Pattern] = []
    hidden: list[Pattern] = []
    if then is not None and (names := _redacted_otherwise(then.redaction, now.redaction)):
        hidden = parse_names("redact", [name for name in names if name in now.redaction.policy])
        names = _incomparable(names, then.redaction, now.redaction)
        concerned = parse_names("redact", [*names])
        notes.append(
            f"The two were redacted by different policies: changes of {', '.join(f'`{name}`' for name in names)} "
            "are not reported."
        )
    change_store = ChangeStore()
    try:
        merge = Merge(change_store, ignored=ignored, concerned=concerned, hidden=hidden)
        with collector_paused():
            before, after = Records(older, _told(then)), Records(newer, _told(now))
            merge.run(
                before,
                after,
                additions=then is not None and then.complete,
                removals=then is not None and then.complete and now.complete,
            )
        before.check_count(then.count if then else 0)
        after.check_count(now.count)
        change_store.finish()
    except BaseException:
        change_store.close()
        raise
    if then is not None:
        notes.extend(merge.notes())
    taken_out = {*now.redaction.policy, *(then.redaction.policy if then else ())}
    notes.extend(UNMATCHED_WARNING % name for name in ignored.unmatched(taken_out))
    appeared, vanished = _fields_that_came_and_went(then, now, ignored.fields, concerned)
    return Comparison(
        change_store,
        baseline=None if then is None else _side(then, change_store, THEN),
        snapshot=_side(now, change_store, NOW),
        counts=dict(merge.counts),
        fields_appeared=appeared,
        fields_vanished=vanished,
        notes=tuple(notes),
        rules=_rules(ignored),
    )


def _rules(ignored: IgnoredFields) -> str:
    """Return what tells a comparison by other rules from one by the default ones; empty for those."""
    if ignored.names == sorted(IGNORED):
        return ""
    return hashlib.sha256("\n".join(ignored.names).encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _side(listing: Listing, change_store: ChangeStore, side: int) -> Side:
    return Side(
        account=listing.account,
        snapshot=listing.snapshot,
        count=listing.count,
        complete=listing.complete,
        taken_at=listing.taken_at,
        fleet_stats=FleetStats(change_store, side, listing.redaction.policy),
        edition=listing.edition,
    )


def _told(listing: Listing | None) -> str:
    """Return what a side is called in a sentence."""
    if listing is None or listing.snapshot is None:
        return "The list"
    return f"The snapshot {listing.snapshot!r} of {listing.account!r}"


def _notes_on_completeness(then: Listing | None, now: Listing) -> Iterator[str]:
    for listing in filter(None, (then, now)):
        if not listing.complete:
            yield f"{_told(listing)} is incomplete: what it lacks may have been there."


def _redacted_otherwise(then: Redaction, now: Redaction) -> list[str]:
    """Return the fields that two redactions treat differently; hashes under two keys cannot be compared either."""
    names = sorted(then.policy.keys() | now.policy.keys())
    other_key = then.key_fingerprint != now.key_fingerprint
    return [
        name
        for name in names
        if then.policy.get(name) != now.policy.get(name) or (other_key and now.policy.get(name) == "hash")
    ]


def _incomparable(names: Sequence[str], then: Redaction, now: Redaction) -> list[str]:
    """Return the fields that cannot be compared for what two redactions did to these.

    Where one of the two may have dropped items of a list, the others stand in other places than before: then it is the list.
    """
    found = set()
    for name in names:
        is_dropped = "drop" in (then.policy.get(name), now.policy.get(name))
        found.add(name.partition(f".{ITEMS}")[0] if is_dropped else name)
    return sorted(found)


def _fields_that_came_and_went(
    then: Listing | None, now: Listing, ignored: Sequence[Pattern], concerned: Sequence[Pattern]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the fields that only the newer side's records have, and those that only the baseline's have."""
    if then is None or not then.count or not now.count:
        return (), ()  # Nothing is known of the fields of a fleet that has no assistants.

    def is_told(pointer: str) -> bool:
        path = tuple(pointer_path(pointer))
        # What was no object was dropped whole, for what might be in it.
        hides = any(pattern[: len(path)] == path for pattern in concerned)
        return not hides and not covers([*ignored, *concerned], path)

    before, after = fields_present(then.schema), fields_present(now.schema)
    return tuple(sorted(filter(is_told, after - before))), tuple(sorted(filter(is_told, before - after)))
