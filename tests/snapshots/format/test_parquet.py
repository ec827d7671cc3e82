"""Parquet files of snapshots: what goes in comes out, and what people query has the documented types."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.models import Assistant, AssistantUser, Voice
from airflow_provider_puretalk.snapshots.format import parquet, parquet_schema

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pc = pytest.importorskip("pyarrow.compute")

Kept = Callable[[str], tuple[dict[str, Any], Any]]

ORDINARY: dict[str, Any] = {
    "user": {"name": "Ada", "dp": None, "email": "ada@example.com"},
    "voice": {
        "voice_id": "EXAVITQu4vr4xnSDxMaL",
        "name": "Sarah",
        "avatar": "https://cdn.example.com/sarah.png",
        "gender": "female",
        "demo_audio_url": "https://cdn.example.com/sarah.mp3",
        "is_cloned": False,
        "language": "en",
        "description": None,
    },
    "llm_states": [{"name": "greet", "edges": [{"to": "ask", "when": 0.5}]}],
    "phone_number": "+15550100",
    "variables": [],
    "knowledge_base": None,
    "assistant_id": "5b4b1ac4-5a3e-4e0a-9d1c-0d2f7f0f3f11",
    "name": "Front desk",
    "prompt": "You answer the phone.\n",
    "model": "gpt-4o",
    "who_speaks_first": "assistant",
    "begin_message": "Grüß Gott 👋",
    "assistant_type": "inbound",
    "avatar": "https://cdn.example.com/desk.png",
    "custom_knowledge_base": "",
    "timezone": "Europe/Vienna",
    "voice_stability": 0.5,
    "voice_clarity_similarity": 0.75,
    "voice_stream_latency_optimization": 2,
    "voice_boost": True,
    "voice_speed": 1.0,
    "voice_emotion": ["calm"],
    "call_recording_enabled": True,
    "reminder_message_frequency": 10,
    "max_reminder_messages": 2,
    "post_analysis": None,
    "chatbot_logo": None,
    "chatbot_accent_color": None,
    "chatbot_faq": None,
    "chatbot_whitelisted_domains": ["example.com", "example.org"],
    "chatbot_begin_message": None,
    "tools": None,
    "created_at": "2026-03-14T09:26:53.589793Z",
    "updated_at": "2026-03-15T09:26:53Z",
    "behavior": 1,
}


def write(path: Path, records: Iterable[dict[str, Any]], compression: str | None = "zstd") -> Path:
    with parquet.ParquetWriter(path, compression=compression) as writer:
        for record in records:
            writer.write(record)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    with path.open("rb") as file:
        return list(parquet.read_records(file))


def canonical(records: Iterable[dict[str, Any]]) -> list[bytes]:
    return [canonical_json.dumps(record) for record in records]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """Write one record given as JSON text, check that it comes back, and return its columns and its ``_extra``."""

    def keep(text: str) -> tuple[dict[str, Any], Any]:
        record = canonical_json.loads(text)
        path = write(tmp_path / "one.parquet", [record])
        assert canonical(read(path)) == canonical([record])
        [row] = pq.read_table(path).to_pylist()
        extra = row.pop("_extra")
        if extra is not None:
            assert canonical_json.dumps(canonical_json.loads(extra)).decode() == extra  # canonical
        return row, extra

    return keep


# What comes back

DOCUMENTED = [name for model in (Assistant, AssistantUser, Voice) for name in model.model_fields]

NUMBERS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["1e400", "0.1234567890123456789", "-0.0", "0.0", "1.0", "1", "9007199254740993.0", "1E-400"]),
    st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1, Decimal("9" * 5000)]),
).map(lambda number: canonical_json.loads(number) if isinstance(number, str) else number)
MOMENTS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["2026-03-14T09:26:53", "2026-12-31T23:59:60", "0000-01-01T00:00:00", "2026-02-30T24:00:00", ""]),
    st.sampled_from(["", ".5", ".000000", ".589793", ".1234567"]),
    st.sampled_from(["Z", "z", "+00:00", "-23:59", ""]),
)
TEXT = st.text(st.sampled_from('aZ0. "\\/\0\nä€👋\ud800\udc00'), max_size=4)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXT, MOMENTS)
NAMES = st.sampled_from([*DOCUMENTED, "_extra", "unknown"]) | TEXT
LISTS = st.lists(SCALARS, max_size=3)
OBJECTS = st.dictionaries(NAMES, SCALARS | LISTS, max_size=4)
RECORDS = st.builds(
    lambda record, nested: record | nested,
    st.dictionaries(NAMES, st.one_of(SCALARS, LISTS, OBJECTS, st.lists(OBJECTS, max_size=2)), max_size=10),
    st.dictionaries(st.sampled_from(["user", "voice"]), OBJECTS),
)


@pytest.mark.long
@settings(max_examples=200)
@given(records=st.lists(RECORDS, min_size=1, max_size=3))
@example(records=[ORDINARY, {}, ORDINARY])
def test_any_objects_come_back_exactly(records: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever JSON objects are written, the same ones come back in the same order."""
    records = canonical_json.loads(canonical_json.dumps(records))  # joins pairs of surrogates, as any JSON reader does
    path = write(tmp_path_factory.mktemp("any") / "assistants.parquet", records)
    assert canonical(read(path)) == canonical(records)


