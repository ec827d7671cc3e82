"""Whole processes, as shells, pipes and cron see them: exit codes, streams, signals, and Airflow's own command."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from airflow import __version__ as airflow_version
from packaging.version import Version

from airflow_provider_puretalk import __version__, sandbox
from tests.forked import Forks, Running

ROOT = Path(__file__).parents[2]
PACKAGE = "airflow_provider_puretalk"
MODULE = [sys.executable, "-m", PACKAGE]
AIRFLOW = [sys.executable, "-m", "airflow", "puretalk"]

since_3_2 = pytest.mark.skipif(
    Version(airflow_version) < Version("3.2"), reason="Airflow takes commands from providers since 3.2"
)


@pytest.fixture
def discoverable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Airflow find the provider, installed or not: by an entry point beside the code."""
    metadata = tmp_path / "installed" / f"airflow_provider_puretalk-{__version__}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: airflow-provider-puretalk\nVersion: {__version__}\n"
    )
    (metadata / "entry_points.txt").write_text(
        "[apache_airflow_provider]\nprovider_info = airflow_provider_puretalk.provider_info:get_provider_info\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(metadata.parent), str(ROOT)]))
    if sys.version_info >= (3, 14):
        # What Airflow's own parser warns of there goes to stdout; docs/command-line.md says how to be rid of it.
        monkeypatch.setenv("PYTHONWARNINGS", "ignore::PendingDeprecationWarning")


def ran(command: list[str], *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.long
def test_a_history_from_cron(sandbox: Any, destination: Path, forks: Forks) -> None:
    """Snapshot, compare, verify: the codes that a script branches on, and nothing on stderr that cron would mail."""
    done = ran(MODULE, "snapshot", destination, "--partition", "1")  # With all that is loaded, too.
    assert (done.returncode, done.stderr) == (0, "")
    commands: list[tuple[int, tuple[object, ...]]] = [
        (0, ("snapshots", "compare", "--destination", destination)),
        (0, ("snapshot", destination, "--partition", "2")),
        (2, ("snapshots", "compare", "--destination", destination)),
        (0, ("snapshots", "verify", "--all", destination)),
    ]
    for code, words in commands:
        if "2" in words:
            sandbox.fleet.remove(sandbox.fleet.ids()[0])
        done = forks.run(PACKAGE, *words)
        assert (done.returncode, done.stderr) == (code, ""), words


@pytest.mark.long
def test_stdout_is_the_document_whatever_is_logged(sandbox: Any) -> None:
    """Airflow's logging prints to stdout; with --json and --debug together it is still one document."""
    done = ran(MODULE, "assistants", "list", "--json", "--debug")
    assert len(json.loads(done.stdout)) == 250
    assert done.returncode == 0


@pytest.mark.long
def test_an_error_is_one_line_and_one(sandbox: Any, connection: Callable[..., str], forks: Forks) -> None:
    """No traceback, no log lines, no key."""
    connection(host=sandbox.base_url, password="wrong-key-0123456789")
    done = forks.run(PACKAGE, "assistants", "list")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "wrong-key" not in done.stderr
    done = forks.run(PACKAGE, "assistants", "list", "--debug")
    assert "Traceback" in done.stderr
    assert "wrong-key" not in done.stderr


@pytest.mark.long
def test_no_connection_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where Airflow has no database: its own tracebacks about that become one line."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    done = ran(MODULE, "probe")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert "create one of type `puretalk`" in done.stderr.splitlines()[-1]


@pytest.mark.long
@pytest.mark.parametrize("what", ["configuration", "logging", "database"])
def test_an_airflow_that_cannot_be_loaded_is_one_line(
    destination: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Nothing of this package is wrong then, and no traceback helps who has to correct it."""
    if what == "configuration":
        monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
        (tmp_path / "airflow.cfg").write_text("dags_folder without a section")
    elif what == "logging":
        monkeypatch.setenv("AIRFLOW__LOGGING__LOGGING_LEVEL", "NONSENSE")
    else:
        monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "nonsense")
    done = ran(MODULE, "snapshots", "list", destination)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert "Airflow cannot be loaded" in done.stderr.splitlines()[-1]


def test_a_usage_error_is_one() -> None:
    assert ran(MODULE, "snapshots", "compare", "--nonsense").returncode == 1


@pytest.mark.long
@pytest.mark.parametrize("options", [["--json"], []])
def test_a_reader_that_goes_away_is_no_error(connection: Callable[..., str], forks: Forks, options: list[str]) -> None:
    """`| head` ends it in silence, with the code that a killed writer has."""
    reader, writer = os.pipe()
    with sandbox.running(assistants=400) as box, os.fdopen(writer, "wb") as stdout:
        connection(host=box.base_url, password=box.api_key)
        os.close(reader)
        done = forks.run(PACKAGE, "assistants", "list", *options, stdout=stdout.fileno())
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.long
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_cleanly(connection: Callable[..., str], forks: Forks, number: int, code: int) -> None:
    """Ctrl-C and SIGTERM: their code, one word, no traceback; a request in flight is given up."""
    with sandbox.running(assistants=3, faults=["delay:seconds=120,times=always"]) as box:
        connection(host=box.base_url, password=box.api_key)
        started: Queue[Running] = Queue()
        box.before_request(1, lambda request: started.get().send_signal(number))
        with forks.running(PACKAGE, "assistants", "list") as process:
            started.put(process)
            done = process.ended()
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "Stopped.\n")


@pytest.mark.long
def test_ctrl_c_waits_for_no_page_in_flight(connection: Callable[..., str], forks: Forks) -> None:
    """Several pages are on their way that would take two minutes: they are given up, and it says the one word."""
    slow = ["ok:times=2", "delay:seconds=120,times=always"]
    with sandbox.running(assistants=250, max_limit=20, faults=slow) as box:
        connection(host=box.base_url, password=box.api_key, extra={"timeout": 120})
        started: Queue[Running] = Queue()
        box.before_request(5, lambda request: started.get().send_signal(signal.SIGINT))
        with forks.running(PACKAGE, "assistants", "list") as process:
            started.put(process)
            done = process.ended()
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Stopped.\n")


@since_3_2
@pytest.mark.usefixtures("discoverable")
@pytest.mark.long
def test_airflow_has_the_same_commands(sandbox: Any, take: Callable[..., str]) -> None:
    """`airflow puretalk` is the same parser with the same output and the same codes."""
    assert ran(AIRFLOW, "--version").stdout == f"airflow-provider-puretalk {__version__}\n"
    assert "snapshots" in ran(AIRFLOW, "--help").stdout
    listed = ran(AIRFLOW, "assistants", "list", "--json")
    assert (listed.returncode, len(json.loads(listed.stdout))) == (0, 250)
    before = take("1")
    sandbox.fleet.remove(sandbox.fleet.ids()[0])
    assert ran(AIRFLOW, "snapshots", "compare", before, take("2")).returncode == 2


@since_3_2
@pytest.mark.usefixtures("discoverable")
@pytest.mark.parametrize(
    "words", [[], ["explode"], ["snapshots"], ["snapshots", "compare", "--nonsense"], ["--x", "probe"]]
)
@pytest.mark.long
def test_a_usage_error_below_airflow_is_one(words: list[str]) -> None:
    """Airflow's own parsers end with 2."""
    done = ran(AIRFLOW, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert "usage: airflow puretalk" in done.stderr


@since_3_2
@pytest.mark.usefixtures("discoverable")
@pytest.mark.long
def test_airflows_own_help_lists_it() -> None:
    assert "puretalk" in ran([sys.executable, "-m", "airflow"], "--help").stdout


@pytest.mark.skipif(Version(airflow_version) < Version("3"), reason="what Airflow loads then is another matter")
@pytest.mark.long
def test_defining_the_commands_is_cheap() -> None:
    """Every `airflow` command loads the definition: what Airflow has not loaded itself, it does not load either."""
    code = (
        "import sys, airflow.cli.cli_config\nbefore = set(sys.modules)\n"
        "from airflow_provider_puretalk.cli.definition import get_puretalk_commands\nget_puretalk_commands()\n"
        "print('loaded:', *sorted(set(sys.modules) - before))"
    )
    done = ran([sys.executable], "-c", code)
    assert set(done.stdout.rpartition("loaded:")[2].split()) <= {  # What an installed package's metadata loads, is.
        "airflow_provider_puretalk",
        "airflow_provider_puretalk.cli",
        "airflow_provider_puretalk.cli.definition",
        "airflow_provider_puretalk.cli.parser",
    }


def _without(stream: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run the module with a standard stream that is closed."""
    line = f"{shlex.join([*MODULE, *map(str, words)])} {stream}"
    return subprocess.run(["/bin/sh", "-c", line], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


WORDS = [["assistants", "list"], ["assistants", "list", "--json"], ["--help"], ["--version"]]


@pytest.mark.long
@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_output_for_a_full_disk_is_one_sentence(sandbox: Any, forks: Forks, words: list[str]) -> None:
    """It ends with 1, and without a traceback."""
    with Path("/dev/full").open("wb") as full:
        done = forks.run(PACKAGE, *words, stdout=full.fileno())
    assert (done.returncode, done.stderr) == (1, "The output cannot be written: No space left on device.\n")


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_output_for_a_closed_stream_is_one_sentence(sandbox: Any, words: list[str]) -> None:
    """It ends with 1, without a traceback and before anything is fetched."""
    done = _without(">&-", *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("The output cannot be written: standard output is closed.")
    assert sandbox.request_count == 0


def test_nothing_is_done_where_the_output_has_nowhere_to_go(sandbox: Any, destination: Path) -> None:
    """A closed stream is noticed before anything is fetched or written."""
    assert _without(">&-", "snapshot", destination).returncode == 1
    assert (sandbox.request_count, list(destination.iterdir())) == (0, [])


LISTING, FAILING = ["assistants", "list", "--fields", "name"], ["snapshots", "show", "/nowhere", "-v"]


@pytest.mark.long
def test_messages_for_a_full_disk_change_nothing(sandbox: Any, forks: Forks) -> None:
    """Neither the output nor the code; and no message gets into the output."""
    with Path("/dev/full").open("wb") as full:
        listed = forks.run(PACKAGE, *LISTING, stderr=full.fileno())
        failed = forks.run(PACKAGE, *FAILING, stderr=full.fileno())
    assert (listed.returncode, listed.stdout.count("\n")) == (0, 251)
    assert (failed.returncode, failed.stdout) == (1, "")


@pytest.mark.long
def test_messages_for_a_closed_stream_change_nothing(sandbox: Any) -> None:
    """Neither the output nor the code; and no message gets into the output."""
    listed = _without("2>&-", *LISTING)
    assert (listed.returncode, listed.stdout.count("\n"), listed.stderr) == (0, 251, "")
    failed = _without("2>&-", *FAILING)
    assert (failed.returncode, failed.stdout, failed.stderr) == (1, "", "")
