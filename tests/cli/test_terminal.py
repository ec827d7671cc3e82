"""On a terminal a table fits its width, and nothing is cut that was not long."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.cli.conftest import Seen


@pytest.mark.long
def test_a_table_keeps_to_the_width(sandbox: Any, seen: Seen) -> None:
    """Wide values go on in the next line; only our own style is sent, never a control character of the API's."""
    sandbox.fleet.change(sorted(sandbox.fleet.ids())[0], {"name": "\x1b[31mred\x1b[0m"})
    output = seen(60, "assistants", "list", "--limit", "5", "--fields", "assistant_id,name,prompt")
    plain = re.sub(r"\x1b\[[01]m", "", output)
    assert "\x1b" not in plain
    assert r"\x1b[31mred" in plain.replace("\n", "").replace(" ", "")
    assert max(map(len, plain.splitlines())) <= 60


@pytest.mark.long
def test_a_document_is_not_styled(sandbox: Any, seen: Seen) -> None:
    assert "\x1b" not in seen(60, "assistants", "list", "--limit", "5", "--json")
