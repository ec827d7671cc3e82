"""Layout of a text diff: unchanged stretches far from a change folded, long changes shortened, what is left out counted.

Knows nothing of HTML.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airflow_provider_puretalk.records.text_diff import Effort, Kind, Run, word_diff
from airflow_provider_puretalk.snapshots.report.values import MAX_VALUE, Allowance, fitting, size

#: Texts up to this length, on one line, are shown side by side.
_MAX_SIDE_BY_SIDE = 60
#: Unchanged characters shown around a change, and the fewest worth folding.
_CONTEXT, _MIN_FOLD = 160, 120
#: Unchanged characters that can be unfolded; of a longer stretch only the length is shown.
_MAX_FOLD = 6_000


#: Bytes of markup per passage.
_MARKUP = 40


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a diff.

    :ivar is_folded: unchanged, and far from any change.
    :ivar left_out: characters at its end that are not shown; all of them where ``text`` is empty.
    """

    kind: Kind
    text: str
    left_out: int = 0
    is_folded: bool = False

    @property
    def cost(self) -> int:
        """Bytes that it takes in the page."""
        return size(self.text) + _MARKUP


def passages(old: str, new: str, allowance: Allowance, effort: Effort) -> list[Passage] | None:
    """Return the passages of a diff; None where the texts have too little in common and are better shown side by side.

    Where all of it is too long, the last passage is empty and counts the characters that follow.
    """
    if not old or not new or (max(len(old), len(new)) <= _MAX_SIDE_BY_SIDE and "\n" not in old + new):
        return None
    runs = word_diff(old, new, effort)
    equal = sum(len(run.text) for run in runs if run.kind is Kind.EQUAL)
    if 5 * equal < min(len(old), len(new)):
        return None
    everything = list(_folded(runs))
    cost = sum(passage.cost for passage in everything)
    characters = sum(len(passage.text) + _MARKUP for passage in everything)
    # The limit is in characters, as for any value, whatever each of them takes in bytes.
    left = allowance.grant(min(cost, MAX_VALUE * cost // characters), least=300)
    found: list[Passage] = []
    for place, passage in enumerate(everything):
        if passage.cost > left:
            found.append(_cut(passage, max(left - _MARKUP, 0)))
            if rest := sum(len(one.text) + one.left_out for one in everything[place + 1 :]):
                found.append(Passage(Kind.EQUAL, "", rest))
            break
        left -= passage.cost
        found.append(passage)
    return found


def _cut(passage: Passage, longest: int) -> Passage:
    # A fold is shown whole or not at all.
    text = "" if passage.is_folded else fitting(passage.text, longest)
    left_out = passage.left_out + len(passage.text) - len(text)
    return Passage(passage.kind, text, left_out, passage.is_folded and not text)


def _folded(runs: list[Run]) -> Iterator[Passage]:
    for place, run in enumerate(runs):
        if run.kind is not Kind.EQUAL:
            yield _cut(Passage(run.kind, run.text), MAX_VALUE // 3)  # Leaves space for the insertion after a deletion.
            continue
        start = _end_of_words(run.text, _CONTEXT) if place else 0
        end = _start_of_words(run.text, _CONTEXT) if place < len(runs) - 1 else len(run.text)
        if end - start < _MIN_FOLD:
            yield Passage(run.kind, run.text)
            continue
        inside = run.text[start:end]
        if start:
            yield Passage(run.kind, run.text[:start])
        if len(inside) <= _MAX_FOLD:
            yield Passage(run.kind, inside, is_folded=True)
        else:
            yield Passage(run.kind, "", len(inside), is_folded=True)
        if end < len(run.text):
            yield Passage(run.kind, run.text[end:])


def _end_of_words(text: str, about: int) -> int:
    """Return the end of a line, or else of a word, within the first ``about`` characters."""
    for mark in ("\n", " "):
        if (place := text.rfind(mark, about // 2, about)) >= 0:
            return place + 1
    return about


def _start_of_words(text: str, about: int) -> int:
    """Return the start of a line, or else of a word, within the last ``about`` characters."""
    start = len(text) - about
    for mark in ("\n", " "):
        if (place := text.find(mark, max(start, 0), max(start + about // 2, 0))) >= 0:
            return place + 1
    return max(start, 0)
