"""The bar charts of a report: what a fleet is made of, baseline and current. The template draws them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from airflow_provider_puretalk.snapshots.comparison.fleet_stats import FleetStats
from airflow_provider_puretalk.snapshots.report.values import label

#: Bars of one chart; one more stands for all that is less frequent.
MAX_BARS = 8
#: Length of the longest bar, in units of the drawing.
MAX_BAR_LENGTH = 260


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: a label and its count on both sides.

    :ivar baseline: None where there is nothing to compare with.
    :ivar current_length: length of the bar; ``baseline_length`` likewise.
    """

    label: str
    current: int
    baseline: int | None
    current_length: int
    baseline_length: int

    @property
    def count(self) -> str:
        """The counts as text."""
        if self.baseline in (None, self.current):
            return f"{self.current:,}"
        return f"{self.baseline:,} → {self.current:,}"


@dataclass(frozen=True, slots=True)
class Chart:
    """A title and its bars, the longest first."""

    title: str
    bars: list[Bar]


def charts(current: FleetStats, baseline: FleetStats | None) -> Iterator[Chart]:
    """Yield the charts of a fleet."""
    counted: tuple[tuple[str, Callable[[FleetStats], Counter[str]]], ...] = (
        ("Languages", lambda fleet_stats: fleet_stats.languages),
        ("Voices", lambda fleet_stats: fleet_stats.voices),
        ("Models", lambda fleet_stats: fleet_stats.models),
        ("Phone number", _numbers),
    )
    for title, count in counted:
        yield make_chart(title, count(current), None if baseline is None else count(baseline))


def _numbers(fleet_stats: FleetStats) -> Counter[str]:
    return Counter({"with a number": fleet_stats.with_number, "without": fleet_stats.without_number})


def make_chart(title: str, current: Counter[str], baseline: Counter[str] | None = None) -> Chart:
    """Return the chart of what was counted; the longest bar first, all beyond the first few as one."""
    base: Counter[str] = baseline or Counter()
    kinds = sorted(current.keys() | base.keys(), key=lambda kind: (-max(current[kind], base[kind]), kind))
    rows = [(label(kind), current[kind], base[kind]) for kind in kinds if current[kind] or base[kind]]
    if len(rows) > MAX_BARS + 1:
        rest = rows[MAX_BARS:]
        together = (f"{len(rest):,} others", sum(row[1] for row in rest), sum(row[2] for row in rest))
        rows = [*rows[:MAX_BARS], together]
    longest = max((max(row[1:]) for row in rows), default=0)

    def length(count: int) -> int:
        # A small count stays visible.
        return max(2, count * MAX_BAR_LENGTH // longest) if count else 0

    return Chart(
        title,
        [
            Bar(name, count, None if baseline is None else earlier, length(count), length(earlier))
            for name, count, earlier in rows
        ],
    )
