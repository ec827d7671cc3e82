"""Stores a snapshot of invented records, as the snapshot operator would after reading them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

ACCOUNT = "benchmark"


def store(
    destination: str,
    name: str,
    rows: Iterable[tuple[bytes, Any]],
    *,
    file_format: str,
    started_at: datetime,
    finished_at: datetime,
) -> None:
    """Write and commit a complete snapshot.

    :param rows: its canonical lines in order of ``assistant_id``, each with its profile.
    """
    from airflow_provider_puretalk.snapshots.format import layout, manifest
    from airflow_provider_puretalk.snapshots.storage import writer
    from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

    storage = Storage(destination)
    compression = layout.choose_compression(file_format, "auto")
    with storage.staging(layout.snapshot_folder(ACCOUNT, name)) as new_file:
        staged = writer.stage(rows, new_file(), file_format=file_format, compression=compression)
        count = staged.file.count
        stored = manifest.Manifest(
            format_version=manifest.FORMAT_VERSION,
            canonical_version=1,
            account=ACCOUNT,
            snapshot=name,
            count=count,
            complete=True,
            consistency=manifest.Consistency(
                requested="verified", method="two_walks", walks=2, count_reported=count, duplicates_removed=0
            ),
            content_sha256=staged.content_sha256,
            raw_sha256=staged.raw_sha256,
            files=[staged.file],
            schema_report=staged.schema,
            redaction=manifest.Redaction(),
            started_at=started_at,
            finished_at=finished_at,
            source=manifest.Source(base_url="http://benchmark", provider_version="0", airflow_version="0"),
        )
        writer.commit(storage, stored, staged)
