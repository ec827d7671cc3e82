"""The control route: what people do with curl while they watch a change travel."""

from __future__ import annotations

import pytest


def test_the_list_gives_ids_and_names(sandbox, control):
    """No key is asked for."""
    answer = control("GET", "/assistants")
    assert answer.status_code == 200
    assert answer.json()["count"] == 25
    rows = answer.json()["assistants"]
    assert rows == [{"assistant_id": row["assistant_id"], "name": row["name"]} for row in sandbox.fleet]


@pytest.mark.parametrize("raw", [None, b"{}", b'{"name": "Night desk"}'])
def test_an_assistant_is_added_and_shown_by_the_api(ask, control, raw):
    answer = control("POST", "/assistants", raw=raw)
    assert answer.status_code == 201
    assert ask(page=3).json()["count"] == 26
    assert ask(page=3).json()["results"][-1] == answer.json()


def test_a_change_is_shown_by_the_api(sandbox, ask, control):
    first = sandbox.fleet.get(sandbox.fleet.ids()[0])
    answer = control("PATCH", f"/assistants/{first['assistant_id']}", {"prompt": "Be brief.", "voice": {"name": "Kim"}})
    assert answer.status_code == 200
    shown = ask().json()["results"][0]
    assert shown == answer.json()
    assert (shown["prompt"], shown["voice"]["name"]) == ("Be brief.", "Kim")
    assert shown["voice"]["voice_id"] == first["voice"]["voice_id"]
    assert shown["updated_at"] > first["updated_at"]


def test_a_change_may_break_the_documentation(sandbox, ask, control):
    """Any JSON is taken, digit for digit: that is how people try what a wrong value does."""
    first = sandbox.fleet.ids()[0]
    raw = b'{"behavior": 123456789012345678901234567890, "user": "text", "x": 1e400}'
    assert control("PATCH", f"/assistants/{first}", raw=raw).status_code == 200
    assert b'"behavior":123456789012345678901234567890' in ask().content
    assert b'"user":"text"' in ask().content
    assert b'"x":1E+400' in ask().content


def test_a_removed_assistant_is_gone(sandbox, ask, control):
    first, second = sandbox.fleet.ids()[:2]
    assert control("DELETE", f"/assistants/{first}").status_code == 204
    assert ask().json()["count"] == 24
    assert ask().json()["results"][0]["assistant_id"] == second


@pytest.mark.parametrize(("method", "body"), [("PATCH", {}), ("DELETE", None)])
def test_an_unknown_assistant_is_told(control, method, body):
    answer = control(method, "/assistants/nobody", body)
    assert answer.status_code == 404
    assert answer.json() == {"err": True, "msg": "no assistant has the id nobody"}


@pytest.mark.parametrize(
    ("method", "path", "raw", "reason"),
    [
        ("POST", "/assistants", b"[]", "must be a JSON object"),
        ("POST", "/assistants", b"{", "is not JSON"),
        ("POST", "/assistants", b'{"voice_speed": NaN}', "NaN is not JSON"),
        ("PATCH", "/assistants/{first}", b"", "is not JSON"),
        ("PATCH", "/assistants/{first}", b"3", "must be a JSON object"),
        ("PATCH", "/assistants/{first}", b'{"assistant_id": "other"}', "keeps its assistant_id"),
        ("POST", "/assistants", b'{"assistant_id": "{first}"}', "already"),
        ("POST", "/faults", b'{"kind": "explode"}', "no fault is called 'explode'"),
        ("POST", "/faults", b'{"times": 2}', "needs a 'kind'"),
        ("POST", "/faults", b'{"kind": "reset", "times": true}', "'times' cannot be True"),
        ("POST", "/faults", b"[3]", "a fault is an object"),
    ],
)
def test_a_wrong_body_is_refused_with_its_reason(sandbox, control, method, path, raw, reason):
    """422 with a sentence, and nothing is changed."""
    first = sandbox.fleet.ids()[0]
    before = list(sandbox.fleet)
    answer = control(method, path.replace("{first}", first), raw=raw.replace(b"{first}", first.encode()))
    assert answer.status_code == 422
    assert answer.json()["err"] is True
    assert reason in answer.json()["msg"]
    assert list(sandbox.fleet) == before
    assert sandbox.faults.pending() == []


def test_faults_are_set_shown_used_and_cleared(ask, control):
    """Setting replaces what was set before; text and objects may be mixed."""
    control("POST", "/faults", "reset")
    answer = control("POST", "/faults", [{"kind": "status", "code": 503, "times": 2}, "html:page=9"])
    assert [(fault["kind"], fault["times"], fault["page"]) for fault in answer.json()] == [
        ("status", 2, None),
        ("html", 1, 9),
    ]
    assert ask().status_code == 503
    assert control("GET", "/faults").json()[0]["times"] == 1
    assert control("DELETE", "/faults").status_code == 204
    assert ask().status_code == 200
    assert control("GET", "/faults").json() == []


def test_requests_counts_the_apis_and_no_others(ask, control):
    """Refused ones count, control requests do not."""
    assert control("GET", "/requests").json() == {"count": 0, "max_in_flight": 0}
    ask()
    ask(key=None)
    ask("/nothing")
    control("GET", "/assistants")
    assert control("GET", "/requests").json() == {"count": 3, "max_in_flight": 1}
