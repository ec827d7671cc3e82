"""The view model of a report: small objects for the templates, in the order of the page.

The changes of the comparison are iterated several times and never held. What is left out is counted.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Protocol

from airflow_provider_puretalk.records.field_classes import FIELD_CLASSES, FieldClass
from airflow_provider_puretalk.records.models import pointer_path
from airflow_provider_puretalk.records.record_id import record_id
from airflow_provider_puretalk.records.text_diff import Effort
from airflow_provider_puretalk.snapshots.comparison.changes import Added, Changed, ChangedMany, Removed
from airflow_provider_puretalk.snapshots.comparison.result import Comparison
from airflow_provider_puretalk.snapshots.report.charts import Chart, charts
from airflow_provider_puretalk.snapshots.report.diff_passages import Passage, passages
from airflow_provider_puretalk.snapshots.report.size_budget import Space
from airflow_provider_puretalk.snapshots.report.standing import Standing, Standings
from airflow_provider_puretalk.snapshots.report.values import Allowance, Shown, label, laid_out, shown
from airflow_provider_puretalk.snapshots.report.warnings import Warnings

#: Assistants of each kind (changed, added, removed) shown in full.
MAX_ASSISTANTS = 500
#: Changes in common, and fields of one assistant, shown in full.
MAX_IN_COMMON = MAX_FIELDS = 200
#: Ids shown with a change that assistants have in common.
MAX_IDS = 50
#: Bytes of escaped values in one report; beyond, each value is shortened to a few words. Names and markup take the rest of
#: the size budget.
_VALUE_BYTES = 7_000_000
#: Bytes of a field without its value.
_FIELD_BYTES = 400
#: Fields of an assistant that are shown even when no bytes are left.
_MIN_FIELDS = 5
#: Characters shown of an added or removed assistant's prompt.
_PROMPT = 4_000


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that changed.

    :ivar name: dotted.
    :ivar passages: the diff of its text; None where ``old`` and ``new`` are shown side by side.
    :ivar standing: since when the old value stood, None where that is not known.
    """

    name: str
    pointer: str
    field_class: FieldClass
    old: Shown | None
    new: Shown | None
    passages: list[Passage] | None
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class InCommon:
    """A change that many assistants have in common."""

    change: FieldChange
    assistants: int
    ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class ChangedAssistant:
    """An assistant with changes of its own, by class and field; ``more`` fields are left out."""

    name: str
    id: str
    classes: Sequence[FieldClass]
    fields: Sequence[FieldChange]
    more: int


@dataclass(frozen=True, slots=True)
class Whole:
    """An assistant that was added or removed."""

    name: str
    id: str
    facts: Sequence[tuple[str, str]]
    prompt: Shown


@dataclass(slots=True)
class Numbers:
    """Counts that need one pass over all changes.

    :ivar assistants: those with changes of their own.
    :ivar first: the classes of changed fields of each of the first :data:`MAX_ASSISTANTS` of these.
    :ivar beyond: how many of all others changed in a field of each class.
    """

    in_common: int = 0
    assistants: int = 0
    first: list[set[FieldClass]] = field(default_factory=list)
    beyond: Counter[str] = field(default_factory=Counter)


