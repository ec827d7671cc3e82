"""The two hashes of a snapshot's records."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.snapshots.format.hashing import ContentHasher, both_forms

TIME = "2026-03-14T09:26:53Z"

values = st.sampled_from([TIME, None, 3, "", 'a"b', "back\\slash", ["x"], {"updated_at": TIME}])
records = st.fixed_dictionaries(
    {"assistant_id": st.sampled_from(["1", "2", ',"updated_at":"x"'])},
    optional={
        "updated_at": values,
        "user": st.fixed_dictionaries({}, optional={"updated_at": values, "name": values}),
        "prompt": st.sampled_from([',"updated_at":"x"', '"updated_at":', ""]),
        "zone": st.lists(values, max_size=2),
    },
)


def taken(*pieces: list[dict[str, Any]]) -> tuple[str, str]:
    fingerprint = ContentHasher()
    for piece in pieces:
        lines = [*map(canonical_json.dumps, piece)]
        text, content = both_forms(lines, ["updated_at" in record for record in piece])
        assert text == jsonl(piece)
        fingerprint.add(text, content)
    return fingerprint.raw_sha256, fingerprint.content_sha256


def jsonl(piece: list[dict[str, Any]], *, without: str | None = None) -> bytes:
    kept = [{key: value for key, value in record.items() if key != without} for record in piece]
    return b"".join(canonical_json.dumps(record) + b"\n" for record in kept)


def plainly(piece: list[dict[str, Any]]) -> tuple[str, str]:
    return tuple(hashlib.sha256(jsonl(piece, without=name)).hexdigest() for name in (None, "updated_at"))  # type: ignore[return-value]


@pytest.mark.long
@given(st.lists(records, max_size=5), st.lists(records, max_size=5))
def test_hashes_are_those_of_the_plain_text(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    """Whatever stands in the records, the one hash is of all of it, the other of it without their own ``updated_at``."""
    assert taken(one, other) == plainly(one + other)


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"updated_at": None},
        {"updated_at": TIME, "user": {"name": "A", "updated_at": TIME}},
        {"updated_at": 'a"b'},
    ],
    ids=["absent", "null", "nested as well", "with a quote"],
)
def test_an_odd_record_does_not_change_what_is_left_out_of_the_others(odd: dict[str, Any]) -> None:
    """Ordinary records are done together; one that is not among them changes nothing of that but the time it takes."""
    usual = [{"assistant_id": str(number), "updated_at": TIME, "voice": {}} for number in range(9)]
    piece = [*usual[:5], {"assistant_id": "x"} | odd, *usual[5:]]
    assert taken(piece) == plainly(piece)


def test_nothing_has_the_hash_of_nothing() -> None:
    """A fleet without assistants has hashes, too."""
    assert taken() == plainly([])
