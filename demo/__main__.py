"""Takes two snapshots with a real Airflow, compares them, plays back some days, and shows all of it.

With `airflow`, it leaves Airflow running.

With PURETALK_API_KEY in the environment both use the real service; nothing is changed there.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.processes import end_on_signals
from demo.steps import DemoError, StepFailed, explain, say, step

if TYPE_CHECKING:
    from demo import cluster, fleet

CLONE = Path(__file__).resolve().parent.parent
DEMO = CLONE / ".demo"
HOME = DEMO / "airflow"
EXAMPLES = CLONE / "example_dags"
DAG = "puretalk_daily_snapshot"
COMPARING_DAG = "puretalk_compare_and_branch"


def main() -> int:
    """Run the command; whatever happens, leave nothing running."""
    os.chdir(CLONE)
    for name in [name for name in os.environ if "AIRFLOW" in name.upper()]:
        del os.environ[name]  # settings that the surrounding shell has for another Airflow
    # For this process too: whatever imports Airflow makes it create its home.
    os.environ["AIRFLOW_HOME"] = str(HOME)
    end_on_signals()
    try:
        with _only_one():
            if sys.argv[1:] == ["airflow"]:
                _airflow()
            else:
                _demo()
    except StepFailed as failure:
        print(explain(failure), file=sys.stderr)
        return 1
    except DemoError as error:
        print(f"\nFailed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; nothing is left running.")
        return 130
    return 0


def _demo() -> None:
    # Imported late, so that a missing piece is reported as a failed step.
    with step("Check what is installed"):
        from demo import account, cluster, fleet, past, runs
    begin = time.monotonic()
    with fleet.account() as source:
        destination = _destination(source)
        with cluster.running(HOME, EXAMPLES, use_schedule=False, environment=_environment(source)) as airflow:
            with step(f"Let Airflow read example_dags/{DAG}.py"):
                runs.prepare(airflow, DAG)
                runs.prepare(airflow, COMPARING_DAG)
            with step(f"Take a snapshot of {source.what}"):
                newest = _snapshot(airflow)
            if source.control is not None:
                with step("Change the stand-in's fleet"):
                    for line in fleet.change(source.control, newest["manifest_path"]):
                        say(line)
                with step("Take another snapshot, and compare it with the first"):
                    results = runs.run(airflow, COMPARING_DAG)
                    newest = results["snapshot"]
                    say(results["compare"]["summary"])
        played = None
        if source.control is not None:
            with step("Make some days of history: edit an assistant, and keep a snapshot of each day"):
                played = past.make(source, DEMO / "days")
    with step("Read what is there, and check it"):
        account.show(destination, newest)
    if played is not None:
        with step("Play the history of that assistant back"):
            past.show(DEMO / "days", played)
    print(f"\nAll of it took {time.monotonic() - begin:.0f} s, and everything that was started has been stopped.")
    print("What to try next: make airflow runs the same Airflow until Ctrl-C, for the browser.")


def _snapshot(airflow: cluster.Cluster) -> dict[str, Any]:
    """Run the example DAG, show what its second task made of the snapshot, and return what its first task returned."""
    from demo import runs

    results = runs.run(airflow, DAG)
    snapshot, summary = results["snapshot"], results["summarize"]
    languages = ", ".join(f"{count} {language}" for language, count in summary["by_language"].items())
    say(f"{snapshot['count']} assistants, complete: {str(snapshot['complete']).lower()}")
    say(f"the task after it read them in SQL: {languages}; {summary['without_phone_number']} without a phone number")
    return dict(snapshot)


def _airflow() -> None:
    with step("Check what is installed"):
        from demo import cluster, fleet, past
    with (
        fleet.account() as source,
        cluster.running(HOME, EXAMPLES, port=8080, use_schedule=True, environment=_environment(source)) as airflow,
    ):
        if source.control is not None:
            with step("Make some days of history to look at"):
                past.make(source, DEMO / "days")
        days = f"\n           {DEMO / 'days'}, with a history" if source.control else ""
        print(f"""
Airflow    {airflow.url}
           user {cluster.USER}, password {airflow.password}
Account    {source.what}
           is the connection {fleet.CONNECTION}
DAGs       {EXAMPLES}
Snapshots  {_destination(source)}{days}
Logs       {HOME}

Unpause {COMPARING_DAG}, trigger it, and open the tab PureTalk of its compare task. PureTalk in the
navigation shows the fleet over time.""")
        if source.control:
            print(f"""Change the fleet, and trigger it again:
  curl -X POST -H 'Content-Type: application/json' -d '{{"name": "Night line"}}' {source.control}""")
        print("Ctrl-C stops everything.\n", flush=True)
        with step("Run until Ctrl-C"), suppress(KeyboardInterrupt):
            while True:
                airflow.programs.check()
                time.sleep(1)


def _destination(source: fleet.Account) -> Path:
    folder = DEMO / source.folder
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _environment(source: fleet.Account) -> dict[str, str]:
    destination = str(_destination(source))
    return source.environment | {
        "PURETALK_SNAPSHOTS": destination,
        "PURETALK_STORAGE_CONN_ID": "",
        "AIRFLOW__PURETALK__UI_DESTINATIONS": json.dumps([destination, str(DEMO / "days")]),
    }


@contextmanager
def _only_one() -> Iterator[None]:
    """Two demos in one clone would share a database and stop each other's runs."""
    DEMO.mkdir(exist_ok=True)
    with (DEMO / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(f"a demo or an Airflow of this clone is running already ({CLONE}).") from None
        yield


if __name__ == "__main__":
    sys.exit(main())
