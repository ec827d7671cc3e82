"""The layout of format 1: names of folders and files.

::

    <destination>/account=<account>/snapshot=<partition>/
        assistants-<first 16 hex digits of its sha256>.jsonl[.gz|.zst]    or .parquet
        manifest.json                                                     written last: the commit
        _changes-vs-<baseline>~<its edition>~<edition>.jsonl              written by a comparison
        _report-vs-<baseline>~<its edition>~<edition>.html

The name of a comparison's file says what was compared, so that none overwrites another; readers of whole folders skip names
with a leading ``_``. ``<edition>`` identifies the content that was stored under a name, see
:attr:`~airflow_provider_puretalk.snapshots.format.manifest.Manifest.edition`: an outdated comparison is recognised by its
name alone.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, NamedTuple

from airflow_provider_puretalk import locations
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkSnapshotError
from airflow_provider_puretalk.params import is_path_part

MANIFEST = "manifest.json"
#: Names that older releases gave to a snapshot's latest comparison, whatever its baseline.
OLD_CHANGES, OLD_REPORT = "changes.jsonl", "report.html"

#: File formats and their compressions; ``auto`` means the first one.
COMPRESSIONS: dict[str, tuple[str | None, ...]] = {
    "jsonl": ("gzip", "zstd", None),
    "parquet": ("zstd", "gzip", "snappy", None),
}

_SUFFIXES = {("jsonl", "gzip"): ".jsonl.gz", ("jsonl", "zstd"): ".jsonl.zst", ("jsonl", None): ".jsonl"}

_DATA_FILE = re.compile(r"assistants-[0-9a-f]{16}(\.jsonl(\.gz|\.zst)?|\.parquet)")

_COMPARISON = re.compile(
    r"_(?:changes|report)(?:-vs-(?P<baseline>[A-Za-z0-9._:-]+(?:~[0-9a-f]{16})?)~(?P<baseline_edition>[0-9a-f]{8}))?"
    r"~(?P<edition>[0-9a-f]{8})(?:~[0-9a-f]{8})?\.(?:jsonl|html)"
)
#: Longest baseline that is spelled out in a file's name: file systems allow 255 bytes, and a temporary name is longer.
_MAX_BASELINE = 160


def account_folder(account: str) -> str:
    """Return the folder of an account, relative to the destination."""
    return f"account={_part('account', account)}"


def snapshot_folder(account: str, snapshot: str) -> str:
    """Return the folder of a snapshot, relative to the destination."""
    return f"{account_folder(account)}/snapshot={_part('partition', snapshot)}"


def manifest_file(account: str, snapshot: str) -> str:
    """Return the path of a snapshot's manifest, relative to the destination."""
    return f"{snapshot_folder(account, snapshot)}/{MANIFEST}"


def data_file(sha256: str, file_format: str, compression: str | None) -> str:
    """Return the name of a data file. It follows from the content, so no other content is ever overwritten by it."""
    return f"assistants-{sha256[:16]}{_SUFFIXES.get((file_format, compression), '.parquet')}"


def is_data_file(name: str) -> bool:
    """Return whether :func:`data_file` gives such a name: a manifest must not lead a reader to any other file."""
    return _DATA_FILE.fullmatch(name) is not None


def is_snapshot_file(name: str) -> bool:
    """Return whether a name is that of a manifest or a data file."""
    return name == MANIFEST or is_data_file(name)


class ComparisonFiles(NamedTuple):
    """Names of the files that a comparison writes beside the current snapshot's manifest."""

    changes: str
    report: str


class ComparisonName(NamedTuple):
    """The parts of the name of a comparison's file.

    :ivar edition: of the current snapshot.
    :ivar baseline: as :func:`baseline_part` spells it; None where there was nothing to compare with.
    """

    edition: str
    baseline: str | None
    baseline_edition: str | None


def comparison_files(edition: str, baseline: tuple[str, str] | None, rules: str = "") -> ComparisonFiles:
    """Return the names of a comparison's files; no two comparisons that could differ have the same.

    :param edition: of the current snapshot.
    :param baseline: name and edition of the baseline.
    :param rules: 8 hex digits for the ignored fields; empty for the default ones.
    """
    parts = [] if baseline is None else [f"-vs-{baseline_part(baseline[0])}", baseline[1]]
    suffix = "~".join([*(parts or [""]), edition, *filter(None, [rules])])
    return ComparisonFiles(f"_changes{suffix}.jsonl", f"_report{suffix}.html")


def baseline_part(snapshot: str) -> str:
    """Return the baseline's part of a file's name; a very long one is shortened by a hash."""
    if len(snapshot) <= _MAX_BASELINE:
        return snapshot
    return f"{snapshot[: _MAX_BASELINE - 17]}~{hashlib.sha256(snapshot.encode()).hexdigest()[:16]}"


def parse_comparison_name(name: str) -> ComparisonName | None:
    """Parse the name of a comparison's file; None where it is none, or an older release's."""
    found = _COMPARISON.fullmatch(name)
    return ComparisonName(found["edition"], found["baseline"], found["baseline_edition"]) if found else None


def is_comparison_file(name: str) -> bool:
    """Return whether a comparison, of this release or an older one, gives a file this name."""
    return name in (OLD_CHANGES, OLD_REPORT) or _COMPARISON.fullmatch(name) is not None


def value_of(key: str, folder: str) -> str | None:
    """Return the account or snapshot of a folder's name, None for any other name."""
    name, separator, value = folder.partition("=")
    return value if name == key and separator and is_path_part(value) else None


def split_manifest_path(path: Any) -> tuple[str, str, str]:
    """Split the path of a manifest into destination, account folder and snapshot folder.

    :raises PuretalkSnapshotError: it is not the path of a manifest.
    """
    text = locations.as_text(path)
    parts = (text or "").rsplit("/", 3)
    if len(parts) == 4 and parts[3] == MANIFEST:
        destination, account, snapshot, _ = parts
        if value_of("account", account) and value_of("snapshot", snapshot):
            return destination or "/", account, snapshot
    raise PuretalkSnapshotError(
        f"{locations.shown(text or str(path))} is not the path of a snapshot's manifest "
        f"(.../account=<name>/snapshot=<name>/{MANIFEST}); `list_snapshots`, or `snapshots list` on the "
        "command line, names those below a destination."
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
