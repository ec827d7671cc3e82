"""The output of commands: tables for people, one JSON document for machines.

Some of the values were written by other people; in the output they cannot steer a terminal. Knows no command.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import itertools
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, TextIO

from airflow_provider_puretalk.invisible import printable, replace_invisible

#: Characters after which a value in a table is cut, with an ellipsis.
_LONGEST_CELL = 80
#: Rows that are laid out together, so that a table of any length takes little memory.
_BATCH = 500
#: Columns between two columns of a table.
_GAP = 2
#: Columns of a "terminal" that is none: wide enough for any row.
_NO_TERMINAL = 100_000

Style = Literal["insert", "delete", "title", "faint"]
_COLOURS: dict[Style, str] = {"insert": "32", "delete": "31", "title": "33", "faint": "2"}
#: What stands for colours where there are none.
_MARKS: dict[Style, tuple[str, str]] = {"insert": ("{+", "+}"), "delete": ("[-", "-]")}

_NOT_ASCII = re.compile(r"[^\x00-\x7e]")


class OutputError(Exception):
    """Standard output cannot be written. Not an OSError, which a command might take for one of the storage.

    :ivar cause: the error of the operating system.
    """

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Output:
    """The output of a command.

    :param stream: the output, and nothing else, is written to it.
    :param as_json: whether it is one JSON document.
    """

    def __init__(self, stream: TextIO, *, as_json: bool) -> None:
        self.as_json = as_json
        self._stream = stream
        self._is_utf8 = codecs.lookup(stream.encoding or "utf-8").name == "utf-8"
        wants_colours = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._has_colours = stream.isatty() and wants_colours

    def document(self, value: Any) -> None:
        """Print a value as the JSON document."""
        self._write(self._json(value) + "\n")

    def array(self, values: Iterable[Any]) -> None:
        """Print values as one JSON array, an element a line, as they come."""
        separator = "[\n"
        for value in values:
            self._write(separator + self._json(value))
            separator = ",\n"
        self._write("[]\n" if separator == "[\n" else "\n]\n")

    def line(self, text: str) -> None:
        """Print a sentence for people."""
        self._write(self._encodable(printable(text)) + "\n")

    def text(self, parts: Iterable[tuple[str, Style | None]], *, indent: str = "") -> None:
        """Print text of one line or several, with colours on a terminal that wants them.

        Elsewhere, what was inserted and deleted is marked as git does: ``{+so+}``, ``[-so-]``.
        """
        text = "".join(self._styled(text, style) for text, style in parts).removesuffix("\n")
        self._write("".join(f"{indent}{line}".rstrip() + "\n" for line in text.split("\n")))

    def _styled(self, text: str, style: Style | None) -> str:
        shown = self._encodable(printable(text, keep="\n"))
        if style is None:
            return shown
        if self._has_colours:  # Line by line, so that the indent has none.
            return "\n".join(f"\x1b[{_COLOURS[style]}m{line}\x1b[0m" if line else "" for line in shown.split("\n"))
        opening, closing = _MARKS.get(style, ("", ""))
        body = shown.rstrip("\n")
        return f"{opening}{body}{closing}{shown[len(body) :]}"

    def facts(self, pairs: Iterable[tuple[str, Any]]) -> None:
        """Print names and values, a line each."""
        known = [(name, _whole_cell(value)) for name, value in pairs]
        width = max((len(name) for name, _ in known), default=0)
        for name, value in known:
            self.line(f"{name:{width}}  {value}")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, cut: bool = True) -> None:
        """Print rows for people, in batches as they come; long values are shortened with ``cut``."""
        spell = cell if cut else _whole_cell
        header = [self._encodable(printable(name)) for name in columns]
        self._tables(_batches(header, ([spell(value) for value in row] for row in rows)))

    def _tables(self, tables: Iterable[tuple[Sequence[str], Sequence[Sequence[str]]]]) -> None:
        from rich.cells import cell_len
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        is_terminal = self._stream.isatty()
        width = shutil.get_terminal_size().columns if is_terminal else _NO_TERMINAL
        widths: dict[int, int] = {}
        for header, rows in tables:
            table = Table(box=None, padding=(0, _GAP, 0, 0), show_header=any(header), header_style="bold")
            for place, name in enumerate(header):
                longest = max(map(cell_len, (name, *(row[place] for row in rows))))
                widths[place] = max(longest, widths.get(place, 0))
            fits = sum(widths.values()) + _GAP * len(widths) <= width
            for place, name in enumerate(header):
                # As wide as in the batches before, so that columns stay under each other.
                table.add_column(Text(name), overflow="fold", min_width=widths[place] if fits else None)
            for row in rows:
                table.add_row(*(Text(self._encodable(value)) for value in row))
            # Not onto the stream: rich makes an exit of its own out of a pipe that breaks.
            paper = io.StringIO()
            Console(file=paper, width=width, force_terminal=is_terminal, highlight=False, emoji=False).print(table)
            self._write("".join(f"{line.rstrip()}\n" for line in paper.getvalue().splitlines()))

    def _json(self, value: Any) -> str:
        from airflow_provider_puretalk.records import canonical_json

        text = canonical_json.dumps(value).decode()
        # Whatever is invisible stands in strings, where a line break is escaped already.
        shown = replace_invisible(text, _json_escape)
        return shown if self._is_utf8 else _NOT_ASCII.sub(lambda found: _json_escape(found.group()), shown)

    def _encodable(self, text: str) -> str:
        return text if self._is_utf8 else _NOT_ASCII.sub("?", text)

    def flush(self) -> None:
        """Hand over what is still buffered.

        :raises OutputError: it cannot be written.
        """
        try:
            self._stream.flush()
        except OSError as error:
            raise OutputError(error) from None

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
        except OSError as error:
            raise OutputError(error) from None


def print_message(text: str) -> None:
    """Print a line for people on stderr. Where that cannot be written it is lost, and changes nothing else."""
    try:
        print(printable(text), file=sys.stderr, flush=True)
    except OSError:
        # What stays in the buffer would break once more when the interpreter ends, and change the exit code.
        discard(sys.stderr)


def discard(stream: TextIO) -> None:
    """Redirect a stream to the null device, with what is still buffered in it."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def cell(value: Any) -> str:
    """Return a value as it stands in a table: on one line, cut where it is long."""
    text = _whole_cell(value)
    return text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}…"


def _whole_cell(value: Any) -> str:
    from airflow_provider_puretalk.records import canonical_json

    if value is None:
        return "-"
    return printable(value if isinstance(value, str) else canonical_json.dumps(value).decode())


def _batches(
    columns: Sequence[str], rows: Iterator[Sequence[str]]
) -> Iterator[tuple[Sequence[str], Sequence[Sequence[str]]]]:
    header = columns
    while True:
        batch = list(itertools.islice(rows, _BATCH))
        if batch or any(header):
            yield header, batch
        if len(batch) < _BATCH:
            return
        header = [""] * len(columns)


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))
