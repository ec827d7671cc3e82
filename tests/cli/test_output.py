"""What is printed cannot steer a terminal, and a machine can read it in any locale."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_puretalk.cli.output import Output, cell
from airflow_provider_puretalk.invisible import printable
from airflow_provider_puretalk.records import canonical_json

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too
ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner),
    max_leaves=5,
)


class Paper:
    """Something to print on, in an encoding."""

    def __init__(self, *, as_json: bool, encoding: str = "utf-8") -> None:
        self._bytes = io.BytesIO()
        self.stream = io.TextIOWrapper(self._bytes, encoding=encoding, newline="")
        self.output = Output(self.stream, as_json=as_json)

    @property
    def raw(self) -> bytes:
        self.stream.flush()
        return self._bytes.getvalue()


@given(ANY_TEXT)
def test_nothing_unprintable_is_left(text: str) -> None:
    """Escape sequences, line breaks and what turns the direction of writing are spelt out; all else stays."""
    shown = printable(text)
    assert all(char.isprintable() or char in "\u200c\u200d\u00a0" for char in shown)
    assert text.isprintable() <= (shown == text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("\u202egnihtemos", r"\u202egnihtemos"),
        ("\ud800", r"\ud800"),
        ("Zürich 東京 👩\u200d💻", "Zürich 東京 👩\u200d💻"),
    ],
)
def test_what_is_spelt_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.long
@given(ANY_VALUE, st.sampled_from(["utf-8", "ascii", "latin-1"]))
def test_a_document_says_the_same_in_any_locale(value: Any, encoding: str) -> None:
    """The JSON document holds the value exactly, whatever the encoding of stdout, and nothing that steers a terminal."""
    paper = Paper(as_json=True, encoding=encoding)
    paper.output.document(value)
    text = paper.raw.decode(encoding)
    assert json.loads(text) == value
    assert canonical_json.loads(text) == value
    assert all(char.isprintable() or char in "\u200c\u200d\u00a0" for char in text.removesuffix("\n"))


@pytest.mark.parametrize("values", [[], [1], [{"a": "ü"}, None, [2]]])
def test_an_array_is_one_document(values: list[Any]) -> None:
    """Elements are written as they come, and together they are valid JSON."""
    paper = Paper(as_json=True)
    paper.output.array(iter(values))
    assert json.loads(paper.raw) == values
    assert paper.raw.count(b"\n") == (len(values) + 2 if values else 1)


def test_values_are_one_line_and_no_markup() -> None:
    """What looks like rich's own markup is printed as it stands; a row is a line, however long."""
    paper = Paper(as_json=False)
    paper.output.table(["name", "what"], [["[bold]x[/bold] :smile:", "a\nb"], ["y" * 500, None]])
    lines = [line.split() for line in paper.raw.decode().splitlines()]
    assert lines == [["name", "what"], ["[bold]x[/bold]", ":smile:", r"a\nb"], ["y" * 79 + "…", "-"]]


def test_a_header_cannot_steer_a_terminal() -> None:
    """Columns are named as fields are, and anybody may name those."""
    paper = Paper(as_json=False)
    paper.output.table(["\x1b[31mred\u202e\ufeff", "two\nlines"], [["a", "b"]])
    assert paper.raw.decode().splitlines()[0] == r"\x1b[31mred\u202e\ufeff  two\nlines"


@pytest.mark.long
def test_columns_stay_under_each_other_in_long_tables() -> None:
    """A table is laid out in batches, none of which is narrower than those before; the header comes once."""
    paper = Paper(as_json=False)
    paper.output.table(["name", "number"], (["x" * (20 if number < 500 else 1), number] for number in range(1200)))
    lines = paper.raw.decode().splitlines()
    assert len(lines) == 1201
    assert {line.index(str(number)) for number, line in enumerate(lines[1:])} == {lines[0].index("number")}


def test_an_empty_table_is_its_header() -> None:
    paper = Paper(as_json=False)
    paper.output.table(["account", "snapshot"], [])
    assert paper.raw.split() == [b"account", b"snapshot"]


def test_a_table_can_be_printed_in_any_locale() -> None:
    """What stdout cannot encode becomes a question mark, not an error."""
    paper = Paper(as_json=False, encoding="ascii")
    paper.output.table(["name"], [["Zürich"], ["x" * 100]])
    paper.output.line("東京")
    paper.output.facts([("a", "é")])
    assert paper.raw.decode("ascii").split() == ["name", "Z?rich", "x" * 79 + "?", "??", "a", "?"]


def test_cells() -> None:
    """Values stand in a table as JSON spells them, text without its quotes, nothing as a dash."""
    assert [cell(value) for value in (None, True, 1.50, "x", ["é"], {"a": None})] == [
        "-", "true", "1.5", "x", '["é"]', '{"a":null}',
    ]  # fmt: skip


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "variables", "expected"),
    [
        (Terminal, {"TERM": "xterm"}, "> be \x1b[31mrude\x1b[0m\x1b[32mkind\x1b[0m\n> \x1b[32m\\x1b[2J\x1b[0m\n"),
        (Terminal, {"TERM": "xterm", "NO_COLOR": "1"}, "> be [-rude-]{+kind\n> \\x1b[2J+}\n"),
        (Terminal, {"TERM": "dumb"}, "> be [-rude-]{+kind\n> \\x1b[2J+}\n"),
        (io.StringIO, {"TERM": "xterm"}, "> be [-rude-]{+kind\n> \\x1b[2J+}\n"),
    ],
    ids=["terminal", "NO_COLOR", "dumb", "pipe"],
)
def test_text_has_colours_where_they_are_wanted(
    monkeypatch: pytest.MonkeyPatch, stream: Any, variables: dict[str, str], expected: str
) -> None:
    """Elsewhere marks stand for them; what the API sends can make none, and each line is indented."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    paper = stream()
    parts: list[Any] = [("be ", None), ("rude", "delete"), ("kind\n\x1b[2J", "insert")]
    Output(paper, as_json=False).text(parts, indent="> ")
    assert paper.getvalue() == expected
