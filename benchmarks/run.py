"""Runs every contender against the same servers, in one go, and writes the table into ``benchmarks/README.md``.

Both sides of each ratio are measured here and now, one after the other, so that a slow machine is slow for all of them.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import importlib.metadata
import itertools
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import airflow_provider_puretalk
from benchmarks import comparing, history, history_others, waiting
from benchmarks.contenders import CONTENDERS

#: Days that all load that answer the same question otherwise: dlt takes some twenty seconds for each.
_DAYS_OF_OTHERS = 10
#: Characters of prompt by which an assistant of 4.7 KB becomes one of 5.2 KB.
_LONGER_PROMPTS = 600
_README = Path(__file__).parent / "README.md"


@dataclass(frozen=True)
class Figures:
    """Medians of one contender at one latency."""

    seconds: float
    cpu: float
    peak_mb: float
    server_cpu: float


@dataclass(frozen=True)
class Goal:
    """A figure and what it should be."""

    what: str
    measured: float
    limit: float
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether it is."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


@contextlib.contextmanager
def serving(
    assistants: int,
    latency_ms: int,
    largest_page: int = 1_000,
    *,
    refuse_above: float = math.inf,
    longer_prompts: int = 0,
) -> Iterator[str]:
    """Run the benchmark's server; yields its base URL."""
    command = [sys.executable, "-m", "benchmarks.server", f"--assistants={assistants}", f"--latency-ms={latency_ms}"]
    command += [f"--largest-page={largest_page}", f"--refuse-above={refuse_above}"]
    command += [f"--longer-prompts={longer_prompts}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/api"
        finally:
            process.kill()


def measure(names: Iterable[str], base_url: str, assistants: int, times: int) -> dict[str, Figures]:
    """Run all once, then again: what a machine does in between meets all of them. Returns medians."""
    runs: dict[str, list[Figures]] = {name: [] for name in names}
    for _, (name, found) in itertools.product(range(times), runs.items()):
        before = _server_cpu(base_url)
        result = subprocess.run(
            [sys.executable, "-m", "benchmarks.contenders", name, base_url],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONWARNINGS": "ignore"},
        )
        line = next((line for line in result.stdout.splitlines() if line.startswith("FIGURES ")), None)
        if line is None:
            raise SystemExit(f"{name} failed:\n{result.stdout[-2000:]}\n{result.stderr[-4000:]}")
        figures = json.loads(line.removeprefix("FIGURES "))
        if figures["rows"] != assistants:
            raise SystemExit(f"{name} read {figures['rows']} of {assistants} rows")
        found.append(Figures(figures["seconds"], figures["cpu"], figures["peak_mb"], _server_cpu(base_url) - before))
        print(f"  {name}: {figures['seconds']:.2f} s", flush=True)
    return {
        name: Figures(*(statistics.median(getattr(run, field) for run in found) for field in Figures.__annotations__))
        for name, found in runs.items()
    }


def import_cost(times: int) -> float:
    """Return the milliseconds that our DAG-side modules take where Airflow is imported already.

    They are compiled before, as an installer does it: where Python may not write byte code, two thirds of the time would go
    into compiling them anew at each import.
    """
    (package,) = airflow_provider_puretalk.__path__
    compileall.compile_dir(package, quiet=1)
    code = (
        "import time, airflow.providers.common.compat.sdk as sdk\n"
        "sdk.BaseOperator, sdk.BaseSensorOperator, sdk.Asset, sdk.AirflowException, sdk.AirflowFailException\n"
        "t = time.perf_counter()\n"
        "import airflow_provider_puretalk.operators, airflow_provider_puretalk.sensors, airflow_provider_puretalk.assets\n"
        "print((time.perf_counter() - t) * 1000)"
    )
    runs = [
        float(
            subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()[-1]
        )
        for _ in range(times)
    ]
    return statistics.median(runs)


def table(latency_ms: int, figures: dict[str, Figures]) -> list[str]:
    """Return the lines of one table."""
    base = figures["naive loop"].seconds
    return [
        f"\n### {latency_ms} ms latency\n",
        "| who | seconds | naive loop takes | processor s | peak MB | server's processor s |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {f.seconds:.2f} | {base / f.seconds:.2f} x | {f.cpu:.2f} | {f.peak_mb:.0f} | {f.server_cpu:.2f} |"
            for name, f in figures.items()
        ),
    ]


