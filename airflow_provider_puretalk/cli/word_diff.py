"""A changed value as ``git log -p`` shows it: the words of a text that were deleted and inserted, with some text around."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow_provider_puretalk.cli.output import Output, Style
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.field_paths import ABSENT
from airflow_provider_puretalk.records.text_diff import Kind, Run, word_diff
from airflow_provider_puretalk.wording import pluralize

#: Unchanged characters shown on each side of a change, and the fewest worth leaving out.
_CONTEXT, _FEWEST = 120, 80

_STYLES: dict[Kind, Style | None] = {Kind.EQUAL: None, Kind.DELETE: "delete", Kind.INSERT: "insert"}
_INDENT = "    "


def print_change(output: Output, old: Any, new: Any) -> None:
    """Print how a value changed."""
    if isinstance(old, str) and isinstance(new, str):
        runs = word_diff(old, new)
        if any(run.kind is Kind.EQUAL for run in runs):
            output.text(_parts(runs), indent=_INDENT)
            return
    if old is not ABSENT:
        output.text([(spelled(old), "delete")], indent=_INDENT)
    if new is not ABSENT:
        output.text([(spelled(new), "insert")], indent=_INDENT)


def spelled(value: Any) -> str:
    """Return a value as it stands in the log: text as it is, all else as JSON."""
    if value is ABSENT:
        return "(absent)"
    return value if isinstance(value, str) and value else canonical_json.dumps(value).decode()


def _parts(runs: list[Run]) -> Iterator[tuple[str, Style | None]]:
    for place, run in enumerate(runs):
        if run.kind is not Kind.EQUAL:
            blank = not run.text.strip()
            yield run.text.replace("\n", "⏎\n") if blank else run.text, _STYLES[run.kind]
            continue
        head = _CONTEXT if place else 0
        tail = _CONTEXT if place < len(runs) - 1 else 0
        left_out = len(run.text) - head - tail
        if left_out < _FEWEST:
            yield run.text, None
            continue
        yield run.text[:head], None
        yield f"{'…' if head else ''}({pluralize(left_out, 'character')}){'…' if tail else ''}", "faint"
        yield run.text[len(run.text) - tail :], None
