"""Renders the report as HTML.

Every value that a template prints is made visible and escaped by the environment, so no template can forget it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from airflow_provider_puretalk import time_limit
from airflow_provider_puretalk.records.field_classes import FIELD_CLASSES
from airflow_provider_puretalk.snapshots.comparison.result import Comparison
from airflow_provider_puretalk.snapshots.report.standing import Standings
from airflow_provider_puretalk.snapshots.report.values import fitting, label, visible
from airflow_provider_puretalk.snapshots.report.view_model import ViewModel
from airflow_provider_puretalk.wording import pluralize

#: Fields named as new to the fleet, or as no longer in it.
_MAX_POINTERS = 100
#: Notes of the comparison, and bytes of each of them and of the summary.
_MAX_NOTES, _MAX_SENTENCE = 50, 3_000
#: Bytes written at once.
_BLOCK = 1_000_000

_TEMPLATES = jinja2.PackageLoader(__package__)

_SPACES = str.maketrans({" ": "·", "\t": "⇥", "\n": "⏎\n"})


def write_report(
    comparison: Comparison, path: Path, *, changes_file: str | None = None, standings: Standings | None = None
) -> None:
    """Write ``report.html`` to a local file, piece by piece, so that memory does not grow with the changes.

    The first 500 changed, added and removed assistants are shown in full, fewer where the page would be larger than 10 MB
    (:data:`~airflow_provider_puretalk.snapshots.report.size_budget.MAX_REPORT`); the rest is counted, with a reference
    to ``changes.jsonl``. The same two snapshots, and standings, give the same bytes.

    :param changes_file: name of the file beside the page that holds all changes; None where there is none.
    :param standings: since when old values stood, where a history knows it: the page says so of each.
    """
    template = _report_environment().get_template("report.html.j2")
    with path.open("wb", buffering=_BLOCK) as file:
        file.writelines(pieces(template, comparison, standings=standings, changes_file=changes_file))


def pieces(
    template: jinja2.Template, comparison: Comparison, *, standings: Standings | None = None, **values: Any
) -> Iterator[bytes]:
    """Yield the pieces of a report as UTF-8.

    :param template: ``report.html.j2`` or one that extends it.
    :param values: what that one takes, and ``changes_file``.
    """
    view = ViewModel(comparison, standings or {})
    rendered = template.generate(
        comparison=comparison,
        view=view,
        classes=FIELD_CLASSES,
        max_pointers=_MAX_POINTERS,
        max_notes=_MAX_NOTES,
        **values,
    )
    for piece in view.space.count(rendered):
        time_limit.check()
        yield piece


def environment(loader: jinja2.BaseLoader) -> jinja2.Environment:
    """Return what renders templates for people: with the filters of the report, and nothing unescaped or invisible.

    :param loader: of the templates; those of the report, its style among them, are found as well.
    """
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([loader, _TEMPLATES]),
        autoescape=True,
        finalize=_finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["number"] = "{:,}".format
    environment.filters["pluralize"] = pluralize
    environment.filters["label"] = label
    environment.filters["prose"] = _prose
    environment.filters["day"] = lambda moment: f"{moment.day} {moment:%B %Y}"
    environment.filters["query"] = lambda text: quote(text.encode(errors="surrogatepass"), safe="")
    environment.filters["spaces"] = lambda text: text if text.strip() else text.translate(_SPACES)
    return environment


@cache
def _report_environment() -> jinja2.Environment:
    return environment(_TEMPLATES)


def _finalize(value: Any) -> Any:
    """Make invisible characters visible in all that the templates print; ``Markup`` came through here before."""
    return value if isinstance(value, Markup) else visible(str(value))


def _prose(sentence: str) -> Markup:
    """Return a sentence, shortened where it is too long, with what stands between backticks as code."""
    short = fitting(sentence, _MAX_SENTENCE)
    return Markup().join(_marked(sentence if short == sentence else f"{short}…"))


def _marked(sentence: str) -> Iterator[Markup]:
    for part in re.split(r"(`[^`]*`)", visible(sentence)):
        if len(part) > 1 and part.startswith("`"):
            yield Markup("<code>{}</code>").format(part[1:-1])
        else:
            yield Markup.escape(part)