def count_requests(
    assistants: int, latency_ms: int, name: str, *, largest_page: int = 1_000, refuse_above: float = math.inf
) -> int:
    """Return how many requests a reading takes that is the first one of its process."""
    with serving(assistants, latency_ms, largest_page, refuse_above=refuse_above) as base_url:
        measure([name], base_url, assistants, 1)
        return int(_number(base_url, "requests"))


def requests_goals() -> list[Goal]:
    """Count the requests of readings for which no page size is set."""
    unset, usual = "verified, jsonl, page size unset", "verified, jsonl"
    goals = [
        Goal(
            f"server {does}: requests more than with pages of 100, 5,000 assistants",
            count_requests(5_000, 0, unset, **server) - count_requests(5_000, 0, usual, **server),
            2,
        )
        for does, server in (
            ("caps at 100 silently", {"largest_page": 100}),
            ("refuses more than 100 with 400", {"refuse_above": 100}),
        )
    ]
    for assistants, most in ((30, 2), (300, 3), (3_000, 8)):
        requests = count_requests(assistants, 200, unset)
        goals.append(Goal(f"200 ms, server allows 1,000: requests for {assistants:,} assistants", requests, most))
    return goals


def reading_goals(
    at: dict[int, dict[str, Figures]], large: dict[str, Figures], longer: dict[str, Figures], pages: int
) -> list[Goal]:
    """Hold the figures of reading against what was to be reached.

    :param large: figures of four times as many assistants.
    :param longer: figures of assistants of 5.2 KB.
    """
    slow, fast = at[50], at[0]
    ideal = pages / 8 * 0.05
    checked = slow["checked, jsonl"].seconds
    plain = fast["checked, jsonl"].seconds
    verified = slow["verified, jsonl, page size unset"].seconds
    naive = slow["naive loop"].seconds
    memory = [
        goal
        for name in large
        for goal in (
            Goal(f"peak MB above the imports, 50,000: {name}", fast[name].peak_mb, 100),
            Goal(f"peak MB for 200,000 / for 50,000: {name}", large[name].peak_mb / fast[name].peak_mb, 1.1),
        )
    ]
    return [
        Goal("50 ms: checked / ideal (pages / 8 x 50 ms)", checked / ideal, 1.5),
        Goal("50 ms: naive loop / checked", slow["naive loop"].seconds / checked, 6, at_least=True),
        Goal("50 ms: HttpOperator / checked", slow["HttpOperator"].seconds / checked, 8, at_least=True),
        Goal("0 ms: checked / naive loop", plain / fast["naive loop"].seconds, 1),
        Goal("0 ms: verified / checked", fast["verified, jsonl"].seconds / plain, 1.8),
        Goal("50 ms: verified / checked (two walks of the wire)", slow["verified, jsonl"].seconds / checked, 2),
        Goal("0 ms: gzip / plain", fast["checked, jsonl.gz"].seconds / plain, 1.25),
        Goal("0 ms: Parquet / plain", fast["checked, parquet"].seconds / plain, 1.5),
        Goal(
            "0 ms: Parquet / plain, assistants of 5.2 KB",
            longer["checked, parquet"].seconds / longer["checked, jsonl"].seconds,
            1.5,
        ),
        Goal("50 ms: verified, page size unset / with pages of 100", verified / slow["verified, jsonl"].seconds, 0.45),
        Goal("50 ms: naive loop / verified, page size unset", naive / verified, 10, at_least=True),
        Goal(
            "50 ms: HttpOperator / verified, page size unset",
            slow["HttpOperator"].seconds / verified,
            11,
            at_least=True,
        ),
        Goal(
            "0 ms: checked, page size unset / naive loop",
            fast["checked, jsonl, page size unset"].seconds / fast["naive loop"].seconds,
            0.75,
        ),
        *memory,
    ]


def goals_table(goals: Iterable[Goal]) -> list[str]:
    """Return the lines of the table of what was to be reached."""
    return [
        "\n| what | measured | to reach | |",
        "|---|---|---|---|",
        *(
            f"| {goal.what} | {goal.measured:.2f} | {'at least' if goal.at_least else 'at most'} {goal.limit:g} | "
            f"{'yes' if goal.is_met else '**no**'} |"
            for goal in goals
        ),
    ]


