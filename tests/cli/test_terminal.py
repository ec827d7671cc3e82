"""On a terminal a table fits its width, and nothing is cut that was not long."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def seen(columns: int, *arguments: str) -> str:
    """Run a command with a terminal as stdout; return what the terminal got."""
    parent, child = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "airflow_provider_puretalk", *arguments], cwd=ROOT, env=environment, stdout=child
    )
    os.close(child)
    output = b""
    while True:
        try:
            piece = os.read(parent, 65_536)
        except OSError:  # Linux's sign that nothing writes any more.
            break
        if not piece:
            break
        output += piece
    os.close(parent)
    assert process.wait(timeout=60) == 0
    return output.decode().replace("\r\n", "\n")


def test_a_table_keeps_to_the_width(sandbox: Any) -> None:
    """Wide values go on in the next line; only our own style is sent, never a control character of the API's."""
    sandbox.fleet.change(sorted(sandbox.fleet.ids())[0], {"name": "\x1b[31mred\x1b[0m"})
    output = seen(60, "assistants", "list", "--limit", "5", "--fields", "assistant_id,name,prompt")
    plain = re.sub(r"\x1b\[[01]m", "", output)
    assert "\x1b" not in plain
    assert r"\x1b[31mred" in plain.replace("\n", "").replace(" ", "")
    assert max(map(len, plain.splitlines())) <= 60


def test_a_document_is_not_styled(sandbox: Any) -> None:
    assert "\x1b" not in seen(60, "assistants", "list", "--limit", "5", "--json")
