"""The small charts of a report: how many assistants have what, then and now.

In come counts, out come bars with their lengths; the drawing is done by the template.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from airflow_provider_puretalk.snapshots.comparison.fleet_stats import FleetStats
from airflow_provider_puretalk.snapshots.report.values import label

#: Bars of one chart; what is less frequent is put together in one more.
MOST_BARS = 8
#: Length of the longest bar, in units of the drawing.
LONGEST_BAR = 260


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: a label, how many there are, and how many there were.

    :ivar then: None where there is nothing to compare with.
    :ivar now_length: length of the bar; ``then_length`` likewise.
    """

    label: str
    now: int
    then: int | None
    now_length: int
    then_length: int

    @property
    def count(self) -> str:
        """The counts as text."""
        return f"{self.now:,}" if self.then is None or self.then == self.now else f"{self.then:,} → {self.now:,}"


@dataclass(frozen=True, slots=True)
class Chart:
    """A title and its bars, the longest first."""

    title: str
    bars: list[Bar]


def charts(now: FleetStats, then: FleetStats | None) -> Iterator[Chart]:
    """Yield the charts that show what a fleet is made of."""
    counted: tuple[tuple[str, Callable[[FleetStats], Counter[str]]], ...] = (
        ("Languages", lambda fleet_stats: fleet_stats.languages),
        ("Voices", lambda fleet_stats: fleet_stats.voices),
        ("Models", lambda fleet_stats: fleet_stats.models),
        ("Phone number", _numbers),
    )
    for title, count in counted:
        yield _chart(title, count(now), None if then is None else count(then))


def _numbers(fleet_stats: FleetStats) -> Counter[str]:
    return Counter({"with a number": fleet_stats.with_number, "without": fleet_stats.without_number})


def _chart(title: str, now: Counter[str], then: Counter[str] | None) -> Chart:
    before: Counter[str] = then if then is not None else Counter()
    kinds = sorted(now.keys() | before.keys(), key=lambda kind: (-max(now[kind], before[kind]), kind))
    rows = [(label(kind), now[kind], before[kind]) for kind in kinds if now[kind] or before[kind]]
    if len(rows) > MOST_BARS + 1:
        rest = rows[MOST_BARS:]
        together = (f"{len(rest):,} others", sum(row[1] for row in rest), sum(row[2] for row in rest))
        rows = [*rows[:MOST_BARS], together]
    longest = max((max(row[1:]) for row in rows), default=0)

    def length(count: int) -> int:
        # Few among many are still more than none.
        return max(2, count * LONGEST_BAR // longest) if count else 0

    return Chart(
        title,
        [
            Bar(name, count, None if then is None else earlier, length(count), length(earlier))
            for name, count, earlier in rows
        ],
    )
