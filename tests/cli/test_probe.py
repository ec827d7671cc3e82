"""`probe` in the terminal: a report for people or for machines, without the key."""

from __future__ import annotations

from typing import Any


def test_people_get_a_report(run: Any, sandbox: Any) -> None:
    ended = run("probe")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("A report on how the PureTalk API behaves.")
    assert ended.out.endswith("* Nothing remarkable was found.\n")
    for part in (
        "without key\n  status  401",
        "past the end\n  status  404",
        "greatest honoured  100",
        "rows        20",
    ):
        assert part in ended.out
    assert sandbox.api_key not in ended.out


def test_machines_get_the_facts(run: Any, sandbox: Any) -> None:
    document = run("probe", "--json").document
    assert document["asked_by"]["base_url"] == sandbox.base_url
    assert document["limits"]["assistants"] == 250
    assert (document["findings"], document["stopped"]) == ([], None)


def test_a_refused_key_is_an_error_and_no_report(run: Any, sandbox: Any, connection: Any) -> None:
    connection(host=sandbox.base_url, password="wrong")
    ended = run("probe")
    assert (ended.code, ended.out) == (1, "")
    assert "The API refused the key" in ended.err
    assert sandbox.request_count == 1


def test_a_probe_that_was_stopped_says_why(run: Any, sandbox: Any) -> None:
    sandbox.faults.add("ok:times=3", "429:times=always")
    ended = run("probe")
    assert ended.code == 0
    assert ended.out.endswith("* The API throttled us; no further request was sent.\n")
