"""Phone numbers that several accounts have: each number once, however it is spelt, and nobody shares one with themselves."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_puretalk.fleet.numbers import (
    MOST_ACCOUNTS,
    MOST_ASSISTANTS,
    MOST_NUMBERS,
    MOST_PARTNERS,
    NumberStore,
    SharedNumbers,
    last_digits,
)


def shared(fleet: dict[str, list[Any]], *, names: bool = False) -> SharedNumbers:
    with NumberStore(names_of_assistants=names) as store:
        for account, numbers in fleet.items():
            with store.account(account):
                for place, number in enumerate(numbers):
                    store.add(number, f"{account} {place}")
        return store.shared()


def test_spellings_of_one_number_count_as_one() -> None:
    """As in a comparison; two assistants of one account share it with each other, and not with an account."""
    found = shared({"north": ["+49 30 1234567", "tel:+49-30-1234567"], "south": ["+49 (0)30/1234567"], "west": ["1"]})
    (one,) = found.largest
    assert (found.count, one.accounts, one.named, one.assistants) == (1, 2, ("north", "south"), 3)
    assert found.by_account == {"north": 1, "south": 1}
    assert found.partners == {"north": ["south"], "south": ["north"]}
    assert shared({"north": ["+49301234567"] * 3, "south": []}).count == 0


@pytest.mark.parametrize("value", ["***", "", "n/a", "+", None, 49301234567, True, ["+4930"], {"a": "+4930"}, 1.5])
def test_what_is_no_number_is_not_shared(value: Any) -> None:
    """A masked one, none, a word, and what is no text."""
    assert shared({"north": [value], "south": [value]}) == SharedNumbers()


def test_long_numbers_are_told_apart_by_the_whole() -> None:
    """Also where they only differ far behind what is shown of them."""
    long = "+" + "1" * 5_000
    assert shared({"north": [f"{long}1"], "south": [f"{long}2"]}, names=True).count == 0
    (one,) = shared({"north": [f"{long}1"], "south": [f"{long}1"]}, names=True).largest
    assert len(one.shown) <= 200


def test_a_number_stands_in_clear_only_with_names() -> None:
    """Otherwise its last digits do, and nobody's name."""
    fleet = {"north": ["+49 30 1234567"], "south": ["+49301234567"]}
    (plain,), (named,) = shared(fleet).largest, shared(fleet, names=True).largest
    assert (plain.shown, plain.holders) == ("…567", ())
    assert (named.shown, named.holders) == ("+49 30 1234567", (("north", "north 0"), ("south", "south 0")))


@pytest.mark.parametrize(
    ("number", "shown"),
    [("+49301234567", "…567"), ("12345678", "…678"), ("1234567", "…"), ("110", "…"), ("a" * 64, "hashed")],
)
def test_the_last_digits_are_no_number(number: str, shown: str) -> None:
    """Of a short one nothing is shown, nor of a hash."""
    assert last_digits(number) == shown


@pytest.mark.long
def test_what_is_returned_is_bounded_and_the_numbers_are_exact() -> None:
    """The numbers that most accounts have come first."""
    everywhere = {f"a{place:03}": ["+49301234567"] * 2 for place in range(150)}
    pairs = {f"b{place}": [f"+4940{number:07}" for number in range(300)] for place in range(2)}
    found = shared(everywhere | pairs, names=True)
    assert (found.count, len(found.largest)) == (301, MOST_NUMBERS)
    first = found.largest[0]
    assert (first.accounts, first.assistants) == (150, 300)
    assert (len(first.named), len(first.holders)) == (MOST_ACCOUNTS, MOST_ASSISTANTS)
    assert (found.by_account["a000"], found.by_account["b1"]) == (1, 300)
    assert {len(partners) for name, partners in found.partners.items() if name[0] == "a"} == {MOST_PARTNERS}
    assert found.partners["b0"] == ["b1"]
    assert not any(name in partners for name, partners in found.partners.items())


def test_an_account_that_breaks_off_counts_for_nothing() -> None:
    """Neither what came before the error does, nor what was still to be written."""

    def torn(store: NumberStore) -> None:
        with store.account("north"):
            for number in range(1_500):
                store.add(f"+4930{number:07}", "")
            raise ValueError("torn")

    with NumberStore(names_of_assistants=False) as store:
        with pytest.raises(ValueError, match="torn"):
            torn(store)
        for name in ("south", "west"):
            with store.account(name):
                store.add("+49300000001", "")
        found = store.shared()
    assert (found.count, found.largest[0].named) == (1, ("south", "west"))


@pytest.mark.long
@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from(["+491", "+492", "+493", "\ud800 1", "x"]))))
def test_it_is_what_sets_say(fleet: dict[str, list[str]]) -> None:
    """The same as the plain rule over plain sets, half characters among them."""
    accounts: dict[str, set[str]] = defaultdict(set)
    for account, numbers in fleet.items():
        for number in numbers:
            accounts[number].add(account)
    expected = {number: names for number, names in accounts.items() if len(names) > 1 and number != "x"}
    found = shared(fleet, names=True)
    assert {one.shown: {*one.named} for one in found.largest} == expected
    assert found.count == len(expected)
    pairs = {pair for names in expected.values() for pair in itertools.permutations(names, 2)}
    assert {(name, other) for name, others in found.partners.items() for other in others} == pairs
