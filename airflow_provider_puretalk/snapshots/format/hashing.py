"""The two hashes of a snapshot's records.

``raw_sha256`` is of the uncompressed JSONL form; ``content_sha256`` of the same without ``updated_at``, so that it changes
with an assistant, and not when one was only saved again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.equality import KEY_VERSION
from airflow_provider_puretalk.records.ignored_fields import IgnoredFields
from airflow_provider_puretalk.snapshots.format.manifest import IgnoringHash

Row = TypeVar("Row", bound=tuple[bytes, Any])

#: The field that changes with every save; snapshots that differ in nothing else count as unchanged.
VOLATILE = "updated_at"
_TOKEN = b',"updated_at":'
_QUOTE = ord('"')


class ContentHasher:
    """Hashes a stream of records, in order of ``assistant_id``, in the two forms of :func:`both_forms`.

    :ivar raw: the hash of the first form; callers may update both in parallel.
    :ivar content: the hash of the second one.
    """

    def __init__(self) -> None:
        self.raw = hashlib.sha256()
        self.content = hashlib.sha256()

    def add(self, text: bytes, content: bytes) -> None:
        """Add the next records. Large pieces are hashed without the interpreter lock."""
        self.raw.update(text)
        self.content.update(content)

    @property
    def raw_sha256(self) -> str:
        """Of everything so far."""
        return self.raw.hexdigest()

    @property
    def content_sha256(self) -> str:
        """Of everything so far, without ``updated_at``."""
        return self.content.hexdigest()


class IgnoringHasher:
    """Hashes a stream of records by value, without ignored fields."""

    def __init__(self, ignored: IgnoredFields) -> None:
        self._ignored = ignored
        self._digest = hashlib.sha256()

    def passing(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows, each beginning with a canonical line, and hash them."""
        for row in rows:
            self._digest.update(self._ignored.key_of(canonical_json.loads(row[0])) + b"\n")
            yield row

    def result(self) -> IgnoringHash:
        """Return the hash of all rows so far."""
        return IgnoringHash(ignore_fields=self._ignored.names, key_version=KEY_VERSION, sha256=self._digest.hexdigest())


def both_forms(lines: Sequence[bytes], volatile: Sequence[bool]) -> tuple[bytes, bytes]:
    """Return records in their uncompressed JSONL form, and in the same without ``updated_at``; best in hundreds.

    :param lines: their canonical spelling, without line breaks.
    :param volatile: which of them have a field ``updated_at`` of their own.
    """
    text = b"\n".join([*lines, b""])
    content = _all_without_volatile(text, len(lines)) if all(volatile) else None
    if content is None:
        content = b"\n".join([*map(without_volatile, lines, volatile), b""])
    return text, content


def _all_without_volatile(text: bytes, count: int) -> bytes | None:
    """Return canonical lines without ``updated_at``, in half the time of one by one; None where that is unsafe.

    Every record has a field of that name itself, and none as its first, since ``assistant_id`` comes before. So if the token
    occurs as often as there are records, none of these fields is a nested one.
    """
    view, parts, end = memoryview(text), [], 0
    find = text.find
    while (token := find(_TOKEN, end)) >= 0:
        value = token + len(_TOKEN) + 1
        closing = find(b'"', value)
        if text[value - 1] != _QUOTE or closing < 0 or find(b"\\", value, closing) >= 0:
            return None
        parts.append(view[end:token])
        end = closing + 1
    parts.append(view[end:])
    return b"".join(parts) if len(parts) == count + 1 else None


def without_volatile(line: bytes, present: bool) -> bytes:
    """Return the canonical line of a record without ``updated_at``.

    :param present: whether the record has a field of that name itself; a nested one stays.
    """
    if not present:
        return line
    # The token cannot occur inside a string, where quotes are escaped. So if it occurs once, and the record's own field is
    # not the first (which has no comma), it is the record's own. Decoding would cost more than everything else here.
    parts = line.split(_TOKEN)
    if len(parts) == 2 and not line.startswith(b'{"updated_at":'):
        before, after = parts
        end = after.find(b'"', 1)
        if after.startswith(b'"') and end > 0 and after.find(b"\\", 0, end) < 0:
            return before + after[end + 1 :]
    record = canonical_json.loads(line)
    del record[VOLATILE]
    return canonical_json.dumps(record)


def file_hash(path: Path) -> tuple[str, int]:
    """Return the SHA-256 in hex digits, and the size in bytes, of a local file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return digest.hexdigest(), file.tell()
