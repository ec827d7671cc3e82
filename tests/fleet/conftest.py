"""Accounts with snapshots, and reports of them in a folder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk.fleet import AccountOutcome, Failure
from airflow_provider_puretalk.fleet.publishing import Published, publish
from airflow_provider_puretalk.fleet.report import FleetReport, assemble
from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from tests.history.snapshots import Record, moment, record, take
from tests.places import Place, make_place
from tests.snapshots.report.reading import Page

#: When reports are made: a while after the reading of day 10 was finished.
NOW = moment(10) + timedelta(minutes=5)
RUN = "20261011T020000Z~0123abcd"


def outcome(account: str | None, *, conn_id: str | None = None, **found: Any) -> AccountOutcome:
    """Return what became of an account: by default nothing is known of it."""
    common: dict[str, Any] = dict.fromkeys(("snapshot", "comparison", "history", "pruned", "failure"))
    return AccountOutcome(puretalk_conn_id=conn_id or f"conn_{account}", account=account, **(common | found))


def failure(**fields: str) -> Failure:
    common = {"task": "snapshot", "error": "PuretalkServerError", "message": "It went wrong.", "next_step": "Wait."}
    return Failure(**(common | fields))


@dataclass
class Agency:
    """A destination of many accounts.

    :ivar outcomes: what became of each account in the run.
    """

    storage: Storage
    outcomes: list[AccountOutcome] = field(default_factory=list)

    def took(
        self, account: str, records: Iterable[Record] | int, *, counts: Any = None, day: float = 10, **given: Any
    ) -> Manifest:
        """Store the snapshot that the run took of an account, and what its tasks returned."""
        manifest = self.stored(account, records, day=day, **given)
        compared = None if counts is None else {"snapshot": manifest.snapshot, "baseline": "before", "counts": counts}
        result = {"account": account, "snapshot": manifest.snapshot, "count": manifest.count}
        self.outcomes.append(outcome(account, snapshot=result, comparison=compared))
        return manifest

    def stored(self, account: str, records: Iterable[Record] | int, *, day: float, **given: Any) -> Manifest:
        """Store a snapshot of an account."""
        made = [record(f"{account}-{n}") for n in range(records)] if isinstance(records, int) else records
        return take(self.storage.url, day, made, account=account, **given)

    def report(self, *, names_of_assistants: bool = False, fleet: str = "agency", now: datetime = NOW) -> FleetReport:
        """Put the report together."""
        return assemble(
            self.storage,
            self.outcomes,
            fleet=fleet,
            run=("a_dag", "a_run"),
            reported_at=now,
            names_of_assistants=names_of_assistants,
            log=logging.getLogger(__name__),
        )

    def publish(self, run: str = RUN, *, keep: int = 30, **given: Any) -> Published:
        """Put it together and store it."""
        return publish(self.storage, self.report(**given), run, keep=keep)

    def page(self, **given: Any) -> Page:
        """Store the report, and read its page."""
        return Page(Path(self.publish(**given).report).read_bytes())

    def table(self, **given: Any) -> dict[str, dict[str, Any]]:
        """Store the report, and read its table: rows by account."""
        import pyarrow.parquet as pq

        path = self.publish(**given).table
        assert path is not None
        return {row["account"] or row["puretalk_conn_id"]: row for row in pq.read_table(path).to_pylist()}


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Place:
    """An empty local folder."""
    return make_place("path", request)


@pytest.fixture
def agency(folder: Place) -> Agency:
    """A destination in a local folder."""
    return Agency(Storage(folder.destination))


@pytest.fixture
def agency_at() -> Callable[..., Agency]:
    """Make one anywhere."""
    return lambda destination, conn_id=None: Agency(Storage(destination, conn_id))
