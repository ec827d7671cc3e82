"""The warnings of a report: what is cheap to detect in two snapshots and costly to overlook.

Warnings are grouped by kind, each group with an exact count and its first examples, so that memory does not grow with the
changes. Knows nothing of HTML.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.field_classes import field_class
from airflow_provider_puretalk.records.field_paths import ABSENT
from airflow_provider_puretalk.records.models import pointer_path
from airflow_provider_puretalk.snapshots.comparison.changes import Added, Change, ChangedMany, Removed
from airflow_provider_puretalk.snapshots.comparison.fleet_stats import FleetStats, Member
from airflow_provider_puretalk.snapshots.report.secret_scan import suspicions
from airflow_provider_puretalk.snapshots.report.values import label
from airflow_provider_puretalk.wording import pluralize

#: Examples of one kind, and ids in one example.
MAX_EXAMPLES, MAX_IDS = 20, 5

#: A prompt that grew or shrank by more than this factor, and by so many characters, is worth a warning.
_MIN_FACTOR, _MIN_CHARACTERS = 2, 100

#: The switch of which callers may have to be informed.
_RECORDING = "call_recording_enabled"

#: Classes of fields that an assistant says or acts by: where a secret may have slipped in.
_SPOKEN = ("behaviour", "compliance")

_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+([^\n]{1,200})$", re.MULTILINE)

#: Kinds of warnings by urgency: title, and why it matters.
_KINDS: Final = {
    "secret": (
        "Possible secret",
        "Everyone with access to the assistant can read it, and it is in the snapshots now: replace it, and keep the new "
        "one elsewhere.",
    ),
    "recording": ("Call recording switched", "In many places callers must be informed that they are recorded."),
    "number": ("Several assistants on one phone number", "A call reaches one of them only."),
    "length": (
        "A prompt more than doubled, or lost more than half",
        "Often a text pasted twice, or half of it lost on the way.",
    ),
    "heading": ("A heading stands twice in a prompt", "Often a section pasted twice, of which one copy was edited."),
    "twins": (
        "Identical twins",
        "Alike in all but name, phone number and dates: often a copy that was left behind.",
    ),
}


@dataclass(frozen=True, slots=True)
class Example:
    """One case of a warning.

    :ivar who: the assistant's name and id, or how many assistants; several where they share something.
    :ivar field: dotted name of the field; empty where it is not about one.
    :ivar text: what is wrong, in words.
    :ivar anchor: where the report shows more; empty where it does not.
    """

    who: Sequence[str]
    field: str
    text: str
    anchor: str


@dataclass(slots=True)
class WarningGroup:
    """All warnings of a kind: exact count, first examples."""

    title: str
    why: str
    count: int = 0
    examples: list[Example] = field(default_factory=list)
    #: Whether counting ended early.
    at_least: bool = False


class Warnings:
    """Collects the warnings of a comparison."""

    def __init__(self) -> None:
        self._groups = {kind: WarningGroup(*texts) for kind, texts in _KINDS.items()}

    def __iter__(self) -> Iterator[WarningGroup]:
        return (group for group in self._groups.values() if group.count)

    def add_change(self, change: Change, anchor: str) -> None:
        """Add the warnings of a change.

        :param anchor: where the report shows it; empty where it does not.
        """
        if isinstance(change, Removed):
            return
        if isinstance(change, ChangedMany):
            who: Sequence[str] = (pluralize(len(change.assistant_ids), "assistant"),)
        else:
            who = tuple(filter(None, (label(change.name), label(change.assistant_id))))
        if isinstance(change, Added):
            for name, value in change.record.items():
                self._check_text([name], ABSENT, value, who, anchor)
        else:
            path = pointer_path(change.pointer)
            self._check_switch(path, change.old, change.new, who, anchor)
            self._check_length(path, change.old, change.new, who, anchor)
            self._check_text(path, change.old, change.new, who, anchor)

    def add_fleet(self, fleet_stats: FleetStats) -> None:
        """Add the warnings of the current fleet."""
        self._add_groups("number", ((ids, label(number)) for number, ids in fleet_stats.shared_numbers()))
        self._add_groups("twins", ((ids, "") for ids in fleet_stats.twins()))

    def _check_switch(self, path: list[str], old: Any, new: Any, who: Sequence[str], anchor: str) -> None:
        if path[0] == _RECORDING and (text := _describe_switch(old, new)):
            self._add("recording", Example(who, label(".".join(path)), text, anchor))

    def _check_length(self, path: list[str], old: Any, new: Any, who: Sequence[str], anchor: str) -> None:
        if path[-1] != "prompt" or not (isinstance(old, str) or isinstance(new, str)):
            return
        text = _describe_length(*(len(side) if isinstance(side, str) else 0 for side in (old, new)))
        if text and not isinstance(new, str):
            text = f"{text}, {_in_words(new)} now"
        if text:
            self._add("length", Example(who, label(".".join(path)), text, anchor))

    def _check_text(self, path: list[str], old: Any, new: Any, who: Sequence[str], anchor: str) -> None:
        dotted = label(".".join(path))
        if path[-1] == "prompt" and isinstance(new, str):
            before = old if isinstance(old, str) else ""
            if doubled := _doubled_headings(before, new):
                self._add("heading", Example(who, dotted, ", ".join(f"“{label(one)}”" for one in doubled), anchor))
        if field_class(path[0]) in _SPOKEN and new is not ABSENT:
            for suspicion in suspicions(_text_of(new), _text_of(old)):
                prefix = f", beginning with “{suspicion.prefix}”" if suspicion.prefix else ""
                text = f"{suspicion.kind}, {suspicion.length:,} characters{prefix}"
                self._add("secret", Example(who, dotted, text, anchor))

    def _add(self, kind: str, example: Example) -> None:
        group = self._groups[kind]
        group.count += 1
        if len(group.examples) < MAX_EXAMPLES:
            group.examples.append(example)

    def _add_groups(self, kind: str, groups: Iterable[tuple[list[Member], str]]) -> None:
        for members, shared in groups:
            rest = len(members) - MAX_IDS
            who = [_who(*member) for member in members[:MAX_IDS]] + ([f"and {rest:,} more"] if rest > 0 else [])
            self._add(kind, Example(who, "", shared or f"{len(members):,} alike", ""))
        self._groups[kind].at_least = self._groups[kind].count >= 100  # The fleet stats end there.


def _who(identity: Any, name: Any) -> str:
    return f"{label(name)} ({label(identity)})" if name else label(identity)


def _describe_switch(old: Any, new: Any) -> str:
    """Return how a switch changed; empty where it was off before and after. Null and absent are off.

    What is neither true nor false may be read as either, so it counts as on.
    """
    is_off = [value is False or value is None or value is ABSENT for value in (old, new)]
    if all(is_off):
        return ""
    if isinstance(old, bool) and isinstance(new, bool):
        return "switched on" if new else "switched off"
    return f"{_in_words(new)} now, {_in_words(old)} before"


def _in_words(value: Any) -> str:
    """Return a value in words that keep the text “false” and false apart."""
    if value is ABSENT:
        return "absent"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, str):
        return f"the text “{label(value)}”"
    return label(value)


def _describe_length(before: int, after: int) -> str:
    if abs(after - before) < _MIN_CHARACTERS or max(before, after) <= _MIN_FACTOR * min(before, after):
        return ""
    if not before or not after:
        return f"emptied, {before:,} characters before" if before else f"{after:,} characters, empty before"
    return f"{before:,} → {after:,} characters"


def _doubled_headings(old: str, new: str) -> list[str]:
    """Return headings that occur twice in the new text, and more often than in the old one."""
    counts, before = (Counter(map(_heading, _HEADING.findall(text))) for text in (new, old))
    return [heading for heading, count in counts.items() if count > 1 and count > before[heading]][:MAX_IDS]


def _heading(text: str) -> str:
    return " ".join(text.strip("# \t*").split()).casefold()


def _text_of(value: Any) -> str:
    if value is ABSENT or value is None:
        return ""
    return value if isinstance(value, str) else canonical_json.dumps(value).decode()
