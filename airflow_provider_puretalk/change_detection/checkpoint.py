"""The checkpoint of a watch: the fleet as observed last, in a store of small JSON values, so that it outlives the process.

=====================  ================================================================================================
``<name>/head``        ``{"format": 1, "parts": n, "account", "seal", "key_version", "not_compared": [sentences]}``
``<name>/<n>/<i>``     part *i* of *n*: the assistants whose hashed id falls there, compressed, as text of base64
=====================  ================================================================================================

Only parts in which something changed are written anew. Each part is written whole, and only after the events of its changes
were acknowledged. So a process that dies between two parts leaves behind, part by part, either what was acknowledged or what
was known before: some events are repeated, and none is lost. When a part gets too large there will be more of them: all are
written under new names, and the head, last of all, names them.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

import msgspec

from airflow_provider_puretalk.change_detection.detector import Watch
from airflow_provider_puretalk.change_detection.fingerprints import DIGEST_BYTES, Fingerprint, Fleet, Path
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.equality import KEY_VERSION
from airflow_provider_puretalk.storable import fitting, storable

log = logging.getLogger(__name__)

#: Version of what is stored.
FORMAT: Final = 1
#: Longest text of a part. Airflow warns of values above 64 KiB ([state_store] max_value_storage_bytes).
LONGEST_PART: Final = 48_000
#: Assistants in a part, where each takes the usual 120 characters: half of the longest part, so that parts can grow.
_USUAL_MEMBERS = 200
_MOST_PARTS = 4_096


class Store(Protocol):
    """Keeps JSON values by name, as Airflow's asset state store does."""

    async def get(self, name: str) -> Any:
        """Return a value, None where there is none."""

    async def set(self, name: str, value: Any) -> None:
        """Keep a value."""

    async def delete(self, name: str) -> None:
        """Remove a value, if there is one."""


class Checkpoint:
    """The checkpoint of one watch.

    :param store: where it is kept.
    :param name: what its keys begin with.
    :param watch: the assistants and fields that are saved, and no others.
    :ivar is_unreadable: whether something was there, when it was loaded, that this version cannot read.
    :ivar not_compared: what could not be compared and no event names yet, a sentence each, when it was loaded.
    """

    def __init__(self, store: Store, name: str, watch: Watch) -> None:
        self._store = store
        self._name = name
        self._watch = watch
        self._parts = 0
        self._head: dict[str, Any] | None = None
        self.is_unreadable = False
        self.not_compared: list[str] = []

    async def load(self) -> Fleet | None:
        """Return what was saved last, or None where nothing was, or nothing that this version can read.

        A part that is missing or damaged is left out: its assistants will count as added, which is better than to miss a
        change.
        """
        head = await self._store.get(f"{self._name}/head")
        if head is None:
            return None
        self.is_unreadable = not _is_head(head)
        if self.is_unreadable:
            log.warning("The checkpoint of the watcher cannot be read by this version; it begins anew.")
            return None
        self._head, self._parts = head, head["parts"]
        self.not_compared = _not_compared(head)
        fingerprints: dict[str, Fingerprint] = {}
        for place in range(self._parts):
            try:
                fingerprints.update(await asyncio.to_thread(_unpack, await self._store.get(self._key(place))))
            except (*canonical_json.REFUSED, zlib.error):
                log.warning(
                    "Part %d of %d of the watcher's checkpoint is damaged; its assistants will count as added.",
                    place + 1,
                    self._parts,
                )
        # Heads had no version before the second one.
        return Fleet(head["account"], fingerprints, head["seal"], key_version=head.get("key_version", 1))

    async def save(self, fleet: Fleet, moved: Collection[str] | None, *, not_compared: Iterable[str] = ()) -> None:
        """Save a fleet.

        :param moved: the assistants that changed since it was saved last; None for all.
        :param not_compared: what could not be compared and no event names yet, a sentence each.
        """
        fitting_sentences, _ = fitting({"not_compared": [*map(storable, not_compared)]}, LONGEST_PART)
        if moved is not None and self._head is not None and self._head.get("key_version") == KEY_VERSION:
            places = {_place(identity, self._parts) for identity in moved}
            packed = await asyncio.to_thread(self._pack, fleet, self._parts, places)
            if all(len(text) <= LONGEST_PART for text in packed.values()):
                for place, text in packed.items():
                    await self._store.set(self._key(place), text)
                if _not_compared(self._head) != fitting_sentences["not_compared"]:
                    await self._save_head(self._head | fitting_sentences)
                return
        await self._save_all(fleet, fitting_sentences)

    async def delete(self) -> None:
        """Remove all that was saved, the head at last."""
        head = await self._store.get(f"{self._name}/head")
        if _is_head(head):
            for place in range(head["parts"]):
                await self._store.delete(f"{self._name}/{head['parts']}/{place}")
        await self._store.delete(f"{self._name}/head")

    async def _save_head(self, head: dict[str, Any]) -> None:
        await self._store.set(f"{self._name}/head", head)
        self._head, self._parts = head, head["parts"]

    async def _save_all(self, fleet: Fleet, sentences: dict[str, list[str]]) -> None:
        old_parts = self._parts
        parts, packed = await asyncio.to_thread(self._cut, fleet)
        for place, text in packed.items():
            await self._store.set(f"{self._name}/{parts}/{place}", text)
        head = {
            "format": FORMAT,
            "parts": parts,
            "account": fleet.account,
            "seal": fleet.key_fingerprint,
            "key_version": KEY_VERSION,
        }
        await self._save_head(head | sentences)
        if old_parts != parts:
            for place in range(old_parts):
                await self._store.delete(f"{self._name}/{old_parts}/{place}")

    def _cut(self, fleet: Fleet) -> tuple[int, dict[int, str]]:
        """Cut a fleet into as many parts as it takes; their number is a power of two."""
        members = sum(map(self._watch.includes, fleet.fingerprints))
        parts = 1
        while parts * _USUAL_MEMBERS < members and parts < _MOST_PARTS:
            parts *= 2
        packed = self._pack(fleet, parts, range(parts))
        while max(map(len, packed.values())) > LONGEST_PART and parts < _MOST_PARTS:
            parts *= 2
            packed = self._pack(fleet, parts, range(parts))
        return parts, packed

    def _pack(self, fleet: Fleet, parts: int, places: Iterable[int]) -> dict[int, str]:
        groups: dict[int, dict[str, Fingerprint]] = {place: {} for place in places}
        for identity, fingerprint in fleet.fingerprints.items():
            group = groups.get(_place(identity, parts))
            if group is not None and self._watch.includes(identity):
                group[identity] = self._watch.view(fingerprint)
        return {place: _pack(group) for place, group in groups.items()}

    def _key(self, place: int) -> str:
        return f"{self._name}/{self._parts}/{place}"


