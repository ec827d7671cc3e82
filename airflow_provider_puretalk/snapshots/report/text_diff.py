"""What changed between two texts, word by word, as people read it.

In come two texts, out come runs of text that stayed, went or came. Knows nothing of HTML. Lines are matched first, then
the words within what is left, so that long prompts cost little; where matching would take too long all the same, lines
or words that stand once in both hold the texts together, and what lies between them counts as rewritten. How long is
counted, not timed: the same texts always give the same runs.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from enum import StrEnum
from typing import NamedTuple

#: Steps that difflib may take for one pair of texts, and for all of a report, by the most that they could be. A prompt of
#: 4 KB that was wholly rewritten may take 8 million; ten million are a second at worst.
_MOST_STEPS, MOST_STEPS = 10_000_000, 1_000_000_000

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


#: A part of the old text and what is in its place in the new one.
_Pair = tuple[Sequence[str], Sequence[str]]


class Effort:
    """Steps that may still be taken."""

    def __init__(self, steps: int = MOST_STEPS) -> None:
        self._left = steps

    def allows(self, steps: int) -> bool:
        """Tell whether so many steps may be taken, and count them if so."""
        if steps > self._left:
            return False
        self._left -= steps
        return True

    def part(self, steps: int) -> Effort:
        """Return an effort of so many steps, or of what is left, and count them."""
        part = Effort(min(steps, self._left))
        self._left -= part._left
        return part

    def give_back(self, part: Effort) -> None:
        """Take back what a part did not need."""
        self._left += part._left


def word_diff(old: str, new: str, effort: Effort | None = None) -> list[Run]:
    """Tell how ``old`` became ``new``.

    :param effort: what a whole report may spend.
    :returns: runs in reading order; no two of a kind follow each other, and what went stands before what came. Without
        the new ones they spell the old text, without the gone ones the new text.
    """
    effort = effort or Effort()
    mine = effort.part(_MOST_STEPS)
    runs: list[Run] = []
    for before, after in _aligned(_LINE.findall(old), _LINE.findall(new), mine):
        if before == after or not before or not after:
            runs.extend(_told("".join(before), "".join(after)))
        else:
            runs.extend(_words(before, after, mine))
    effort.give_back(mine)
    return list(_joined(runs))


def _words(before: Sequence[str], after: Sequence[str], effort: Effort) -> list[Run]:
    """Tell how one passage became another one that shares no line with it."""
    old, new = "".join(before), "".join(after)
    runs = [
        run
        for a, b in _aligned(_WORD.findall(old), _WORD.findall(new), effort)
        for run in _told("".join(a), "".join(b))
    ]
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


def _aligned(old: Sequence[str], new: Sequence[str], effort: Effort) -> Iterator[_Pair]:
    """Yield pairs of parts, in order: equal ones, and ones of which the second took the place of the first."""
    shorter = min(len(old), len(new))
    start = next((place for place in range(shorter) if old[place] != new[place]), shorter)
    rest = shorter - start
    end = next((place for place in range(rest) if old[-1 - place] != new[-1 - place]), rest)
    yield old[:start], new[:start]
    yield from _matched(old[start : len(old) - end], new[start : len(new) - end], effort)
    yield old[len(old) - end :], new[len(new) - end :]


def _matched(old: Sequence[str], new: Sequence[str], effort: Effort) -> Iterator[_Pair]:
    if effort.allows(_most_steps(old, new)):
        for _, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            yield old[i:j], new[k:m]
        return
    i = k = 0
    for j, m in _held_together(old, new):
        yield old[i:j], new[k:m]
        yield old[j : j + 1], new[m : m + 1]
        i, k = j + 1, m + 1
    yield old[i:], new[k:]


def _most_steps(old: Sequence[str], new: Sequence[str]) -> int:
    """Return how many steps difflib may take: at worst it goes through all equal pairs again for each that it finds."""
    in_old, in_new = Counter(old), Counter(new)
    pairs = sum(count * in_new[part] for part, count in in_old.items())
    return (len(old) + pairs) * min(len(old), len(new), pairs)


def _held_together(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Return where both have the same part, from those that stand once in each, as many as keep their order."""
    in_old, in_new = Counter(old), Counter(new)
    places = {part: place for place, part in enumerate(new) if in_new[part] == in_old[part] == 1}
    pairs = [(place, places[part]) for place, part in enumerate(old) if part in places]
    # The longest rising row: `ends` holds where the best row of each length ends, `before` what comes before each pair.
    ends: list[int] = []
    last: list[int] = []
    before: list[int | None] = []
    for place, (_, target) in enumerate(pairs):
        length = bisect_left(ends, target)
        before.append(last[length - 1] if length else None)
        ends[length : length + 1] = [target]
        last[length : length + 1] = [place]
    row: list[tuple[int, int]] = []
    at = last[-1] if last else None
    while at is not None:
        row.append(pairs[at])
        at = before[at]
    return row[::-1]


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
