"""Renders the pages, in the style of the report: escaped, visible, and with the hashes of their styles in the policy."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC
from functools import cache
from typing import Any, TypeAlias

import jinja2
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from airflow_provider_puretalk.snapshots.report import rendering
from airflow_provider_puretalk.snapshots.report.values import fitting
from airflow_provider_puretalk.ui.destinations import Destination
from airflow_provider_puretalk.ui.headers import content_security_policy
from airflow_provider_puretalk.ui.task_snapshots import TaskInstance, TaskSnapshots

#: What was found below a destination, or why nothing could be.
Found: TypeAlias = "tuple[Destination, TaskSnapshots | str]"

#: Bytes that a manifest takes in a page.
_MAX_MANIFEST = 200_000
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def task_instance(instance: TaskInstance, found: Sequence[Found]) -> Response:
    """Return the page of a task instance."""
    failures = [(destination, sentence) for destination, sentence in found if isinstance(sentence, str)]
    shown = [(destination, one) for destination, one in found if isinstance(one, TaskSnapshots)]
    # What a task took itself counts more than what its run took, whatever destination it is in.
    if any(one.is_own for _, one in shown):
        shown = [(destination, one) for destination, one in shown if one.is_own]
    reports = [one.report.html for _, several in shown for one in several.shown if one.report and one.report.html]
    return _page("task_instance.html.j2", reports=reports, instance=instance, found=shown, failures=failures)


def error(status: int, sentence: str) -> Response:
    """Return a page that says why nothing is shown."""
    return _page("error.html.j2", status=status, sentence=sentence)


def _page(template: str, *, reports: Sequence[str] = (), status: int = 200, **values: Any) -> Response:
    """Render a template.

    :param reports: stored reports in the page, each with a style of its own.
    """
    environment = _environment()
    style = environment.get_template("style.css").render() + environment.get_template("pages.css").render()
    styles = [style, *(match[1] for report in reports if (match := _STYLE.search(report)))]
    html = environment.get_template(template).render(style=Markup(style), **values)
    headers = {"Content-Security-Policy": content_security_policy(dict.fromkeys(styles))}
    return HTMLResponse(html, status, headers)


@cache
def _environment() -> jinja2.Environment:
    environment = rendering.environment(jinja2.PackageLoader(__package__))
    environment.filters["framed"] = _framed
    environment.filters["manifest"] = _manifest_text
    environment.filters["utc"] = lambda moment: moment.astimezone(UTC)
    return environment


def _framed(report: str) -> str:
    """Return a report whose links within it stay within it: in a frame they would lead to the page around it."""
    return report.replace('href="#', 'href="about:srcdoc#')


def _manifest_text(manifest: Manifest) -> str:
    text = json.dumps(manifest.to_dict(), indent=2, ensure_ascii=False)
    short = fitting(text, _MAX_MANIFEST)
    return text if short == text else f"{short}…"