def test_an_ordinary_record_needs_extra_only_for_its_nulls(kept: Kept) -> None:
    """A record that keeps to the documentation lies in typed columns; only its explicit nulls are written apart."""
    columns, extra = kept(json.dumps(ORDINARY))
    assert json.loads(extra) == {
        **{name: None for name, value in ORDINARY.items() if value is None},
        "user": {"dp": None},
        "voice": {"description": None},
    }
    assert columns == {
        **ORDINARY,
        "llm_states": '[{"edges":[{"to":"ask","when":0.5}],"name":"greet"}]',
        "variables": "[]",
        "voice_emotion": '["calm"]',
        "created_at": datetime(2026, 3, 14, 9, 26, 53, 589793, UTC),
        "updated_at": datetime(2026, 3, 15, 9, 26, 53, 0, UTC),
    }


@pytest.mark.parametrize(
    ("field", "text", "column", "apart"),
    [
        pytest.param("name", '"x"', "x", False, id="text"),
        pytest.param("name", '""', "", False, id="empty text"),
        pytest.param("name", "null", None, True, id="explicit null"),
        pytest.param("name", "3", None, True, id="a number for text"),
        pytest.param("name", r'"\ud800"', None, True, id="a lone surrogate"),
        pytest.param("name", r'"\u0000"', "\0", False, id="a NUL character"),
        pytest.param("assistant_id", "7", None, True, id="an id that is not text"),
        pytest.param("assistant_id", '"seven"', "seven", False, id="an id that is not a UUID"),
        pytest.param("who_speaks_first", '"nobody"', "nobody", False, id="outside the enum"),
        pytest.param("behavior", "-3", -3, False, id="integer"),
        pytest.param("behavior", str(2**63 - 1), 2**63 - 1, False, id="the largest 64 bit integer"),
        pytest.param("behavior", str(2**63), None, True, id="integer beyond 64 bit"),
        pytest.param("behavior", "9" * 5000, None, True, id="integer beyond Python's digits"),
        pytest.param("behavior", "true", None, True, id="a flag for an integer"),
        pytest.param("behavior", "3.0", 3, True, id="a float spelling of an integer"),
        pytest.param("behavior", "3.5", None, True, id="a fraction for an integer"),
        pytest.param("behavior", "1e400", None, True, id="a huge Decimal for an integer"),
        pytest.param("behavior", "9007199254740993.0", 9007199254740993, True, id="a Decimal that is an integer"),
        pytest.param("voice_stability", "1.5", 1.5, False, id="out of range"),
        pytest.param("voice_speed", "1.0", 1.0, False, id="float"),
        pytest.param("voice_speed", "1", 1.0, True, id="an integer spelling of a float"),
        pytest.param("voice_speed", "0.0", 0.0, False, id="zero"),
        pytest.param("voice_speed", "-0.0", 0.0, True, id="minus zero"),
        pytest.param("voice_speed", "1e400", None, True, id="a number beyond doubles"),
        pytest.param("voice_speed", "1" * 400, None, True, id="an integer beyond doubles"),
        pytest.param("voice_speed", "0.1234567890123456789", 0.12345678901234568, True, id="more digits than doubles"),
        pytest.param("voice_speed", "true", None, True, id="a flag for a number"),
        pytest.param("voice_speed", '"1.0"', None, True, id="text for a number"),
        pytest.param("voice_boost", "false", False, False, id="flag"),
        pytest.param("voice_boost", "1", None, True, id="a number for a flag"),
        pytest.param("variables", r'[1.0, {"b":"\ud800","a":1}]', r'[1.0,{"a":1,"b":"\ud800"}]', False, id="list"),
        pytest.param("variables", '{"a":1}', None, True, id="an object for a list"),
        pytest.param("chatbot_whitelisted_domains", "[]", [], False, id="an empty list of strings"),
        pytest.param("chatbot_whitelisted_domains", '["a","b"]', ["a", "b"], False, id="a list of strings"),
        pytest.param("chatbot_whitelisted_domains", '["a",null]', None, True, id="null in a list of strings"),
        pytest.param("chatbot_whitelisted_domains", '["a",1]', None, True, id="a number in a list of strings"),
        pytest.param("chatbot_whitelisted_domains", r'["\ud800"]', None, True, id="a lone surrogate in a list"),
        pytest.param("chatbot_whitelisted_domains", '"a"', None, True, id="text for a list of strings"),
    ],
)
def test_a_value_lies_in_its_column_or_apart(kept: Kept, field: str, text: str, column: Any, apart: bool) -> None:
    """A column holds what it can give back, or something near to query by; the rest stands in _extra."""
    columns, extra = kept(f'{{"{field}":{text}}}')
    assert columns[field] == column
    assert type(columns[field]) is type(column)
    assert (extra is not None) is apart
    if apart:
        assert canonical_json.dumps(canonical_json.loads(extra)[field]) == canonical_json.dumps(
            canonical_json.loads(text)
        )


