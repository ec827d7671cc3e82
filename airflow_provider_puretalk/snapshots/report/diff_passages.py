"""Lays out how a text changed for reading: long unchanged stretches folded, long changes shortened, all of it counted.

In come two texts, out come passages for the templates. Knows nothing of HTML.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airflow_provider_puretalk.snapshots.report.text_diff import Effort, Kind, Run, word_diff
from airflow_provider_puretalk.snapshots.report.values import LONGEST_VALUE, Allowance, fitting, size

#: Texts shorter than this, on one line, are better seen side by side.
_SHORT = 60
#: Unchanged characters that are shown around a change, and the fewest that are worth folding.
_AROUND, _LEAST_FOLD = 160, 120
#: Unchanged characters that can be unfolded; of a longer stretch it is said only how long it is.
_LONGEST_FOLD = 6_000


#: What a passage costs in bytes, however short it is.
_MARKUP = 40


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a text.

    :ivar is_folded: unchanged, and far from any change.
    :ivar left_out: characters at its end that are not shown; where it has no text, all of it.
    """

    kind: Kind
    text: str
    left_out: int = 0
    is_folded: bool = False

    @property
    def cost(self) -> int:
        """What it costs to show it, in bytes of the page."""
        return size(self.text) + _MARKUP


def passages(old: str, new: str, allowance: Allowance, effort: Effort) -> list[Passage] | None:
    """Lay out how a text changed; None where old and new are better seen side by side, because little stayed.

    Where the whole is too long to be shown, the last passage is empty and tells how many characters follow.
    """
    if not old or not new or (max(len(old), len(new)) <= _SHORT and "\n" not in old + new):
        return None
    runs = word_diff(old, new, effort)
    alike = sum(len(run.text) for run in runs if run.kind is Kind.SAME)
    if 5 * alike < min(len(old), len(new)):
        return None
    all_of_it = list(_folded(runs))
    cost = sum(passage.cost for passage in all_of_it)
    characters = sum(len(passage.text) + _MARKUP for passage in all_of_it)
    # As many characters as of any value, whatever each of them takes.
    left = allowance.grant(min(cost, LONGEST_VALUE * cost // characters), least=300)
    found: list[Passage] = []
    for place, passage in enumerate(all_of_it):
        if passage.cost > left:
            found.append(_cut(passage, max(left - _MARKUP, 0)))
            if rest := sum(len(one.text) + one.left_out for one in all_of_it[place + 1 :]):
                found.append(Passage(Kind.SAME, "", rest))
            break
        left -= passage.cost
        found.append(passage)
    return found


def _cut(passage: Passage, longest: int) -> Passage:
    # Half of what can be unfolded would help nobody.
    text = "" if passage.is_folded else fitting(passage.text, longest)
    left_out = passage.left_out + len(passage.text) - len(text)
    return Passage(passage.kind, text, left_out, passage.is_folded and not text)


def _folded(runs: list[Run]) -> Iterator[Passage]:
    for place, run in enumerate(runs):
        if run.kind is not Kind.SAME:
            yield _cut(Passage(run.kind, run.text), LONGEST_VALUE // 3)  # What came must have its place as well.
            continue
        start = _end_of_words(run.text, _AROUND) if place else 0
        end = _start_of_words(run.text, _AROUND) if place < len(runs) - 1 else len(run.text)
        if end - start < _LEAST_FOLD:
            yield Passage(run.kind, run.text)
            continue
        inside = run.text[start:end]
        if start:
            yield Passage(run.kind, run.text[:start])
        if len(inside) <= _LONGEST_FOLD:
            yield Passage(run.kind, inside, is_folded=True)
        else:
            yield Passage(run.kind, "", len(inside), is_folded=True)
        if end < len(run.text):
            yield Passage(run.kind, run.text[end:])


def _end_of_words(text: str, about: int) -> int:
    """Return where about so many characters end with a line, or else with a word."""
    for mark in ("\n", " "):
        if (place := text.rfind(mark, about // 2, about)) >= 0:
            return place + 1
    return about


def _start_of_words(text: str, about: int) -> int:
    """Return where about so many last characters begin with a line, or else with a word."""
    start = len(text) - about
    for mark in ("\n", " "):
        if (place := text.find(mark, max(start, 0), max(start + about // 2, 0))) >= 0:
            return place + 1
    return max(start, 0)
