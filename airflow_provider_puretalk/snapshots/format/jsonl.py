"""The JSONL form: one record a line in the canonical spelling, compressed or not.

The same records give the same bytes, compressed too, for one build of the compressor: the compressed file holds no time and
no file name.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException
from isal import igzip, isal_zlib

from airflow_provider_puretalk import size_limit
from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.records import canonical_json

#: Level 2 of ISA-L: files as small as those of zlib's level 1, in a fifth of its time.
_GZIP_LEVEL = 2
_ZSTD_LEVEL = 3
#: Bytes of records after which writing them out begins.
_FLUSH_EVERY = 16 << 20


class JsonlWriter:
    """Writes lines to a local file. A context manager.

    :param path: the file to write; one that exists is replaced.
    :param compression: ``gzip``, ``zstd`` or None.
    """

    def __init__(self, path: Path, *, compression: str | None) -> None:
        self._files = contextlib.ExitStack()
        raw = self._files.enter_context(path.open("wb"))
        self._descriptor, self._unflushed = raw.fileno(), 0
        self._out: IO[bytes] = raw
        if compression == "gzip":
            zipped: Any = igzip.IGzipFile(  # type: ignore[no-untyped-call]  # isal types only some of its functions
                filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=raw, mtime=0
            )
            self._out = self._files.enter_context(zipped)
        elif compression == "zstd":
            compressor = require_zstandard().ZstdCompressor(level=_ZSTD_LEVEL)
            self._out = self._files.enter_context(compressor.stream_writer(raw, closefd=False))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.__exit__(kind, error, trace)

    def write(self, text: bytes) -> None:
        """Write canonical lines, each with its line break."""
        self._out.write(text)
        self._unflushed += len(text)
        if self._unflushed >= _FLUSH_EVERY and hasattr(os, "posix_fadvise"):
            # Linux starts writing the pages out and does not wait, so that the fsync of the commit has little left to do.
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            self._unflushed = 0


def read_lines(path: Path, compression: str | None, *, name: str | None = None) -> Iterator[bytes]:
    """Yield the lines of a local file, without their line breaks.

    :param name: name of the file in errors; the path's own by default.
    :raises PuretalkSnapshotError: the file is torn or damaged.
    :raises SizeLimitError: a line, or all together, are more than this thread may read.
    """
    name = name or path.name
    damaged: tuple[Any, ...] = (EOFError, gzip.BadGzipFile, isal_zlib.error)
    with contextlib.ExitStack() as files:
        stream: Any = files.enter_context(path.open("rb"))
        if compression == "gzip":
            unzipped: Any = igzip.IGzipFile(fileobj=stream, mode="rb")  # type: ignore[no-untyped-call]
            stream = files.enter_context(unzipped)
        elif compression == "zstd":
            zstandard = require_zstandard()
            damaged = (*damaged, zstandard.ZstdError)
            stream = io.BufferedReader(files.enter_context(zstandard.ZstdDecompressor().stream_reader(stream)))
        try:
            for line in _lines(stream):
                if not line.endswith(b"\n"):
                    raise PuretalkSnapshotError(f"{name} is torn: its last line has no end.")
                yield line[:-1]
        except damaged as error:
            raise PuretalkSnapshotError(f"{name} is torn or damaged: {error}") from error


def _lines(stream: Any) -> Iterator[bytes]:
    """Yield the lines of a stream; what is unpacked is counted as it comes, if there is a limit."""
    most = size_limit.piece()
    if most is None:
        yield from stream
        return
    while line := stream.readline(most + 2):
        size_limit.check_piece(len(line) - 1)
        size_limit.unpack(len(line))
        yield line


def read_records(path: Path, compression: str | None, *, name: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the records of a local file; ``name`` as in :func:`read_lines`.

    :raises PuretalkSnapshotError: the file is torn or damaged.
    """
    name = name or path.name
    for number, line in enumerate(read_lines(path, compression, name=name), start=1):
        try:
            record = canonical_json.loads(line)
        except canonical_json.InvalidJSONError as error:
            raise PuretalkSnapshotError(f"{name} is damaged: line {number} is not a record ({error}).") from error
        if not isinstance(record, dict):
            raise PuretalkSnapshotError(f"{name} is damaged: line {number} is not a record.")
        yield record


def require_zstandard() -> Any:
    """Import the zstd library.

    :raises AirflowOptionalProviderFeatureException: the extra is not installed; the message says how to install it.
    """
    try:
        import zstandard
    except ImportError as error:
        raise AirflowOptionalProviderFeatureException(
            "compression='zstd' of JSONL needs a library: pip install 'airflow-provider-puretalk[zstd]'"
        ) from error
    return zstandard
