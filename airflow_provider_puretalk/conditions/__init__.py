"""Conditions that sensors wait for, and the rules of polling for them.

The sensors' three modes and their trigger share this room, so that they wait for the same thing. It knows a hook and
snapshots, but no task and no event loop. Cheap to import.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from threading import Event
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from airflow_provider_puretalk.conditions.poll_memory import PollMemory
    from airflow_provider_puretalk.exceptions import PuretalkError
    from airflow_provider_puretalk.hooks import PuretalkHook


class Condition(Protocol):
    """Something to wait for."""

    @property
    def group(self) -> Hashable:
        """Conditions of the same group are evaluated on one reading."""

    @property
    def storage(self) -> Hashable:
        """The storage it reads beside the API, the same for all of a group; None for none."""

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
        """Read once, and return for each condition of a group what was found; None where it does not hold yet.

        An error that concerns one of them alone takes the place of its find.

        :param max_seconds: seconds after which to give up.
        :param memory: of the poll loop: where the list is as it was, what did not hold then is not looked at again.
        :param cancelled: set by another thread, it ends the reading with an error.
        """

    def pinned(self, hook: PuretalkHook) -> Self:
        """Return the same condition, made independent of what is stored during the wait."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON primitives, for a database."""

    def event_payload(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return what an event may hold of a find, since events are logged: ids and names of fields, never contents."""


def condition_of(serialized: Mapping[str, Any]) -> Condition:
    """Return the condition that :meth:`Condition.to_dict` serialized."""
    from airflow_provider_puretalk.conditions.assistant import AssistantCondition
    from airflow_provider_puretalk.conditions.assistants_changed import ChangeCondition

    values = dict(serialized)
    kinds: dict[str, Any] = {AssistantCondition.kind: AssistantCondition, ChangeCondition.kind: ChangeCondition}
    condition: Condition = kinds[values.pop("kind")].of(**values)
    return condition
