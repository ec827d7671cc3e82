"""Names of a history's files, below the folder of its account.

::

    <destination>/account=<account>/history/
        _manifest.json                               the commit
        current-<hash>.parquet                       versions that still stand
        closed-early-<hash>.parquet                  versions that ended before the boundary
        closed-<YYYYMMDD>-<hash>.parquet             versions that ended from that day on, which is the boundary

``<hash>`` is the first 16 hex digits of the file's SHA-256, so a file never changes under its name.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from airflow_provider_puretalk.snapshots.format.layout import account_folder

MANIFEST = "_manifest.json"
#: What a history's folder is called: no snapshot's is, since those are ``snapshot=<name>``.
FOLDER = "history"

#: Kinds of files, and what their names begin with.
CURRENT, EARLY, RECENT = "current", "early", "recent"

#: Days between two boundaries. A day's update rewrites what ended since the last one, and each boundary all that ended.
BLOCK_DAYS = 16

_EPOCH = date(1970, 1, 1)
_FILE = re.compile(r"(?:current|closed-(?:early|\d{8}))-[0-9a-f]{16}\.parquet")


def history_folder(account: str) -> str:
    """Return the folder of an account's history, relative to the destination."""
    return f"{account_folder(account)}/{FOLDER}"


def manifest_file(account: str) -> str:
    """Return the path of a history's manifest, relative to the destination."""
    return f"{history_folder(account)}/{MANIFEST}"


def boundary(newest: datetime) -> date:
    """Return the day that separates the two files of ended versions: the last one that begins a block.

    :param newest: when the newest reading was finished.
    """
    day = newest.astimezone(UTC).date()
    return day - timedelta(days=(day - _EPOCH).days % BLOCK_DAYS)


def data_file(kind: str, since: date, sha256: str) -> str:
    """Return the name of a file of a kind.

    :param since: the boundary.
    """
    name = {CURRENT: "current", EARLY: "closed-early", RECENT: f"closed-{since:%Y%m%d}"}[kind]
    return f"{name}-{sha256[:16]}.parquet"


def is_data_file(name: str) -> bool:
    """Return whether :func:`data_file` gives such a name: a manifest must not lead a reader to any other file."""
    return _FILE.fullmatch(name) is not None
