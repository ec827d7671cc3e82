"""Faults: each does to a real client what its name says, in the order and as often as it says."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime

import pytest
import requests

from airflow_provider_puretalk.sandbox import Fault, FaultList
from airflow_provider_puretalk.sandbox.faults import KINDS


def _caused_by(error, kind):
    """Return whether an exception of this type stands behind what requests raised."""
    seen = [error]
    while seen:
        item = seen.pop()
        if isinstance(item, kind):
            return True
        seen += [part for part in getattr(item, "args", ()) if isinstance(part, BaseException)]
    return False


@pytest.mark.parametrize("code", [400, 403, 418, 500, 503])
def test_status(sandbox, fetch, code):
    """The status comes in the documented shape, once; then all is well."""
    sandbox.faults.add(Fault("status", code=code))
    response = fetch()
    assert (response.status_code, set(response.json())) == (code, {"err", "msg"})
    assert "Retry-After" not in response.headers
    assert fetch().status_code == 200


def test_retry_after_as_seconds_as_date_as_anything_and_absent(sandbox, fetch):
    sandbox.faults.add("429:retry_after=7", "429:retry_after=date+3", "503:retry_after=soon", "429")
    responses = [fetch() for _ in range(4)]
    assert [response.status_code for response in responses] == [429, 429, 503, 429]
    headers = [response.headers.get("Retry-After") for response in responses]
    assert (headers[0], headers[2], headers[3]) == ("7", "soon", None)
    assert parsedate_to_datetime(headers[1]).tzinfo is not None


def test_html(sandbox, fetch):
    """A gateway's page: 200 by default, which is what makes it nasty."""
    sandbox.faults.add("html", "html:code=502")
    responses = [fetch(), fetch()]
    assert [response.status_code for response in responses] == [200, 502]
    assert all(response.headers["Content-Type"].startswith("text/html") for response in responses)
    assert "<html>" in responses[0].text


def test_redirect(sandbox, fetch):
    sandbox.faults.add("redirect:url=http://127.0.0.1:9/x,code=307")
    response = fetch()
    assert (response.status_code, response.headers["Location"]) == (307, "http://127.0.0.1:9/x")


def test_reset(sandbox, fetch):
    """The client sees RST, not a clean end."""
    sandbox.faults.add("reset")
    with pytest.raises(requests.ConnectionError) as caught:
        fetch()
    assert _caused_by(caught.value, ConnectionResetError)
    assert fetch().status_code == 200


def test_half_body(sandbox, fetch, caplog):
    """The header announces more than comes, the client notices, and the server does not take it for a crash."""
    sandbox.faults.add("half_body")
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        fetch()
    assert fetch().status_code == 200
    assert caplog.records == []


def test_delay(sandbox, fetch):
    """The response takes longer than the client waits; a short delay changes nothing."""
    sandbox.faults.add("delay:seconds=60", "delay:seconds=0.01")
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{sandbox.base_url}/ai-assistants", timeout=(10, 0.1))
    assert fetch().json()["count"] == 25


def test_trickle(sandbox, fetch):
    """The whole response comes in the end; until then the client has the beginning of it."""
    whole = fetch().content
    sandbox.faults.add("trickle:seconds=0.05", "trickle:seconds=600")
    assert fetch().content == whole
    url, headers = f"{sandbox.base_url}/ai-assistants", {"X-API-KEY": sandbox.api_key}
    with requests.get(url, headers=headers, stream=True, timeout=10) as response:
        beginning = response.raw.read1()
    assert 0 < len(beginning) <= len(whole) // 10
    assert whole.startswith(beginning)


def test_err_true(sandbox, fetch):
    sandbox.faults.add("err_true")
    response = fetch()
    assert (response.status_code, response.json()["err"]) == (200, True)
    assert "results" not in response.json()


def test_bare_list(sandbox, fetch):
    whole = fetch().json()["results"]
    sandbox.faults.add("bare_list")
    assert fetch().json() == whole


def test_empty_page(sandbox, fetch):
    """No rows, but the envelope goes on as if there were."""
    whole = fetch().json()
    sandbox.faults.add("empty_page")
    assert fetch().json() == {**whole, "results": []}


def test_no_id(sandbox, fetch):
    whole = fetch().json()
    sandbox.faults.add("no_id")
    page = fetch().json()
    assert "assistant_id" not in page["results"][0]
    assert page["results"][0]["name"] == whole["results"][0]["name"]
    assert page["results"][1:] == whole["results"][1:]


def test_nan(sandbox, fetch):
    """The text holds NaN, which is not JSON; the store itself is not spoilt."""
    sandbox.faults.add("nan")
    assert '"voice_speed":NaN' in fetch().text
    assert "NaN" not in fetch().text


def test_shuffle(sandbox, fetch):
    """Two pages of a list without a stable order: the count holds, rows come twice and others never."""
    sandbox.faults.add("shuffle:times=always")
    pages = [fetch(limit=10, page=page).json() for page in (1, 2, 3)]
    assert {page["count"] for page in pages} == {25}
    ids = [row["assistant_id"] for page in pages for row in page["results"]]
    assert len(ids) == 25
    assert len(set(ids)) < 25
    sandbox.faults.clear()
    assert [row["assistant_id"] for row in fetch().json()["results"]] == sandbox.fleet.ids()[:10]


