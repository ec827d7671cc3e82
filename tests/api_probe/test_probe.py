"""The probe finds out how an API behaves, sends no more than it must, and reports no secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests_mock

from airflow_provider_puretalk import sandbox as sandboxes
from airflow_provider_puretalk.api.settings import ApiSettings
from airflow_provider_puretalk.api_probe import Report, checks, probe
from airflow_provider_puretalk.exceptions import PuretalkAuthError, PuretalkConnectionError, PuretalkServerError
from tests.conftest import API_KEY, BASE_URL


def settings(base_url: str = BASE_URL, **fields: Any) -> ApiSettings:
    return ApiSettings(base_url=base_url, api_key=API_KEY, account="a", **({"retry_backoff": 0} | fields))


def probed(assistants: int = 250, **rules: Any) -> Report:
    with sandboxes.running(assistants=assistants, api_key=API_KEY, **rules) as box:
        return probe(settings(box.base_url))


@pytest.mark.long
def test_an_ordinary_api() -> None:
    """Default page size, shapes, statuses and the form of `next` are found out; nothing is remarkable."""
    facts = (report := probed()).to_dict()
    assert (report.warnings, report.stopped) == ([], None)
    assert facts["one_row"] == {"read": "as documented", "count": 250}
    first = facts["first_page"]
    assert (first["status"], first["rows"], first["request_id"], first["redirected"]) == (200, 20, True, False)
    assert first["body"] == {"count": "integer", "next": "string", "previous": "null", "results": "array"}
    assert first["next"] == {
        "absolute": True,
        "same_origin": True,
        "same_scheme": True,
        "same_path": True,
        "trailing_slash": True,
        "parameters": ["page"],
    }
    refusal = {"err": "boolean", "msg": "string"}
    assert facts["without_key"] == {"status": 401, "body": refusal}
    assert facts["past_the_end"] == facts["page_0"] == {"status": 404, "body": refusal, "rows": 0}
    assert (facts["limit_0"]["status"], facts["limit_0"]["rows"]) == (200, 20)
    assert facts["order"]["same_order_twice"] is True
    assert facts["later_pages"]["last_page_rows"] == facts["later_pages"]["last_page_rows_expected"] == 10
    assert facts["schema"]["records"] == 250


def test_a_silent_cap_is_found() -> None:
    """The greatest limit honoured and the cap; no limit beyond the cap is sent."""
    limits = probed(assistants=300, max_limit=120).facts["limits"]
    assert (limits["greatest_honoured"], limits["cap"], limits["next_keeps_limit"]) == (100, 120, True)
    assert [one["limit"] for one in limits["asked"]] == [100, 1000]


def test_a_small_fleet_proves_no_limit() -> None:
    """What was not observed is not reported."""
    limits = probed(assistants=5).facts["limits"]
    assert (limits["greatest_honoured"], limits["cap"]) == (None, None)
    assert limits["asked"] == [{"limit": 100, "status": 200, "rows": 5}]


def test_an_empty_fleet_is_a_valid_response() -> None:
    report = probed(assistants=0)
    assert report.stopped is None
    assert report.facts["first_page"]["rows"] == 0
    assert (report.facts["schema"]["records"], report.facts["schema"]["absent_fields"]) == (0, [])


@pytest.mark.long
def test_no_response_of_excessive_size_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The size is estimated from the rows seen."""
    monkeypatch.setattr(checks, "LARGEST_RESPONSE", 600_000)
    limits = probed(assistants=600).facts["limits"]
    assert [one["rows"] for one in limits["asked"]] == [100, None]


def test_few_requests_are_sent_one_at_a_time() -> None:
    """About a dozen, and only GETs."""
    with sandboxes.running(assistants=250, api_key=API_KEY) as box:
        probe(settings(box.base_url))
        assert box.request_count <= 15
        assert box.max_in_flight == 1
        assert {request.method for request in box.requests} == {"GET"}


@pytest.mark.long
def test_the_connections_pace_is_kept() -> None:
    """An API that throttles what is faster than the connection's ceiling never throttles the probe."""
    with sandboxes.running(assistants=3, api_key=API_KEY, requests_per_second=20) as box:
        report = probe(settings(box.base_url, requests_per_second=15))
    assert report.stopped is None


@pytest.mark.long
def test_an_order_that_changes_is_found() -> None:
    report = probed(faults=["shuffle:times=always"])
    assert report.facts["order"]["same_order_twice"] is False
    assert any("no stable order" in sentence for sentence in report.warnings)


def test_a_next_that_leads_elsewhere_is_found_and_not_repeated() -> None:
    report = probed(faults=["next_elsewhere:times=always,url=https://private.example"])
    form = report.facts["first_page"]["next"]
    assert (form["same_origin"], form["same_scheme"]) == (False, False)
    assert any("another scheme, host or port" in sentence for sentence in report.warnings)
    assert "private.example" not in json.dumps(report.to_dict())


def test_a_list_that_changes_meanwhile_is_found() -> None:
    with sandboxes.running(assistants=50, api_key=API_KEY) as box:
        box.before_request(4, lambda request: box.fleet.remove(box.fleet.ids()[-1]))
        report = probe(settings(box.base_url))
    assert any("`count` was not the same" in sentence for sentence in report.warnings)


