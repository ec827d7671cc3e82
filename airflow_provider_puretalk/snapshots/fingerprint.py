"""The two hashes of a snapshot's records.

``raw_sha256`` is of the uncompressed JSONL form; ``content_sha256`` of the same without ``updated_at``, so that it moves
when an assistant changes and stays when one was only saved again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from airflow_provider_puretalk.api import exact_json

#: The field that moves with every save; snapshots that differ in nothing else are the same.
VOLATILE = "updated_at"
_TOKEN = b',"updated_at":'


class Fingerprint:
    """Hashes records as they go by, in order of ``assistant_id``. A context manager.

    Both are computed at once, one of them in a thread beside the caller: hashing needs no interpreter lock.
    """

    def __init__(self) -> None:
        self._raw = hashlib.sha256()
        self._content = hashlib.sha256()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="puretalk-hash")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def add(self, lines: Sequence[bytes], volatile: Sequence[bool]) -> None:
        """Take in the next records, best some dozens at once.

        :param lines: their canonical spelling, without line breaks.
        :param volatile: which of them have a field ``updated_at`` of their own.
        """
        raw = self._pool.submit(self._raw.update, b"\n".join([*lines, b""]))
        self._content.update(b"\n".join([*map(without_volatile, lines, volatile), b""]))
        raw.result()

    @property
    def raw_sha256(self) -> str:
        """Of everything so far."""
        return self._raw.hexdigest()

    @property
    def content_sha256(self) -> str:
        """Of everything so far, without ``updated_at``."""
        return self._content.hexdigest()


def without_volatile(line: bytes, present: bool) -> bytes:
    """Return the canonical line of a record without ``updated_at``.

    :param present: whether the record has a field of that name itself; a nested one stays.
    """
    if not present:
        return line
    # The token cannot stand inside a string, where quotes are escaped. So if it occurs once, and the record's own field is
    # not hidden from it by being the first, that is the record's own. Decoding would cost more than everything else here.
    parts = line.split(_TOKEN)
    if len(parts) == 2 and not line.startswith(b'{"updated_at":'):
        before, after = parts
        end = after.find(b'"', 1)
        if after.startswith(b'"') and end > 0 and after.find(b"\\", 0, end) < 0:
            return before + after[end + 1 :]
    record = exact_json.loads(line)
    del record[VOLATILE]
    return exact_json.dumps(record)


def file_hash(path: Path) -> tuple[str, int]:
    """Return the SHA-256 in hex digits, and the size in bytes, of a local file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return digest.hexdigest(), file.tell()
