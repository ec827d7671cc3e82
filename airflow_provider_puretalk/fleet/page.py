"""``fleet.html``: the report for people, in the style of a comparison's report.

Everything that it prints is escaped and made visible by the environment of that report. Its size is bounded: tables end, and
say how many rows more there are, and every text in them is shortened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import jinja2

from airflow_provider_puretalk.fleet import results
from airflow_provider_puretalk.fleet.report import AccountRow, FleetReport
from airflow_provider_puretalk.records.field_classes import FIELD_CLASSES
from airflow_provider_puretalk.snapshots.report.charts import Chart, make_chart
from airflow_provider_puretalk.snapshots.report.rendering import environment
from airflow_provider_puretalk.wording import pluralize

#: Rows of the table of all accounts, and of those of failed and of unreadable ones.
MOST_ROWS: Final = 1_000
MOST_PROBLEMS: Final = 500
#: Where a file can be opened: its path below the destination as an address for browsers, None where there is none.
Address = Callable[[str], str | None]

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Listed(Generic[_Row]):
    """The rows of a table: the first ones, and how many there are."""

    rows: Sequence[_Row]
    count: int

    @classmethod
    def of(cls, rows: Sequence[_Row], most: int) -> Listed[_Row]:
        """Take the first ones."""
        return cls(rows[:most], len(rows))

    @property
    def more(self) -> int:
        """How many are not shown."""
        return self.count - len(self.rows)


class View:
    """What the template shows of a report.

    :ivar failed: accounts that failed; those that were not seen for longest first, and before them those never seen.
    :ivar unreadable: accounts whose newest snapshot cannot be read.
    """

    def __init__(self, report: FleetReport) -> None:
        self.report = report
        failed = [row for row in report.rows if row.outcome.reason is not None]
        unreadable = [row for row in report.rows if row.newest.problem is not None]
        self.failed = Listed.of(sorted(failed, key=_longest_unseen_first), MOST_PROBLEMS)
        self.unreadable = Listed.of(unreadable, MOST_PROBLEMS)
        self.accounts = Listed.of(sorted(report.rows, key=_name), MOST_ROWS)
        self.numbers = Listed(report.numbers.largest, report.numbers.count)
        self.compared = len({row.outcome.account for row in report.rows if row.changes})

    @property
    def succeeded(self) -> int:
        """How many accounts have not failed."""
        return len(self.report.rows) - self.failed.count

    @property
    def sentence(self) -> str:
        """How it went, in a line."""
        of_all = f"of {pluralize(len(self.report.rows), 'account')}"
        if not self.failed.count:
            return f"All {of_all[3:]} succeeded." if len(self.report.rows) != 1 else "The account succeeded."
        return f"{self.succeeded:,} {of_all} succeeded, {self.failed.count:,} failed."

    @property
    def redacted(self) -> int:
        """In how many accounts phone numbers were redacted before they were stored."""
        manifests = ((row.outcome.account, row.newest.manifest) for row in self.report.rows)
        return len({account for account, one in manifests if one and "phone_number" in one.redaction.policy})

    def charts(self) -> Iterator[Chart]:
        """Yield the charts of all accounts together."""
        traits = self.report.traits
        yield make_chart("Languages", traits.languages)
        yield make_chart("Voices", traits.voices)
        yield make_chart("Models", traits.models)
        yield make_chart("Phone number", traits.numbers)


def write_page(report: FleetReport, path: Path, *, address: Address, table_file: str | None) -> None:
    """Write the page to a local file.

    :param address: where the files can be opened that it links to.
    :param table_file: name of the table beside it; None where pyarrow is missing, which the page says.
    """
    rendered = (
        _environment()
        .get_template("fleet.html.j2")
        .generate(
            view=View(report),
            report=report,
            counted=results.COUNTED,
            classes=FIELD_CLASSES,
            address=address,
            table_file=table_file,
        )
    )
    with path.open("wb") as file:
        file.writelines(piece.encode() for piece in rendered)


@cache
def _environment() -> jinja2.Environment:
    found = environment(jinja2.PackageLoader(__package__))
    found.filters["ago"] = ago
    found.filters["top"] = _top
    found.filters["changed"] = _changed
    return found


def ago(time: timedelta) -> str:
    """Return how long something took, in the unit that fits it."""
    seconds = int(time.total_seconds())
    for unit, length in (("day", 86_400), ("hour", 3_600)):
        if seconds >= 2 * length:
            return pluralize(seconds // length, unit)
    return pluralize(seconds // 60, "minute")


def _top(counts: dict[str, int], most: int = 3) -> list[tuple[str, int]]:
    """Return the most frequent ones."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]


def _changed(changes: dict[str, int]) -> str:
    """Return what a comparison counted, in a few words."""
    counts = [f"{count:,} {name}" for name in ("added", "removed", "changed") if (count := changes.get(name))]
    return ", ".join(counts) or "nothing"


def _longest_unseen_first(row: AccountRow) -> tuple[bool, timedelta, Any]:
    unseen = row.unseen
    return unseen is not None, timedelta(0) if unseen is None else -unseen, _name(row)


def _name(row: AccountRow) -> tuple[str, str]:
    return row.outcome.account or row.outcome.puretalk_conn_id, row.outcome.puretalk_conn_id
