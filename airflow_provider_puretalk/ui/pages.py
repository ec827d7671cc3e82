"""Renders the pages, in the style of the report: escaped, visible, and with the hashes of their styles in the policy."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC
from functools import cache
from typing import Any, TypeAlias

import jinja2
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from airflow_provider_puretalk import time_limit
from airflow_provider_puretalk.records.field_classes import FIELD_CLASSES
from airflow_provider_puretalk.records.record_id import record_id
from airflow_provider_puretalk.records.text_diff import Effort
from airflow_provider_puretalk.snapshots.comparison.result import Comparison
from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from airflow_provider_puretalk.snapshots.report import rendering
from airflow_provider_puretalk.snapshots.report.standing import Standings
from airflow_provider_puretalk.snapshots.report.values import Allowance, fitting, laid_out
from airflow_provider_puretalk.snapshots.report.view_model import format_change
from airflow_provider_puretalk.ui.destinations import AccountAt, Destination
from airflow_provider_puretalk.ui.fleet import MOST_CHOICES, MOST_EARLIER, Assistant, Listed, Timeline
from airflow_provider_puretalk.ui.headers import content_security_policy
from airflow_provider_puretalk.ui.task_snapshots import TakenBy, TaskInstance, TaskSnapshots
from airflow_provider_puretalk.ui.timeline_chart import KINDS, timeline_chart

#: What was found below a destination, or why nothing could be.
Found: TypeAlias = "tuple[Destination, TaskSnapshots | str]"

#: What a snapshot is to the task on whose page it is.
_HEADINGS = {
    TakenBy.TASK: "Snapshot",
    TakenBy.RUN: "Snapshot of this run",
    TakenBy.SOURCE: "Snapshot that started this run",
}
#: Bytes that a manifest takes in a page.
_MAX_MANIFEST = 200_000
#: Bytes of the values of one assistant in a page, and fields of one entry of its log.
_MAX_VALUES, _MOST_FIELDS = 2_000_000, 50
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def task_instance(instance: TaskInstance, found: Sequence[Found]) -> Response:
    """Return the page of a task instance."""
    failures = [(destination, sentence) for destination, sentence in found if isinstance(sentence, str)]
    shown = [(destination, one) for destination, one in found if isinstance(one, TaskSnapshots)]
    # What a task took itself counts more than what its run took, whatever destination it is in.
    nearest = min((one.taken_by for _, one in shown if one.shown), default=None)
    shown = [
        (destination, one if one.taken_by == nearest else replace(one, shown=[], more=0)) for destination, one in shown
    ]
    reports = [one.report.html for _, several in shown for one in several.shown if one.report and one.report.html]
    return _page(
        "task_instance.html.j2",
        reports=reports,
        instance=instance,
        found=shown,
        failures=failures,
        headings=_HEADINGS,
    )


def accounts(root: str, found: Sequence[tuple[Destination, Listed | str]]) -> Response:
    """Return the page of all accounts."""
    return _page("accounts.html.j2", root=root, found=found)


def timeline(root: str, at: AccountAt, found: Timeline) -> Response:
    """Return the page of an account: its readings, and what changed between them."""
    stored = frozenset(found.stored)
    return _page(
        "timeline.html.j2",
        root=root,
        at=at,
        found=found,
        stored=stored,
        compared=[name for entry in found.entries if (name := entry.reading.snapshot) in stored][:2],
        choices=found.stored[:MOST_CHOICES],
        chart=timeline_chart(found.entries[::-1]),
        classes=FIELD_CLASSES,
        kinds=KINDS,
    )


def assistant(root: str, at: AccountAt, found: Assistant) -> Response:
    """Return the page of one assistant."""
    allowance, effort = Allowance(_MAX_VALUES), Effort()
    entries = [
        (entry, [format_change(change, allowance, effort) for change in entry.fields[:_MOST_FIELDS]])
        for entry in found.log
    ]
    record = None if found.record is None else laid_out(found.record)
    shown = None if record is None else fitting(record, _MAX_VALUES)
    return _page("assistant.html.j2", root=root, at=at, found=found, entries=entries, record=shown)


def numbers(root: str, at: AccountAt, found: Listed) -> Response:
    """Return the page of the phone numbers of an account."""
    return _page("numbers.html.j2", root=root, at=at, found=found, most_earlier=MOST_EARLIER)


def search(root: str, at: AccountAt, text: str, found: Listed | None) -> Response:
    """Return the page of a search."""
    return _page("search.html.j2", root=root, at=at, text=text, found=found)


def report_of(root: str, at: AccountAt) -> Callable[[Comparison, Standings | None], Response]:
    """Return what makes the page of a comparison: the report, with the ways back and to the pages of its assistants."""

    def page(comparison: Comparison, standings: Standings | None) -> Response:
        template = _environment().get_template("comparison.html.j2")
        # Without a history there are no such pages.
        pages = "" if standings is None else f"{root}/{at.destination.place}/{at.account}/assistant?id="
        values = {"root": root, "at": at, "pages": pages, "changes_file": None}
        html = b"".join(rendering.pieces(template, comparison, standings=standings, **values))
        style = _STYLE.search(html[:100_000].decode(errors="ignore"))
        assert style is not None
        headers = {"Content-Security-Policy": content_security_policy([style[1]], is_linked=True)}
        return HTMLResponse(html, headers=headers)

    return page


def error(status: int, sentence: str, **back: Any) -> Response:
    """Return a page that says why nothing is shown.

    :param back: the ``root`` to go back to and the account, ``at``, if any, for who may read what is there.
    """
    return _page("error.html.j2", status=status, sentence=sentence, **back)


def _page(template: str, *, reports: Sequence[str] = (), status: int = 200, **values: Any) -> Response:
    """Render a template.

    :param reports: stored reports in the page, each with a style of its own.
    """
    environment = _environment()
    style = environment.get_template("style.css").render() + environment.get_template("pages.css").render()
    styles = [style, *(match[1] for report in reports if (match := _STYLE.search(report)))]
    html = "".join(map(_in_time, environment.get_template(template).generate(style=Markup(style), **values)))
    policy = content_security_policy(dict.fromkeys(styles), is_linked="root" in values)
    return HTMLResponse(html, status, {"Content-Security-Policy": policy})


def _in_time(piece: str) -> str:
    """Return a piece of a page, if there is time left for it."""
    time_limit.check()
    return piece


@cache
def _environment() -> jinja2.Environment:
    environment = rendering.environment(jinja2.PackageLoader(__package__))
    environment.filters["framed"] = _framed
    environment.filters["manifest"] = _manifest_text
    environment.filters["record_id"] = lambda record: record_id(record) or ""
    environment.filters["utc"] = lambda moment: moment.astimezone(UTC)
    return environment


def _framed(report: str) -> str:
    """Return a report whose links within it stay within it: in a frame they would lead to the page around it."""
    return report.replace('href="#', 'href="about:srcdoc#')


def _manifest_text(manifest: Manifest) -> str:
    text = json.dumps(manifest.to_dict(), indent=2, ensure_ascii=False)
    short = fitting(text, _MAX_MANIFEST)
    return text if short == text else f"{short}…"
