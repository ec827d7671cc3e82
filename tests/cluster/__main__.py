"""Runs many accounts on Celery workers, and says what was wrong: ``python -m tests.cluster --accounts 300``."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from demo.processes import end_on_signals
from demo.steps import DemoError, StepFailed, explain

if TYPE_CHECKING:
    from tests.cluster.many_accounts import Outcome


def main() -> int:
    """Run it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    add = parser.add_argument
    add("--accounts", type=int, default=300, metavar="N", help="how many there are (default: %(default)s)")
    add("--refused", type=int, default=3, metavar="N", help="how many have a wrong key (default: %(default)s)")
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="puretalk-many-accounts-"))
    # Settings and addresses that the surrounding shell has for others.
    for name in [*os.environ]:
        if name.startswith(("AIRFLOW", "AWS_")) or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ["AIRFLOW_HOME"] = str(home / "here")
    end_on_signals()
    try:
        from tests.cluster import many_accounts  # imports Airflow, which makes its home

        outcome = many_accounts.run(home, accounts=options.accounts, refused=options.refused)
    except (AssertionError, DemoError, KeyboardInterrupt, StepFailed) as error:
        why = explain(error) if isinstance(error, StepFailed) else f"\nFailed: {str(error) or type(error).__name__}"
        return _fail([why], home)
    _print(outcome)
    if outcome.wrong:
        return _fail(["\nWrong:", *outcome.wrong], home)
    print("All is as it must be.")
    shutil.rmtree(home, ignore_errors=True)
    return 0


def _print(outcome: Outcome) -> None:
    print(
        f"\n{outcome.accounts} accounts, of which {outcome.refused} have a wrong key: {outcome.assistants:,} assistants "
        f"read in {outcome.requests:,} requests, of which {outcome.faults:,} were throttled or failed; "
        f"{outcome.seconds:,.0f} s.\n"
        f"Tasks that were tried again: {outcome.tried_again}.\n"
        f"Seconds of processors: {outcome.processor_seconds}.\n"
        f"Rows in Airflow's database, of an account: {outcome.rows_per_account}; and of the run: {outcome.rows_per_run}."
    )


def _fail(lines: list[str], home: Path) -> int:
    print("\n".join([*lines, f"What all components have logged is kept in {home}."]), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
