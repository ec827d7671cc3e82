"""Snapshots in object storage: list, read, verify, compare, prune. A library for use outside a DAG as well.

This room knows no HTTP. Paths are local absolute paths or URLs as the snapshot operator returns them; those of a
storage with an Airflow connection carry its id (``s3://conn_id@bucket/...``).
"""

from __future__ import annotations

from airflow_provider_puretalk.snapshots.comparison.comparing import compare
from airflow_provider_puretalk.snapshots.comparison.result import Comparison
from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from airflow_provider_puretalk.snapshots.storage.reader import (
    SnapshotInfo,
    iter_records,
    list_snapshots,
    read_manifest,
    verify,
)
from airflow_provider_puretalk.snapshots.storage.retention import Pruned, prune

__all__ = [
    "Comparison",
    "Manifest",
    "Pruned",
    "SnapshotInfo",
    "compare",
    "iter_records",
    "list_snapshots",
    "prune",
    "read_manifest",
    "verify",
]
