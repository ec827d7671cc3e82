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

from airflow_provider_puretalk.records.field_classes import FIELD_CLASSES
from airflow_provider_puretalk.snapshots.comparison.result import Comparison
from airflow_provider_puretalk.snapshots.report.values import fitting, label, visible
from airflow_provider_puretalk.snapshots.report.view_model import Contents
from airflow_provider_puretalk.wording import pluralize

#: Fields named as new to the fleet, or gone from it.
_MOST_POINTERS = 100
#: Notes of the comparison, and bytes of each and of the summary before they are set.
_MOST_NOTES, _LONGEST_SENTENCE = 50, 3_000
#: Bytes that are written at once.
_BLOCK = 1_000_000

_SPACES = str.maketrans({" ": "·", "\t": "⇥", "\n": "⏎\n"})


def write_report(comparison: Comparison, path: Path, *, changes_file: str | None = None) -> None:
    """Write ``report.html`` to a local file, piece by piece, so that memory does not grow with the changes.

    The first 500 changed, added and removed assistants are told in full, fewer where the page would be larger than 10 MB
    (:data:`~airflow_provider_puretalk.snapshots.report.size_budget.LARGEST_REPORT`); of the rest the page says how many
    there are and that ``changes.jsonl`` has them. The same two snapshots give the same bytes.

    :param changes_file: what the file with all changes is called that lies beside the page; None where there is none.
    """
    template = _environment().get_template("report.html.j2")
    told = Contents(comparison)
    pieces = template.generate(
        comparison=comparison,
        changes_file=changes_file,
        contents=told,
        classes=FIELD_CLASSES,
        most_pointers=_MOST_POINTERS,
        most_notes=_MOST_NOTES,
    )
    with path.open("wb", buffering=_BLOCK) as file:
        file.writelines(told.space.count(pieces))


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
    environment.filters["counted"] = pluralize
    environment.filters["label"] = label
    environment.filters["prose"] = _prose
    environment.filters["spaces"] = lambda text: text if text.strip() else text.translate(_SPACES)
    return environment


def _finalize(value: Any) -> Any:
    """Make visible what cannot be seen in whatever the templates print; what is HTML already came through here before."""
    return value if isinstance(value, Markup) else visible(str(value))


def _prose(sentence: str) -> Markup:
    """Set what stands between backticks as code, of a sentence that is shortened where it is endless."""
    short = fitting(sentence, _LONGEST_SENTENCE)
    return Markup().join(_marked(sentence if short == sentence else f"{short}…"))


def _marked(sentence: str) -> Iterator[Markup]:
    for part in re.split(r"(`[^`]*`)", visible(sentence)):
        if len(part) > 1 and part.startswith("`"):
            yield Markup("<code>{}</code>").format(part[1:-1])
        else:
            yield Markup.escape(part)