@pytest.mark.parametrize(
    ("text", "instant", "apart"),
    [
        ("2026-03-14T09:26:53.589793Z", datetime(2026, 3, 14, 9, 26, 53, 589793, UTC), False),
        ("2026-03-14T09:26:53Z", datetime(2026, 3, 14, 9, 26, 53, 0, UTC), False),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC), False),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999999, UTC), False),
        # The instant is known, its spelling is not the column's.
        ("2026-03-14T09:26:53.000000Z", datetime(2026, 3, 14, 9, 26, 53, 0, UTC), True),
        ("2026-03-14T09:26:53.5Z", datetime(2026, 3, 14, 9, 26, 53, 500000, UTC), True),
        ("2026-03-14T09:26:53.123456789Z", datetime(2026, 3, 14, 9, 26, 53, 123456, UTC), True),
        ("2026-03-14T09:26:53+00:00", datetime(2026, 3, 14, 9, 26, 53, 0, UTC), True),
        ("2026-03-14T09:26:53.589793+02:00", datetime(2026, 3, 14, 7, 26, 53, 589793, UTC), True),
        ("2026-03-14t09:26:53z", datetime(2026, 3, 14, 9, 26, 53, 0, UTC), True),
        # No instant, or none within the years 1 to 9999.
        ("0000-01-01T00:00:00Z", None, True),
        ("0001-01-01T00:00:00+01:00", None, True),
        ("9999-12-31T23:59:59-01:00", None, True),
        ("2026-12-31T23:59:60Z", None, True),
        ("2026-03-14T24:00:00Z", None, True),
        ("2026-02-30T00:00:00Z", None, True),
        ("2026-03-14T09:26:53+05:75", None, True),
        ("2026-03-14T09:26:53", None, True),
        ("2026-03-14", None, True),
        ("2026-03-14 09:26:53Z", None, True),
        ("٢٠٢٦-03-14T09:26:53Z", None, True),
        ("yesterday", None, True),
        ("", None, True),
    ],
)
def test_a_timestamp_is_an_instant_and_keeps_its_text(
    kept: Kept, text: str, instant: datetime | None, apart: bool
) -> None:
    """The column holds the instant in UTC where there is one; a text that it would not give back stands in _extra."""
    columns, extra = kept(json.dumps({"updated_at": text}))
    assert columns["updated_at"] == instant
    assert extra == (canonical_json.dumps({"updated_at": text}).decode() if apart else None)


