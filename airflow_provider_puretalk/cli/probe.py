"""``probe``: how the API behaves, as a report that can be shared."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from airflow_provider_puretalk import api_probe
from airflow_provider_puretalk.cli.connection import hook_for
from airflow_provider_puretalk.cli.output import Output
from airflow_provider_puretalk.cli.parser import DONE


def probe(options: argparse.Namespace, output: Output) -> int:
    """Probe the API, and print the report."""
    report = api_probe.probe(hook_for(options.conn_id).settings)
    if output.as_json:
        output.document(report.to_dict())
        return DONE
    output.line("A report on how the PureTalk API behaves. It holds no key and no contents of assistants.")
    for topic, facts in report.facts.items():
        output.line("")
        output.line(topic.replace("_", " "))
        output.facts((f"  {name.replace('_', ' ')}", value) for name, value in _spread(facts))
    output.line("")
    for sentence in report.warnings or ["Nothing remarkable was found."]:
        output.line(f"* {sentence}")
    if report.stopped:
        output.line(f"* {report.stopped}")
    return DONE


def _spread(facts: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield facts with lists of objects spread over lines."""
    for name, value in facts.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield from ((name, item) for item in value)
        else:
            yield name, value