def versions() -> str:
    """Return what was measured with what."""
    names = (
        "apache-airflow",
        "apache-airflow-providers-http",
        "dlt",
        "requests",
        "pydantic",
        "msgspec",
        "pyarrow",
        "isal",
    )
    found = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    return f"Python {platform.python_version()}, {found}; {os.cpu_count()} cores."


def measure_reading(arguments: argparse.Namespace) -> list[str]:
    """Read and snapshot the same list, all in turn."""
    at: dict[int, dict[str, Figures]] = {}
    for latency in (0, 50):
        print(f"{latency} ms", flush=True)
        with serving(arguments.assistants, latency) as base_url:
            at[latency] = measure(CONTENDERS, base_url, arguments.assistants, arguments.times)
    print("200,000", flush=True)
    with serving(4 * arguments.assistants, 0) as base_url:
        names = ["verified, jsonl", "verified, jsonl, page size unset"]
        large = measure(names, base_url, 4 * arguments.assistants, arguments.times)
    print("5.2 KB", flush=True)
    with serving(arguments.assistants, 0, longer_prompts=_LONGER_PROMPTS) as base_url:
        longer = measure(["checked, jsonl", "checked, parquet"], base_url, arguments.assistants, arguments.times)
    print("requests", flush=True)
    goals = reading_goals(at, large, longer, arguments.assistants // 100) + requests_goals()
    return [line for latency, figures in at.items() for line in table(latency, figures)] + goals_table(goals)


def measure_comparing(arguments: argparse.Namespace) -> list[str]:
    """Compare two snapshots, and read the same files."""
    assistants = 4 * arguments.assistants
    found = [comparing.measure(assistants, arguments.times, file_format) for file_format in ("jsonl", "parquet")]
    return comparing.table(found, assistants) + goals_table(Goal(*goal) for goal in comparing.goals(found))


def measure_waiting(arguments: argparse.Namespace) -> list[str]:
    """Let a thousand sensors wait, and a watcher watch; import what DAG files import."""
    found = waiting.measure(arguments.times)
    watched = waiting.measure_watching(arguments.times, serving)
    goals = [Goal(*goal) for goal in (*waiting.goals(found), *waiting.watching_goals(watched))]
    goals.append(Goal("importing operators, sensors and assets, ms", import_cost(arguments.times), 25))
    return waiting.table(found) + waiting.watching_table(watched) + goals_table(goals)


def measure_history(arguments: argparse.Namespace) -> list[str]:
    """Fold a snapshot a day for a year, and for five; then read what became of it."""
    assistants = arguments.assistants // 5
    found = [history.measure(assistants, days, arguments.times) for days in (365, 5 * 365)]
    others = history_others.measure(assistants, _DAYS_OF_OTHERS, arguments.times)
    return [
        *history.table(found, assistants),
        *history_others.table(others, assistants, _DAYS_OF_OTHERS),
        *goals_table(Goal(*goal) for goal in history.goals(found)),
    ]


#: What can be measured by itself; each has a place of its own in the README.
PARTS = {
    "reading": measure_reading,
    "comparing": measure_comparing,
    "waiting": measure_waiting,
    "history": measure_history,
}


def main() -> None:
    """Measure and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--assistants", type=int, default=50_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--part", nargs="*", choices=PARTS, default=list(PARTS), help="what to measure; all of it")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, help="read with these only, and write nothing down")
    arguments = parser.parse_args()
    if arguments.only:
        for latency in (0, 50):
            print(f"{latency} ms", flush=True)
            with serving(arguments.assistants, latency) as base_url:
                for name, found in measure(arguments.only, base_url, arguments.assistants, arguments.times).items():
                    print(name, found)
        return
    for part in arguments.part:
        print(part, flush=True)
        lines = PARTS[part](arguments)
        lines.append(f"\nMedian of {arguments.times}, {arguments.assistants:,} assistants. {versions()}\n")
        _write(part, lines)
        print("\n".join(lines))


def _write(part: str, lines: list[str]) -> None:
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    text = _README.read_text()
    head, tail = text.partition(begin)[0], text.partition(end)[2]
    _README.write_text(f"{head}{begin}\n" + "\n".join(lines) + f"\n{end}{tail}")


def _server_cpu(base_url: str) -> float:
    return _number(base_url, "cpu")


def _number(base_url: str, name: str) -> float:
    with urllib.request.urlopen(f"{base_url.removesuffix('/api')}/{name}") as answer:
        return float(json.loads(answer.read()))


if __name__ == "__main__":
    main()
