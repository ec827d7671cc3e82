"""The documented list over a real socket, with the corners of Django REST Framework."""

from __future__ import annotations

import json

import pytest
import requests

from airflow_provider_puretalk.models import AssistantPage
from airflow_provider_puretalk.sandbox import running


def _ids(response):
    return [row["assistant_id"] for row in response.json()["results"]]


def test_the_envelope_is_the_documented_one_in_the_documented_order(sandbox, fetch):
    """count, next, previous, results; and the package's own model reads it without a violation."""
    response = fetch()
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert list(response.json()) == ["count", "next", "previous", "results"]
    page = AssistantPage.model_validate(response.json())
    assert (page.count, len(page.results)) == (25, 10)
    assert [violation for row in page.results for violation in row.violations] == []


def test_pages_cut_the_list_in_order_of_creation(sandbox, fetch):
    """Three pages hold every assistant once, in the order in which they were made."""
    assert _ids(fetch()) + _ids(fetch(page=2)) + _ids(fetch(page=3)) == sandbox.fleet.ids()


def test_links_are_built_on_the_requests_own_host_with_a_slash(sandbox, fetch):
    """`next` and `previous` are as in the documentation; the first page has no `previous`, the last no `next`."""
    url = f"{sandbox.base_url}/ai-assistants/"
    links = [(fetch(page=page).json()["next"], fetch(page=page).json()["previous"]) for page in (1, 2, 3)]
    assert links == [(f"{url}?page=2", None), (f"{url}?page=3", f"{url}?page=1"), (None, f"{url}?page=2")]


def test_links_repeat_the_rest_of_the_query_sorted(sandbox, fetch):
    """`next` keeps the query, known or not, in alphabetical order as DRF does."""
    following = fetch(page=1, limit=5, flavour="vanilla & lime").json()["next"]
    assert following.endswith("/?flavour=vanilla+%26+lime&limit=5&page=2")


@pytest.mark.parametrize("path", ["/ai-assistants", "/ai-assistants/"])
def test_the_path_is_served_with_and_without_its_slash(fetch, path):
    assert fetch(path).status_code == 200


@pytest.mark.parametrize("page", ["0", "-1", "abc", "4", "1.0", "99999999999999999999", "9" * 5000])
def test_a_page_that_is_not_one_is_not_found(fetch, page):
    """0, negative, no number, past the end: always the same documented 404."""
    response = fetch(page=page)
    assert response.status_code == 404
    assert response.json() == {"err": True, "msg": "Invalid page."}


@pytest.mark.parametrize("page", ["", "1", "01", " 1 "])
def test_the_first_page_has_many_spellings(sandbox, fetch, page):
    """What Python reads as 1, and nothing at all, is the first page."""
    assert _ids(fetch(page=page)) == sandbox.fleet.ids()[:10]


@pytest.mark.parametrize("limit", ["0", "-5", "abc", "", "2.5"])
def test_a_limit_that_makes_no_sense_is_ignored(fetch, limit):
    response = fetch(limit=limit)
    assert response.status_code == 200
    assert len(response.json()["results"]) == 10


@pytest.mark.parametrize("limit", [21, 1000, 10**30])
def test_a_limit_above_the_maximum_is_capped_without_a_word(fetch, limit):
    """Fewer rows come than were requested, while `next` repeats the large number."""
    page = fetch(limit=limit).json()
    assert len(page["results"]) == 20
    assert page["next"].endswith(f"?limit={limit}&page=2")


def test_of_several_values_the_last_one_counts(sandbox, fetch):
    """A repeated parameter is read as Django reads it."""
    assert _ids(fetch("/ai-assistants?page=3&page=2")) == sandbox.fleet.ids()[10:20]


def test_an_empty_table_has_a_first_page(sandbox, fetch):
    """200 and count 0; the second page is not found."""
    sandbox.fleet.replace_all([])
    assert fetch().json() == {"count": 0, "next": None, "previous": None, "results": []}
    assert fetch(page=2).status_code == 404


@pytest.mark.parametrize("key", [None, "", "wrong", "sandbox-key-and-more"])
def test_a_missing_or_wrong_key_is_refused(fetch, key):
    response = fetch(key=key)
    assert response.status_code == 401
    assert response.json()["err"] is True
    assert isinstance(response.json()["msg"], str)


def test_every_answer_has_a_request_id(sandbox, fetch, control):
    """Good ones and refusals, the API's and all others; no id comes twice."""
    sandbox.faults.add("500", "html")
    responses = [
        fetch(),
        fetch(),
        fetch(),
        fetch(page=9),
        fetch(key=None),
        fetch("/nothing"),
        control("GET", "/requests"),
    ]
    ids = [response.headers["X-Request-ID"] for response in responses]
    assert len(set(ids)) == len(responses)