def test_violations_and_unknown_fields_are_counted_by_pointer() -> None:
    """The reason says what is wrong without the value."""
    records = [
        {"assistant_id": str(number), "voice_speed": "hunter2", "brand_new": "hunter2", "x@y.z +49 hunter2": 1}
        for number in range(3)
    ]
    report = probed(records=records)
    schema = report.facts["schema"]
    assert {"pointer": "/voice_speed", "reason": "expected number, got string", "count": 3} in schema["violations"]
    assert {"pointer": "/brand_new", "count": 3, "types": ["string"]} in schema["unknown_fields"]
    assert "hunter2" not in json.dumps(report.to_dict())


def test_a_refused_key_ends_it_at_once() -> None:
    """One request, no more."""
    with sandboxes.running(assistants=3) as box, pytest.raises(PuretalkAuthError):
        probe(settings(box.base_url))
    assert box.request_count == 1


def test_a_key_that_is_refused_later_ends_it_too() -> None:
    with sandboxes.running(
        assistants=250, api_key=API_KEY, faults=["ok:times=3", "status:code=403,times=always"]
    ) as box:
        report = probe(settings(box.base_url))
    assert box.request_count == 4
    assert "refuses the key" in (report.stopped or "")


def test_throttling_ends_it_with_a_report() -> None:
    """What the server said about it is part of the report."""
    with sandboxes.running(
        assistants=250, api_key=API_KEY, faults=["ok:times=4", "429:retry_after=7,times=always"]
    ) as box:
        report = probe(settings(box.base_url))
    assert box.request_count == 5
    assert "throttled" in (report.stopped or "")
    assert {name.lower(): value for name, value in report.facts["throttled"].items()} == {
        "content-type": "application/json",
        "retry-after": "7",
    }


@pytest.mark.parametrize("fault", ["503:times=always", "reset:times=always"])
def test_a_first_request_that_fails_is_an_error(fault: str) -> None:
    with (
        sandboxes.running(assistants=3, api_key=API_KEY, faults=[fault]) as box,
        pytest.raises(PuretalkServerError if fault.startswith("503") else PuretalkConnectionError),
    ):
        probe(settings(box.base_url, max_retries=0))


@pytest.mark.parametrize(
    ("fault", "body"),
    [("bare_list", "array"), ("err_true", {"err": "boolean", "msg": "string"}), ("html", "an HTML page")],
)
def test_a_response_that_is_not_documented_is_described(fault: str, body: Any) -> None:
    """It is what a probe is for: the report goes on and shows the shape."""
    with sandboxes.running(assistants=250, api_key=API_KEY, faults=[f"{fault}:times=always"]) as box:
        report = probe(settings(box.base_url, max_retries=0))
    assert report.facts["first_page"]["body"] == body
    assert report.warnings[0].startswith("The package cannot read")


def test_a_broken_response_later_on_is_a_fact_like_others() -> None:
    with sandboxes.running(assistants=250, api_key=API_KEY, faults=["ok:times=2", "reset"]) as box:
        report = probe(settings(box.base_url))
    assert report.facts["without_key"]["status"] is None
    assert report.facts["without_key"]["body"].startswith("No response")
    assert report.facts["order"]["same_rows_twice"] is True


def test_a_redirect_to_the_slash_is_reported() -> None:
    assert probed(assistants=3, redirect_slash=True).facts["first_page"]["redirected"] is True


def test_an_api_without_a_lock_is_reported() -> None:
    """An API that answers without a key is what its owner wants to know first."""
    page = {"count": 1, "next": None, "previous": None, "results": [{"assistant_id": "1"}]}
    with requests_mock.Mocker() as mocked:
        mocked.get(f"{BASE_URL}/ai-assistants", json=page)
        report = probe(settings())
        keys = [request.headers.get("X-API-KEY") for request in mocked.request_history]
    assert "The API answers without a key." in report.warnings
    assert keys.count(None) == 1


def test_headers_are_reported_by_name_and_few_by_value() -> None:
    """A value is shown where it says how the server behaves; a key in it never is."""
    page = {"count": 1, "next": None, "previous": None, "results": [{"assistant_id": "1"}]}
    headers = {
        "Server": "nginx/1.27",
        "X-RateLimit-Remaining": "59",
        "X-RateLimit-Key": API_KEY,
        "Set-Cookie": "session=hunter2",
        "Content-Type": "application/json",
    }
    with requests_mock.Mocker() as mocked:
        mocked.get(f"{BASE_URL}/ai-assistants", json=page, headers=headers)
        report = probe(settings())
    assert report.facts["first_page"]["headers"] == {
        "Content-Type": "application/json",
        "Server": "nginx/1.27",
        "X-RateLimit-Key": "(not shown)",
        "X-RateLimit-Remaining": "59",
    }
    assert "set-cookie" in report.facts["headers"]["names"]
    reported = json.dumps(report.to_dict())
    assert API_KEY not in reported
    assert "hunter2" not in reported


def test_no_content_of_an_assistant_is_reported() -> None:
    """No text of any record, ids included, is in the report."""
    with sandboxes.running(assistants=60, api_key=API_KEY) as box:
        reported = json.dumps(probe(settings(box.base_url)).to_dict())
        for record in box.fleet:
            texts = [record["assistant_id"], record["name"], record["prompt"], record["phone_number"]]
            texts += [record["user"]["email"], record["voice"]["voice_id"]]
            assert not [text for text in texts if text and text in reported]
