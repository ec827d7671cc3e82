"""The control route: what people do with curl while they watch a change travel."""

from __future__ import annotations

import pytest


def test_the_list_gives_ids_and_names(sandbox, control):
    """No key is needed."""
    response = control("GET", "/assistants")
    assert response.status_code == 200
    assert response.json()["count"] == 25
    rows = response.json()["assistants"]
    assert rows == [{"assistant_id": row["assistant_id"], "name": row["name"]} for row in sandbox.fleet]


@pytest.mark.parametrize("raw", [None, b"{}", b'{"name": "Night desk"}'])
def test_an_assistant_is_added_and_shown_by_the_api(fetch, control, raw):
    response = control("POST", "/assistants", raw=raw)
    assert response.status_code == 201
    assert fetch(page=3).json()["count"] == 26
    assert fetch(page=3).json()["results"][-1] == response.json()


def test_a_change_is_shown_by_the_api(sandbox, fetch, control):
    first = sandbox.fleet.get(sandbox.fleet.ids()[0])
    response = control(
        "PATCH", f"/assistants/{first['assistant_id']}", {"prompt": "Be brief.", "voice": {"name": "Kim"}}
    )
    assert response.status_code == 200
    shown = fetch().json()["results"][0]
    assert shown == response.json()
    assert (shown["prompt"], shown["voice"]["name"]) == ("Be brief.", "Kim")
    assert shown["voice"]["voice_id"] == first["voice"]["voice_id"]
    assert shown["updated_at"] > first["updated_at"]


def test_a_change_may_break_the_documentation(sandbox, fetch, control):
    """Any JSON is taken, digit for digit: that is how people try what a wrong value does."""
    first = sandbox.fleet.ids()[0]
    raw = b'{"behavior": 123456789012345678901234567890, "user": "text", "x": 1e400}'
    assert control("PATCH", f"/assistants/{first}", raw=raw).status_code == 200
    assert b'"behavior":123456789012345678901234567890' in fetch().content
    assert b'"user":"text"' in fetch().content
    assert b'"x":1E+400' in fetch().content


def test_a_removed_assistant_is_gone(sandbox, fetch, control):
    first, second = sandbox.fleet.ids()[:2]
    assert control("DELETE", f"/assistants/{first}").status_code == 204
    assert fetch().json()["count"] == 24
    assert fetch().json()["results"][0]["assistant_id"] == second


@pytest.mark.parametrize(("method", "body"), [("PATCH", {}), ("DELETE", None)])
def test_an_unknown_assistant_is_named(control, method, body):
    response = control(method, "/assistants/nobody", body)
    assert response.status_code == 404
    assert response.json() == {"err": True, "msg": "no assistant has the id nobody"}


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
    response = control(method, path.replace("{first}", first), raw=raw.replace(b"{first}", first.encode()))
    assert response.status_code == 422
    assert response.json()["err"] is True
    assert reason in response.json()["msg"]
    assert list(sandbox.fleet) == before
    assert sandbox.faults.pending() == []


def test_faults_are_set_shown_used_and_cleared(fetch, control):
    """Setting replaces what was set before; text and objects may be mixed."""
    control("POST", "/faults", "reset")
    response = control("POST", "/faults", [{"kind": "status", "code": 503, "times": 2}, "html:page=9"])
    assert [(fault["kind"], fault["times"], fault["page"]) for fault in response.json()] == [
        ("status", 2, None),
        ("html", 1, 9),
    ]
    assert fetch().status_code == 503
    assert control("GET", "/faults").json()[0]["times"] == 1
    assert control("DELETE", "/faults").status_code == 204
    assert fetch().status_code == 200
    assert control("GET", "/faults").json() == []