@pytest.mark.parametrize(
    ("text", "struct", "apart"),
    [
        ("{}", None, None),
        ('{"user":null}', None, {"user": None}),
        ('{"user":{}}', {"name": None, "dp": None, "email": None}, None),
        ('{"user":{"name":"A"}}', {"name": "A", "dp": None, "email": None}, None),
        ('{"user":{"dp":null}}', {"name": None, "dp": None, "email": None}, {"user": {"dp": None}}),
        ('{"user":{"email":7,"x":{}}}', {"name": None, "dp": None, "email": None}, {"user": {"email": 7, "x": {}}}),
        ('{"user":"Ada"}', None, {"user": "Ada"}),
        ('{"user":[{"name":"A"}]}', None, {"user": [{"name": "A"}]}),
    ],
)
def test_a_nested_object_is_a_struct_only_where_it_is_an_object(
    kept: Kept, text: str, struct: dict[str, Any] | None, apart: Any
) -> None:
    """An empty object, a null and an absent one stay three things, and what is not an object replaces it whole."""
    columns, extra = kept(text)
    assert columns["user"] == struct
    assert (extra and json.loads(extra)) == apart


def test_unknown_fields_stay_apart(kept: Kept) -> None:
    """Fields that nobody documented are kept whole, one named like our own column included."""
    record = {"_extra": {"user": 1}, "user": {"_extra": None}, "llm_state": [1, 1.0], "name": "A", "": None}
    _, extra = kept(json.dumps(record))
    assert json.loads(extra) == {name: value for name, value in record.items() if name != "name"}


def test_one_odd_value_does_not_change_its_neighbours(tmp_path: Path) -> None:
    """A record among ordinary ones keeps its oddities to itself: nothing of it shows in the others' columns."""
    odd: dict[str, Any] = dict.fromkeys(ORDINARY, Decimal("1e400")) | {"unknown": 1}
    path = write(tmp_path / "a.parquet", [ORDINARY, odd, ORDINARY])
    assert canonical(read(path)) == canonical([ORDINARY, odd, ORDINARY])
    rows = pq.read_table(path).to_pylist()
    assert rows[0] == rows[2]
    assert {name for name, value in rows[1].items() if value is not None} == {"_extra"}


# What people query


def test_every_documented_field_has_a_column_of_its_type(tmp_path: Path) -> None:
    """Columns are the model's fields in the model's order, with the documented types, and _extra comes last."""
    schema = pq.read_schema(write(tmp_path / "a.parquet", []))
    assert schema.names == [*Assistant.model_fields, "_extra"]
    assert schema.metadata[b"puretalk_format"] == b"1"
    assert [field.name for field in schema.field("user").type] == list(AssistantUser.model_fields)
    assert [field.name for field in schema.field("voice").type] == list(Voice.model_fields)
    assert schema.field("voice").type.field("is_cloned").type == pa.bool_()
    others = {
        **dict.fromkeys(["voice_stability", "voice_clarity_similarity", "voice_speed"], pa.float64()),
        **dict.fromkeys(["voice_boost", "call_recording_enabled"], pa.bool_()),
        **dict.fromkeys(["voice_stream_latency_optimization", "behavior"], pa.int64()),
        **dict.fromkeys(["reminder_message_frequency", "max_reminder_messages"], pa.int64()),
        **dict.fromkeys(["created_at", "updated_at"], pa.timestamp("us", tz="UTC")),
        "chatbot_whitelisted_domains": pa.list_(pa.string()),
    }
    for field in schema:
        if field.name not in ("user", "voice"):
            assert field.type == others.get(field.name, pa.string()), field.name


