"""What the tasks of an account returned, read with care.

Results come from XCom: those of an older release, of another task with the same id, or damaged ones must break no report of
many accounts. What is not what it should be counts as not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from airflow_provider_puretalk.params import is_path_part
from airflow_provider_puretalk.records.field_classes import FIELD_CLASSES
from airflow_provider_puretalk.snapshots.format import layout

#: What a comparison counts: assistants by what became of them, and those that changed by class of field.
COUNTED: Final = ("added", "removed", "changed", "touched", "unchanged")
_NAMES: Final = (*COUNTED, *FIELD_CLASSES)
#: Databases and Parquet hold no larger ones.
_LARGEST: Final = 2**63 - 1

Result = Mapping[str, Any]


def whole_number(value: Any) -> int | None:
    """Return a count; None for what is none."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST
    return value if is_count else None


def assistants(snapshot: Result | None) -> int | None:
    """Return how many assistants a snapshot has, as the task says that took it."""
    return None if snapshot is None else whole_number(snapshot.get("count"))


def changes(comparison: Result | None) -> dict[str, int]:
    """Return what a comparison counted, by :data:`COUNTED` and by class of field; empty without one."""
    counts = None if comparison is None else comparison.get("counts")
    if not isinstance(counts, Mapping):
        return {}
    found = {name: whole_number(counts.get(name)) for name in _NAMES}
    return {name: count for name, count in found.items() if count is not None}


def has_baseline(comparison: Result | None) -> bool:
    """Return whether there was something to compare with."""
    return comparison is not None and isinstance(comparison.get("baseline"), str)


def snapshot_name(result: Result | None) -> str | None:
    """Return the name of the snapshot that a result is about."""
    name = None if result is None else result.get("snapshot")
    return name if isinstance(name, str) and is_path_part(name) else None


def report_file(account: str, comparison: Result | None) -> str | None:
    """Return the path of a comparison's report below the destination.

    It is put together anew: of the path in the result only the name of the file counts, where it is one that a comparison
    gives. So no result can lead a reader anywhere else.
    """
    path, snapshot = None if comparison is None else comparison.get("report_path"), snapshot_name(comparison)
    if not isinstance(path, str) or snapshot is None:
        return None
    name = path.rpartition("/")[2]
    if not (layout.is_comparison_file(name) and name.endswith(".html")):
        return None
    return f"{layout.snapshot_folder(account, snapshot)}/{name}"
