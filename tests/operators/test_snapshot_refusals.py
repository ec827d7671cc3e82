"""The snapshot operator refuses wrong arguments in one sentence, before any request."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import Folder

#: Arguments, and words that the refusal must contain: the name of the argument, and what is wrong with it.
WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"file_format": "csv"}, ["`file_format`", "jsonl, parquet", "'csv'"]),
    ({"file_format": ""}, ["`file_format`"]),
    ({"file_format": None}, ["`file_format`"]),
    ({"file_format": ["jsonl"]}, ["`file_format`"]),
    ({"compression": "brotli"}, ["`compression`", "gzip", "'brotli'"]),
    ({"compression": "snappy"}, ["`compression`", "for jsonl"]),
    ({"compression": ""}, ["`compression`"]),
    ({"compression": True}, ["`compression`"]),
    ({"compression": ["gzip"]}, ["`compression`"]),
    ({"file_format": "parquet", "compression": "lz4"}, ["`compression`", "for parquet"]),
    ({"consistency": "probably"}, ["`consistency`", "verified, checked, best_effort", "'probably'"]),
    ({"consistency": None}, ["`consistency`"]),
    ({"consistency": ["verified"]}, ["`consistency`"]),
    ({"strict": "False"}, ["`strict`", "True or False", "'False'"]),
    ({"strict": 1}, ["`strict`"]),
    ({"strict": None}, ["`strict`"]),
    ({"max_walks": 0}, ["`max_walks`", "at least 1"]),
    ({"max_walks": -3}, ["`max_walks`"]),
    ({"max_walks": "many"}, ["`max_walks`", "'many'"]),
    ({"max_walks": 2.5}, ["`max_walks`"]),
    ({"max_walks": True}, ["`max_walks`"]),
    ({"max_walks": None}, ["`max_walks`"]),
    ({"max_walks": "9" * 5_000}, ["`max_walks`"]),
    ({"max_seconds": "soon"}, ["`max_seconds`", "'soon'"]),
    ({"max_seconds": 0}, ["`max_seconds`", "above 0"]),
    ({"max_seconds": -1}, ["`max_seconds`"]),
    ({"max_seconds": "nan"}, ["`max_seconds`"]),
    ({"max_seconds": float("inf")}, ["`max_seconds`"]),
    ({"max_seconds": 10**400}, ["`max_seconds`"]),
    ({"max_seconds": True}, ["`max_seconds`"]),
    ({"max_seconds": None}, ["`max_seconds`"]),
    ({"partition": ""}, ["`partition`", "not empty"]),
    ({"partition": "  "}, ["`partition`"]),
    ({"partition": "None"}, ["`partition`"]),
    ({"partition": 20261122.5}, ["`partition`"]),
    ({"partition": "  padded  "}, ["partition", "'  padded  '"]),
    ({"partition": "../x"}, ["partition", "'../x'"]),
    ({"partition": "a/b"}, ["partition", "'a/b'"]),
    ({"partition": ".."}, ["partition"]),
    ({"partition": "."}, ["partition"]),
    ({"partition": "a b"}, ["partition"]),
    ({"partition": "a\nb"}, ["partition"]),
    ({"partition": "2026-11-22T00:00:00+00:00"}, ["partition"]),
    ({"partition": "ä"}, ["partition"]),
    ({"destination": ""}, ["`destination`", "not empty"]),
    ({"destination": "None"}, ["`destination`"]),
    ({"destination": None}, ["`destination`"]),
    ({"destination": 7}, ["`destination`"]),
    ({"destination": "relative/path"}, ["destination", "absolute path or a URL", "'relative/path'"]),
    ({"destination": "~/fleet"}, ["destination", "absolute"]),
    ({"destination": "://fleet"}, ["destination"]),
    ({"destination": "file://fleet"}, ["destination", "three slashes"]),
    ({"destination": "/no/such/folder"}, ["destination /no/such/folder does not exist"]),
    ({"destination": "file:///no/such/folder"}, ["does not exist"]),
    ({"destination": "/etc/hostname"}, ["destination /etc/hostname is a file, not a folder"]),
    ({"destination": "/etc/hostname/below"}, ["does not exist"]),
    ({"destination": "nosuch://bucket"}, ["(nosuch://) is not installed", "correct its name"]),
    ({"destination": "gs://bucket"}, ["(gs://) is not installed", "pip install apache-airflow-providers-google"]),
    ({"destination": "s3://"}, ["destination", "names no bucket"]),
    ({"destination": "s3://[bucket"}, ["destination", "'['"]),
    ({"storage_conn_id": ""}, ["`storage_conn_id`", "not empty"]),
    ({"storage_conn_id": "None"}, ["`storage_conn_id`"]),
    ({"storage_conn_id": "nobody"}, ["no Airflow connection 'nobody'"]),
    ({"destination": "s3://nobody@bucket"}, ["no Airflow connection 'nobody'"]),
    ({"destination": "s3://nobody@bucket", "storage_conn_id": "nobody_else"}, ["connection 'nobody_else'"]),
    ({"puretalk_conn_id": ""}, ["`puretalk_conn_id`", "not empty"]),
    ({"puretalk_conn_id": "None"}, ["`puretalk_conn_id`"]),
    ({"puretalk_conn_id": None}, ["`puretalk_conn_id`"]),
    ({"puretalk_conn_id": "nobody"}, ["no Airflow connection 'nobody'", "puretalk"]),
    ({"redact": {}}, ["`redact`", "empty"]),
    ({"redact": "None"}, ["`redact`", "str", "render_template_as_native_obj"]),
    ({"redact": {"prompt": "erase"}}, ["`redact`", "`prompt`", "'erase'", "'drop', 'mask' or 'hash'"]),
    ({"redact": {"prompt": "hash"}}, ["`redact`", "`prompt`", "`redaction_secret`"]),
    ({"redact": {"assistant_id": "hash"}}, ["`redact`", "'assistant_id'"]),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG, ids=lambda value: str(value)[:60])
def test_wrong_arguments(
    silent: Sandbox, folder: Folder, context: Any, arguments: dict[str, Any], words: list[str]
) -> None:
    """One clear sentence that names the argument; not one request; nothing written."""
    with pytest.raises(PuretalkConfigurationError) as caught:
        folder.take(context, **arguments)
    message = str(caught.value)
    assert [word for word in words if word not in message] == []
    assert "\n" not in message
    assert len(message) < 300 + len(str(arguments))
    assert folder.files() == {}


def test_older_snapshots_stay_as_they_were(sandbox: Sandbox, folder: Folder, context: Any) -> None:
    """However many wrong calls follow, what was kept before is still there, byte for byte, and proves itself."""
    kept = folder.take(context, partition="20261121T000000Z")
    before, requests = folder.files(), sandbox.request_count
    for arguments, _ in WRONG:
        with pytest.raises(PuretalkConfigurationError):
            folder.take(context, **arguments)
    assert folder.files() == before
    assert snapshots.verify(kept["manifest_path"]).count == 250
    assert sandbox.request_count == requests


def test_credentials_in_the_destination_are_not_repeated(silent: Sandbox, folder: Folder, context: Any) -> None:
    """Keys that were put into the URL are refused without standing in the message."""
    with pytest.raises(PuretalkConfigurationError, match="holds credentials") as caught:
        folder.take(context, destination="s3://AKIAIOSFODNN7:s3cr3t@bucket/prefix")
    assert "s3cr3t" not in str(caught.value)
    assert "AKIA" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "missing", "extra"),
    [
        ({"file_format": "parquet"}, ["pyarrow", "pyarrow.parquet"], "[parquet]"),
        ({"compression": "zstd"}, ["zstandard"], "[zstd]"),
    ],
    ids=["pyarrow", "zstandard"],
)
def test_missing_library(
    silent: Sandbox,
    folder: Folder,
    context: Any,
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict[str, Any],
    missing: list[str],
    extra: str,
) -> None:
    """Where an optional library is missing, the task says what to install before any request."""
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(AirflowOptionalProviderFeatureException) as caught:
        folder.take(context, **arguments)
    assert f"pip install 'airflow-provider-puretalk{extra}'" in str(caught.value)
    assert folder.files() == {}


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"password": None}, "Password"),
        ({"host": "ftp://elsewhere"}, "Host"),
        ({"extra": {"page_size": 0}}, "page_size"),
        ({"extra": {"timeout": "soon"}}, "timeout"),
        ({"extra": {"account": "../up"}}, "account"),
        ({"extra": {"account": "a/b"}}, "account"),
    ],
    ids=str,
)
def test_wrong_connection(
    silent: Sandbox,
    folder: Folder,
    connection: Callable[..., str],
    context: Any,
    fields: dict[str, Any],
    word: str,
) -> None:
    """A wrong field of the connection is named together with the connection, before anything is fetched or written."""
    connection("wrong", **({"host": silent.base_url, "password": silent.api_key} | fields))
    with pytest.raises(PuretalkConfigurationError) as caught:
        folder.take(context, puretalk_conn_id="wrong")
    assert word in str(caught.value)
    assert "'wrong'" in str(caught.value)
    assert folder.files() == {}


def test_a_connection_id_that_is_no_path_is_no_account(
    silent: Sandbox, folder: Folder, connection: Callable[..., str], context: Any
) -> None:
    """Without an ``account`` the connection's id names the folder, so it must be able to."""
    connection("a b", host=silent.base_url, password=silent.api_key)
    with pytest.raises(PuretalkConfigurationError, match="account"):
        folder.take(context, puretalk_conn_id="a b")
    assert folder.files() == {}


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_walks": "3", "max_seconds": "90.5"},
        {"compression": "None"},
        {"partition": 20261122},
        {"partition": "2026-11-22T00:00:00Z_final.v2"},
    ],
    ids=str,
)
def test_what_templates_render_is_understood(
    sandbox: Sandbox, folder: Folder, context: Any, arguments: dict[str, Any]
) -> None:
    """Numbers that a template rendered as text, and None where None is a choice, are what they mean."""
    result = folder.take(context, **arguments)
    assert snapshots.verify(result["manifest_path"]).snapshot == str(arguments.get("partition", "20261122T000000Z"))