def test_columns_can_be_filtered(tmp_path: Path) -> None:
    """A reader that knows nothing of us filters by time, by number and within a nested object."""
    records = [
        {"assistant_id": "a", "updated_at": "2026-03-14T09:00:00Z", "voice_speed": 1, "voice": {"name": "y"}},
        {"assistant_id": "b", "updated_at": "2026-03-14T11:00:00+02:00", "voice_speed": 1.5, "voice": {"name": "x"}},
        {"assistant_id": "c", "updated_at": "2026-03-14T10:00:00Z", "voice_speed": 2.0, "voice": {}},
    ]
    path = write(tmp_path / "a.parquet", records)

    def ids(expression: Any) -> list[str]:
        found: list[str] = pq.read_table(path, filters=expression).column("assistant_id").to_pylist()
        return found

    assert ids([("updated_at", ">", datetime(2026, 3, 14, 9, tzinfo=UTC))]) == ["c"]
    assert ids([("voice_speed", "<", 2)]) == ["a", "b"]
    assert ids(pc.field("voice", "name") == "x") == ["b"]


def test_a_field_of_a_new_type_is_not_guessed() -> None:
    """A model whose field has a type without a column is refused, so that one is chosen."""

    class Changed(BaseModel):
        settings: dict[str, int] | None = None

    with pytest.raises(TypeError, match="dict"):
        parquet_schema.columns_of(Changed)


# Files


@pytest.mark.parametrize(
    ("compression", "codec"), [("zstd", "ZSTD"), ("gzip", "GZIP"), ("snappy", "SNAPPY"), (None, "UNCOMPRESSED")]
)
def test_the_codec_is_the_one_asked_for(tmp_path: Path, compression: str | None, codec: str) -> None:
    """Every column is compressed with the requested codec, and reads back the same."""
    path = write(tmp_path / "a.parquet", [ORDINARY], compression)
    group = pq.read_metadata(path).row_group(0)
    assert {group.column(index).compression for index in range(group.num_columns)} == {codec}
    assert canonical(read(path)) == canonical([ORDINARY])


def test_row_groups_are_bounded_by_rows(tmp_path: Path) -> None:
    """No row group has more than five hundred rows, however many there are."""
    records = [{"assistant_id": f"{number:04}"} for number in range(1_250)]
    path = write(tmp_path / "a.parquet", records)
    metadata = pq.read_metadata(path)
    assert [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)] == [500, 500, 250]
    assert read(path) == records


def test_a_row_group_says_which_ids_it_holds_and_no_contents(tmp_path: Path) -> None:
    """Readers can skip row groups by id; no other value stands in the file a second time, outside of its column."""
    path = write(tmp_path / "snapshot", ({"assistant_id": f"{n:04d}", "prompt": "p"} for n in range(600)))
    metadata = pq.ParquetFile(path).metadata
    last = metadata.row_group(1)
    columns = [last.column(number) for number in range(metadata.num_columns)]
    assert [column.path_in_schema for column in columns if column.statistics] == ["assistant_id"]
    ids = next(column.statistics for column in columns if column.statistics)
    assert (ids.min, ids.max) == ("0500", "0599")


