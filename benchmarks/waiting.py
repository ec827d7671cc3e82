"""A thousand deferred sensors of one account in one triggerer: how often they poll, and how late they make others.

The stand-in PureTalk is a process of its own and counts requests; the sensors' triggers are started one by one, as Airflow
starts them, in a process of their own as well. A task that ticks every 10 ms on their event loop measures how late it was:
so late would every other trigger have been. How late it is without sensors is what the machine itself makes of it.

And what a watcher's poll costs in processor time when nothing has changed since the last one, beside the first one.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

SENSORS = 1_000
#: Seconds between two polls of each sensor.
INTERVAL = 2.0
#: Fifteen pages of twenty rows, four of them at a time: one poll is many requests.
ASSISTANTS, PAGE_SIZE, IN_FLIGHT = 300, 20, 4
#: Assistants of the account that is watched, the most rows that its server sends in a page, and polls without a change.
WATCHED, LARGEST_PAGE, UNCHANGED_POLLS = 5_000, 1_000, 5
#: Seconds between two ticks.
TICK = 0.01


@dataclass(frozen=True)
class Situation:
    """What is measured.

    :ivar sensors: how many wait.
    :ivar names: for how many different assistants.
    :ivar latency_ms: how long each response takes.
    :ivar seconds: how long it is measured.
    """

    title: str
    sensors: int
    names: int
    latency_ms: int
    seconds: float


SITUATIONS = (
    Situation("no sensor waits", 0, 1, 0, 12),
    Situation("all wait for the same assistant", SENSORS, 1, 50, 12),
    Situation("each waits for another assistant", SENSORS, SENSORS, 50, 12),
    Situation("the same assistant, and each response takes 5 s", SENSORS, 1, 5_000, 24),
)


@dataclass(frozen=True)
class Waited:
    """The figures of a situation.

    :ivar polls: readings of the list that were begun, all sensors together.
    :ivar most_polls: one an interval, and one at the very beginning.
    :ivar in_flight: most requests at the same time.
    :ivar late_ms: greatest lateness of a tick, in milliseconds; ``usually_late_ms``: of 99 in 100.
    """

    title: str
    polls: int
    most_polls: int
    in_flight: int
    late_ms: float
    usually_late_ms: float


@dataclass(frozen=True)
class Watched:
    """Processor time that polls of a watcher take, in seconds.

    :ivar page_size: what is set; None where nothing is.
    :ivar first: of a poll that knows nothing yet, with all imports behind it.
    :ivar unchanged: of one that gets the same bytes, the median of several.
    """

    page_size: int | None
    first: float
    unchanged: float


def measure_watching(times: int, serving: Callable[..., AbstractContextManager[str]]) -> list[Watched]:
    """Watch an account that nobody edits.

    :param serving: serves so many assistants with a latency, in pages of so many rows at most, and gives the base URL.
    """
    found = []
    for page_size in (None, 100):
        runs = []
        for _ in range(times):
            with serving(WATCHED, 0, LARGEST_PAGE) as url:
                runs.append(_run(url, {"page_size": page_size} if page_size else {}, "watching"))
        found.append(Watched(page_size, *(statistics.median(run[name] for run in runs) for name in runs[0])))
        print(f"  watching: {found[-1].first:.2f} s, then {found[-1].unchanged:.2f} s", flush=True)
    return found


def watching_table(found: list[Watched]) -> list[str]:
    """Return the lines of the table."""
    return [
        f"\n### Polls of a watcher of {WATCHED:,} assistants that nobody edits, processor time\n",
        "| `page_size` | first poll, s | poll without a change, s |",
        "|---|---|---|",
        *(f"| {one.page_size or 'unset'} | {one.first:.2f} | {one.unchanged:.2f} |" for one in found),
    ]


def watching_goals(found: list[Watched]) -> list[tuple[str, float, float]]:
    """Return what was to be reached: what, the figure, and what it may be at most."""
    return [
        (f"`page_size` {one.page_size or 'unset'}: poll without a change / first poll", one.unchanged / one.first, 0.15)
        for one in found
    ]


def measure(times: int) -> list[Waited]:
    """Measure all situations some times."""
    return [_median([_measure(number) for _ in range(times)]) for number in range(len(SITUATIONS))]


def _median(runs: list[Waited]) -> Waited:
    """Return the worst of what can be counted, and the median of what is timed."""
    return Waited(
        runs[0].title,
        max(run.polls for run in runs),
        runs[0].most_polls,
        max(run.in_flight for run in runs),
        statistics.median(run.late_ms for run in runs),
        statistics.median(run.usually_late_ms for run in runs),
    )


def table(found: list[Waited]) -> list[str]:
    """Return the lines of the table."""
    return [
        f"\n### {SENSORS:,} deferred sensors of one account in one triggerer, each with an interval of {INTERVAL:g} s\n",
        "| situation | polls of all together | one an interval | requests in flight | 99 % of ticks late by at most | the "
        "latest tick |",
        "|---|---|---|---|---|---|",
        *(
            f"| {one.title} | {one.polls} | at most {one.most_polls} | {one.in_flight} of {IN_FLIGHT} | "
            f"{one.usually_late_ms:.1f} ms | {one.late_ms:.1f} ms |"
            for one in found
        ),
    ]


def goals(found: list[Waited]) -> list[tuple[str, float, float]]:
    """Return what was to be reached: what, the figure, and what it may be at most."""
    return [
        ("1,000 sensors: polls / one an interval", max(one.polls / one.most_polls for one in found[1:]), 1),
        ("1,000 sensors: requests in flight / allowed", max(one.in_flight for one in found) / IN_FLIGHT, 1),
        ("1,000 sensors, responses after 5 s: latest tick, ms", found[-1].late_ms, 50),
    ]


def _measure(number: int) -> Waited:
    situation = SITUATIONS[number]
    with _account(situation.latency_ms) as url:
        figures = _run(url, {"page_size": PAGE_SIZE, "max_parallel_requests": IN_FLIGHT}, str(number))
        served = _requests(url)
    pages = -(-ASSISTANTS // PAGE_SIZE)
    waited = Waited(
        situation.title,
        -(-served["count"] // pages),  # one that was begun counts
        int(situation.seconds // INTERVAL) + 1 if situation.sensors else 0,
        served["max_in_flight"],
        figures["late_ms"],
        figures["usually_late_ms"],
    )
    print(f"  {waited.title}: {waited.polls} polls, latest tick {waited.late_ms:.1f} ms", flush=True)
    return waited


def _run(url: str, extra: dict[str, Any], what: str) -> dict[str, float]:
    """Measure something in a process of its own; return its figures."""
    with tempfile.TemporaryDirectory(prefix="puretalk-benchmark-") as home:
        connection = {"conn_type": "puretalk", "host": url, "password": "sandbox-key", "extra": extra}
        environment = os.environ | {
            "AIRFLOW_HOME": home,
            "AIRFLOW_CONN_BENCHMARK": json.dumps(connection),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "PYTHONWARNINGS": "ignore",
        }
        command = [sys.executable, "-m", "benchmarks.waiting", what]
        result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    line = next((line for line in result.stdout.splitlines() if line.startswith("FIGURES ")), None)
    if line is None:
        raise SystemExit(f"{what} failed:\n{result.stdout[-2000:]}\n{result.stderr[-4000:]}")
    figures: dict[str, float] = json.loads(line.removeprefix("FIGURES "))
    return figures


@contextlib.contextmanager
def _account(latency_ms: int) -> Iterator[str]:
    """Run a stand-in PureTalk; yields its base URL."""
    options = ["--port=0", f"--assistants={ASSISTANTS}", f"--page-size={PAGE_SIZE}", f"--latency-ms={latency_ms}"]
    command = [sys.executable, "-u", "-m", "airflow_provider_puretalk.sandbox", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield next(line.split()[-1] for line in process.stdout if "base URL" in line)
        finally:
            process.kill()


def _requests(base_url: str) -> dict[str, int]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(base_url.removesuffix("/api") + "/_sandbox/requests") as response:
        found: dict[str, int] = json.load(response)
    return found


async def _wait(situation: Situation) -> list[float]:
    """Let the sensors' triggers wait for some time; returns how late each tick was, in seconds."""
    late: list[float] = []
    ticker = asyncio.create_task(_tick(late))
    waiting = []
    begin = time.time()
    for number in range(situation.sensors):
        trigger = _trigger(f"Nobody {number % situation.names}", begin, number)
        waiting.append(asyncio.create_task(anext(trigger.run())))
        await asyncio.sleep(0)  # as Airflow's triggerer does between two
    await asyncio.sleep(max(0.0, begin + situation.seconds - time.time()))
    ticker.cancel()
    ended = [task for task in waiting if task.done()]
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    if ended:
        raise SystemExit(f"{len(ended)} sensors ended; the first returned: {ended[0].result()}")
    return late


