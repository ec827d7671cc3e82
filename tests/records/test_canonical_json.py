"""JSON without loss: what came can be written down again, and the same value always gives the same bytes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_puretalk.records.canonical_json import (
    CANONICAL_VERSION,
    InvalidJSONError,
    dumps,
    dumps_lines,
    loads,
    loads_lines,
)

DIGITS = "1234567890" * 500  # more than Python turns into an integer (sys.set_int_max_str_digits)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("null", "null"),
        (" [ true , false ] ", "[true,false]"),
        ('{"b": 1, "a": {"d": 2, "c": 3}}', '{"a":{"c":3,"d":2},"b":1}'),
        ("[]", "[]"),
        ("{}", "{}"),
        ('""', '""'),
        ("0", "0"),
        ("-0", "0"),
        ("12345678901234567890123456789012345678901234567890", "12345678901234567890123456789012345678901234567890"),
        ("-9223372036854775809", "-9223372036854775809"),
        ("18446744073709551616", "18446744073709551616"),
        (DIGITS, DIGITS),
        (f"-{DIGITS}", f"-{DIGITS}"),
        ("1.0", "1.0"),
        ("-0.0", "-0.0"),
        ("1.50", "1.5"),
        ("15e-1", "1.5"),
        ("0.1", "0.1"),
        ("1e15", "1000000000000000.0"),
        ("1e16", "1e16"),
        ("1E+16", "1e16"),
        ("0.00001", "0.00001"),
        ("1.5e-7", "1.5e-7"),
        ("5e-324", "5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e308"),
        ("1e400", "1E+400"),
        ("-1e-400", "-1E-400"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ("3.14159265358979323846264338327950288", "3.14159265358979323846264338327950288"),
        ('"\\u00e9\\u20ac\\ud83d\\ude00"', '"é€😀"'),
        ('"\\/"', '"/"'),
        ('"\\"\\\\"', '"\\"\\\\"'),
        ('"\\u0008\\u0009\\u000a\\u000c\\u000d"', '"\\b\\t\\n\\f\\r"'),
        ('"\\u0000\\u001f\\u007f\\u2028"', '"\\u0000\\u001f\x7f\u2028"'),
        ('"\\ud800"', '"\\ud800"'),
        ('"a\\udfffb\\ud800c"', '"a\\udfffb\\ud800c"'),
        ('"\\ude00\\ud83d"', '"\\ude00\\ud83d"'),
        ('{"\\ud800":1,"\\ue000":2,"z":3}', '{"z":3,"\\ud800":1,"\ue000":2}'),
    ],
    ids=lambda text: text[:24],
)
def test_one_spelling(text: str, canonical: str) -> None:
    """Sorted keys, no spaces, UTF-8, the shortest escapes, exact numbers; written twice it is the same."""
    expected = canonical.encode("utf-8")
    assert dumps(loads(text.encode())) == expected
    assert dumps(loads(text)) == expected
    assert dumps(loads(expected)) == expected


def test_the_canonical_version_is_the_one_that_these_spellings_belong_to() -> None:
    """Whoever changes a spelling above changes the bytes of every snapshot, and must change the version."""
    assert CANONICAL_VERSION == 1


def test_keys_are_ordered_by_code_point() -> None:
    """Not by UTF-16 unit, which would put astral characters before U+E000, and not by anybody's alphabet."""
    keys = ["\U00010000", "\uffff", "\ue000", "ä", "z", "a", "Z", "10", "9", ""]
    assert list(json.loads(dumps(dict.fromkeys(keys, 0)))) == [
        "",
        "10",
        "9",
        "Z",
        "a",
        "z",
        "ä",
        "\ue000",
        "\uffff",
        "\U00010000",
    ]


@pytest.mark.parametrize("code", range(128), ids=hex)
def test_a_lone_surrogate_changes_the_spelling_of_nothing_else(code: int) -> None:
    """Text that cannot be UTF-8 goes a way of its own and must come out like any other."""
    text = chr(code)
    assert dumps(["\ud800", text, 1.5, 10**20]) == b'["\\ud800",' + dumps([text, 1.5, 10**20])[1:]
    assert dumps(text + "\ud800")[:-7] == dumps(text)[:-1]


@pytest.mark.parametrize("text", ["1e400", "4e-324", DIGITS, "0.30000000000000000001"], ids=lambda text: text[:12])
def test_numbers_beyond_doubles_and_integers_are_decimals(text: str) -> None:
    """They are read with every digit."""
    number = loads(text)
    assert isinstance(number, Decimal)
    assert number == Decimal(text)


@pytest.mark.parametrize("text", ["0.5", "1e22", "100", "-7", "1.5e300"])
def test_other_numbers_are_ordinary_ones(text: str) -> None:
    """Nobody should meet a Decimal without need."""
    assert type(loads(text)) is type(json.loads(text))
    assert loads(text) == json.loads(text)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", '[1,{"a":NaN}]', "nan", "inf"])
def test_nan_and_infinity_are_refused(constant: str) -> None:
    """Python reads and writes them, JSON has no such thing."""
    with pytest.raises(InvalidJSONError):
        loads(constant)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        '{"a"}',
        '{"a":1,}',
        "[1,]",
        "[1 2]",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "tru",
        "'a'",
        '"a',
        '"\t"',
        '"\\x"',
        '"\\u12"',
        "1 2",
        "{1:2}",
        "<html>",
        "1e99999999999999999999",
    ],
)
def test_what_is_no_json_is_refused_without_being_quoted(text: str) -> None:
    """Messages end up in logs, and the text could be anything."""
    with pytest.raises(InvalidJSONError) as caught:
        loads(text.encode())
    assert "html" not in str(caught.value)
    assert str(caught.value)


