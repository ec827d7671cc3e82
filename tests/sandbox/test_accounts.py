"""Several accounts at one address: each key sees its own, and what is counted is counted for each."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import requests

from airflow_provider_puretalk.sandbox import Accounts, FleetStore, Rules, Sandbox, make_fleet, running_accounts

SIZES = (1, 2, 3)


def box(key: str, assistants: int = 1, *, seed: int = 0) -> Sandbox:
    return Sandbox(FleetStore(make_fleet(assistants, seed=seed)), rules=Rules(api_key=key))


@pytest.fixture
def accounts() -> Iterator[Accounts]:
    """Accounts of one, two and three assistants."""
    with running_accounts(box(f"key-{size}", size, seed=size) for size in SIZES) as served:
        yield served


def fetch(accounts: Accounts, key: str | None) -> requests.Response:
    headers = {} if key is None else {"X-API-KEY": key}
    return requests.get(f"{accounts.base_url}/ai-assistants", headers=headers, timeout=10)


@pytest.mark.long
def test_a_key_opens_its_own_account(accounts: Accounts) -> None:
    """The list is that of the account alone, and so are the requests counted."""
    for number, size in enumerate(SIZES):
        assert fetch(accounts, f"key-{size}").json()["results"] == make_fleet(size, seed=size)
        assert [one.request_count for one in accounts.sandboxes] == [1] * (number + 1) + [0] * (2 - number)
        assert accounts.sandboxes[number].base_url == accounts.base_url
    assert accounts.max_at_once == 1


@pytest.mark.parametrize("key", [None, "", "key-4"])
def test_any_other_key_opens_none(accounts: Accounts, key: str | None) -> None:
    """It is refused, and counted where it disturbs no account."""
    assert fetch(accounts, key).status_code == 401
    assert accounts.nobody.request_count == 1
    assert [one.request_count for one in accounts.sandboxes] == [0, 0, 0]
    assert accounts.max_at_once == 0


def test_a_key_may_be_changed(accounts: Accounts) -> None:
    """From then on the old one is nobody's."""
    accounts.sandboxes[0].rules.api_key = "another"
    assert fetch(accounts, "another").json()["count"] == 1
    assert fetch(accounts, "key-1").status_code == 401


@pytest.mark.long
def test_faults_of_an_account_are_its_own(accounts: Accounts) -> None:
    """What goes wrong in one account goes well in the others."""
    accounts.sandboxes[0].faults.add("503")
    assert [fetch(accounts, f"key-{size}").status_code for size in SIZES] == [503, 200, 200]


def test_accounts_with_requests_in_flight_are_counted(accounts: Accounts) -> None:
    """As many as are being answered at the same time, however many requests each has."""
    both = threading.Barrier(3)
    for one in accounts.sandboxes[:2]:
        one.before_request(None, lambda _: both.wait(30))
    keys = ["key-1", "key-1", "key-2"]
    threads = [threading.Thread(target=fetch, args=(accounts, key)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fetch(accounts, "key-3")
    assert accounts.max_at_once == 2
    assert [one.max_in_flight for one in accounts.sandboxes] == [2, 1, 1]


def test_a_request_says_when_and_from_where_it_came(accounts: Accounts) -> None:
    """Moments rise, on one clock for all accounts."""
    for size in SIZES:
        fetch(accounts, f"key-{size}")
    (first,), (second,), (third,) = (one.requests for one in accounts.sandboxes)
    assert first.arrived_at < second.arrived_at < third.arrived_at
    assert first.client is not None
    assert first.client[0] == "127.0.0.1"


def test_two_accounts_with_one_key_are_refused() -> None:
    """Nobody could say whose a request is."""
    with pytest.raises(ValueError, match="two accounts have the same key"):
        Accounts([box("same"), box("same")])
