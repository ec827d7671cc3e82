"""One rule tells when two JSON values are equal, and digests of values follow it."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_puretalk import params
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.equality import comparison_key, equal
from airflow_provider_puretalk.records.field_diff import differences
from airflow_provider_puretalk.records.matching import ExpectedValue
from airflow_provider_puretalk.records.selection import Selection

#: Numbers as JSON spells them, many of them the same number.
spelled_numbers = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "-"]),
    st.sampled_from(["0", "1", "10", "100", "12", "1000000000000000", "9007199254740993", "99999999999999991611392"])
    | st.integers(0, 10**30).map(str),
    st.sampled_from(["", ".0", ".00", ".5", ".50", ".10000000000000000000001"]),
    st.sampled_from(["", "e0", "e1", "E+2", "e-2", "e22", "e23", "e400", "e-400"]),
)


def value_of(spelled: str) -> Fraction:
    """Return the number that a spelling says, exactly."""
    return Fraction(Decimal(spelled))


@pytest.mark.long
@settings(max_examples=500)
@given(spelled_numbers, spelled_numbers)
def test_numbers_are_equal_by_what_they_say(one: str, other: str) -> None:
    """However they are spelled, at any size; and exactly then they have the same key."""
    a, b = canonical_json.loads(one), canonical_json.loads(other)
    same = value_of(one) == value_of(other)
    assert equal(a, b) is same
    assert (comparison_key(a) == comparison_key(b)) is same


leaves = (
    st.none()
    | st.booleans()
    | st.text(max_size=3)
    | st.sampled_from(["1", "1.0", "1e16", 'a"1.0,'])
    | spelled_numbers.map(canonical_json.loads)
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
)


@pytest.mark.long
@settings(max_examples=500)
@given(values, values)
def test_keys_are_the_same_exactly_for_equal_values(one: Any, other: Any) -> None:
    """So a watcher, which knows digests of keys only, sees the changes that a comparison sees."""
    assert (comparison_key(one) == comparison_key(other)) is equal(one, other)
    assert (next(differences(one, other), None) is None) is equal(one, other)
    assert equal(one, canonical_json.loads(canonical_json.dumps(one)))
    assert comparison_key(one) == comparison_key(canonical_json.loads(canonical_json.dumps(one)))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1", "1.0", True),
        ("1e400", "1" + 400 * "0", True),
        ("1e23", "1" + 23 * "0", True),
        ("1e23", "99999999999999991611392", False),
        ("1e999999999999999999", "10e999999999999999998", True),
        ("1e999999999999999999", "1e999999999999999998", False),
        ("-1e1000000", "1e1000000", False),
        ("1e-999999999", "0", False),
        ("0e999999999999", "0", True),
        ("9007199254740993", "9007199254740992.0", False),
        ("9007199254740993", "9007199254740993e0", True),
        ('["1.0",9007199254740993]', '["1.0",9007199254740993.0]', True),
        ("0.0", "-0", True),
        ("true", "1", False),
        ("false", "0", False),
        ("null", "false", False),
        ('"1"', "1", False),
        ("[1,2]", "[2,1]", False),
        ('{"a":1,"b":2}', '{"b":2.0,"a":1e0}', True),
        ('{"a":null}', "{}", False),
        ("[]", "{}", False),
        ("[1]", "[1,1]", False),
    ],
)
def test_every_user_of_the_rule_agrees(one: str, other: str, same: bool) -> None:
    """Comparisons, conditions and filters, whichever side a value stands on, and however deep it lies."""
    for depth in (0, 1, 70, 300):
        a, b = (canonical_json.loads("[" * depth + text + "]" * depth) for text in (one, other))
        for left, right in ((a, b), (b, a)):
            assert equal(left, right) is same
            assert (next(differences(left, right), None) is None) is same
            assert (comparison_key(left) == comparison_key(right)) is same
            if depth > params.DEEPEST - 10:
                continue  # Nobody may give such a value as an argument.
            assert ExpectedValue("expect", "behavior", right).is_met_by(left) is same
            taken = Selection(None, {"name": [[right]]}).take({"assistant_id": "1", "name": [left]})
            assert (taken is not None) is same


class _Text(str):
    """Text of a class of its own, as Airflow's lazy values are."""


def test_text_of_another_class_is_equal() -> None:
    """What was made of parts that are like JSON's is compared like them."""
    assert equal({"a": [_Text("x"), 1]}, {"a": ["x", 1]})
    assert not equal({"a": [_Text("x"), 1]}, {"a": ["y", 1]})
    assert comparison_key([_Text("x")]) == comparison_key(["x"])


def test_a_decimal_that_a_double_holds_has_its_key() -> None:
    """However a number came to be, it is spelled as the API's own would be."""
    assert comparison_key([Decimal("0.1")]) == comparison_key([0.1])
    assert comparison_key([Decimal("1e16")]) == comparison_key([1e16]) == comparison_key([10**16])


@pytest.mark.long
def test_any_depth() -> None:
    """Nesting that no decoder reads ends neither the comparison nor the key in an error."""

    def nested(value: Any) -> Any:
        for _ in range(50_000):
            value = [value]
        return value

    assert equal(nested(1), nested(1.0))
    assert not equal(nested(1), nested(True))
    assert comparison_key(nested(1)) == comparison_key(nested(1.0)) != comparison_key(nested(2))


def test_not_a_number_is_equal_to_nothing_else() -> None:
    """It is no JSON, but an argument may hold it."""
    assert not equal(math.nan, 0.0)
    assert not equal(math.nan, Decimal(1))
