"""Writes the report as a page of HTML.

Templates do the layout. Every value that they print is made visible, then escaped, without their asking for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from airflow_provider_puretalk.api.field_classes import FIELD_CLASSES
from airflow_provider_puretalk.snapshots.comparison import Comparison
from airflow_provider_puretalk.snapshots.report import contents
from airflow_provider_puretalk.snapshots.report.values import visible
from airflow_provider_puretalk.wording import counted

#: Fields named as new to the fleet, or gone from it.
_MOST_POINTERS = 100
#: Pieces of the page that are written at once.
_PIECES = 200

_SPACES = str.maketrans({" ": "·", "\t": "⇥", "\n": "⏎\n"})


def write_report(comparison: Comparison, path: Path, *, changes_file: str | None = None) -> None:
    """Write ``report.html`` to a local file, piece by piece, so that memory does not grow with the changes.

    The first 500 changed, added and removed assistants are told in full; of the rest the page says how many there are and
    that ``changes.jsonl`` has them. The same two snapshots give the same bytes.

    :param changes_file: what the file with all changes is called that lies beside the page; None where there is none.
    """
    template = _environment().get_template("report.html.j2")
    stream = template.stream(
        comparison=comparison,
        changes_file=changes_file,
        contents=contents.Contents(comparison),
        limits=contents,
        classes=FIELD_CLASSES,
        most_pointers=_MOST_POINTERS,
    )
    stream.enable_buffering(_PIECES)
    with path.open("wb") as file:
        stream.dump(file, encoding="utf-8")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__),
        autoescape=True,
        finalize=_finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["number"] = "{:,}".format
    environment.filters["counted"] = counted
    environment.filters["prose"] = _prose
    environment.filters["spaces"] = lambda text: text if text.strip() else text.translate(_SPACES)
    return environment


def _finalize(value: Any) -> Any:
    """Make visible what cannot be seen in whatever the templates print; what is HTML already came through here before."""
    return value if isinstance(value, Markup) else visible(str(value))


def _prose(sentence: str) -> Markup:
    """Set what stands between backticks as code."""
    return Markup().join(_marked(sentence))


def _marked(sentence: str) -> Iterator[Markup]:
    for part in re.split(r"(`[^`]*`)", visible(sentence)):
        if len(part) > 1 and part.startswith("`"):
            yield Markup("<code>{}</code>").format(part[1:-1])
        else:
            yield Markup.escape(part)
