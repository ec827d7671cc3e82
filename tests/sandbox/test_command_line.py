"""`python -m airflow_provider_puretalk.sandbox` as people start it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_puretalk.sandbox.__main__ import main
from airflow_provider_puretalk.sandbox.faults import KINDS

COMMAND = [sys.executable, "-m", "airflow_provider_puretalk.sandbox"]
ROOT = Path(__file__).parents[2]


@contextmanager
def started(*arguments: str) -> Iterator[tuple[Any, str]]:
    """Start the command, wait for its greeting, and kill it in any case."""
    process: Any = subprocess.Popen(
        [*COMMAND, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        greeting = ""
        while not greeting.endswith("Ctrl-C stops it.\n"):
            line = process.stdout.readline()
            assert line, f"it ended after {greeting!r}"
            greeting += line
        yield process, greeting
    finally:
        process.kill()
        process.communicate()


@pytest.mark.long
def test_it_greets_serves_and_stops():
    """It says what it is, where, and with which key; responses; and Ctrl-C ends it without a traceback."""
    with started("--port", "0", "--assistants", "7", "--seed", "4", "--page-size", "2", "--fault", "503") as (
        process,
        greeting,
    ):
        assert "not PureTalk" in greeting
        assert "sandbox-key" in greeting
        (url,) = re.findall(r"base URL\s+(http://127\.0\.0\.1:\d+/api)\n", greeting)
        headers = {"X-API-KEY": "sandbox-key"}
        responses = [requests.get(f"{url}/ai-assistants", headers=headers, timeout=10) for _ in range(2)]
        assert [response.status_code for response in responses] == [503, 200]
        assert responses[1].json()["count"] == 7
        assert len(responses[1].json()["results"]) == 2
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert (output, errors, process.returncode) == ("Stopped.\n", "", 0)


def test_a_port_in_use_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run([*COMMAND, "--port", str(port)], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"Port {port} on 127.0.0.1 is in use")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("host", ["192.0.2.1", "a..b"])
def test_a_host_that_is_not_here_is_one_sentence(capsys, host):
    assert main(["--host", host, "--port", "0"]) == 1
    assert re.fullmatch(rf"Cannot listen on '?{re.escape(host)}'?(, port 0)?: .+\.\n", capsys.readouterr().err)


def test_without_the_extra_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert main(["--port", "0"]) == 1
    sentence = capsys.readouterr().err
    assert "pip install 'airflow-provider-puretalk[sandbox]'" in sentence
    assert sentence.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--assistants", "-1"], "at least 0"),
        (["--assistants", "many"], "at least 0"),
        (["--port", "70000"], "from 0 to 65535"),
        (["--page-size", "0"], "must be a whole number, at least 1"),
        (["--requests-per-second", "0"], "must be a number, at least 1e-05"),
        (["--latency-ms", "-3"], "at least 0"),
        (["--requests-per-second", "1e-320"], "must be a number, at least 1e-05"),
        (["--requests-per-second", "nan"], "must be a number, at least 1e-05"),
        (["--latency-ms", "inf"], "at least 0"),
        (["--api-key", ""], "not empty"),
        (["--api-key", "clé"], "printable ASCII"),
        (["--api-key", "a\nb"], "printable ASCII"),
        (["--api-key", " a"], "printable ASCII"),
        (["--fault", "429:retry_after=date+99999999999999"], "no such date"),
        (["--fault", "redirect:url=http://€"], "printable ASCII"),
        (["--fault", "explode"], "no fault is called 'explode'"),
        (["--fault", "reset:code=1"], "takes no 'code'"),
    ],
)
def test_a_wrong_option_is_refused_with_its_reason(capsys, arguments, reason):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert reason in capsys.readouterr().err


def test_the_help_names_every_fault(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(re.search(rf"^  {kind} ", text, re.MULTILINE) for kind in KINDS)
