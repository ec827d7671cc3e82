"""A manifest that must be new replaces none, on each kind of S3 server."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from airflow_provider_puretalk.exceptions import PuretalkError
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from tests.s3_front import guarded_by, tried_once


@pytest.fixture
def open_storage(s3_bucket: str, connection: Callable[..., str]) -> Callable[[str], Storage]:
    """Open an empty bucket by the address of a server in front of it."""

    def storage(url: str) -> Storage:
        conn_id = f"front_{uuid.uuid4().hex[:8]}"  # Airflow keeps what was opened with an older one.
        connection(conn_id, **tried_once(url))
        return Storage(f"s3://{s3_bucket}/fleet", conn_id)

    return storage


@pytest.mark.long
@pytest.mark.parametrize("refusal", [None, "501 NotImplemented", "400 InvalidArgument"])
def test_what_is_there_stays(open_storage: Callable[[str], Storage], refusal: str | None) -> None:
    """With conditional writes the server sees to it; one that has none is asked first, and a new file is written."""
    with guarded_by(lambda *_: True, without_conditional_writes=refusal) as url:
        storage = open_storage(url)
        storage.put_bytes(b"first", "manifest.json", only_new=True)
        with pytest.raises(FileExistsError):
            storage.put_bytes(b"second", "manifest.json", only_new=True)
        assert storage.read("manifest.json") == b"first"
        storage.put_bytes(b"third", "manifest.json")
        assert storage.read("manifest.json") == b"third"


@pytest.mark.long
def test_a_refusal_for_another_reason_writes_nothing(open_storage: Callable[[str], Storage]) -> None:
    """Only a server that says it has no conditional writes is written to without one."""
    with guarded_by(lambda *_: True, without_conditional_writes="403 AccessDenied") as url:
        storage = open_storage(url)
        with pytest.raises(PuretalkError, match="permission denied"):
            storage.put_bytes(b"first", "manifest.json", only_new=True)
        assert not storage.exists("manifest.json")
