"""What a fleet looked like, in digests: enough to tell later which fields changed, too little to tell what they held.

In come records in canonical spelling; out comes one :class:`Print` per assistant: a short digest of each field. Objects
such as ``voice`` are taken apart once, so that ``voice.language`` can be told; all else is one value. A digest that stays
the same for two different values hides a change: one in four billion changed fields.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from airflow_provider_puretalk.api import exact_json
from airflow_provider_puretalk.api.pages import record_id

#: Length of a field's digest.
DIGEST_BYTES: Final = 4
#: Length of the digest by which a record is known that stayed as it was.
_WHOLE_BYTES = 16
#: Keys that lead to a field.
Path = tuple[str, ...]

#: Objects with more keys than this are no records of their own but tables with keys from users: one value.
_MOST_KEYS = 32


class Print(NamedTuple):
    """What an assistant looked like.

    :ivar fields: paths of its fields. An object that is taken apart stands before its own fields.
    :ivar digests: their digests, one after another.
    """

    fields: tuple[Path, ...]
    digests: bytes

    def digest(self, place: int) -> bytes:
        """Return the digest of the field at a place in :attr:`fields`."""
        return self.digests[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES]

    def by_field(self) -> dict[Path, bytes]:
        """Return the digests by field."""
        return {field: self.digest(place) for place, field in enumerate(self.fields)}


@dataclass(frozen=True, slots=True)
class Fleet:
    """What all assistants of an account looked like.

    :ivar prints: by assistant id.
    :ivar seal: tells apart what digests were made with; those of different seals cannot be compared.
    :ivar seen_at: when, in UTC; None for one that was remembered.
    """

    account: str
    prints: Mapping[str, Print]
    seal: str
    seen_at: datetime | None = None

    def is_comparable_with(self, other: Fleet) -> bool:
        """Tell whether differences between the two would be changes of assistants."""
        return (self.account, self.seal) == (other.account, other.seal)


class Observer:
    """Makes prints of one look after another. A record that is spelled as before costs the hashing of its line."""

    def __init__(self) -> None:
        self._seal: str | None = None
        self._known: dict[bytes, tuple[str, Print]] = {}
        self._shapes: dict[tuple[Path, ...], tuple[Path, ...]] = {}

    def look(
        self, account: str, lines: Iterable[bytes], *, seen_at: datetime | None = None, secret: str | None = None
    ) -> Fleet:
        """Return what the fleet looks like.

        :param lines: its records in canonical spelling.
        :param secret: what the digests are keyed with, so that nobody can test guesses against them.
        """
        key = b"" if secret is None else hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
        seal = hashlib.blake2b(b"seal of a fleet's digests", key=key, digest_size=8).hexdigest()
        known = self._known if seal == self._seal else {}
        seen: dict[bytes, tuple[str, Print]] = {}
        for line in lines:
            whole = hashlib.blake2b(line, digest_size=_WHOLE_BYTES).digest()
            seen[whole] = known.get(whole) or self._of_record(exact_json.loads(line), key)
        self._known, self._seal = seen, seal
        return Fleet(account, dict(seen.values()), seal, seen_at)

    def _of_record(self, record: dict[str, Any], key: bytes) -> tuple[str, Print]:
        fields, digests = [], []
        for path, spelled in _parts(record):
            fields.append(path)
            digests.append(hashlib.blake2b(spelled, key=key, digest_size=DIGEST_BYTES).digest())
        shape = tuple(fields)
        # Most assistants have the same fields: they share one tuple.
        return record_id(record) or "", Print(self._shapes.setdefault(shape, shape), b"".join(digests))


def _parts(record: dict[str, Any]) -> Iterator[tuple[Path, bytes]]:
    """Yield the path and the spelling of each value that has a digest of its own."""
    for name, value in sorted(record.items()):
        if isinstance(value, dict) and len(value) <= _MOST_KEYS:
            yield (name,), b"{}"
            for key, part in sorted(value.items()):
                yield (name, key), exact_json.dumps(_plain(part))
        else:
            yield (name,), exact_json.dumps(_plain(value))


def _plain(value: Any) -> Any:
    """Return a value in which 1 and 1.0 are spelled alike: that is no change."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
