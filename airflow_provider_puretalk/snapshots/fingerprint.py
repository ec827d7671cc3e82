"""The two hashes of a snapshot's records.

``raw_sha256`` is of the uncompressed JSONL form; ``content_sha256`` of the same without ``updated_at``, so that it moves
when an assistant changes and stays when one was only saved again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from airflow_provider_puretalk.api import exact_json

_VOLATILE = "updated_at"


class Fingerprint:
    """Hashes records as they go by, in order of ``assistant_id``."""

    def __init__(self) -> None:
        self._raw = hashlib.sha256()
        self._content = hashlib.sha256()

    def add(self, line: bytes, record: dict[str, Any]) -> None:
        """Take in a record and its canonical line."""
        self._raw.update(line + b"\n")
        self._content.update(_without_volatile(line, record) + b"\n")

    @property
    def raw_sha256(self) -> str:
        return self._raw.hexdigest()

    @property
    def content_sha256(self) -> str:
        return self._content.hexdigest()


def _without_volatile(line: bytes, record: dict[str, Any]) -> bytes:
    """Return the canonical line of a record without ``updated_at``."""
    if _VOLATILE not in record:
        return line
    # Cutting it out of the line saves spelling the record a second time. The quoted name with its colon cannot stand inside
    # a string, where quotes are escaped; so if it occurs once, that is the record's own field.
    field = b',"' + _VOLATILE.encode() + b'":' + exact_json.dumps(record[_VOLATILE])
    if line.count(b'"' + _VOLATILE.encode() + b'":') == 1 and line.count(field) == 1:
        return line.replace(field, b"")
    return exact_json.dumps({name: value for name, value in record.items() if name != _VOLATILE})


def file_hash(path: Path) -> tuple[str, int]:
    """Return the SHA-256 in hex digits, and the size in bytes, of a local file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return digest.hexdigest(), file.tell()