class ViewModel:
    """Everything that a report shows. Its constructor iterates all changes once, to count and to warn.

    :param standings: since when old values stood, where a history knows it.
    """

    def __init__(self, comparison: Comparison, standings: Standings) -> None:
        self.comparison = comparison
        self._standings = standings
        self.numbers = Numbers()
        self.warnings = Warnings()
        self.warnings.add_fleet(comparison.snapshot.fleet_stats)
        self._allowance = Allowance(_VALUE_BYTES)
        self._effort = Effort()
        self._count()
        self.space = Space(section for section, count in self.section_counts.items() if count)

    @property
    def section_counts(self) -> dict[str, int]:
        """Number of items of each section, by the prefix of its anchors, in the order of the page."""
        return {
            "common": self.numbers.in_common,
            "assistant": self.numbers.assistants,
            "added": self.comparison.counts["added"],
            "removed": self.comparison.counts["removed"],
        }

    def omitted(self, section: str) -> int:
        """Return how many items of a section the page leaves out, once the section is rendered."""
        return self.section_counts[section] - self.space.shown[section]

    def omitted_classes(self) -> Counter[str]:
        """Return how many of the changed assistants left out changed in a field of each class."""
        left_out = self.numbers.first[self.space.shown["assistant"] :]
        return self.numbers.beyond + Counter(itertools.chain.from_iterable(left_out))

    def omitted_anchors(self, section: str) -> list[str]:
        """Return the anchors of left-out items to which warnings link."""
        linked = dict.fromkeys(example.anchor for group in self.warnings for example in group.examples)
        places = ((anchor, *anchor.rpartition("-")[::2]) for anchor in linked)
        return [anchor for anchor, kind, place in places if kind == section and int(place) > self.space.shown[section]]

    def charts(self) -> Iterator[Chart]:
        """Yield the charts of the fleet."""
        baseline = self.comparison.baseline
        return charts(self.comparison.snapshot.fleet_stats, None if baseline is None else baseline.fleet_stats)

    def in_common(self) -> Iterator[InCommon]:
        """Yield the changes that many assistants have in common, as far as they are shown."""
        many = itertools.takewhile(lambda change: isinstance(change, ChangedMany), self.comparison.changes())
        for change in itertools.islice(many, MAX_IN_COMMON):
            assert isinstance(change, ChangedMany)
            if self.space.is_full("common"):
                return
            ids = [label(one) for one in change.assistant_ids[:MAX_IDS]]
            yield InCommon(self._field(change), len(change.assistant_ids), ids)

    def assistants(self) -> Iterator[ChangedAssistant]:
        """Yield the assistants with changes of their own, as far as they are shown."""
        if self.numbers.assistants:
            for changes in itertools.islice(_by_assistant(self.comparison), MAX_ASSISTANTS):
                if self.space.is_full("assistant"):
                    return
                yield self._assistant(changes)

    def added(self) -> Iterator[Whole]:
        """Yield the added assistants, as far as they are shown."""
        return self._whole(Added, "added")

    def removed(self) -> Iterator[Whole]:
        """Yield the removed assistants, as far as they are shown."""
        return self._whole(Removed, "removed")

    def _count(self) -> None:
        identity: Any = None
        classes: set[FieldClass] = set()
        added = 0
        for change in self.comparison.changes():
            match change:
                case ChangedMany():
                    anchor = _anchor("common", self.numbers.in_common, MAX_IN_COMMON)
                    self.numbers.in_common += 1
                case Changed():
                    if not self.numbers.assistants or change.assistant_id != identity:
                        identity, classes = change.assistant_id, set()
                        self.numbers.assistants += 1
                        if self.numbers.assistants <= MAX_ASSISTANTS:
                            self.numbers.first.append(classes)
                    if change.field_class not in classes:
                        classes.add(change.field_class)
                        if self.numbers.assistants > MAX_ASSISTANTS:
                            self.numbers.beyond[change.field_class] += 1
                    anchor = _anchor("assistant", self.numbers.assistants - 1, MAX_ASSISTANTS)
                case Added():
                    anchor = _anchor("added", added, MAX_ASSISTANTS)
                    added += 1
                case Removed():
                    anchor = ""
            self.warnings.add_change(change, anchor)

    def _assistant(self, changes: Iterator[Changed]) -> ChangedAssistant:
        first = next(changes)
        found = [first, *itertools.islice(changes, MAX_FIELDS - 1)]
        more = sum(1 for _ in changes)
        found.sort(key=lambda change: FIELD_CLASSES.index(change.field_class))
        most = max(_MIN_FIELDS, self._allowance.grant(_FIELD_BYTES * len(found)) // _FIELD_BYTES)
        return ChangedAssistant(
            label(first.name),
            label(first.assistant_id),
            list(dict.fromkeys(map(attrgetter("field_class"), found))),
            [self._field(change) for change in found[:most]],
            more + len(found[most:]),
        )

    def _field(self, change: Changed | ChangedMany) -> FieldChange:
        standing = None
        if isinstance(change, Changed) and self._standings:
            standing = self._standings.get((record_id({"assistant_id": change.assistant_id}), change.pointer))
        return format_change(change, self._allowance, self._effort, standing)

    def _whole(self, kind: type[Added] | type[Removed], section: str) -> Iterator[Whole]:
        found = (change for change in self.comparison.changes() if isinstance(change, kind))
        for change in itertools.islice(found, min(self.section_counts[section], MAX_ASSISTANTS)):
            if self.space.is_full(section):
                return
            prompt = shown(change.record.get("prompt"), self._allowance, longest=_PROMPT)
            yield Whole(label(change.name), label(change.assistant_id), list(_facts(change.record)), prompt)


class AnyChange(Protocol):
    """A change of a field, of a comparison or of a history."""

    @property
    def pointer(self) -> str:
        """The field's JSON pointer."""

    @property
    def field_class(self) -> FieldClass:
        """What kind of thing it is about."""

    @property
    def old(self) -> Any:
        """What was there, ``ABSENT`` where nothing was; ``new`` likewise."""

    @property
    def new(self) -> Any:
        """What is there now."""


def format_change(
    change: AnyChange, allowance: Allowance, effort: Effort, standing: Standing | None = None
) -> FieldChange:
    """Format a change: texts as a diff, all else side by side."""
    name, pointer = label(".".join(pointer_path(change.pointer))), label(change.pointer)
    if isinstance(change.old, str) and isinstance(change.new, str):
        texts = laid_out(change.old), laid_out(change.new)
        if texts[0] == texts[1]:  # JSON of which only the layout changed.
            texts = change.old, change.new
        if found := passages(*texts, allowance, effort):
            return FieldChange(name, pointer, change.field_class, None, None, found, standing)
    old, new = (shown(value, allowance) for value in (change.old, change.new))
    return FieldChange(name, pointer, change.field_class, old, new, None, standing)


def _by_assistant(comparison: Comparison) -> Iterator[Iterator[Changed]]:
    changed = (change for change in comparison.changes() if isinstance(change, Changed))
    return (changes for _, changes in itertools.groupby(changed, key=attrgetter("assistant_id")))


def _facts(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the basic facts of an assistant."""
    voice = record.get("voice")
    if not isinstance(voice, dict):
        voice = {}
    found: Iterable[tuple[str, Any]] = (
        ("phone number", record.get("phone_number")),
        ("type", record.get("assistant_type")),
        ("language", voice.get("language")),
        ("voice", voice.get("name")),
        ("model", record.get("model")),
        ("begins with", record.get("begin_message")),
        ("recorded", record.get("call_recording_enabled")),
    )
    words = {True: "yes", False: "no"}
    return ((name, words[value] if isinstance(value, bool) else label(value)) for name, value in found if label(value))


def _anchor(kind: str, place: int, most: int) -> str:
    return f"{kind}-{place + 1}" if place < most else ""
