"""What a fleet is made of: its languages, voices, models and phone numbers, for the charts and warnings of a report."""

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
from airflow_provider_puretalk.snapshots.comparison.change_store import NOW, ChangeStore, Trait

#: Id and name of an assistant.
Member = tuple[Any, Any]

#: What is counted where an assistant has no such thing, and where there are more different ones than are counted.
NONE, OTHERS = "(none)", "(others)"

#: Different languages, voices or models that are counted one by one.
_TRAITS = 1_000
#: Groups of twins, or phone numbers with several assistants, that are told.
_GROUPS = 100

#: What two assistants may differ in and still be twins.
_OWN = ("assistant_id", "name", "phone_number", "created_at", "updated_at")

#: A phone number without blanks and dashes.
_NUMBER = re.compile(r"(?:tel:)?\(?(\+?)([./()]*[0-9][0-9./()]*)", re.IGNORECASE | re.ASCII)


class FleetStats:
    """What one side of a comparison is made of.

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
        """How many there are."""
        return self._change_store.members(self._side)

    @cached_property
    def with_number(self) -> int:
        """How many of them have a phone number."""
        return self._change_store.numbered(self._side)

    @property
    def without_number(self) -> int:
        """How many of them have none."""
        return self.assistants - self.with_number

    @cached_property
    def languages(self) -> Counter[str]:
        """How many assistants speak each language."""
        return self._count("language")

    @cached_property
    def voices(self) -> Counter[str]:
        """How many assistants have each voice, by its name."""
        return self._count("voice")

    @cached_property
    def models(self) -> Counter[str]:
        """How many assistants use each model."""
        return self._count("model")

    def shared_numbers(self) -> list[tuple[str, list[Member]]]:
        """Return the phone numbers of the newer side that several assistants have, and who they are; the first 100.

        However they are spelt: one number is told as its first assistant has it.
        """
        shared = self._change_store.sharing("line", _GROUPS) if self._side == NOW else ()
        return [(_text(number), members) for number, members in shared if number != MASK]

    def twins(self) -> list[list[Member]]:
        """Return the assistants of the newer side that are alike, group by group; the first 100.

        Alike is what differs in ``assistant_id``, ``name``, ``phone_number``, ``created_at`` and ``updated_at`` at most.
        Where anything else but the owner was dropped or masked, nobody knows, and there are none.
        """
        if self._side != NOW or self._hides_differences:
            return []
        return [members for _, members in self._change_store.sharing("likeness", _GROUPS)]

    def _count(self, trait: Trait) -> Counter[str]:
        counts: Counter[str] = Counter()
        for value, count in self._change_store.trait(self._side, trait, _TRAITS):
            counts[OTHERS if value is ABSENT else _text(value)] += count
        return counts


def enter(change_store: ChangeStore, identity: Any, record: dict[str, Any], side: int) -> None:
    """Note what an assistant is made of."""
    voice, number = record.get("voice"), record.get("phone_number") or None
    if not isinstance(voice, dict):
        voice = {}
    change_store.member(
        identity,
        record.get("name"),
        side,
        language=voice.get("language"),
        voice=voice.get("name"),
        model=record.get("model"),
        number=number,
        line=_line(number),
        likeness=_likeness(record) if side & NOW else None,
    )


def _line(number: Any) -> Any:
    """Return what all spellings of a phone number have in common: its digits, after a plus where there is one.

    Of ``+49 30 1234``, ``+49 (0)30/1234`` and ``tel:+49-30-1234`` that is ``+49301234``. What was hashed or masked, and
    what is no number, stays as it is.
    """
    if not isinstance(number, str):
        return number
    # Copied from an address book, numbers have invisible marks of direction about them.
    dense = "".join(char for char in number if unicodedata.category(char) not in ("Cf", "Pd", "Zs"))
    if not (found := _NUMBER.fullmatch(dense)):
        return number
    plus, spelt = found.groups()
    return plus + re.sub(r"\D", "", spelt.replace("(0)", "") if plus else spelt)


def _likeness(record: dict[str, Any]) -> bytes:
    common = record.copy()
    for name in _OWN:
        common.pop(name, None)
    return hashlib.sha256(canonical_json.dumps(common)).digest()[:16]  # Half of it is plenty for a fleet.


def _text(value: Any) -> str:
    """Return a value as text; one that breaks the documentation as it is spelled in JSON."""
    if value is None or value == "":
        return NONE
    return value if isinstance(value, str) else canonical_json.dumps(value).decode()