def test_requests_counts_the_apis_and_no_others(fetch, control):
    """Refused ones count, control requests do not."""
    assert control("GET", "/requests").json() == {"count": 0, "max_in_flight": 0}
    fetch()
    fetch(key=None)
    fetch("/nothing")
    control("GET", "/assistants")
    assert control("GET", "/requests").json() == {"count": 3, "max_in_flight": 1}


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "kind",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "text/plain; application/json",
        "text/plain;charset=application/json",
        "application/jsonp",
        "",
    ],
)
def test_a_form_of_a_web_page_changes_nothing(sandbox, control, method, kind):
    """What a browser sends to a foreign address without a preflight is refused, with or without a body."""
    before = list(sandbox.fleet)
    for path in ("/assistants", f"/assistants/{sandbox.fleet.ids()[0]}", "/faults"):
        for raw in (b"", b'{"name": "From a web page"}', b'"reset"'):
            response = control(method, path, raw=raw, Content_Type=kind)
            assert response.status_code in (405, 415)
    assert list(sandbox.fleet) == before
    assert sandbox.faults.pending() == []


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8"])
def test_json_is_taken_however_its_type_is_spelled(control, kind):
    assert control("POST", "/assistants", raw=b"{}", Content_Type=kind).status_code == 201


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8900", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.1@evil.example",
     "evil.example#127.0.0.1", "192.0.2.1", "2130706433", "[::2]", "127.0.0.1:x", "", "127.0.0.1/x"],
)  # fmt: skip
def test_a_foreign_name_that_leads_here_neither_reads_nor_changes(sandbox, control, host):
    """DNS rebinding: the page's own name resolves to loopback, and its requests are of one origin with the sandbox."""
    before = list(sandbox.fleet)
    for method, path in (("GET", "/assistants"), ("GET", "/requests"), ("POST", "/assistants"), ("DELETE", "/faults")):
        assert control(method, path, raw=b"{}", Host=host).status_code in (400, 403)
    assert list(sandbox.fleet) == before


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:1", "LOCALHOST:8900", "localhost.", "127.1.2.3", "[::1]:8900"]
)
def test_every_name_of_loopback_is_taken(control, host):
    assert control("GET", "/assistants", Host=host).status_code == 200


@pytest.mark.parametrize(
    "raw",
    [
        b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"x": ' + b"[" * 3_000 + b"]" * 3_000 + b"}",
        b'{"x": ' + b"9" * 5_000 + b"}",
        b'{"x": 1e999999999}',
        b'{"x": "\\ud800"}',
        b'{"updated_at": "9999-12-31T23:59:59.999999+00:00"}',
        b'{"assistant_id": 7}',
        b'{"voice": null, "user": [{}]}',
    ],
    ids=["deep", "less deep", "long number", "huge exponent", "surrogate", "last moment", "id", "other types"],
)
def test_a_record_of_any_shape_is_taken_or_refused_but_never_breaks_the_api(sandbox, fetch, control, raw):
    """Neither the control route nor what the API shows afterwards is a 500, and a later change works as well."""
    first = sandbox.fleet.ids()[0]
    responses = [control("PATCH", f"/assistants/{first}", raw=raw), control("POST", "/assistants", raw=raw)]
    responses += [control("PATCH", f"/assistants/{first}", raw=b'{"name": "x"}'), fetch(), fetch(page=3)]
    assert {response.status_code for response in responses} <= {200, 201, 422}
    assert fetch().status_code == 200


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "retry_after": "1\r\nX: y"},
        {"kind": "status", "retry_after": "\u20ac"},
        {"kind": "status", "retry_after": "date+99999999999999"},
        {"kind": "status", "retry_after": [1]},
        {"kind": "status", "retry_after": ""},
        {"kind": "redirect", "url": "http://x/\r\nSet-Cookie: y"},
        {"kind": "redirect", "url": "http://\u20ac/"},
        {"kind": "redirect", "url": {}},
        {"kind": "next_elsewhere", "url": "http://[x"},
        {"kind": "delay", "seconds": "nan"},
        {"kind": "delay", "seconds": True},
        {"kind": "reset", "page": 0},
        {"kind": "reset", "page": -3},
        {"kind": "reset", "times": 1.5},
    ],
    ids=str,
)
def test_a_fault_that_no_answer_could_be_made_of_is_refused(sandbox, control, fault):
    """When it is set, with a sentence; not when the next request comes."""
    response = control("POST", "/faults", fault)
    assert (response.status_code, sandbox.faults.pending()) == (422, [])
    assert len(response.json()["msg"]) > 10
    exact = control("POST", "/faults", raw=b'{"kind": "delay", "seconds": 1' + b"0" * 400 + b"}")
    assert exact.status_code == 422


@pytest.mark.parametrize("code", [200, 204, 205, 304, 418, 599])
def test_every_status_that_is_taken_is_answered(fetch, control, code):
    """Also those that have no body in HTTP."""
    control("POST", "/faults", [{"kind": "status", "code": code, "retry_after": 3}, {"kind": "html", "code": code}])
    assert [fetch().status_code, fetch().status_code, fetch().status_code] == [code, code, 200]
