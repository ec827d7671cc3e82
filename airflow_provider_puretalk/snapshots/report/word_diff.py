"""What changed between two texts, word by word, as people read it.

In come two texts, out come runs of text that stayed, went or came. Knows nothing of HTML. Lines are matched first, then
the words within what is left, so that long prompts cost little; where matching would take too long all the same, the
part in question counts as rewritten. How long is counted, not timed: the same texts always give the same runs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from enum import StrEnum
from typing import NamedTuple

#: Pairs of equal lines or words that are tried in one go; difflib's time grows with them, at worst with their square root
#: as well. A prompt of 4 KB that was wholly rewritten has about 10,000.
_MOST_PAIRS = 50_000

#: An unchanged run of so many characters or fewer between two changes only makes them harder to read.
_ISLAND = 4
#: Where less than this share of a passage stayed, it is told as rewritten.
_LEAST_ALIKE = 0.25

_LINE = re.compile(r"[^\n]*\n+|[^\n]+")
# Chinese and Japanese put no spaces between words: there, each character is one.
_HAN = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"(?:[^\W{_HAN}]+|[{_HAN}]|[^\w\s])[ \t]*|\s")


class Kind(StrEnum):
    """What happened to a run of text."""

    SAME = "same"
    GONE = "gone"
    NEW = "new"


class Run(NamedTuple):
    """A run of text with what happened to it."""

    kind: Kind
    text: str


def word_diff(old: str, new: str) -> list[Run]:
    """Tell how ``old`` became ``new``.

    :returns: runs in reading order; no two of a kind follow each other, and what went stands before what came. Without
        the new ones they spell the old text, without the gone ones the new text.
    """
    runs: list[Run] = []
    for before, after in _aligned(_LINE.findall(old), _LINE.findall(new)):
        if before == after or not before or not after:
            runs.extend(_told("".join(before), "".join(after)))
        else:
            runs.extend(_words(before, after))
    return list(_joined(runs))


def _words(before: Sequence[str], after: Sequence[str]) -> list[Run]:
    """Tell how one passage became another one that shares no line with it."""
    old, new = "".join(before), "".join(after)
    runs = [run for a, b in _aligned(_WORD.findall(old), _WORD.findall(new)) for run in _told("".join(a), "".join(b))]
    alike = sum(len(run.text) for run in runs if run.kind is Kind.SAME)
    if alike < _LEAST_ALIKE * max(len(old), len(new)):
        return _told(old, new)
    told: list[Run] = []
    for place, run in enumerate(runs):
        inside = 0 < place < len(runs) - 1
        if run.kind is Kind.SAME and inside and "\n" not in run.text and len(run.text.strip()) <= _ISLAND:
            told += [Run(Kind.GONE, run.text), Run(Kind.NEW, run.text)]
        else:
            told.append(run)
    return told


def _aligned(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Yield pairs of parts, in order: equal ones, and ones of which the second took the place of the first."""
    shorter = min(len(old), len(new))
    start = next((place for place in range(shorter) if old[place] != new[place]), shorter)
    rest = shorter - start
    end = next((place for place in range(rest) if old[-1 - place] != new[-1 - place]), rest)
    if start:
        yield old[:start], new[:start]
    yield from _matched(old[start : len(old) - end], new[start : len(new) - end])
    if end:
        yield old[len(old) - end :], new[len(new) - end :]


def _matched(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    in_old, in_new = Counter(old), Counter(new)
    if sum(count * in_new[part] for part, count in in_old.items()) > _MOST_PAIRS:
        yield old, new
        return
    for _, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        yield old[i:j], new[k:m]


def _told(old: str, new: str) -> list[Run]:
    if old == new:
        return [Run(Kind.SAME, old)] if old else []
    return [Run(kind, text) for kind, text in ((Kind.GONE, old), (Kind.NEW, new)) if text]


def _joined(runs: Sequence[Run]) -> Iterator[Run]:
    """Put together what follows each other, with all that went before all that came between two unchanged runs."""
    texts: dict[Kind, list[str]] = {kind: [] for kind in Kind}

    def emptied(*kinds: Kind) -> Iterator[Run]:
        for kind in kinds:
            if texts[kind]:
                yield Run(kind, "".join(texts[kind]))
                texts[kind].clear()

    for run in runs:
        if run.kind is Kind.SAME:
            yield from emptied(Kind.GONE, Kind.NEW)
        else:
            yield from emptied(Kind.SAME)
        texts[run.kind].append(run.text)
    yield from emptied(*Kind)
