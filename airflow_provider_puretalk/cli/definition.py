"""The command ``airflow puretalk``, in the command line of Airflow 3.2 and newer.

Every ``airflow`` command imports this module, so it imports nothing that a parser does not need.
"""

from __future__ import annotations

import argparse

from airflow.cli.cli_config import ActionCommand, Arg, CLICommand

from airflow_provider_puretalk.cli import parser


class _WholeTree(Arg):
    """Stands where Airflow expects an argument, and adds all commands to the parser that Airflow made.

    Airflow's own groups would make parsers that end usage errors with 2, which here means "changed".
    """

    def __init__(self) -> None:
        super().__init__(flags=("command",))  # type: ignore[no-untyped-call]  # Airflow has no type for it

    def add_to_parser(self, parser_of_airflow: argparse.ArgumentParser) -> None:
        parser.fill(parser_of_airflow)


def get_puretalk_commands() -> list[CLICommand]:
    """Return the one command that holds all others."""
    return [ActionCommand(name="puretalk", help=parser.DESCRIPTION, func=_run, args=(_WholeTree(),))]


def _run(options: argparse.Namespace) -> None:
    from airflow_provider_puretalk.cli.main import as_process, guarded, run

    as_process(lambda: guarded(lambda: run(options)))