def test_row_groups_are_bounded_by_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Huge contents close a row group early, in documented fields and deep inside others alike."""
    monkeypatch.setattr(parquet, "TEXT_PER_GROUP", 8_000)
    for record in ({"prompt": "x" * 3_000}, {"variables": [{"x": ["x" * 3_000]}]}, {"x": [0] * 3_000}):
        metadata = pq.read_metadata(write(tmp_path / "a.parquet", [record] * 4))
        assert [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)] == [3, 1]


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    """Two files of the same records are the same, so that their hashes can be compared."""
    first, second = (write(tmp_path / name, [ORDINARY, {"new": 1}]).read_bytes() for name in ("a.parquet", "b.parquet"))
    assert first == second


def test_no_records_make_a_file_too(tmp_path: Path) -> None:
    """An account without assistants has a snapshot like any other."""
    assert read(write(tmp_path / "a.parquet", [])) == []


def test_a_path_that_looks_like_an_address_is_a_path(tmp_path: Path) -> None:
    """Account and partition names may hold a colon, and pyarrow must not take them for a file system's name."""
    folder = tmp_path / "account=s3:eu"
    folder.mkdir()
    assert read(write(folder / "a:b.parquet", [ORDINARY])) == [ORDINARY]


def test_an_exception_leaves_no_file_that_can_be_read(tmp_path: Path) -> None:
    """When reading the fleet breaks off, what was written cannot be taken for a smaller fleet."""

    def broken_off() -> Iterator[dict[str, Any]]:
        yield from [ORDINARY] * 1_500
        raise RuntimeError("broke off")

    path = tmp_path / "a.parquet"
    with pytest.raises(RuntimeError, match="broke off"):
        write(path, broken_off())
    with pytest.raises(PuretalkSnapshotError):
        read(path)


def test_a_file_of_older_models_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file says itself how to read it, so one from before a field was documented, or after, gives back the same."""
    columns = dict(parquet.assistant_columns())
    del columns["behavior"]
    columns |= {"user": {"name": "string"}, "llm_states": "string", "future": "json"}
    record = ORDINARY | {"future": [1.0, {}]}
    monkeypatch.setattr(parquet, "assistant_columns", lambda: columns)
    path = write(tmp_path / "a.parquet", [record])
    monkeypatch.undo()
    assert canonical(read(path)) == canonical([record])


# Files that are not what they should be


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1PAR1", b'{"assistant_id":"a"}\n' * 50], ids=repr)
def test_what_is_not_parquet_is_refused(data: bytes) -> None:
    """Other files are refused at once with one sentence that says what is wrong."""
    with pytest.raises(PuretalkSnapshotError, match="not a Parquet file, or it is torn"):
        parquet.read_records(io.BytesIO(data))


@pytest.mark.parametrize("compression", ["zstd", None])
def test_a_torn_file_is_refused(tmp_path: Path, compression: str | None) -> None:
    """A file that lost its end, its beginning or something between is refused."""
    data = write(tmp_path / "a.parquet", [ORDINARY] * 3, compression).read_bytes()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    for torn in (data[: len(data) // 2], data[:-1], data[1:], data[footer:], data[: footer - 100] + data[footer:]):
        with pytest.raises(PuretalkSnapshotError, match="torn"):
            list(parquet.read_records(io.BytesIO(torn)))


@pytest.mark.long
@pytest.mark.parametrize("compression", ["zstd", None])
def test_a_damaged_file_never_gives_fewer_records(tmp_path: Path, compression: str | None) -> None:
    """Wherever a bit is flipped, the file is refused or all of its records are there."""
    data = write(tmp_path / "a.parquet", [ORDINARY] * 3, compression).read_bytes()
    for position in range(4, len(data), len(data) // 300):
        damaged = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        with suppress(PuretalkSnapshotError):
            assert len(list(parquet.read_records(io.BytesIO(damaged)))) == 3


def test_a_flipped_bit_in_a_text_is_refused(tmp_path: Path) -> None:
    """Values carry a checksum: a letter that rotted on a disk is not handed out as what the API sent."""
    data = write(tmp_path / "a.parquet", [ORDINARY], None).read_bytes()
    assert data.count(b"You answer the phone.") >= 1
    with pytest.raises(PuretalkSnapshotError, match="torn"):
        list(parquet.read_records(io.BytesIO(data.replace(b"You answer the phone.", b"You answer the phonf."))))


def test_a_file_without_a_column_is_refused(tmp_path: Path) -> None:
    """A file that lacks a column is refused by that column's name."""
    table = pq.read_table(write(tmp_path / "a.parquet", [ORDINARY]))
    for column in ("prompt", "_extra"):
        pq.write_table(table.drop_columns([column]), tmp_path / "b.parquet")
        with pytest.raises(PuretalkSnapshotError, match=f"lacks columns .*: {column}."):
            read(tmp_path / "b.parquet")