class _Alike(msgspec.Struct, array_like=True):
    """Assistants with the same fields: the digests of the first field, of all of them, then those of the next."""

    fields: list[list[bytes]]
    ids: list[bytes]
    digests: bytes


_packer = msgspec.msgpack.Encoder()
_unpacker = msgspec.msgpack.Decoder(list[_Alike])


def _pack(fingerprints: Mapping[str, Fingerprint]) -> str:
    """Encode fingerprints as text. Equal values stand together, so that they compress well."""
    alike: defaultdict[tuple[Path, ...], list[tuple[str, bytes]]] = defaultdict(list)
    for identity, fingerprint in sorted(fingerprints.items()):
        alike[fingerprint.fields].append((identity, fingerprint.digests))
    groups = [
        _Alike(
            [list(map(_to_bytes, field)) for field in fields],
            [_to_bytes(identity) for identity, _ in members],
            _columns([digests for _, digests in members], len(fields)),
        )
        for fields, members in alike.items()
    ]
    return base64.b64encode(zlib.compress(_packer.encode(groups))).decode()


def _unpack(text: Any) -> dict[str, Fingerprint]:
    groups = _unpacker.decode(zlib.decompress(base64.b64decode(text, validate=True)))
    return dict(member for group in groups for member in _members(group))


def _members(group: _Alike) -> Iterator[tuple[str, Fingerprint]]:
    fields = tuple(tuple(map(_to_text, field)) for field in group.fields)
    count = len(group.ids)
    if len(group.digests) != DIGEST_BYTES * len(fields) * count:
        raise ValueError("digests are missing")
    step = DIGEST_BYTES * count
    for place, identity in enumerate(group.ids):
        starts = range(place * DIGEST_BYTES, len(group.digests), step)
        digests = b"".join(group.digests[start : start + DIGEST_BYTES] for start in starts)
        yield _to_text(identity), Fingerprint(fields, digests)


def _columns(rows: list[bytes], fields: int) -> bytes:
    spans = (slice(start, start + DIGEST_BYTES) for start in range(0, fields * DIGEST_BYTES, DIGEST_BYTES))
    return b"".join(row[span] for span in spans for row in rows)


def _place(identity: str, parts: int) -> int:
    return int.from_bytes(hashlib.blake2b(_to_bytes(identity), digest_size=4).digest()) % parts


def _to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _to_text(text: bytes) -> str:
    return text.decode("utf-8", "surrogatepass")


def _is_head(head: Any) -> bool:
    return (
        isinstance(head, dict)
        and head.get("format") == FORMAT
        and isinstance(head.get("parts"), int)
        and 0 < head["parts"] <= _MOST_PARTS
        and all(isinstance(head.get(name), str) for name in ("account", "seal"))
        and isinstance(head.get("key_version", 1), int)
    )


def _not_compared(head: dict[str, Any]) -> list[str]:
    """Return the sentences in a head; those of earlier releases hold none."""
    sentences = head.get("not_compared")
    return [one for one in sentences if isinstance(one, str)] if isinstance(sentences, list) else []