def _trigger(name: str, begin: float, number: int) -> Any:
    """Return the trigger of a sensor that was deferred at some moment of the last interval."""
    from airflow_provider_puretalk.conditions.assistant import AssistantCondition
    from airflow_provider_puretalk.triggers import PuretalkSensorTrigger

    return PuretalkSensorTrigger(
        puretalk_conn_id="benchmark",
        condition=AssistantCondition(None, name).to_dict(),
        began=begin - INTERVAL,
        next_look=begin + random.Random(number).uniform(0, INTERVAL),
        deadline=begin + 3600 + number,
        poke_interval=INTERVAL,
    )


async def _tick(late: list[float]) -> None:
    clock = asyncio.get_running_loop().time
    due = clock() + TICK
    while True:
        await asyncio.sleep(max(0.0, due - clock()))
        late.append(clock() - due)
        due = clock() + TICK


async def _watch() -> dict[str, float]:
    """Poll as a watcher does; returns the processor time of the first poll and of one without a change, in seconds."""
    from airflow_provider_puretalk.triggers.fleet_polls import Pace, observations

    spent = []
    # The first watcher is there for the imports.
    for polls in (1, 1 + UNCHANGED_POLLS):
        stream = observations("benchmark", None, Pace(0.1, 3600))
        for _ in range(polls):
            began = time.process_time()
            observation = await anext(stream)
            spent.append(time.process_time() - began)
            if len(observation.fleet.fingerprints) != WATCHED:
                raise SystemExit(f"{len(observation.fleet.fingerprints)} assistants came")
    return {"first": spent[1], "unchanged": statistics.median(spent[2:])}


def main() -> None:
    """Measure one situation, or what a watcher takes, in this process, and print its figures."""
    # What a triggerer has imported before it runs its first trigger.
    import airflow.jobs.triggerer_job_runner  # noqa: F401

    from airflow_provider_puretalk.triggers import PuretalkSensorTrigger  # noqa: F401

    # Airflow's imports leave so many objects that Python's next full collection takes a third of a second, whatever
    # object causes it. A triggerer that has run for a while has that behind it.
    gc.collect()
    if sys.argv[1] == "watching":
        print("FIGURES " + json.dumps(asyncio.run(_watch())))
        return
    late = sorted(asyncio.run(_wait(SITUATIONS[int(sys.argv[1])])))
    figures = {"late_ms": late[-1] * 1000, "usually_late_ms": late[int(len(late) * 0.99)] * 1000}
    print("FIGURES " + json.dumps(figures))


if __name__ == "__main__":
    main()