def test_a_file_with_other_columns_is_refused(tmp_path: Path) -> None:
    """A file with another type or one column more is refused."""
    table = pq.read_table(write(tmp_path / "a.parquet", [ORDINARY]))
    behavior = table.schema.get_field_index("behavior")
    text = table.column(behavior).cast(pa.string())
    for changed in (table.set_column(behavior, "behavior", text), table.append_column("more", text)):
        pq.write_table(changed, tmp_path / "b.parquet")
        with pytest.raises(PuretalkSnapshotError, match="other columns than it declares"):
            read(tmp_path / "b.parquet")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "not a PureTalk snapshot"),
        ({"puretalk_format": "1"}, "not a PureTalk snapshot"),
        ({"puretalk_format": "2", "puretalk_columns": "{}"}, "format '2'"),
        ({"puretalk_format": "1", "puretalk_columns": '{"a":"tensor"}'}, "does not know"),
        ({"puretalk_format": "1", "puretalk_columns": "[]"}, "does not know"),
        ({"puretalk_format": "1", "puretalk_columns": "{"}, "torn"),
    ],
)
def test_a_file_of_others_is_refused(tmp_path: Path, metadata: dict[str, str], message: str) -> None:
    """A good Parquet file that is not ours, or is of a format of the future, is refused and not half understood."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": ["1"], "_extra": [None]}).replace_schema_metadata(metadata), path)
    with pytest.raises(PuretalkSnapshotError, match=message):
        read(path)


@pytest.mark.parametrize("extra", ["[]", "{", "1,2", '{"user":1}', ""])
def test_an_extra_that_makes_no_sense_is_refused(tmp_path: Path, extra: str) -> None:
    """What lies in _extra is laid over columns only when it can be."""
    table = pq.read_table(write(tmp_path / "a.parquet", [ORDINARY]))
    pq.write_table(table.set_column(len(table.schema) - 1, "_extra", [[extra]]), tmp_path / "b.parquet")
    with pytest.raises(PuretalkSnapshotError, match="torn"):
        read(tmp_path / "b.parquet")


def test_trouble_of_the_storage_is_not_called_damage(tmp_path: Path) -> None:
    """A store that fails while a good file is read raises its own error, because trying again may help."""

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(errno.EIO, "the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(parquet.read_records(Failing(write(tmp_path / "a.parquet", [ORDINARY]).read_bytes())))


# Without pyarrow


def test_without_pyarrow_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is not installed, each way in says the command that installs it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "pyarrow.parquet")
    ways: list[Callable[[], Any]] = [
        parquet.require_pyarrow,
        lambda: parquet.read_records(io.BytesIO()),
        lambda: write(tmp_path / "a.parquet", []),
    ]
    for way in ways:
        with pytest.raises(AirflowOptionalProviderFeatureException, match=r"pip install '.*puretalk\[parquet\]'"):
            way()


@pytest.mark.long
def test_importing_the_module_does_not_load_pyarrow() -> None:
    """Who writes JSONL pays nothing for Parquet: pyarrow loads at first use."""
    code = "import sys, airflow_provider_puretalk.snapshots.format.parquet; print('pyarrow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
