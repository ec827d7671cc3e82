"""Where things lie: the names of format 1.

::

    <destination>/account=<account>/snapshot=<partition>/
        assistants-<first 16 hex digits of its sha256>.jsonl[.gz|.zst]    or .parquet
        manifest.json                                                     written last: the commit
        _changes-vs-<baseline>~<its edition>~<edition>.jsonl              written by a comparison
        _report-vs-<baseline>~<its edition>~<edition>.html

Which comparison a file holds stands in its name, so that none overwrites another; a leading ``_`` makes readers of whole
folders pass over it. ``<edition>`` tells apart what was stored under one name, see
:attr:`~airflow_provider_puretalk.snapshots.format.manifest.Manifest.edition`: a comparison made of what is no longer
there is recognised by its name alone.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, NamedTuple

from airflow_provider_puretalk import locations
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkSnapshotError
from airflow_provider_puretalk.params import is_path_part

MANIFEST = "manifest.json"
#: What older releases called the files of a snapshot's latest comparison, whatever it was compared with.
OLD_CHANGES, OLD_REPORT = "changes.jsonl", "report.html"

#: What a snapshot can be stored as, and with which compression: the first one is what ``auto`` means.
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
#: Longest baseline that is spelled out in a file's name: file systems allow 255 bytes, and a file that is being written
#: has a longer name yet.
_LONGEST_BASELINE = 160


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


def is_of_a_snapshot(name: str) -> bool:
    """Tell whether a name is one of the files that a snapshot consists of."""
    return name == MANIFEST or is_data_file(name)


class ComparisonFiles(NamedTuple):
    """Names of what a comparison writes beside the newer snapshot's manifest."""

    changes: str
    report: str


class MadeOf(NamedTuple):
    """What a comparison's file says in its name.

    :ivar edition: of the snapshot that it lies beside.
    :ivar baseline: as :func:`baseline_part` spells it; None where there was nothing to compare with.
    """

    edition: str
    baseline: str | None
    baseline_edition: str | None


def comparison_files(edition: str, baseline: tuple[str, str] | None, rules: str = "") -> ComparisonFiles:
    """Return the names of a comparison's files; no two comparisons that could differ have the same.

    :param edition: which content of the newer snapshot was compared.
    :param baseline: name and edition of the other one.
    :param rules: 8 hex digits for what did not count as a change; empty for what does not by default.
    """
    parts = [] if baseline is None else [f"-vs-{baseline_part(baseline[0])}", baseline[1]]
    told = "~".join([*(parts or [""]), edition, *filter(None, [rules])])
    return ComparisonFiles(f"_changes{told}.jsonl", f"_report{told}.html")


def baseline_part(snapshot: str) -> str:
    """Return how a file's name spells the baseline; a very long one is shortened, and still told from all others."""
    if len(snapshot) <= _LONGEST_BASELINE:
        return snapshot
    return f"{snapshot[: _LONGEST_BASELINE - 17]}~{hashlib.sha256(snapshot.encode()).hexdigest()[:16]}"


def made_of(name: str) -> MadeOf | None:
    """Return what a file's name says it was compared from; None where it is no comparison's, or an older release's."""
    found = _COMPARISON.fullmatch(name)
    return MadeOf(found["edition"], found["baseline"], found["baseline_edition"]) if found else None


def is_comparison_file(name: str) -> bool:
    """Tell whether a comparison, of this release or an older one, gives a file this name."""
    return name in (OLD_CHANGES, OLD_REPORT) or _COMPARISON.fullmatch(name) is not None


def value_of(key: str, folder: str) -> str | None:
    """Return the account or snapshot that a folder name stands for, None for any other name."""
    name, separator, value = folder.partition("=")
    return value if name == key and separator and is_path_part(value) else None


def split_manifest_path(path: Any) -> tuple[str, str, str]:
    """Take the address of a manifest apart into destination, account folder and snapshot folder.

    :raises PuretalkSnapshotError: it is not the address of a manifest.
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
