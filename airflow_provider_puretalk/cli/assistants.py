"""``assistants list``: the current list."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from airflow_provider_puretalk.cli.connection import hook_for, redaction
from airflow_provider_puretalk.cli.output import Output, print_message
from airflow_provider_puretalk.cli.parser import DONE
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.matching import documented_texts
from airflow_provider_puretalk.records.redaction import Redactor
from airflow_provider_puretalk.records.selection import Selection
from airflow_provider_puretalk.scan.assistant_scan import AssistantScan
from airflow_provider_puretalk.wording import pluralize

#: The columns of a table without ``--fields``.
COLUMNS = ["assistant_id", "name", "voice.language", "model", "phone_number", "updated_at"]


def list_assistants(options: argparse.Namespace, output: Output) -> int:
    """Read the list, with proof, and print those that match."""
    fields = options.fields if output.as_json else options.fields or COLUMNS
    selection = Selection(fields, _filters(options.filters))
    hook, policy = hook_for(options.conn_id), redaction(options)
    redactor = None if policy is None else Redactor(policy, hook.settings.redaction_key)
    with hook.scan_assistants(options.consistency, options.max_walks, options.max_seconds, redact=redactor) as scan:
        matching = (taken for record in scan if (taken := selection.take(record)) is not None)
        shown = itertools.islice(matching, options.limit)
        if output.as_json:
            output.array(shown)
        else:
            output.table(fields, ([record[name] for name in fields] for record in shown))
        left_out = sum(1 for _ in matching)
        if warning := selection.check_names(whole=scan.complete, redacted=redactor.policy if redactor else ()):
            print_message(warning)
        for sentence in redactor.warnings() if redactor is not None and scan.count else ():
            print_message(sentence)
        if not output.as_json:
            print_message(_summary(scan, left_out))
    return DONE


def _summary(scan: AssistantScan, left_out: int) -> str:
    proof = f"read as {scan.consistency} ({scan.method})" if scan.complete else "NOT complete: they changed meanwhile"
    return f"{pluralize(scan.count, 'assistant')}, {proof}." + (f" {left_out:,} more match." if left_out else "")


def _filters(pairs: list[tuple[str, str]]) -> Mapping[str, list[Any]] | None:
    accepted: dict[str, list[Any]] = {}
    for name, text in pairs:
        accepted.setdefault(name, []).extend(values_of(name, text))
    return accepted or None


def values_of(name: str, text: str) -> list[Any]:
    """Return what text from a terminal may mean as the value of a field: itself, and its value as JSON."""
    try:
        value = canonical_json.loads(text)
    except canonical_json.InvalidJSONError:
        return [text]
    # 1.50 as a name is that text: `ExpectedValue` refuses such numbers, because their spelling is lost. Here it is not.
    is_of_a_text = isinstance(value, float | Decimal) and name in documented_texts()
    return [text] if is_of_a_text else [text, value]
