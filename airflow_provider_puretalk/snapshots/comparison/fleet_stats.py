"""Fleet stats: languages, voices, models and phone numbers of a fleet, for the charts and warnings of a report."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.field_paths import ABSENT
from airflow_provider_puretalk.records.redaction import MASK
from airflow_provider_puretalk.snapshots.comparison.change_store import CURRENT, ChangeStore, Trait

#: Id and name of an assistant.
Member = tuple[Any, Any]

#: Key of the assistants without a value, and of those whose value is too rare to be counted on its own.
NONE, OTHERS = "(none)", "(others)"

#: Different languages, voices or models that are counted one by one.
_MAX_TRAITS = 1_000
#: Groups of twins, or phone numbers with several assistants, that are returned.
_MAX_GROUPS = 100

#: What two assistants may differ in and still be twins.
_OWN = ("assistant_id", "name", "phone_number", "created_at", "updated_at")

#: A phone number without blanks and dashes.
_NUMBER = re.compile(r"(?:tel:)?\(?(\+?)([./()]*[0-9][0-9./()]*)", re.IGNORECASE | re.ASCII)


class FleetStats:
    """The stats of one side of a comparison.

    :param policy: how its records were redacted.
    """

    def __init__(self, change_store: ChangeStore, side: int, policy: Mapping[str, str]) -> None:
        self._change_store = change_store
        self._side = side
        self._hides_differences = any(
            treatment != "hash" and name.partition(".")[0] not in (*_OWN, "user") for name, treatment in policy.items()
        )

    @cached_property
    def assistants(self) -> int:
        """Number of assistants."""
        return self._change_store.members(self._side)

    @cached_property
    def with_number(self) -> int:
        """Number of assistants with a phone number."""
        return self._change_store.with_number(self._side)

    @property
    def without_number(self) -> int:
        """Number of assistants without one."""
        return self.assistants - self.with_number

    @cached_property
    def languages(self) -> Counter[str]:
        """Number of assistants by language."""
        return self._count("language")

    @cached_property
    def voices(self) -> Counter[str]:
        """Number of assistants by name of the voice."""
        return self._count("voice")

    @cached_property
    def models(self) -> Counter[str]:
        """Number of assistants by model."""
        return self._count("model")

    def shared_numbers(self) -> list[tuple[str, list[Member]]]:
        """Return the current phone numbers that several assistants share, with these; the first 100.

        Spellings of one number count as one; it is spelled as its first assistant has it.
        """
        shared = self._change_store.sharing("normalized_number", _MAX_GROUPS) if self._side == CURRENT else ()
        return [(text_of_trait(number), members) for number, members in shared if number != MASK]

    def twins(self) -> list[list[Member]]:
        """Return the current assistants that are alike, group by group; the first 100.

        Twins differ in ``assistant_id``, ``name``, ``phone_number``, ``created_at`` and ``updated_at`` at most. Where
        anything else but the owner was dropped or masked, twins are unknown, and none are returned.
        """
        if self._side != CURRENT or self._hides_differences:
            return []
        return [members for _, members in self._change_store.sharing("fingerprint", _MAX_GROUPS)]

    def _count(self, trait: Trait) -> Counter[str]:
        counts: Counter[str] = Counter()
        for value, count in self._change_store.trait(self._side, trait, _MAX_TRAITS):
            counts[OTHERS if value is ABSENT else text_of_trait(value)] += count
        return counts


def add(change_store: ChangeStore, identity: Any, record: dict[str, Any], side: int) -> None:
    """Add the traits of an assistant to the change store."""
    voice, number = record.get("voice"), record.get("phone_number") or None
    if not isinstance(voice, dict):
        voice = {}
    change_store.add_member(
        identity,
        record.get("name"),
        side,
        language=voice.get("language"),
        voice=voice.get("name"),
        model=record.get("model"),
        number=number,
        normalized_number=normalized_number(number),
        fingerprint=_fingerprint(record) if side & CURRENT else None,
    )


def normalized_number(number: Any) -> Any:
    """Return a phone number without its spelling: its digits, after a plus where there is one.

    ``+49 30 1234``, ``+49 (0)30/1234`` and ``tel:+49-30-1234`` become ``+49301234``. A hashed or masked value, and what is
    no number, stays as it is.
    """
    if not isinstance(number, str):
        return number
    # Numbers copied from an address book come with invisible marks of direction.
    dense = "".join(char for char in number if unicodedata.category(char) not in ("Cf", "Pd", "Zs"))
    if not (found := _NUMBER.fullmatch(dense)):
        return number
    plus, spelt = found.groups()
    return plus + re.sub(r"\D", "", spelt.replace("(0)", "") if plus else spelt)


def _fingerprint(record: dict[str, Any]) -> bytes:
    common = record.copy()
    for name in _OWN:
        common.pop(name, None)
    return hashlib.sha256(canonical_json.dumps(common)).digest()[:16]  # Half of it is plenty for a fleet.


def text_of_trait(value: Any) -> str:
    """Return a value as text; one that breaks the documentation as it is spelled in JSON."""
    if value is None or value == "":
        return NONE
    return value if isinstance(value, str) else canonical_json.dumps(value).decode()