@pytest.mark.parametrize(
    ("fault", "following"),
    [
        ("next_same", "{base}/ai-assistants/?limit=5&page=3"),
        ("next_back", "{base}/ai-assistants/?limit=5&page=1"),
        ("next_elsewhere", "http://elsewhere.invalid/api/ai-assistants/?limit=5&page=4"),
        ("next_elsewhere:url=https://127.0.0.1:1", "https://127.0.0.1:1/api/ai-assistants/?limit=5&page=4"),
    ],
)
def test_next_that_leads_astray(sandbox, fetch, fault, following):
    whole = fetch(page=3, limit=5).json()
    sandbox.faults.add(fault)
    assert fetch(page=3, limit=5).json() == {**whole, "next": following.format(base=sandbox.base_url)}


def test_rules_are_used_up_in_order(sandbox, fetch):
    """`ok` lets requests through, `times` repeats, and after the last rule all is well."""
    sandbox.faults.add("ok:times=2", "503:times=2", "401")
    assert [fetch().status_code for _ in range(7)] == [200, 200, 503, 503, 401, 200, 200]
    assert sandbox.faults.pending() == []


def test_a_rule_for_a_page_waits_for_that_page(sandbox, fetch):
    """Whatever the order in which pages are fetched, only that one goes wrong."""
    sandbox.faults.add(Fault("status", code=502, page=2), Fault("status", code=500, page=1))
    assert [fetch(page=page).status_code for page in (3, 2, 2)] == [200, 502, 200]
    assert [fetch().status_code for _ in range(2)] == [500, 200]


def test_a_fault_of_the_wire_comes_before_the_key_is_checked(sandbox, fetch):
    sandbox.faults.add("500")
    assert [fetch(key=None).status_code, fetch(key=None).status_code] == [500, 401]


def test_content_faults_leave_a_page_that_is_not_there_alone(sandbox, fetch):
    sandbox.faults.add("nan")
    assert fetch(page=99).status_code == 404


@pytest.mark.parametrize("kind", ["nan", "no_id"])
def test_content_faults_need_a_row(sandbox, fetch, kind):
    sandbox.fleet.replace_all([])
    sandbox.faults.add(kind)
    assert fetch().json()["results"] == []


def test_for_ever_means_until_cleared():
    faults = FaultList([Fault("reset", times=None)])
    assert [faults.take(1) for _ in range(50)] == [Fault("reset", times=None)] * 50
    faults.clear()
    assert faults.take(1) is None


def test_a_share_is_of_the_requests_that_fit():
    """The same seed draws the same ones, the next rule gets the others, and ``times`` counts those that were drawn."""
    drawn = []
    for _ in range(2):
        faults = FaultList(seed=1)
        faults.add("503:share=0.05,times=always", "429:share=0.5,times=3")
        drawn.append([fault and fault.code for fault in (faults.take(1) for _ in range(2_000))])
    assert drawn[0] == drawn[1]
    assert 60 <= drawn[0].count(503) <= 140
    assert drawn[0].count(429) == 3
    assert faults.taken == sum(code is not None for code in drawn[1])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("reset", Fault("reset")),
        ("503:share=0.05", Fault("status", code=503, share=0.05)),
        ("503", Fault("status", code=503)),
        ("429:retry_after=2,times=3", Fault("status", code=429, retry_after="2", times=3)),
        ("half_body:page=3", Fault("half_body", page=3)),
        ("delay:seconds=1.5,times=always", Fault("delay", seconds=1.5, times=None)),
        ("next_elsewhere:url=https://example.org:8443", Fault("next_elsewhere", url="https://example.org:8443")),
    ],
)
def test_the_text_form(text, fault):
    """Text and object mean the same, and so does JSON."""
    assert Fault.parse(text) == fault
    assert Fault.from_dict(json.loads(json.dumps(fault.as_dict()))) == fault


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("explode", "no fault is called 'explode'"),
        ("", "no fault is called ''"),
        ("reset:code=500", "takes no 'code'"),
        ("status:code=teapot", "'code' cannot be 'teapot'"),
        ("status:code=99", "'code', an HTTP status, must be a whole number, from 200 to 599"),
        ("reset:share=2", "'share' must be a number, from 0 to 1"),
        ("status:often", "'often' is not of the form NAME=VALUE"),
        ("status:how=often", "no setting is called 'how'"),
        ("reset:times=0", "'times'.* must be a whole number, at least 1"),
        ("delay:seconds=-1", "'seconds' must be a number"),
        ("delay:seconds=nan", "'seconds' must be a number"),
    ],
)
def test_a_wrong_text_is_refused_with_its_reason(text, reason):
    with pytest.raises(ValueError, match=reason):
        Fault.parse(text)


@pytest.mark.parametrize(
    "settings", [{"code": "503"}, {"code": 503.5}, {"times": "2"}, {"times": True}, {"page": "1"}, {"retry_after": 3}]
)
def test_a_setting_of_another_type_is_refused(settings):
    with pytest.raises(ValueError, match="must be"):
        Fault("status", **settings)


def test_every_kind_is_tested_here():
    """A kind without a test in this module is a promise without a proof."""
    tested = set(KINDS) & {name.removeprefix("test_") for name in globals()}
    assert tested | {"ok", "next_same", "next_back", "next_elsewhere"} == set(KINDS)
