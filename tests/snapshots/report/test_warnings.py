"""The warnings of ``report.html``: each is given where it should be, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_puretalk.snapshots.report.secret_scan import suspicions
from tests.snapshots.report.reading import Page

Report = Callable[..., Page]
PROMPT = "You are Anna. You answer politely, and you never promise a date. " * 4


def changed(report: Report, name: str, old: Any, new: Any) -> Page:
    """Return the report of one assistant of which one field changed."""
    return report(
        [{"assistant_id": "1", "name": "Anna", name: old}], [{"assistant_id": "1", "name": "Anna", name: new}]
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (PROMPT, PROMPT * 3, f"prompt {len(PROMPT)} → {3 * len(PROMPT)} characters"),
        (PROMPT * 3, PROMPT, f"prompt {3 * len(PROMPT)} → {len(PROMPT)} characters"),
        (PROMPT, "", f"prompt emptied, {len(PROMPT)} characters before"),
        (PROMPT, PROMPT * 2, ""),
        (PROMPT * 2, PROMPT, ""),
        ("Hello.", "Hello. " * 5, ""),
    ],
)
def test_prompt_that_grew_or_shrank_more_than_twofold(report: Report, old: str, new: str, expected: str) -> None:
    """Both ways; exactly twofold, or a few words, is no reason to warn."""
    found = changed(report, "prompt", old, new).warning("more than doubled")
    assert found == (f"Anna, 1: {expected}" if expected else "")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("# Goal\nHelp.\n", "# Goal\nHelp.\n\n## goal ##\nHelp more.\n", "“goal”"),
        ("", "# A\n# A\n# B\n# B\n", "“a”, “b”"),
        ("# Goal\n# Goal\n", "# Goal\n# Goal\nMore.\n", ""),
        ("# Goal\n", "# Goal\n# Rules\n", ""),
        ("x", "#hashtag\n#hashtag\n", ""),
    ],
)
def test_heading_that_now_stands_twice(report: Report, old: str, new: str, expected: str) -> None:
    """However it is spelled; where it stood twice before, there is no warning."""
    found = changed(report, "prompt", old, new).warning("heading stands twice")
    assert found == (f"Anna, 1: prompt {expected}" if expected else "")


def test_headings_of_added_assistants(report: Report) -> None:
    page = report([], [{"assistant_id": "1", "name": "Anna", "prompt": "# A\n# A\n"}])
    assert page.warning("heading stands twice") == "Anna, 1: prompt “a”"


@pytest.mark.parametrize(("new", "expected"), [(True, "on"), (False, "off")])
def test_call_recording_switched(report: Report, new: bool, expected: str) -> None:
    page = changed(report, "call_recording_enabled", not new, new)
    assert page.warning("recording switched") == f"Anna, 1: call_recording_enabled switched {expected}"
    assert not changed(report, "voice_boost", not new, new).section("warnings").parts


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (True, None, "null now, on before"),
        (True, "absent", "absent now, on before"),
        (True, "false", "the text “false” now, on before"),
        (None, True, "on now, null before"),
        ("absent", True, "on now, absent before"),
        (False, "true", "the text “true” now, off before"),
        ("true", "false", "the text “false” now, the text “true” before"),
        (None, 1, "1 now, null before"),
        ("yes", False, "off now, the text “yes” before"),
        (True, {"on": True}, '{"on":true} now, on before'),
        (None, False, ""),
        ("absent", False, ""),
        (False, None, ""),
        (False, "absent", ""),
        (None, "absent", ""),
    ],
)
def test_recording_that_is_neither_on_nor_off(report: Report, old: Any, new: Any, expected: str) -> None:
    """Whatever was on, is on or may be on is a warning; null, absent and off are all not on."""
    sides = [
        [{"assistant_id": "1", "name": "Anna"} | ({} if value == "absent" else {"call_recording_enabled": value})]
        for value in (old, new)
    ]
    found = report(*sides).warning("recording switched")
    assert found == (f"Anna, 1: call_recording_enabled {expected}" if expected else "")


@pytest.mark.parametrize(("new", "expected"), [(None, "null"), (7, "7"), ("absent", "absent")])
def test_a_prompt_that_is_gone(report: Report, new: Any, expected: str) -> None:
    """Null, a number or nothing in place of a prompt is a prompt lost; the same the other way is one that came."""
    sides = [
        {"assistant_id": "1", "name": "Anna", "prompt": PROMPT},
        {"assistant_id": "1", "name": "Anna", "prompt": new},
    ]
    if new == "absent":
        del sides[1]["prompt"]
    page = report(sides[:1], sides[1:])
    assert page.warning("more than doubled") == (
        f"Anna, 1: prompt emptied, {len(PROMPT)} characters before, {expected} now"
    )
    back = report(sides[1:], sides[:1])
    assert back.warning("more than doubled") == f"Anna, 1: prompt {len(PROMPT)} characters, empty before"


def test_recording_switched_on_many(report: Report) -> None:
    """Assistants that changed alike are one warning, which leads there."""
    baseline = [{"assistant_id": f"{n}", "call_recording_enabled": True} for n in range(7)]
    page = report(baseline, [{**one, "call_recording_enabled": False} for one in baseline])
    assert page.warning("recording switched") == "7 assistants: call_recording_enabled switched off"
    (link,) = page.section("warnings").all("a")
    assert link.attributes["href"] == "#common-1"


def test_two_assistants_on_one_number(report: Report) -> None:
    fleet = [{"assistant_id": f"{n}", "prompt": n, "phone_number": number} for n, number in enumerate("aabccc")]
    found = report(fleet, fleet).warning("one phone number")
    assert found == "0, 1: a 3, 4, 5: c"


@pytest.mark.parametrize("number", [None, "", "***"])
def test_no_number_is_not_a_shared_one(report: Report, number: str | None) -> None:
    """Nor is one that was masked before it was stored."""
    fleet = [{"assistant_id": f"{n}", "prompt": n, "phone_number": number} for n in range(3)]
    assert not report(fleet, fleet).section("warnings").parts


def test_identical_twins(report: Report) -> None:
    """Name, number and dates may differ; nothing else."""
    fleet = [
        {"assistant_id": f"{n}", "name": f"Agent {n}", "prompt": PROMPT, "model": model, "created_at": f"{n}"}
        for n, model in enumerate("aabbbbbbbbc")
    ]
    assert report(None, fleet).warning("Identical twins") == (
        "Agent 0 (0), Agent 1 (1): 2 alike "
        "Agent 2 (2), Agent 3 (3), Agent 4 (4), Agent 5 (5), Agent 6 (6), and 3 more: 8 alike"
    )


def test_examples_end_and_numbers_do_not(report: Report) -> None:
    """Twenty examples of a kind are shown, and how many more there are."""
    baseline = [{"assistant_id": f"{n:02}", "prompt": PROMPT, "n": n} for n in range(30)]
    page = report(baseline, [{**one, "prompt": f"{one['n']}"} for one in baseline])
    items = [item.words for item in page.section("warnings").all("li")]
    assert len(items) == 21
    assert items[-1] == "and 10 more"


SECRETS = {
    "a private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEow",
    "an AWS access key": "AKIAIOSFODNN7EXAMPLE",
    "a GitHub token": "ghp_" + "a1B2c3D4e5F6" * 3,
    "a GitLab token": "glpat-a1B2c3D4e5F6a1B2c3D4",
    "a Slack token": "xoxb-1234567890-abcdefghij",
    "a Slack webhook": "https://hooks.slack.com/services/T00000000/B00000000/abcdefghijkl",
    "a Google API key": "AIza" + "Sy1-_" * 7,
    "a SendGrid key": "SG.a1B2c3D4e5F6a1B2c3D4ab.a1B2c3D4e5F6a1B2c3D4a1B2c3D4e5F6a1B2c3D4abc",
    "an API key": "sk-proj-a1B2c3D4e5F6a1B2c3D4",
    "a JSON web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN",
    "a password in an address": "postgres://anna:hunter2@db.example.com/x",
    "a bearer token": "Authorization: Bearer a1B2c3D4e5F6a1B2c3D4",
    "a value named like a secret": 'X-Api-Key: "9f3kL2mQ8vXz41TbRw7Y"',
}


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("name", ["prompt", "tools", "custom_knowledge_base"])
def test_secret_in_a_changed_text(report: Report, kind: str, name: str) -> None:
    """The warning has its kind, its first characters and its length, and never all of it."""
    secret = SECRETS[kind]
    page = changed(report, name, PROMPT, f"{PROMPT}\nUse {secret} there.")
    found = page.warning("Possible secret")
    assert found.startswith(f"Anna, 1: {name} {kind}, ")
    assert secret[8:20] not in page.section("warnings").text
    assert (
        changed(report, name, f"{PROMPT}\nUse {secret} there.", f"Use {secret} here.").warning("Possible secret") == ""
    )


@pytest.mark.parametrize("kind", SECRETS)
def test_secret_in_an_added_assistant(report: Report, kind: str) -> None:
    """Inside objects as well, and in JSON that is a text inside JSON."""
    tools = json.dumps([{"headers": {"value": SECRETS[kind], "x": {"api_key": "of no use"}}}])
    page = report([], [{"assistant_id": "1", "name": "Anna", "tools": tools}])
    assert page.warning("Possible secret").startswith(f"Anna, 1: tools {kind}, ")
    page = report([], [{"assistant_id": "1", "name": "Anna", "llm_states": [{"prompt": tools}]}])
    assert page.warning("Possible secret").startswith(f"Anna, 1: llm_states {kind}, ")


@pytest.mark.parametrize(
    "text",
    [
        "Never ask for the caller's password: it is not needed.",
        "The secret: be kind. Token: {{token}}, api_key: <your key>, password=***********",
        "api_key: ${API_KEY_1} and Bearer {{access_token_2}}",
        "https://example.com:8080/path@home and mailto:anna@example.com",
        "sk-ip this step, task-force-of-the-people-of-this-town, risk-management-department-one",
        "max_tokens: 4096, token_count=12345678",
        'The key: "Monday-9-to-5"',
    ],
)
def test_ordinary_text_is_not_suspected(text: str) -> None:
    assert list(suspicions(text)) == []


def test_every_secret_is_found_once() -> None:
    """A token that is matched by two patterns, or stands in a text twice, is one suspicion."""
    text = " ".join([f"token: {SECRETS['a GitHub token']}"] * 3)
    assert [one.kind for one in suspicions(text)] == ["a GitHub token"]
