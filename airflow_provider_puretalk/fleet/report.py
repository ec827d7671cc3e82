"""The report of many accounts in a run, as data: a row for each account, and the sums of them all.

:mod:`.page` shows it to people, :mod:`.table` to machines, :mod:`.publishing` stores both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from airflow_provider_puretalk.fleet import newest, results
from airflow_provider_puretalk.fleet.newest import Newest, Traits
from airflow_provider_puretalk.fleet.numbers import NumberStore, SharedNumbers
from airflow_provider_puretalk.fleet.outcome import AccountOutcome
from airflow_provider_puretalk.logs import Log, Progress
from airflow_provider_puretalk.snapshots.format import layout
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account in the report.

    :ivar outcome: what its tasks returned in this run.
    :ivar newest: its newest snapshot.
    :ivar unseen: how long ago that was read; None where there is none.
    :ivar manifest_file: path of that snapshot's manifest below the destination; ``report_file`` of the comparison's report.
    :ivar shared_numbers: how many of its numbers another account has as well, and ``partners``, which ones.
    """

    outcome: AccountOutcome
    newest: Newest
    unseen: timedelta | None
    manifest_file: str | None
    report_file: str | None
    changes: dict[str, int]
    shared_numbers: int = 0
    partners: tuple[str, ...] = ()

    @property
    def assistants(self) -> int | None:
        """How many assistants its newest snapshot has."""
        return None if self.newest.manifest is None else self.newest.manifest.count


@dataclass(frozen=True, slots=True)
class FleetReport:
    """What a report says.

    :ivar run: names of the DAG and of its run.
    :ivar rows: the accounts, in the order in which they are listed.
    :ivar traits: of all accounts; each account counts once, however many connections it has.
    :ivar names_of_assistants: whether numbers stand in it in clear, with the names of those who are on them.
    """

    fleet: str
    run: tuple[str, str]
    reported_at: datetime
    rows: list[AccountRow]
    assistants: int
    changes: Counter[str]
    traits: Traits
    numbers: SharedNumbers
    names_of_assistants: bool


def assemble(
    storage: Storage,
    outcomes: Sequence[AccountOutcome],
    *,
    fleet: str,
    run: tuple[str, str],
    reported_at: datetime,
    names_of_assistants: bool,
    log: Log,
) -> FleetReport:
    """Read the newest snapshot of each account once, and put the report together.

    :param storage: where the snapshots lie.
    """
    states: dict[str | None, Newest] = {None: Newest()}
    traits = Traits()
    progress = Progress(log, "Reading the newest snapshots", len(outcomes))
    with NumberStore(names_of_assistants=names_of_assistants) as store:
        for place, one in enumerate(outcomes):
            if one.account not in states:
                found = newest.read(storage, one, store)
                if found.traits is not None:
                    traits.add(found.traits)
                    found = replace(found, traits=found.traits.of_account())
                states[one.account] = found
            progress(place + 1)
        numbers = store.shared()
    rows = [_row(one, states[one.account], numbers, reported_at) for one in outcomes]
    each_once = {row.outcome.account: row for row in rows}.values()
    changes: Counter[str] = Counter()
    for row in each_once:
        changes.update(row.changes)
    return FleetReport(
        fleet=fleet,
        run=run,
        reported_at=reported_at,
        rows=rows,
        assistants=sum(row.assistants or 0 for row in each_once),
        changes=changes,
        traits=traits,
        numbers=numbers,
        names_of_assistants=names_of_assistants,
    )


def _row(one: AccountOutcome, state: Newest, numbers: SharedNumbers, reported_at: datetime) -> AccountRow:
    account, manifest = one.account or "", state.manifest
    return AccountRow(
        outcome=one,
        newest=state,
        # The clock of the worker that read it may be ahead.
        unseen=None if manifest is None else max(reported_at - manifest.finished_at, timedelta(0)),
        manifest_file=None if manifest is None else layout.manifest_file(account, manifest.snapshot),
        report_file=_report_file(one),
        changes=results.changes(one.comparison) if results.has_baseline(one.comparison) else {},
        shared_numbers=numbers.by_account[account],
        partners=tuple(numbers.partners.get(account, ())),
    )


def _report_file(one: AccountOutcome) -> str | None:
    return None if one.account is None else results.report_file(one.account, one.comparison)
