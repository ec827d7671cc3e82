"""Redaction of records by a policy (``{"user.email": "hash"}``), before anything is stored.

What a policy does not name is not promised: a prompt may well quote a telephone number.

==========  ============================================================================================================
``"drop"``  the field is removed, also where it is null; an item of a list is removed from the list
``"mask"``  the value becomes ``"***"``
``"hash"``  the value becomes the HMAC-SHA-256 of its canonical spelling, as 64 hex digits: equal values stay equal
==========  ============================================================================================================

Null stays null when masked or hashed, and absent stays absent. Where a record has something else than the object or list
in which a name has its field (``user`` arrives as text), that whole value is treated, since what is in it is unknown;
where several names lead into it, by the strictest of their treatments: drop before mask before hash.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from airflow_provider_puretalk import params
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkResponseError
from airflow_provider_puretalk.records import field_paths

Treatment = Literal["drop", "mask", "hash"]
#: All treatments, the strictest first.
TREATMENTS: tuple[Treatment, ...] = get_args(Treatment)

#: A policy for the contract's personal fields: who owns an assistant, and which number it answers. Needs no key; add to it
#: with ``{**PERSONAL_FIELDS, "prompt": "drop"}``.
PERSONAL_FIELDS: Final[Mapping[str, str]] = {
    "phone_number": "mask",
    "user.dp": "mask",
    "user.email": "mask",
    "user.name": "mask",
}

MASK: Final = "***"

_UNMATCHED_WARNING: Final = "`redact` names `%s`, which is in no record that was read: a typo, or no longer its name?"

_BESIDE_WARNING: Final = (
    "`redact` keeps the undocumented field `%s`, which stands beside fields that it takes out: name it as well?"
)

#: What the fingerprint of a key is the HMAC of. It is not JSON, so no value of any record has the same hash.
_FINGERPRINTED = b"airflow-provider-puretalk: fingerprint of a redaction key"
_FINGERPRINT_DIGITS = 16

_GONE: Final = object()


class Redactor:
    """A policy, checked, and applied to the records of one reading.

    Calling it with a record returns the record to keep; the one given stays as it was. May be called from several threads.

    :param policy: dotted names mapped to a treatment.
    :param key: the secret to hash with; without one, ``hash`` is refused.
    :raises PuretalkConfigurationError: the policy cannot be carried out; the sentence says why.
    :ivar policy: the policy, sorted by name.
    :ivar key_fingerprint: distinguishes keys and gives nothing of them away; None where nothing is hashed.
    """

    def __init__(self, policy: Mapping[str, str], key: str | None = None) -> None:
        rules = _checked(policy)
        self.policy: dict[str, Treatment] = {".".join(pattern): rules[pattern] for pattern in sorted(rules)}
        self.key_fingerprint: str | None = None
        self._key = b""
        hashed = [name for name, treatment in self.policy.items() if treatment == "hash"]
        if hashed:
            if not key:
                raise PuretalkConfigurationError(
                    f"`redact` hashes `{hashed[0]}`, but the connection has no key to hash with. Set the extra field "
                    "`redaction_secret` of the Airflow connection of type `puretalk`, or use 'mask' or 'drop'."
                )
            self._key = key.encode("utf-8", "surrogatepass")
            self.key_fingerprint = self._hmac(_FINGERPRINTED)[:_FINGERPRINT_DIGITS]
        self._root = _grow(rules)
        self._unmatched = set(self.policy)
        self._beside: set[tuple[str, str]] = set()

    def __call__(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return the record as it may be kept.

        :raises PuretalkResponseError: a value to be hashed is nested too deeply.
        """
        redacted: dict[str, Any] = _walk(self._root, record, self._treat, self._unmatched, self._beside)
        return redacted

    def without(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return a redacted record without everything that was treated, to hold the rest against the contract."""
        rest: dict[str, Any] = _walk(self._root, record, _leave_out, set(), set())
        return rest

    @property
    def unmatched(self) -> list[str]:
        """The names of the policy that were in no record so far, sorted. Null is there; what a parent hides is not."""
        return sorted(self._unmatched)

    @property
    def undocumented_beside(self) -> list[str]:
        """Undocumented fields that were kept in objects of which the policy names other fields, sorted.

        Who takes ``user.email`` out may want to know that the API sends a ``user.telephone`` now.
        """
        from airflow_provider_puretalk.records.models import (
            documented_fields,  # Only here: DAG files import this module.
        )

        return sorted({".".join(name) for name in self._beside} - documented_fields())

    def warnings(self) -> list[str]:
        """Return what to log once records were read, a sentence each; of no records nothing can be said."""
        return [
            *(_UNMATCHED_WARNING % name for name in self.unmatched),
            *(_BESIDE_WARNING % name for name in self.undocumented_beside),
        ]

    def _treat(self, treatment: Treatment, value: Any) -> Any:
        if treatment == "drop":
            return _GONE
        if value is None:
            return None
        return MASK if treatment == "mask" else self._hash(value)

    def _hash(self, value: Any) -> str:
        from airflow_provider_puretalk.records import canonical_json  # Only here: DAG files import this module.

        try:
            return self._hmac(canonical_json.dumps(value))
        except canonical_json.InvalidJSONError as error:
            raise PuretalkResponseError(
                f"A value that `redact` hashes cannot be written down: {error}.", transient=False
            ) from None

    def _hmac(self, data: bytes) -> str:
        return hmac.digest(self._key, data, "sha256").hex()


@dataclass(frozen=True, slots=True)
class _Node:
    """What a policy says of one place and of what lies below.

    :ivar name: the name that means this very place, and then no other means a place below; None without one.
    :ivar treatment: the strictest treatment of this place and those below.
    :ivar fields: what is said of fields, where this should be an object.
    :ivar items: what is said of the items, where this should be a list.
    :ivar path: the dotted name of this place, where it is a field of the record; empty for the record itself.
    """

    path: str
    name: str | None
    treatment: Treatment
    fields: Mapping[str, _Node]
    items: _Node | None


def _grow(rules: Mapping[field_paths.Pattern, Treatment]) -> _Node:
    """Arrange the rules so that a record is read only where one of them may apply."""

    def node(left: Mapping[field_paths.Pattern, field_paths.Pattern], path: str = "") -> _Node:
        # `left` maps what is left of each pattern to the whole of it.
        items = below(left, 0)
        keys = {".".join(rest[:size]) for rest in left for size in range(1, len(rest) + 1) if not items}
        return _Node(
            path=path,
            name=".".join(left[()]) if () in left else None,
            treatment=min((rules[pattern] for pattern in left.values()), key=TREATMENTS.index),
            fields={key: node(below(left, key), f"{path}.{key}" if path else key) for key in sorted(keys)},
            items=node(items, f"{path}.{field_paths.ITEMS}") if items else None,
        )

    def below(
        left: Mapping[field_paths.Pattern, field_paths.Pattern], key: str | int
    ) -> dict[field_paths.Pattern, field_paths.Pattern]:
        return {rest: whole for one, whole in left.items() for rest in field_paths.below([one], key)}

    return node({pattern: pattern for pattern in rules})


def _walk(
    node: _Node,
    value: Any,
    treat: Callable[[Treatment, Any], Any],
    unmatched: set[str],
    beside: set[tuple[str, str]],
) -> Any:
    """Return a value with the treatments of a node applied; the value itself is not altered.

    :param unmatched: names that were nowhere so far; those found are taken out of it.
    :param beside: places and keys that stand beside named ones and are kept; those found are added.
    """
    if node.name is not None:
        unmatched.discard(node.name)
    elif value is None:
        return None
    elif node.items is not None and isinstance(value, list):
        walked = [_walk(node.items, item, treat, unmatched, beside) for item in value]
        return [item for item in walked if item is not _GONE]
    elif node.items is None and isinstance(value, dict):
        changed = dict(value)
        if node.path and (others := value.keys() - node.fields.keys()):
            beside.update((node.path, key) for key in others)
        for key in node.fields:
            if key in value:
                changed[key] = _walk(node.fields[key], value[key], treat, unmatched, beside)
                if changed[key] is _GONE:
                    del changed[key]
        return changed
    return treat(node.treatment, value)


def _leave_out(treatment: Treatment, value: Any) -> Any:
    return _GONE


def _checked(policy: Any) -> dict[field_paths.Pattern, Treatment]:
    policy = params.mapping(
        "redact", policy, of="field names to 'drop', 'mask' or 'hash', such as {'user.email': 'mask'}"
    )
    if not policy:
        raise PuretalkConfigurationError("`redact` is empty; leave it out to keep everything as it came.")
    rules = {_pattern(name): treatment for name, treatment in policy.items()}
    for pattern, treatment in rules.items():
        if not isinstance(treatment, str) or treatment not in TREATMENTS:
            raise PuretalkConfigurationError(
                f"`redact` must say 'drop', 'mask' or 'hash' of `{'.'.join(pattern)}`, not {treatment!r}."
            )
    _refuse_contradictions(rules)
    return rules


def _pattern(name: Any) -> field_paths.Pattern:
    pattern = field_paths.parse_name("redact", name)
    if pattern[0] == "assistant_id":
        raise PuretalkConfigurationError(
            f"`redact` holds {name!r}; what an assistant is known by from one reading to the next cannot be taken out."
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise PuretalkConfigurationError(f"`redact` holds {name!r}, which is not valid Unicode.") from None
    return pattern


def _refuse_contradictions(patterns: Collection[field_paths.Pattern]) -> None:
    """Refuse names of which one lies in the other, or which take the same value for a list and for an object."""
    parents: dict[field_paths.Pattern, field_paths.Pattern] = {}
    for pattern in patterns:
        for size in range(1, len(pattern)):
            parent, name = pattern[:size], ".".join(pattern)
            if parent in patterns:
                raise PuretalkConfigurationError(
                    f"`redact` names both `{'.'.join(parent)}` and `{name}`, which lies in it; keep one of them."
                )
            other = parents.setdefault(parent, pattern)
            if (other[size] == field_paths.ITEMS) != (pattern[size] == field_paths.ITEMS):
                raise PuretalkConfigurationError(
                    f"`redact` takes `{'.'.join(parent)}` for a list and for an object, in `{'.'.join(other)}` and "
                    f"`{name}`; keep one of them."
                )
