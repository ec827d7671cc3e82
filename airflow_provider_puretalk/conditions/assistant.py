"""The condition that an assistant exists and its fields have the values expected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any, ClassVar, Self

from airflow_provider_puretalk import params
from airflow_provider_puretalk.conditions.poll_failures import failure
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkError
from airflow_provider_puretalk.params import as_text
from airflow_provider_puretalk.records.field_paths import ITEMS, Pattern, find, parse_name
from airflow_provider_puretalk.records.matching import ExpectedValue
from airflow_provider_puretalk.storable import storable

if TYPE_CHECKING:
    from airflow_provider_puretalk.conditions.poll_memory import PollMemory
    from airflow_provider_puretalk.hooks import PuretalkHook


@dataclass(frozen=True)
class AssistantCondition:
    """An assistant with this id, or this name, or both, whose fields have the values expected.

    One walk over the list is enough: what it holds was there. What an unlucky walk misses, the next one finds.

    :param expect: dotted names mapped to values. Null means null or absent.
    :raises PuretalkConfigurationError: neither id nor name, or ``expect`` makes no sense.
    """

    kind: ClassVar[str] = "assistant"
    group: ClassVar[Hashable] = kind
    storage: ClassVar[Hashable] = None

    assistant_id: str | None
    name: str | None
    expect: Mapping[str, Any] = field(default_factory=dict, hash=False)
    _expected: list[tuple[Pattern, ExpectedValue]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.assistant_id is None and self.name is None:
            raise PuretalkConfigurationError("Say which assistant to wait for: give `assistant_id` or `name`.")
        given = params.mapping("expect", self.expect, of="field names to values, such as {'voice.language': 'en-US'}")
        names = {name: parse_name("expect", name) for name in given}
        for name, pattern in names.items():
            if ITEMS in pattern:
                raise PuretalkConfigurationError(f"`expect` holds {name!r}; it takes whole fields, without `*`.")
        expected = [(names[name], ExpectedValue("expect", name, value)) for name, value in given.items()]
        object.__setattr__(self, "_expected", expected)
        # Copied: a generator would be empty when the condition is serialized for the trigger.
        object.__setattr__(
            self, "expect", {name: value.value for name, (_, value) in zip(given, expected, strict=True)}
        )

    @classmethod
    def of(cls, assistant_id: Any = None, name: Any = None, expect: Any = None, **_: Any) -> Self:
        """Rebuild it from what :meth:`to_dict` gave; what a later release added is skipped."""
        return cls(assistant_id, name, expect or {})

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON primitives."""
        return {
            "kind": self.kind,
            "assistant_id": self.assistant_id,
            "name": self.name,
            "expect": dict(self.expect),
        }

    def pinned(self, hook: PuretalkHook) -> Self:
        """Return itself: it depends on nothing that is stored."""
        return self

    @classmethod
    def evaluate(
        cls,
        hook: PuretalkHook,
        conditions: Sequence[Self],
        *,
        max_seconds: float,
        memory: PollMemory,
        cancelled: Event | None = None,
    ) -> list[dict[str, Any] | PuretalkError | None]:
        """Walk over the list once, and return for each condition the first assistant, by id, that meets it."""
        from airflow_provider_puretalk.records import canonical_json
        from airflow_provider_puretalk.records.record_id import record_id
        from airflow_provider_puretalk.scan.options import ScanOptions

        ids = {condition.assistant_id for condition in conditions}
        names = {condition.name for condition in conditions if condition.assistant_id is None}

        def is_candidate(record: dict[str, Any]) -> bool:
            return record_id(record) in ids or (as_text(record.get("name")) in names)

        by_id: dict[str | None, dict[str, Any]] = {}
        by_name: defaultdict[str | None, list[dict[str, Any]]] = defaultdict(list)
        options = ScanOptions(
            consistency="best_effort", max_seconds=max_seconds, examine=is_candidate, cancelled=cancelled
        )
        # As text: Python takes 1 for True, and whoever expects the one does not expect the other.
        awaited = [repr(condition.to_dict()) for condition in conditions]
        with hook.scan(options, memory=memory.pages(awaited)) as scan:
            for line, candidate in () if scan.unchanged else scan.rows():
                if candidate:
                    record = canonical_json.loads(line)
                    by_id[record_id(record)] = record
                    by_name[as_text(record.get("name"))].append(record)
        found: list[dict[str, Any] | PuretalkError | None] = []
        for condition in conditions:
            if condition.assistant_id is None:
                candidates = by_name[condition.name]
            else:
                candidates = [by_id[condition.assistant_id]] if condition.assistant_id in by_id else []
            try:
                found.append(next(filter(condition._is_met_by, candidates), None))
            except Exception as error:  # A value that cannot be compared, say: no reason for the others to end.
                found.append(failure(error))
        memory.keep([one for one, assistant in zip(awaited, found, strict=True) if assistant is None])
        return found

    def event_payload(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return the id of the assistant that was found."""
        return {"assistant_id": storable(found["assistant_id"])}

    def _is_met_by(self, record: dict[str, Any]) -> bool:
        if self.name is not None and as_text(record.get("name")) != self.name:
            return False
        return all(expected.is_met_by(find(record, name)) for name, expected in self._expected)
