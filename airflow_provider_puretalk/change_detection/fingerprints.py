"""Fingerprints of a fleet: enough to name later which fields changed, too little to show what they held.

A :class:`Fingerprint` is one assistant's: a short digest of each field. Objects such as ``voice`` are taken apart once, so
that ``voice.language`` can be named; all else is one value. A digest that stays the same for two different values hides a
change: one in four billion changed fields.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.equality import KEY_VERSION, comparison_key
from airflow_provider_puretalk.records.ignored_fields import without_queries
from airflow_provider_puretalk.records.record_id import record_id

#: Length of a field's digest.
DIGEST_BYTES: Final = 4
#: Length of the digest by which a record is known that stayed as it was.
_WHOLE_BYTES = 16
#: Keys that lead to a field.
Path = tuple[str, ...]

#: Objects with more keys than this are no records of their own but tables with keys from users: one value.
_MOST_KEYS = 32

#: Numbers of which an earlier release made another digest: with an exponent, or of more digits than a double has.
_OTHER_BEFORE = re.compile(rb"[0-9][eE][-+0-9]|[0-9.]{17}")


class Fingerprint(NamedTuple):
    """The fingerprint of an assistant.

    :ivar fields: paths of its fields. An object that is taken apart stands before its own fields.
    :ivar digests: their digests, one after another.
    :ivar links: of fields that hold links with a query: the place in :attr:`fields`, the digest without it.
    """

    fields: tuple[Path, ...]
    digests: bytes
    links: tuple[tuple[int, bytes], ...] = ()

    def digest(self, place: int) -> bytes:
        """Return the digest of the field at a place in :attr:`fields`."""
        return self.digests[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES]

    def by_field(self) -> dict[Path, bytes]:
        """Return the digests by field."""
        return {field: self.digest(place) for place, field in enumerate(self.fields)}


@dataclass(frozen=True, slots=True)
class Fleet:
    """The fingerprints of all assistants of an account.

    :ivar fingerprints: by assistant id.
    :ivar key_fingerprint: of the key that the digests were made with; those of different keys cannot be compared.
    :ivar observed_at: in UTC; None for one from a checkpoint.
    :ivar key_version: which :data:`~airflow_provider_puretalk.records.equality.KEY_VERSION` the digests were made with.
    :ivar former: the fingerprints that version 1 would have made, where they differ.
    """

    account: str
    fingerprints: Mapping[str, Fingerprint]
    key_fingerprint: str
    observed_at: datetime | None = None
    key_version: int = field(default=KEY_VERSION, compare=False)
    former: Mapping[str, Fingerprint] = field(default_factory=dict, compare=False)

    def is_comparable_with(self, other: Fleet) -> bool:
        """Return whether differences between the two would be changes of assistants."""
        return (self.account, self.key_fingerprint) == (other.account, other.key_fingerprint)

    def as_of_version(self, key_version: int) -> Mapping[str, Fingerprint]:
        """Return the fingerprints to compare with those of a checkpoint of that version, so that an upgrade is no change."""
        return {**self.fingerprints, **self.former} if key_version < self.key_version else self.fingerprints


class Observer:
    """Makes the fingerprints of each poll. A record that is spelled as before costs the hashing of its line."""

    def __init__(self) -> None:
        self._key_fingerprint: str | None = None
        self._known: dict[bytes, _Observed] = {}
        self._shapes: dict[tuple[Path, ...], tuple[Path, ...]] = {}
        self._last: Fleet | None = None

    def observe(
        self, account: str, lines: Iterable[bytes], *, observed_at: datetime | None = None, secret: str | None = None
    ) -> Fleet:
        """Return the fingerprints of a fleet.

        :param lines: its records in canonical spelling.
        :param secret: what the digests are keyed with, so that guesses cannot be tested against them.
        """
        key = b"" if secret is None else hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
        key_fingerprint = hashlib.blake2b(b"seal of a fleet's digests", key=key, digest_size=8).hexdigest()
        known = self._known if key_fingerprint == self._key_fingerprint else {}
        observed: dict[bytes, _Observed] = {}
        for line in lines:
            whole = hashlib.blake2b(line, digest_size=_WHOLE_BYTES).digest()
            observed[whole] = known.get(whole) or self._of_line(line, key)
        self._known, self._key_fingerprint = observed, key_fingerprint
        fingerprints = {one.identity: one.fingerprint for one in observed.values()}
        former = {one.identity: one.former for one in observed.values() if one.former is not None}
        self._last = Fleet(account, fingerprints, key_fingerprint, observed_at, former=former)
        return self._last

    def observe_again(self, observed_at: datetime) -> Fleet:
        """Return the fingerprints of a poll whose records, account and secret are those of the last one.

        :raises ValueError: there was none.
        """
        if self._last is None:
            raise ValueError("There was no poll yet.")
        self._last = replace(self._last, observed_at=observed_at)
        return self._last

    def _of_line(self, line: bytes, key: bytes) -> _Observed:
        record = canonical_json.loads(line)
        current = self._fingerprint(record, key, comparison_key)
        former = self._fingerprint(record, key, _former_key) if _OTHER_BEFORE.search(line) else current
        return _Observed(record_id(record) or "", current, None if former == current else former)

    def _fingerprint(self, record: dict[str, Any], key: bytes, spell: Callable[[Any], bytes]) -> Fingerprint:
        fields, digests, links = [], [], []
        for place, (path, spelled) in enumerate(fields_of(record, spell)):
            fields.append(path)
            digests.append(_digest(spelled, key))
            if (cut := without_queries(spelled)) != spelled:
                links.append((place, _digest(cut, key)))
        shape = tuple(fields)
        # Most assistants have the same fields: they share one tuple.
        return Fingerprint(self._shapes.setdefault(shape, shape), b"".join(digests), tuple(links))


class _Observed(NamedTuple):
    """A record's id and fingerprint, and that of an earlier release where it was another one."""

    identity: str
    fingerprint: Fingerprint
    former: Fingerprint | None


def _digest(spelled: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(spelled, key=key, digest_size=DIGEST_BYTES).digest()


def fields_of(record: dict[str, Any], spell: Callable[[Any], bytes]) -> Iterator[tuple[Path, bytes]]:
    """Yield the path and the spelling of each field that has a digest of its own."""
    for name, value in sorted(record.items()):
        if isinstance(value, dict) and len(value) <= _MOST_KEYS:
            yield (name,), b"{}"
            for key, part in sorted(value.items()):
                yield (name, key), spell(part)
        else:
            yield (name,), spell(value)


def _former_key(value: Any) -> bytes:
    """Return the bytes that version 1 made digests of."""
    try:
        return canonical_json.dumps(_plain(value))
    except (RecursionError, canonical_json.InvalidJSONError):
        return comparison_key(value)  # Version 1 saved nothing so deep.


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
