"""`running()` as tests use it: starts, shows the requests it got, lets the fleet change in between, and stops at once."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from airflow_provider_puretalk.sandbox import Rules, ServedRequest, make_fleet, running
from airflow_provider_puretalk.sandbox.server import listen
from airflow_provider_puretalk.sandbox.state import REQUESTS_KEPT, Throttle


def _ids(response):
    return [row["assistant_id"] for row in response.json()["results"]]


def _get(sandbox, query="", *, key=None):
    """Fetch from a sandbox that this test started itself."""
    headers = {"X-API-KEY": key or sandbox.api_key}
    return requests.get(f"{sandbox.base_url}/ai-assistants{query}", headers=headers, timeout=10)


def test_it_serves_the_fleet_of_its_seed_on_loopback():
    with running(3, seed=5) as sandbox:
        assert list(sandbox.fleet) == make_fleet(3, seed=5)
        assert urlsplit(sandbox.base_url).hostname == "127.0.0.1"
        assert urlsplit(sandbox.base_url).path == "/api"
        assert _get(sandbox).json()["results"] == make_fleet(3, seed=5)


def test_several_run_side_by_side():
    """Each has its own port, fleet and key."""
    with running(1, api_key="one") as one, running(2, api_key="two") as two:
        assert [_get(sandbox).json()["count"] for sandbox in (one, two)] == [1, 2]
        assert _get(one, key="two").status_code == 401


def test_it_is_gone_when_the_block_ends():
    """The port is free again and no thread is left, after an error too."""
    before = set(threading.enumerate())
    block = running()
    port = urlsplit(block.__enter__().base_url).port
    assert not block.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    with socket.create_server(("127.0.0.1", port)):
        pass
    left = set(threading.enumerate()) - before  # others' sandboxes may still run
    assert not [thread for thread in left if thread.name == "puretalk-sandbox"]


def test_open_requests_are_cut_off_at_the_end(caplog):
    """A request that waits for minutes does not keep the sandbox from stopping, and leaves no traceback."""
    arrived = threading.Event()
    with ThreadPoolExecutor() as pool:
        with running(faults=["delay:seconds=600"]) as sandbox:
            sandbox.before_request(1, lambda request: arrived.set())
            waiting = pool.submit(requests.get, f"{sandbox.base_url}/ai-assistants", timeout=60)
            assert arrived.wait(10)
        assert isinstance(waiting.exception(10), requests.ConnectionError)
    assert caplog.records == []


def test_requests_are_kept_as_they_arrived(sandbox, fetch):
    """Method, path, query and headers, names in small letters; also of requests that were refused."""
    fetch(page=2, limit=5)
    fetch("/ai-assistants/", key="wrong")
    first, second = sandbox.requests
    assert isinstance(first, ServedRequest)
    assert first[:3] == ("GET", "/api/ai-assistants", {"page": "2", "limit": "5"})
    assert first.headers["x-api-key"] == sandbox.api_key
    assert (second.path, second.query, second.headers["x-api-key"]) == ("/api/ai-assistants/", {}, "wrong")
    assert sandbox.request_count == 2


def test_only_so_many_requests_are_kept(sandbox, fetch):
    """A demo that runs for weeks does not eat the memory; the count goes on."""
    sandbox.requests.extend([ServedRequest("GET", "/", {}, {}, 0.0, None)] * REQUESTS_KEPT)
    fetch()
    assert len(sandbox.requests) == REQUESTS_KEPT // 2 + 1
    assert sandbox.requests[-1].path == "/api/ai-assistants"
    assert sandbox.request_count == 1


def test_a_row_deleted_between_two_pages_loses_another_one(sandbox, fetch):
    """What the API really does, and why this package reads twice: no count and no duplicate gives it away."""
    before = sandbox.fleet.ids()
    sandbox.before_request(2, lambda request: sandbox.fleet.remove(before[0]))
    read = _ids(fetch()) + _ids(fetch(page=2)) + _ids(fetch(page=3))
    assert set(before) - set(read) == {before[10]}
    assert len(set(read)) == len(read)


def test_a_callback_for_every_request_sees_each_of_them(sandbox, fetch):
    seen = []
    sandbox.before_request(None, lambda request: seen.append(request.query.get("page")))
    for page in (1, 2, 3):
        fetch(page=page)
    assert seen == ["1", "2", "3"]


def test_a_callback_may_call_the_sandbox_itself(sandbox, fetch):
    """It runs beside the server, so that it cannot block it."""
    inner = []
    sandbox.before_request(1, lambda request: inner.append(fetch(page=3).status_code))
    assert fetch().status_code == 200
    assert inner == [200]


def test_the_error_of_a_callback_reaches_the_test():
    """It must not vanish in the server's thread; the request itself is answered."""
    block = running()
    sandbox = block.__enter__()
    sandbox.before_request(1, lambda request: 1 // 0)
    assert _get(sandbox).status_code == 200
    with pytest.raises(ZeroDivisionError):
        block.__exit__(None, None, None)


def test_requests_in_flight_are_counted(sandbox, fetch):
    """Two that wait for each other were in flight together."""
    both = threading.Barrier(2)
    sandbox.before_request(None, lambda request: both.wait(10))
    with ThreadPoolExecutor() as pool:
        assert [response.status_code for response in pool.map(lambda page: fetch(page=page), (1, 2))] == [200, 200]
    assert sandbox.max_in_flight == 2


def test_latency_keeps_requests_waiting(sandbox):
    sandbox.rules.latency_ms = 60_000
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{sandbox.base_url}/ai-assistants", timeout=(10, 0.1))


def test_too_many_requests_are_throttled_in_whole_seconds(fetch, sandbox):
    """429 in the documented shape; a wrong key is refused before it is counted."""
    sandbox.rules.requests_per_second = 0.001
    assert [fetch(key=None).status_code, fetch().status_code] == [401, 200]
    response = fetch()
    assert response.status_code == 429
    assert 900 < int(response.headers["Retry-After"]) <= 1000
    assert set(response.json()) == {"err", "msg"}


@pytest.mark.parametrize(
    ("rate", "arrivals", "waits"),
    [
        (2, [0, 0.1, 0.2, 0.9, 1.0, 1.05, 1.1], [0, 0, 1, 1, 0, 1, 0]),
        (0.5, [0, 0.5, 1.9, 2.0, 2.1], [0, 2, 1, 0, 2]),
        (1.5, [0, 0.5, 0.7], [0, 1, 0]),
    ],
)
def test_the_window_slides_and_refused_requests_do_not_count(rate, arrivals, waits):
    clock = iter(arrivals)
    throttle = Throttle(clock=lambda: next(clock))
    assert [throttle.wait(rate) for _ in arrivals] == waits


@pytest.mark.parametrize(
    "rules",
    [
        {"api_key": ""},
        {"page_size": 0},
        {"max_limit": 0},
        {"refuse_above": 0},
        {"latency_ms": -1},
        {"latency_ms": float("nan")},
        {"latency_ms": 10**400},
        {"requests_per_second": 0},
        {"api_key": 5},
        {"page_size": "5"},
        {"max_limit": 5.0},
        {"latency_ms": "5"},
        {"latency_ms": None},
        {"requests_per_second": True},
        {"redirect_slash": "no"},
        {"redirect_slash": None},
        {"etag": "stronger"},
        {"etag": None},
    ],
)
def test_rules_that_make_no_sense_are_refused(rules):
    with pytest.raises(ValueError, match="must"):
        Rules(**rules)


@pytest.mark.parametrize(
    "arguments",
    [
        {"assistants": "5"},
        {"assistants": -1},
        {"port": "8900"},
        {"port": 70_000},
        {"records": ["a"]},
        {"faults": [503]},
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments):
    """At once, and not by the first request that stumbles over them."""
    with pytest.raises(ValueError, match=r"must be|is no fault"), running(**arguments):
        pytest.fail("it runs")


def test_without_a_maximum_any_limit_is_honoured():
    with running(60, max_limit=None) as sandbox:
        assert len(_get(sandbox, "?limit=9999").json()["results"]) == 60


def test_answers_leave_at_once():
    """asyncio turns Nagle's algorithm off only where the socket names TCP; else each response would take 40 ms."""
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_importing_it_needs_neither_fastapi_nor_airflow():
    """Inventing fleets, or importing this package, loads no server."""
    program = (
        "import sys; import airflow_provider_puretalk.sandbox as sandbox; sandbox.make_fleet(1);"
        "print(sorted({'fastapi', 'uvicorn', 'starlette', 'airflow', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn"])
def test_without_the_extra_it_says_what_to_install(monkeypatch, missing):
    """One sentence with the command, as Airflow's own type for this."""
    from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException

    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(AirflowOptionalProviderFeatureException, match=r"pip install '.*\[sandbox\]'"):
        running().__enter__()
