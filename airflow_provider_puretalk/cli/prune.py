"""``snapshots prune``: removes what need not be kept any longer; without ``--yes`` only lists it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from airflow_provider_puretalk import history, snapshots
from airflow_provider_puretalk.cli.connection import account_in, place
from airflow_provider_puretalk.cli.output import Output
from airflow_provider_puretalk.cli.parser import DONE
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage


def prune(options: argparse.Namespace, output: Output) -> int:
    """Prune, and print what was removed or would be, and why the rest is kept."""
    storage = Storage(place(options.destination), options.storage_conn_id)
    storage.check(writing=False)
    account = account_in(storage, options.account)
    require = None
    if options.require_history:
        require = history.open(place(options.destination), account, options.storage_conn_id).keeps
    pruned = snapshots.prune(
        place(options.destination),
        account,
        keep_daily=options.keep_daily,
        keep_weekly=options.keep_weekly,
        keep_monthly=options.keep_monthly,
        keep_named=options.keep,
        timezone=options.timezone,
        dry_run=not options.yes,
        require=require,
        storage_conn_id=options.storage_conn_id,
    )
    if output.as_json:
        output.document(pruned.to_dict())
        return DONE
    output.table(["what", "name", "why"], _rows_of_pruned(pruned), cut=False)
    output.line(pruned.summary)
    if pruned.dry_run:
        output.line("Nothing was removed: this was a dry run. --yes removes.")
    return DONE


def _rows_of_pruned(pruned: snapshots.Pruned) -> Iterator[Sequence[str]]:
    removed = "would be removed" if pruned.dry_run else "removed"
    rows = [(one.finished_at, "kept", one.snapshot, ", ".join(one.reasons)) for one in pruned.kept]
    rows += [(one.finished_at, removed, one.snapshot, "no rule keeps it") for one in pruned.removed]
    yield from (row for _, *row in sorted(rows))
    yield from ((removed, one.name, "orphan of a killed task") for one in pruned.orphans)
    yield from (("skipped", one.name, one.why) for one in pruned.skipped)
