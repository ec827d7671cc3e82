"""Lays out how a text changed for reading: long unchanged stretches folded, long changes shortened, all of it counted.

In come two texts, out come passages for the templates. Knows nothing of HTML.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airflow_provider_puretalk.snapshots.report.values import LONGEST_VALUE, Allowance
from airflow_provider_puretalk.snapshots.report.word_diff import Kind, Run, word_diff

#: Texts shorter than this, on one line, are better seen side by side.
_SHORT = 60
#: Unchanged characters that are shown around a change, and the fewest that are worth folding.
_AROUND, _LEAST_FOLD = 160, 120
#: Unchanged characters that can be unfolded; of a longer stretch it is said only how long it is.
_LONGEST_FOLD = 6_000


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a text.

    :ivar is_folded: unchanged, and far from any change.
    :ivar left_out: characters that are not shown: at its end, or all of it where it is folded.
    """

    kind: Kind
    text: str
    left_out: int = 0
    is_folded: bool = False


def passages(old: str, new: str, allowance: Allowance) -> list[Passage] | None:
    """Lay out how a text changed; None where old and new are better seen side by side, because little stayed."""
    if not old or not new or (max(len(old), len(new)) <= _SHORT and "\n" not in old + new):
        return None
    runs = word_diff(old, new)
    alike = sum(len(run.text) for run in runs if run.kind is Kind.SAME)
    if 5 * alike < min(len(old), len(new)):
        return None
    left = LONGEST_VALUE
    found: list[Passage] = []
    for passage in _folded(runs):
        # Folded text is dear as well: it is in the file.
        granted = allowance.grant(min(len(passage.text), max(left, 0)), least=40)
        left -= granted
        cut = passage.text[:granted]
        if passage.is_folded and len(cut) < len(passage.text):
            cut = ""  # Half of it would help nobody.
        left_out = passage.left_out + len(passage.text) - len(cut)
        found.append(Passage(passage.kind, cut, left_out, passage.is_folded))
    return found


def _folded(runs: list[Run]) -> Iterator[Passage]:
    for place, run in enumerate(runs):
        if run.kind is not Kind.SAME:
            yield Passage(run.kind, run.text)
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