def test_unknown_paths_and_methods_are_refused_in_the_documented_shape(sandbox, fetch, control):
    assert fetch("/nothing").status_code == 404
    assert set(fetch("/nothing").json()) == {"err", "msg"}
    refused = control("POST", "/../api/ai-assistants")
    assert (refused.status_code, set(refused.json())) == (405, {"err", "msg"})


def test_records_are_sent_exactly_as_they_are():
    """Unknown fields, null and absent, the order of keys, large numbers, odd strings: nothing is touched."""
    record = {
        "zeta": None, "assistant_id": "a", "alpha": {"b": [], "a": 10**40}, "name": "Zoë \ud800 \U0001f600", "n": 0.1,
    }  # fmt: skip
    with running(records=[record]) as sandbox:
        url, headers = f"{sandbox.base_url}/ai-assistants", {"X-API-KEY": sandbox.api_key}
        row = json.loads(requests.get(url, headers=headers, timeout=10).content)["results"][0]
    assert row == record
    assert list(row) == list(record)
    assert list(row["alpha"]) == ["b", "a"]


def test_a_redirect_to_the_slash_keeps_the_query(sandbox, fetch):
    """With the rule on: 301 as Django does it, before the check of the key."""
    sandbox.rules.redirect_slash = True
    response = fetch(page=2, limit=5, key=None)
    assert response.status_code == 301
    assert response.headers["Location"] == "/api/ai-assistants/?page=2&limit=5"
    assert fetch("/ai-assistants/", page=2).status_code == 200


def conditional(sandbox, tag):
    url, headers = f"{sandbox.base_url}/ai-assistants", {"X-API-KEY": sandbox.api_key, "If-None-Match": tag}
    return requests.get(url, headers=headers, timeout=10)


def test_a_page_that_the_client_has_is_not_sent_again(sandbox, fetch):
    """By its entity tag, among others or as ``*``, weakly compared; one that has changed comes whole."""
    tag = fetch().headers["ETag"]
    for named in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        response = conditional(sandbox, named)
        assert (response.status_code, response.headers["ETag"], response.content) == (304, tag, b"")
    assert conditional(sandbox, '"other"').status_code == 200
    sandbox.fleet.add()
    changed = conditional(sandbox, tag)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag


def test_entity_tags_can_be_weak_or_left_out(sandbox, fetch):
    """As servers have them that compress, and those that have none."""
    strong = fetch().headers["ETag"]
    sandbox.rules.etag = "weak"
    assert fetch().headers["ETag"] == f"W/{strong}"
    assert conditional(sandbox, f"W/{strong}").status_code == 304
    sandbox.rules.etag = "none"
    assert "ETag" not in fetch().headers
    assert conditional(sandbox, strong).status_code == 200


def test_what_goes_wrong_goes_wrong_with_a_condition_too(sandbox, fetch):
    """A fault needs a body, so there is no 304 then."""
    tag = fetch().headers["ETag"]
    sandbox.faults.add("err_true")
    assert conditional(sandbox, tag).json()["err"] is True


def test_a_limit_of_any_size_is_answered():
    """Without a maximum, and with a page size as large, the list comes whole: no number is too large for a server."""
    with running(3, page_size=10**30, max_limit=None) as box:
        for query in ({}, {"limit": str(10**30)}, {"limit": str(2**63 - 1), "page": "1"}):
            response = requests.get(
                f"{box.base_url}/ai-assistants", params=query, headers={"X-API-KEY": box.api_key}, timeout=10
            )
            assert (response.status_code, len(_ids(response))) == (200, 3)


def test_a_limit_above_one_that_is_set_is_refused():
    """With 400, as some services do; the maximum that is applied without a word does not hide it."""
    with running(30, max_limit=5, refuse_above=10) as box:
        for limit, status in ((10, 200), (11, 400)):
            response = requests.get(
                f"{box.base_url}/ai-assistants",
                params={"limit": limit},
                headers={"X-API-KEY": box.api_key},
                timeout=10,
            )
            assert response.status_code == status
            assert response.json().get("err", False) is (status == 400)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("page_size", 0),
        ("max_limit", -1),
        ("latency_ms", float("nan")),
        ("requests_per_second", 1e-320),
        ("api_key", "é"),
    ],
)
def test_a_rule_that_is_changed_while_it_runs_is_checked_as_at_the_start(sandbox, fetch, rule, value):
    """What responses could not follow is refused at once, and the rule stays as it was."""
    with pytest.raises(ValueError, match=r"."):
        setattr(sandbox.rules, rule, value)
    assert fetch().status_code == 200
