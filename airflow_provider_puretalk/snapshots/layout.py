"""Where things lie: the names of format 1.

::

    <destination>/account=<account>/snapshot=<partition>/
        assistants-<first 16 hex digits of its sha256>.jsonl[.gz|.zst]    or .parquet
        manifest.json                                                     written last: the commit
        changes.jsonl, report.html                                        written by a comparison
"""

from __future__ import annotations

import re

from airflow_provider_puretalk.api.errors import PuretalkConfigurationError, PuretalkSnapshotError
from airflow_provider_puretalk.api.names import is_path_part

MANIFEST = "manifest.json"
CHANGES = "changes.jsonl"
REPORT = "report.html"

#: What a snapshot can be stored as, and with which compression: the first one is what ``auto`` means.
COMPRESSIONS: dict[str, tuple[str | None, ...]] = {
    "jsonl": ("gzip", "zstd", None),
    "parquet": ("zstd", "gzip", "snappy", None),
}

_SUFFIXES = {("jsonl", "gzip"): ".jsonl.gz", ("jsonl", "zstd"): ".jsonl.zst", ("jsonl", None): ".jsonl"}

_DATA_FILE = re.compile(r"assistants-[0-9a-f]{16}(\.jsonl(\.gz|\.zst)?|\.parquet)")


def account_folder(account: str) -> str:
    """Return the folder of an account, relative to the destination."""
    return f"account={_part('account', account)}"


def snapshot_folder(account: str, snapshot: str) -> str:
    """Return the folder of a snapshot, relative to the destination."""
    return f"{account_folder(account)}/snapshot={_part('partition', snapshot)}"


def data_file(sha256: str, file_format: str, compression: str | None) -> str:
    """Return the name of a data file. It follows from the content, so no other content is ever overwritten by it."""
    return f"assistants-{sha256[:16]}{_SUFFIXES.get((file_format, compression), '.parquet')}"


def is_data_file(name: str) -> bool:
    """Tell whether a name is one that :func:`data_file` gives: a manifest must not lead a reader anywhere else."""
    return _DATA_FILE.fullmatch(name) is not None


def value_of(key: str, folder: str) -> str | None:
    """Return the account or snapshot that a folder name stands for, None for any other name."""
    name, separator, value = folder.partition("=")
    return value if name == key and separator and is_path_part(value) else None


def split_manifest_path(path: str) -> tuple[str, str, str]:
    """Take the address of a manifest apart into destination, account folder and snapshot folder.

    :raises PuretalkSnapshotError: it is not the address of a manifest.
    """
    parts = str(path).rsplit("/", 3)
    if len(parts) == 4 and parts[3] == MANIFEST:
        destination, account, snapshot, _ = parts
        if value_of("account", account) and value_of("snapshot", snapshot):
            return destination or "/", account, snapshot
    raise PuretalkSnapshotError(
        f"{path} is not the path of a snapshot's manifest (.../account=<name>/snapshot=<name>/{MANIFEST})."
    )


def choose_compression(file_format: str, compression: str | None) -> str | None:
    """Return the compression that ``auto`` or a name means for a file format.

    :raises PuretalkConfigurationError: there is no such format, or it has no such compression.
    """
    known = COMPRESSIONS.get(file_format) if isinstance(file_format, str) else None
    if known is None:
        raise PuretalkConfigurationError(
            f"`file_format` must be one of {', '.join(COMPRESSIONS)}, not {file_format!r}."
        )
    chosen = known[0] if compression == "auto" else compression
    if chosen not in known:
        names = ", ".join(["auto", *(str(name) for name in known)])
        raise PuretalkConfigurationError(
            f"`compression` must be one of {names} for {file_format}, not {compression!r}."
        )
    return chosen


def _part(what: str, name: str) -> str:
    if not isinstance(name, str) or not is_path_part(name):
        raise PuretalkConfigurationError(
            f"The {what} {name!r} cannot be part of a path: letters, digits and `. _ : -` only, never `..`."
        )
    return name
