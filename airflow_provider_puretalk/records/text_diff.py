"""Word diff of two texts, for people: runs that are equal, deleted or inserted.

Lines are matched first, then the words within what is left, so that long prompts cost little. Where matching would still
take too long, lines or words that occur once in both texts are the anchors, and what lies between them counts as
rewritten. Effort is counted in steps, not timed: the same texts always give the same runs.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from enum import StrEnum
from typing import NamedTuple

from airflow_provider_puretalk import time_limit

#: Steps that difflib may take at worst, for one pair of texts and for a whole report. A prompt of 4 KB that was wholly
#: rewritten may take 8 million; ten million are a second at worst.
_MAX_STEPS_PER_TEXT, MAX_STEPS = 10_000_000, 1_000_000_000

#: An unchanged run of so many characters or fewer between two changes only makes them harder to read.
_ISLAND = 4
#: A passage of which less than this share is equal is shown as rewritten.
_MIN_EQUAL = 0.25

_LINE = re.compile(r"[^\n]*\n+|[^\n]+")
# Chinese and Japanese put no spaces between words: there, each character is one.
_HAN = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"(?:[^\W{_HAN}]+|[{_HAN}]|[^\w\s])[ \t]*|\s")


class Kind(StrEnum):
    """What happened to a run of text."""

    EQUAL = "equal"
    DELETE = "delete"
    INSERT = "insert"


class Run(NamedTuple):
    """A run of text of one kind."""

    kind: Kind
    text: str


#: A part of the old text and what is in its place in the new one.
_Pair = tuple[Sequence[str], Sequence[str]]


class Effort:
    """A budget of steps."""

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self._left = steps

    def allows(self, steps: int) -> bool:
        """Take these steps from the budget; False where it has too few left."""
        if steps > self._left:
            return False
        self._left -= steps
        return True

    def part(self, steps: int) -> Effort:
        """Take a budget of so many steps, or of what is left, out of this one."""
        part = Effort(min(steps, self._left))
        self._left -= part._left
        return part

    def give_back(self, part: Effort) -> None:
        """Return the steps that a part did not need."""
        self._left += part._left


def word_diff(old: str, new: str, effort: Effort | None = None) -> list[Run]:
    """Return the runs that turn ``old`` into ``new``, in reading order.

    No two of a kind follow each other, and deletions come before insertions. Without the insertions they spell the old
    text, without the deletions the new one.

    :param effort: the budget of the whole report.
    """
    time_limit.check()
    effort = effort or Effort()
    mine = effort.part(_MAX_STEPS_PER_TEXT)
    runs: list[Run] = []
    for before, after in _aligned(_LINE.findall(old), _LINE.findall(new), mine):
        if before == after or not before or not after:
            runs.extend(_replacement("".join(before), "".join(after)))
        else:
            runs.extend(_words(before, after, mine))
    effort.give_back(mine)
    return list(_joined(runs))


def _words(before: Sequence[str], after: Sequence[str], effort: Effort) -> list[Run]:
    """Return the runs of two passages that share no line."""
    old, new = "".join(before), "".join(after)
    runs = [
        run
        for a, b in _aligned(_WORD.findall(old), _WORD.findall(new), effort)
        for run in _replacement("".join(a), "".join(b))
    ]
    equal = sum(len(run.text) for run in runs if run.kind is Kind.EQUAL)
    if equal < _MIN_EQUAL * max(len(old), len(new)):
        return _replacement(old, new)
    smoothed: list[Run] = []
    for place, run in enumerate(runs):
        inside = 0 < place < len(runs) - 1
        if run.kind is Kind.EQUAL and inside and "\n" not in run.text and len(run.text.strip()) <= _ISLAND:
            smoothed += [Run(Kind.DELETE, run.text), Run(Kind.INSERT, run.text)]
        else:
            smoothed.append(run)
    return smoothed


def _aligned(old: Sequence[str], new: Sequence[str], effort: Effort) -> Iterator[_Pair]:
    """Yield pairs of parts, in order: equal ones, and ones of which the second replaces the first."""
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
    for j, m in _anchors(old, new):
        yield old[i:j], new[k:m]
        yield old[j : j + 1], new[m : m + 1]
        i, k = j + 1, m + 1
    yield old[i:], new[k:]


def _most_steps(old: Sequence[str], new: Sequence[str]) -> int:
    """Return the steps that difflib takes at worst: through all equal pairs again for each that it finds."""
    in_old, in_new = Counter(old), Counter(new)
    pairs = sum(count * in_new[part] for part, count in in_old.items())
    return (len(old) + pairs) * min(len(old), len(new), pairs)


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Return the places of parts that occur once in each text: the longest row that keeps its order in both."""
    in_old, in_new = Counter(old), Counter(new)
    places = {part: place for place, part in enumerate(new) if in_new[part] == in_old[part] == 1}
    pairs = [(place, places[part]) for place, part in enumerate(old) if part in places]
    # Longest increasing subsequence: `ends` holds where the best row of each length ends, `before` each pair's predecessor.
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


def _replacement(old: str, new: str) -> list[Run]:
    if old == new:
        return [Run(Kind.EQUAL, old)] if old else []
    return [Run(kind, text) for kind, text in ((Kind.DELETE, old), (Kind.INSERT, new)) if text]


def _joined(runs: Sequence[Run]) -> Iterator[Run]:
    """Join neighbours of a kind; between two equal runs all deletions come before all insertions."""
    texts: dict[Kind, list[str]] = {kind: [] for kind in Kind}

    def emptied(*kinds: Kind) -> Iterator[Run]:
        for kind in kinds:
            if texts[kind]:
                yield Run(kind, "".join(texts[kind]))
                texts[kind].clear()

    for run in runs:
        if run.kind is Kind.EQUAL:
            yield from emptied(Kind.DELETE, Kind.INSERT)
        else:
            yield from emptied(Kind.EQUAL)
        texts[run.kind].append(run.text)
    yield from emptied(*Kind)
