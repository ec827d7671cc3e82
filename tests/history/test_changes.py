"""Which classes of fields changed from one version to the next: the same as all changes say, found sooner."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_puretalk.history.changes import Readings, changed_classes, field_changes
from airflow_provider_puretalk.history.versions import Reading, Version
from airflow_provider_puretalk.records.field_paths import ABSENT
from airflow_provider_puretalk.snapshots.format.manifest import Redaction
from tests.history.snapshots import moment
from tests.records.test_field_diff import values

#: Two of a class, an object, a list, an unknown field, and what is ignored.
FIELDS = ("prompt", "model", "phone_number", "voice", "llm_states", "user", "some.thing", "updated_at")
records = st.dictionaries(st.sampled_from(FIELDS), values)
policies = st.dictionaries(
    st.sampled_from(("prompt", "voice.a", "llm_states.*.a", "user", "some.thing")), st.sampled_from(("drop", "mask"))
)


def version(record: dict[str, Any], first: int) -> Version:
    return Version("a", {"assistant_id": "a", **record}, first, first + 1, False, ((first, ABSENT),))


def reading(day: int, policy: dict[str, str]) -> Reading:
    return Reading(
        snapshot=f"day-{day}",
        started_at=moment(day) - timedelta(minutes=1),
        finished_at=moment(day),
        complete=True,
        count=1,
        content_sha256="",
        raw_sha256="",
        edition="",
        redaction=Redaction(policy=policy),
    )


@pytest.mark.long
@given(records, records, policies, policies)
def test_classes_are_those_of_all_changes(
    old: dict[str, Any], new: dict[str, Any], policy: dict[str, str], other: dict[str, str]
) -> None:
    """Whatever differs, and however either side was redacted."""
    readings = Readings([reading(0, policy), reading(1, other)])
    before, after = version(old, 0), version(new, 1)
    expected = {change.field_class for change in field_changes(before, after, readings)}
    assert changed_classes(before, after, readings) == expected
