"""Every field of every assistant comes back as it was sent, whatever the file format."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_puretalk import sandbox, snapshots
from airflow_provider_puretalk.models import Assistant, AssistantUser, Voice
from tests.places import Folder, Place

#: Every way to keep a snapshot: format, compression as given, compression as the manifest calls it.
FORMATS = [
    ("jsonl", "auto", "gzip"),
    ("jsonl", "gzip", "gzip"),
    ("jsonl", "zstd", "zstd"),
    ("jsonl", None, None),
    ("jsonl", "None", None),
    ("parquet", "auto", "zstd"),
    ("parquet", "zstd", "zstd"),
    ("parquet", "gzip", "gzip"),
    ("parquet", "snappy", "snappy"),
    ("parquet", None, None),
]

SUFFIXES = {("jsonl", "gzip"): ".jsonl.gz", ("jsonl", "zstd"): ".jsonl.zst", ("jsonl", None): ".jsonl"}

#: Records that no tidy schema could hold. The service is known to send most of this.
ODD_RECORDS: list[dict[str, Any]] = [
    {"assistant_id": "a-nothing-else"},
    {"assistant_id": "b-all-null", **dict.fromkeys([*Assistant.model_fields][7:])},
    {"assistant_id": "c-null-objects", "user": None, "voice": None},
    {"assistant_id": "d-empty", "user": {}, "voice": {}, "llm_states": [], "name": "", "tools": "", "variables": []},
    {
        "assistant_id": "e-null-inside",
        "user": dict.fromkeys(AssistantUser.model_fields),
        "voice": dict.fromkeys(Voice.model_fields),
    },
    {
        "assistant_id": "f-broken-types",
        "user": "somebody",
        "voice": 7,
        "llm_states": {"a": 1},
        "tools": [{"type": "webhook", "on": True}],
        "behavior": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        "voice_stability": "0.5",
        "voice_boost": 1,
        "voice_speed": True,
        "created_at": "2026-11-22",
        "chatbot_whitelisted_domains": [1, None, "example.com"],
        "name": ["list"],
        "prompt": {"object": None},
    },
    {
        "assistant_id": "g-unknown-fields",
        "is_published": None,
        "a/b~c.d": {"": [None, {}, []]},
        "_extra": "a name of ours",
        "line\nbreak": 1,
        "user": {"name": "x", "id": 7, "updated_at": "2026-11-22T00:00:00Z"},
        "voice": {"provider": "azure", "updated_at": {"nested": ["updated_at"]}},
        "history": [{"updated_at": "2026-11-22T00:00:00Z"}],
        "updated_at": "2026-11-22T10:00:00+02:00",
    },
    {
        "assistant_id": "h-numbers",
        "big": 10**30,
        "bigger_than_python_reads": Decimal("7" * 5_000),
        "beyond_64_bits": [2**63, -(2**63) - 1, 2**64],
        "exact": Decimal("0.1000000000000000055511151231257827021181583404541015625"),
        "beyond_double": Decimal("1E+400"),
        "kinds": [1, 1.0, True, 0, -0.0, 0.1, 1.5e-7, 123456789.125],
        "voice_speed": 1,
        "voice_clarity_similarity": 1.0,
        "voice_stability": Decimal("0.30000000000000004441"),
        "reminder_message_frequency": 10**20,
        "max_reminder_messages": 2.0,
    },
    {
        "assistant_id": "i-text",
        "name": "".join(map(chr, range(0x20))) + "\x7f\u2028\u2029\\/\"'",
        "prompt": "日本語 عربي 🙂 e\u0301",
        "begin_message": "\ud800 alone",
        "\udfff": "\udc00",
        "phone_number": "\x00",
    },
    {"assistant_id": "j-volatile", "updated_at": {"updated_at": 1}},
    {"assistant_id": "k-volatile", "updated_at": None, "name": ',"updated_at":"2026"'},
    {"assistant_id": 12, "name": "an id that is no text"},
    {"assistant_id": "zz\ud800", "name": "an id that is not Unicode"},
    {"assistant_id": "é", "name": "sorts by code point, after z"},
    {"assistant_id": "Z", "name": "sorts by code point, before a"},
]


def typed(value: Any) -> Any:
    """Return a value such that ``==`` keeps 1, 1.0 and True apart, and -0.0 from 0.0."""
    if isinstance(value, dict):
        return {name: typed(item) for name, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return type(value).__name__, repr(value)


def in_order(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(records, key=lambda record: str(record["assistant_id"]))


@pytest.fixture(scope="module")
def odd_account() -> Iterator[sandbox.Sandbox]:
    """An account that holds the odd records between ordinary ones."""
    ordinary = sandbox.make_fleet(40)
    with sandbox.running(records=[*ordinary[:20], *ODD_RECORDS, *ordinary[20:]]) as box:
        yield box


@pytest.fixture
def keep(
    odd_account: sandbox.Sandbox, folder: Folder, connection: Callable[..., str], context: Any
) -> Callable[..., dict[str, Any]]:
    """Take a snapshot of the odd account."""
    connection(host=odd_account.base_url, password=odd_account.api_key)
    return lambda **arguments: folder.take(context, **arguments)


@pytest.mark.parametrize(("file_format", "compression", "said"), FORMATS)
def test_every_record_comes_back_exactly(
    odd_account: sandbox.Sandbox, keep: Any, file_format: str, compression: str | None, said: str | None
) -> None:
    """``iter_records`` gives what was sent: unknown fields, null and absent, wrong types, exact numbers, any text."""
    result = keep(file_format=file_format, compression=compression)
    assert typed(list(snapshots.iter_records(result["manifest_path"]))) == typed(in_order(list(odd_account.fleet)))
    (file,) = snapshots.read_manifest(result["manifest_path"]).files
    assert (file.format, file.compression) == (file_format, said)
    assert file.name.endswith(SUFFIXES.get((file_format, said), ".parquet"))


@pytest.mark.long
def test_hashes_are_the_same_in_every_format(keep: Any) -> None:
    """``content_sha256`` and ``raw_sha256`` are of the JSONL form, however the records are stored."""
    hashes = set()
    for number, (file_format, compression, _) in enumerate(FORMATS):
        result = keep(file_format=file_format, compression=compression, partition=f"{number:02}")
        manifest = snapshots.verify(result["manifest_path"])
        hashes.add((manifest.content_sha256, manifest.raw_sha256))
        assert result["unchanged"] is (True if number else None)
    assert len(hashes) == 1


def test_schema_report_counts_what_the_contract_does_not_know(keep: Any) -> None:
    """The manifest lists unknown fields with their types, and what broke the documentation, without any value."""
    schema = snapshots.read_manifest(keep()["manifest_path"]).to_dict()["schema"]
    unknown = {field["pointer"]: (field["count"], field["types"]) for field in schema["unknown_fields"]}
    assert unknown["/a~1b~0c.d"] == (1, ["object"])
    assert unknown["/is_published"] == (1, ["null"])
    assert unknown["/user/id"] == (1, ["integer"])
    assert unknown["/big"] == (1, ["integer"])
    assert unknown["/exact"] == (1, ["number"])
    assert r"/\udfff" in unknown
    assert "/name" not in unknown
    violations = {(found["pointer"], found["reason"]): found["count"] for found in schema["violations"]}
    assert violations["/user", "expected object, got string"] == 1
    assert violations["/chatbot_whitelisted_domains/*", "expected string, got integer"] == 1
    assert "somebody" not in json.dumps(schema)


def test_absent_fields_are_those_of_no_record(connection: Callable[..., str], folder: Folder, context: Any) -> None:
    """A documented field that no record has is named, nested ones too; one that is null somewhere is not absent."""
    records: list[dict[str, Any]] = [
        {"assistant_id": "a", "name": None, "user": {"email": None}},
        {"assistant_id": "b"},
    ]
    with sandbox.running(records=records) as box:
        connection(host=box.base_url, password=box.api_key)
        absent = snapshots.read_manifest(folder.take(context)["manifest_path"]).schema_report.absent_fields
    documented = {
        *(f"/{name}" for name in Assistant.model_fields),
        *(f"/user/{name}" for name in AssistantUser.model_fields),
        *(f"/voice/{name}" for name in Voice.model_fields),
    }
    assert set(absent) == documented - {"/assistant_id", "/name", "/user", "/user/email"}


@pytest.mark.parametrize("file_format", ["jsonl", "parquet"])
def test_an_account_without_assistants_is_a_snapshot_too(
    place: Place, connection: Callable[..., str], context: Any, file_format: str
) -> None:
    """An empty fleet is kept like any other; its hash is that of no bytes at all."""
    with sandbox.running(assistants=0) as box:
        connection(host=box.base_url, password=box.api_key)
        result = place.take(context, file_format=file_format)
    assert result["count"] == 0
    assert result["complete"] is True
    assert result["content_sha256"] == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert list(snapshots.iter_records(result["manifest_path"])) == []
    assert snapshots.verify(result["manifest_path"]).count == 0


def test_strict_refuses_what_breaks_the_documentation(keep: Any, folder: Folder) -> None:
    """With ``strict`` one wrong value fails the task, naming assistant and field but no value; nothing is kept."""
    from airflow_provider_puretalk.exceptions import PuretalkResponseError

    with pytest.raises(PuretalkResponseError, match=r"breaks the documented schema .* `strict` is set") as caught:
        keep(strict=True)
    assert "somebody" not in str(caught.value)
    assert folder.files() == {}