@pytest.mark.parametrize("data", [b'"\xff"', b'{"a":"\xe9"}', b'"\xc0\x80"', b'"\xf5\x80\x80\x80"', b"\xff"])
def test_what_is_no_utf_8_is_refused(data: bytes) -> None:
    """A body in another encoding must not turn into other letters."""
    with pytest.raises(InvalidJSONError, match="UTF-8"):
        loads(data)


@pytest.mark.parametrize(
    "data", ['"é"'.encode("utf-16"), '"é"'.encode("utf-32-le"), b'"\xed\xa0\x80"', b'"\xed\xa0\xbd\xed\xb8\x80"']
)
def test_other_encodings_of_unicode_are_refused_too(data: bytes) -> None:
    """UTF-16, and surrogates as three bytes each: the last would be written as another string than was read."""
    with pytest.raises(InvalidJSONError):
        loads(data)


def test_a_byte_order_mark_is_overlooked() -> None:
    """Some servers send one; RFC 8259 allows to overlook it."""
    assert loads(b'\xef\xbb\xbf{"a":1}') == {"a": 1}


@pytest.mark.parametrize("depth", [10, 100])
@pytest.mark.parametrize("leaf", ["1", '"\\ud800"', "1e400", DIGITS], ids=["plain", "surrogate", "decimal", "digits"])
def test_deep_nesting_is_read_and_written(depth: int, leaf: str) -> None:
    """As deep as anybody nests on purpose, whatever lies at the bottom."""
    text = '{"a":[' * depth + leaf + "]}" * depth
    assert dumps(loads(text)).count(b"[") == depth


@pytest.mark.parametrize("depth", [400, 600, 900, 990, 1100, 5000, 100_000])
@pytest.mark.parametrize("leaf", ["1", '"\\ud800"', "1e400", DIGITS], ids=["plain", "surrogate", "decimal", "digits"])
def test_nesting_too_deep_is_an_error_of_its_own(depth: int, leaf: str) -> None:
    """Reading or writing it either works or says so; nobody sees a RecursionError."""
    try:
        written = dumps(loads("[" * depth + leaf + "]" * depth))
    except InvalidJSONError as error:
        assert "nested too deeply" in str(error)  # noqa: PT017 - whether it is raised depends on Python's version
    else:
        assert written.count(b"[") == depth


def test_what_json_has_no_word_for_is_refused() -> None:
    """Nothing is turned into text in silence."""
    with pytest.raises(InvalidJSONError, match="object"):
        dumps({"a": object()})


# What reading can give: both halves of a pair, one after the other, are one character in every JSON text.
TEXT = st.text(st.characters(), max_size=8).map(lambda text: loads(json.dumps(text)))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: loads(str(number)))
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.long
@settings(max_examples=300)
@given(JSON)
@example({"\U00010000": 1, "\ue000": 2})
@example([5e-324, 1e16, 123456789012345678, 0.1 + 0.2])
@example("\ud800")
def test_writing_reading_and_writing_again_changes_nothing(value: Any) -> None:
    """``dumps(loads(dumps(x))) == dumps(x)``, and what is read equals what was written."""
    written = dumps(value)
    assert loads(written) == value
    assert dumps(loads(written)) == written
    assert b"\n" not in written


@pytest.mark.long
@settings(max_examples=200)
@given(st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?", fullmatch=True))
def test_no_number_is_ever_rounded(text: str) -> None:
    """Whatever its spelling, the number that is written is the number that came."""
    written = dumps(loads(text)).decode()
    assert Decimal(written) == Decimal(text)
    assert dumps(loads(written)).decode() == written


@pytest.mark.long
@settings(max_examples=300)
@given(st.binary(max_size=40) | st.text(alphabet='{}[]:,"0123456789.eE+-truefalsn\\u d8', max_size=40).map(str.encode))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    """A body is read or refused."""
    try:
        value = loads(data)
    except InvalidJSONError:
        return
    assert isinstance(dumps(value), bytes)


@pytest.mark.parametrize(
    "odd", ['"\\ud800"', DIGITS, "1e400", "[" * 200 + "]" * 200], ids=["surrogate", "digits", "exponent", "nesting"]
)
def test_lines_are_read_as_if_one_by_one(odd: str) -> None:
    """Whatever one of them holds, each line gives what it gives by itself."""
    lines = [b'{"a":1.50}', odd.encode(), '"\u2028 is no line break"'.encode(), b"[]"]
    assert loads_lines(b"\n".join([*lines, b""])) == [*map(loads, lines)]
    assert loads_lines(b"") == []


@pytest.mark.parametrize(
    "odd",
    ["\ud800", int("9" * 400), Decimal("1e400"), [{"b": None, "a": "\u2028\n"}], 1e16],
    ids=["surrogate", "digits", "exponent", "nested", "double"],
)
def test_lines_are_written_as_if_one_by_one(odd: Any) -> None:
    """Whatever one of the values is, each line is what it is by itself."""
    values = [{"a": 1.5}, odd, "\u2028", []]
    assert dumps_lines(values) == b"".join(dumps(value) + b"\n" for value in values)
    assert dumps_lines(tuple(values)) == dumps_lines(values)
    assert dumps_lines([]) == b""


@pytest.mark.long
def test_a_line_that_cannot_be_written_is_refused() -> None:
    """Among others, too, it is the error that it is by itself."""
    deep: Any = []
    for _ in range(1_000_000):
        deep = [deep]
    with pytest.raises(InvalidJSONError, match="nested too deeply"):
        dumps_lines([1, deep])
