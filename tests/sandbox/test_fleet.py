"""Invented fleets: the same for the same seed, and close enough to real ones to try things on."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from airflow_provider_puretalk.models import Assistant, AssistantUser, Voice
from airflow_provider_puretalk.sandbox import iter_fleet, make_fleet

FLEET = make_fleet(300, seed=7)
TEXT = json.dumps(FLEET, ensure_ascii=False)


@pytest.mark.long
def test_the_same_seed_gives_the_same_fleet_in_every_process():
    """Nothing depends on hash randomisation, on the clock or on the process."""
    program = (
        "import hashlib, json; from airflow_provider_puretalk.sandbox import make_fleet;"
        "print(hashlib.sha256(json.dumps(make_fleet(300, seed=7)).encode()).hexdigest())"
    )
    here = hashlib.sha256(json.dumps(FLEET).encode()).hexdigest()
    for hash_seed in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.strip() == here


def test_another_seed_gives_another_fleet():
    assert make_fleet(5, seed=1) != make_fleet(5, seed=2)
    assert not {row["assistant_id"] for row in make_fleet(50, seed=1)} & {row["assistant_id"] for row in FLEET}


def test_a_longer_fleet_begins_with_the_shorter_one():
    assert make_fleet(10, seed=7) == FLEET[:10] == list(iter_fleet(10, seed=7))


def test_no_assistants_is_a_fleet():
    assert make_fleet(0) == []


def test_every_documented_field_is_there_and_keeps_the_documentation():
    """All of them, in every record, without one violation."""
    for row in FLEET:
        assert set(Assistant.model_fields) <= set(row)
        assert set(AssistantUser.model_fields) == set(row["user"])
        assert set(Voice.model_fields) <= set(row["voice"])
        assert Assistant.model_validate(row).violations == ()


def test_some_records_have_fields_that_are_not_documented():
    """So that a schema report has something to show."""
    assert 0 < sum("is_archived" in row for row in FLEET) < 100
    assert 0 < sum("provider" in row["voice"] for row in FLEET) < 300


def test_the_size_is_that_of_real_records():
    """About 4.6 KB a record; prompts of 1 to 4 KB with headings."""
    sizes = [len(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()) for row in FLEET]
    assert 4300 < sum(sizes) / len(sizes) < 4900
    prompts = [row["prompt"] for row in FLEET]
    assert all(1000 < len(prompt.encode()) < 4096 for prompt in prompts)
    assert all(prompt.count("\n## ") >= 4 for prompt in prompts)


def test_no_placeholder_is_left_open():
    """Only the prompts' own variables have braces, two on each side, and they are listed as variables."""
    for row in FLEET:
        bare = re.sub(r"\{\{\w+\}\}", "", row["prompt"])
        assert "{" not in bare
        assert "}" not in bare
        for variable in row["variables"]:
            assert f"{{{{{variable['name']}}}}}" in row["prompt"]


def test_ids_are_unique_and_random():
    ids = [row["assistant_id"] for row in FLEET]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", i) for i in ids)


@pytest.mark.long
def test_timestamps_are_written_as_drf_writes_them_and_rise():
    """Microseconds unless there are none, and Z; in order of creation; nothing was changed before it was made."""
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", row["created_at"]) for row in FLEET)
    created = [datetime.fromisoformat(row["created_at"]) for row in FLEET]
    assert created == sorted(set(created))
    updated = [datetime.fromisoformat(row["updated_at"]) for row in FLEET]
    assert all(later >= sooner for sooner, later in zip(created, updated, strict=True))
    assert all(row["updated_at"] < "2026-05" for row in make_fleet(1500)[-100:])


def test_nobody_real_can_be_reached():
    """Telephone numbers are reserved for fiction, every host is reserved for examples."""
    numbers = [row["phone_number"] for row in FLEET if row["phone_number"]]
    assert all(re.fullmatch(r"\+1\d{3}55501\d\d|\+447700900\d{3}", number) for number in numbers)
    hosts = set(re.findall(r"(?:https?://|@)([\w.-]+)", TEXT))
    assert all(host.rstrip(".").endswith(("example.com", "example.org")) for host in hosts), hosts


@pytest.mark.parametrize(
    "field", ["phone_number", "begin_message", "knowledge_base", "tools", "post_analysis", "chatbot_faq"]
)
def test_nullable_fields_are_null_on_some_and_filled_on_others(field):
    values = [row[field] for row in FLEET]
    assert 0 < values.count(None) < len(values)


def test_the_fleet_is_a_mixed_one():
    """Several languages, voices, owners, models and kinds; tools are JSON inside a string."""
    assert len({row["voice"]["language"] for row in FLEET}) >= 5
    assert len({row["voice"]["voice_id"] for row in FLEET}) >= 10
    for field in ("model", "assistant_type", "timezone", "behavior"):
        assert len({row[field] for row in FLEET}) >= 3
    assert any(row["llm_states"] for row in FLEET)
    tools = [json.loads(row["tools"]) for row in FLEET if row["tools"]]
    assert all(tool["name"] for group in tools for tool in group)
