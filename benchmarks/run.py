"""Runs every contender against the same servers, in one go, and writes the table into ``benchmarks/README.md``.

Both sides of each ratio are measured here and now, one after the other, so that a slow machine is slow for all of them.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import comparing, waiting
from benchmarks.contenders import CONTENDERS

#: Of the snapshots that are compared.
FORMATS = ("jsonl", "parquet")

_README = Path(__file__).parent / "README.md"
_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"


@dataclass(frozen=True)
class Figures:
    """Medians of one contender at one latency."""

    seconds: float
    cpu: float
    peak_mb: float
    server_cpu: float


@contextlib.contextmanager
def serving(assistants: int, latency_ms: int) -> Iterator[str]:
    """Run the benchmark's server; yields its base URL."""
    command = [sys.executable, "-m", "benchmarks.server", f"--assistants={assistants}", f"--latency-ms={latency_ms}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/api"
        finally:
            process.kill()


def measure(name: str, base_url: str, assistants: int, times: int) -> Figures:
    """Run a contender some times, each in a process of its own."""
    runs = []
    for _ in range(times):
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
        runs.append(Figures(figures["seconds"], figures["cpu"], figures["peak_mb"], _server_cpu(base_url) - before))
        print(f"  {name}: {figures['seconds']:.2f} s", flush=True)
    return Figures(*(statistics.median(getattr(run, field) for run in runs) for field in Figures.__annotations__))


def import_cost(times: int) -> float:
    """Return the milliseconds that our DAG-side modules take where Airflow is imported already."""
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


def goals(
    at: dict[int, dict[str, Figures]],
    memory: tuple[float, float],
    importing: float,
    pages: int,
    others: Iterable[tuple[str, float, float]],
) -> list[str]:
    """Hold the figures against what was to be reached."""
    slow, fast = at[50], at[0]
    ideal = pages / 8 * 0.05
    checked = slow["checked, jsonl"].seconds
    plain = fast["checked, jsonl"].seconds
    rows: list[tuple[str, float, str, bool]] = []

    def at_most(what: str, value: float, limit: float) -> None:
        rows.append((what, value, f"at most {limit:g}", value <= limit))

    def at_least(what: str, value: float, limit: float) -> None:
        rows.append((what, value, f"at least {limit:g}", value >= limit))

    at_most("50 ms: checked / ideal (pages / 8 x 50 ms)", checked / ideal, 1.5)
    at_least("50 ms: naive loop / checked", slow["naive loop"].seconds / checked, 6)
    at_least("50 ms: HttpOperator / checked", slow["HttpOperator"].seconds / checked, 8)
    at_most("0 ms: checked / naive loop", plain / fast["naive loop"].seconds, 1)
    at_most("0 ms: verified / checked", fast["verified, jsonl"].seconds / plain, 1.8)
    at_most("50 ms: verified / checked", slow["verified, jsonl"].seconds / checked, 1.8)
    at_most("0 ms: gzip / plain", fast["checked, jsonl.gz"].seconds / plain, 1.25)
    at_most("0 ms: Parquet / plain", fast["checked, parquet"].seconds / plain, 1.5)
    at_most("peak MB above the imports, 50,000", memory[0], 100)
    at_most("peak MB for 200,000 / for 50,000", memory[1] / memory[0], 1.1)
    at_most("importing operators, sensors and assets, ms", importing, 25)
    for what, value, limit in others:
        at_most(what, value, limit)
    return [
        "\n### What was to be reached\n",
        "| what | measured | to reach | |",
        "|---|---|---|---|",
        *(f"| {what} | {value:.2f} | {limit} | {'yes' if met else '**no**'} |" for what, value, limit, met in rows),
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


def main() -> None:
    """Measure everything and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--assistants", type=int, default=50_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument(
        "--only", nargs="*", default=list(CONTENDERS), help="contenders to run; no table is written then"
    )
    arguments = parser.parse_args()
    at: dict[int, dict[str, Figures]] = {}
    for latency in (0, 50):
        print(f"{latency} ms", flush=True)
        with serving(arguments.assistants, latency) as base_url:
            at[latency] = {
                name: measure(name, base_url, arguments.assistants, arguments.times) for name in arguments.only
            }
    lines: list[str] = [line for latency, figures in at.items() for line in table(latency, figures)]
    if set(arguments.only) == set(CONTENDERS):
        print("200,000", flush=True)
        with serving(4 * arguments.assistants, 0) as base_url:
            large = measure("verified, jsonl", base_url, 4 * arguments.assistants, 1)
        memory = (at[0]["verified, jsonl"].peak_mb, large.peak_mb)
        print("comparing", flush=True)
        compared = [comparing.measure(4 * arguments.assistants, min(3, arguments.times), name) for name in FORMATS]
        lines += comparing.table(compared, 4 * arguments.assistants)
        print("waiting", flush=True)
        waited = waiting.measure(min(3, arguments.times))
        lines += waiting.table(waited)
        others = [*comparing.goals(compared), *waiting.goals(waited)]
        lines += goals(at, memory, import_cost(arguments.times), arguments.assistants // 100, others)
        lines.append(f"\nMedian of {arguments.times}, {arguments.assistants:,} assistants. {versions()}\n")
        _write(lines)
    print("\n".join(lines))


def _write(lines: list[str]) -> None:
    text = _README.read_text()
    head, tail = text.partition(_BEGIN)[0], text.partition(_END)[2]
    _README.write_text(f"{head}{_BEGIN}\n" + "\n".join(lines) + f"\n{_END}{tail}")


def _server_cpu(base_url: str) -> float:
    with urllib.request.urlopen(base_url.removesuffix("/api") + "/cpu") as answer:
        return float(json.loads(answer.read()))


if __name__ == "__main__":
    main()
