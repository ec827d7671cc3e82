"""Where tests keep snapshots: a local folder, a bucket on a running S3 server, memory.

A :class:`Place` looks at what lies there by other means than the package does: ``pathlib``, boto3, fsspec.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow_provider_puretalk.operators import PuretalkSnapshotAssistantsOperator

#: The account that snapshots of the connection ``puretalk_default`` are filed under.
ACCOUNT = "account=puretalk_default"


@dataclass(frozen=True)
class Place(ABC):
    """A destination for snapshots.

    :ivar destination: what the operator is given; ``storage_conn_id`` likewise.
    :ivar named: what the addresses begin with that the operator returns.
    """

    destination: str
    named: str
    storage_conn_id: str | None = None

    @abstractmethod
    def files(self) -> dict[str, bytes]:
        """Return every file, by its path below the destination."""

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Put a file there by force."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Take a file away."""

    @abstractmethod
    def age(self, name: str, seconds: float) -> None:
        """Make a file look as if it had been written so long ago."""

    def take(self, context: Any, **arguments: Any) -> dict[str, Any]:
        """Run the snapshot operator with this destination."""
        arguments = {"destination": self.destination, "storage_conn_id": self.storage_conn_id} | arguments
        return PuretalkSnapshotAssistantsOperator(task_id="snapshot", **arguments).execute(context)


@dataclass(frozen=True)
class Folder(Place):
    """A local folder."""

    root: Path = field(kw_only=True)

    def files(self) -> dict[str, bytes]:
        paths = [path for path in self.root.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.root)): path.read_bytes() for path in sorted(paths)}

    def write(self, name: str, data: bytes) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(data)

    def remove(self, name: str) -> None:
        (self.root / name).unlink()

    def age(self, name: str, seconds: float) -> None:
        then = time.time() - seconds
        os.utime(self.root / name, (then, then))


@dataclass(frozen=True)
class Bucket(Place):
    """A prefix in a bucket."""

    client: Any = field(kw_only=True)
    bucket: str = field(kw_only=True)
    prefix: str = field(kw_only=True)

    def files(self) -> dict[str, bytes]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{self.prefix}/")
        keys = sorted(item["Key"] for page in pages for item in page.get("Contents", ()))
        return {key.removeprefix(f"{self.prefix}/"): self._read(key) for key in keys}

    def write(self, name: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=f"{self.prefix}/{name}", Body=data)

    def remove(self, name: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=f"{self.prefix}/{name}")

    def age(self, name: str, seconds: float) -> None:
        from moto.s3.models import s3_backends  # Of the server, which runs in this process.

        (backend,) = [one["aws"] for one in s3_backends.values() if self.bucket in one["aws"].buckets]
        key = backend.buckets[self.bucket].keys[f"{self.prefix}/{name}"]
        key.last_modified -= timedelta(seconds=seconds)

    def _read(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read())


@dataclass(frozen=True)
class Memory(Place):
    """fsspec's file system in memory."""

    root: str = field(kw_only=True)

    def files(self) -> dict[str, bytes]:
        found = self._store.find(self.root)
        return {path.removeprefix(f"{self.root}/"): self._store.cat_file(path) for path in found}

    def write(self, name: str, data: bytes) -> None:
        self._store.pipe_file(f"{self.root}/{name}", data)

    def remove(self, name: str) -> None:
        self._store.rm_file(f"{self.root}/{name}")

    def age(self, name: str, seconds: float) -> None:
        self._store.store[f"{self.root}/{name}"].modified -= timedelta(seconds=seconds)

    @property
    def _store(self) -> Any:
        import fsspec

        return fsspec.filesystem("memory")


def make_place(kind: str, request: Any) -> Place:
    """Make an empty place: ``path``, ``file``, ``s3`` or ``memory``.

    :param request: pytest's; the fixtures of the kind are taken from it.
    """
    if kind in ("path", "file"):
        root: Path = request.getfixturevalue("tmp_path") / "the fleet, @home"  # Such names exist, and mean nothing.
        root.mkdir()
        url = str(root) if kind == "path" else f"file://{root}"
        return Folder(url, url, root=root)
    if kind == "memory":
        url = request.getfixturevalue("memory_storage")
        return Memory(url, url, root="/fleet")
    bucket = request.getfixturevalue("s3_bucket")
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=request.getfixturevalue("s3_server"),
        region_name="us-east-1",
        aws_access_key_id="access-key",
        aws_secret_access_key="secret-key",
    )
    prefix = "voice/the fleet, @home"
    return Bucket(
        f"s3://{bucket}/{prefix}",
        f"s3://aws_fleet@{bucket}/{prefix}",
        "aws_fleet",
        client=client,
        bucket=bucket,
        prefix=prefix,
    )
