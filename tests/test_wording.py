"""Numbers in sentences for people."""

from __future__ import annotations

import pytest

from airflow_provider_puretalk.wording import pluralize


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 assistants"), (1, "1 assistant"), (2, "2 assistants"), (12_345, "12,345 assistants")]
)
def test_one_is_singular(number: int, text: str) -> None:
    """One thing stands in the singular, any other number of them in the plural, thousands apart."""
    assert pluralize(number, "assistant") == text
