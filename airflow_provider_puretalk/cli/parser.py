"""The commands and their options.

The functions that run them are only named, and imported when they run. So ``--help`` loads neither Airflow nor requests.
A change of a command is also one of ``docs/command-line.md``.
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import Any, NoReturn

from airflow_provider_puretalk import __version__

DESCRIPTION = "PureTalk: list assistants, take snapshots of them, and manage what is stored"

#: Namespace attribute under which a command names the function that runs it, as ``module:function`` of this package.
COMMAND = "puretalk_command"

#: Exit codes, see ``docs/command-line.md``.
DONE, FAILED, CHANGED = 0, 1, 2

_CONSISTENCIES = ("verified", "checked", "best_effort")


class Parser(argparse.ArgumentParser):
    """Ends a usage error with 1, not with argparse's 2, which means "changed" here."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and what is wrong."""
        from airflow_provider_puretalk.invisible import printable  # Here: every `airflow` command loads this module.

        self.exit(FAILED, f"{self.format_usage()}{self.prog}: {printable(message)}\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help, version and usage; argparse would pass over in silence that they cannot be written."""
        if message:
            (file or sys.stderr).write(message)

    _is_intermixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Take options before, after and between the other arguments, and refuse unknown ones.

        Refused here, because argparse leaves that to the outermost parser, which may be Airflow's.
        """
        if self._is_intermixing:  # argparse's way of intermixing comes back to this method.
            return super().parse_known_args(args, namespace)
        if self._subparsers is not None:  # Which argparse cannot intermix, and need not: the words of a command follow.
            options, unknown = super().parse_known_args(args, namespace)
        else:
            self._is_intermixing = True
            try:
                options, unknown = self.parse_known_intermixed_args(args, namespace)
            finally:
                self._is_intermixing = False
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options, unknown


def new_parser() -> argparse.ArgumentParser:
    """Return the parser of ``python -m airflow_provider_puretalk``."""
    parser = Parser(prog="python -m airflow_provider_puretalk", description=DESCRIPTION + ".", allow_abbrev=False)
    fill(parser)
    return parser


def fill(parser: argparse.ArgumentParser) -> None:
    """Add all commands to a parser. One of Airflow's becomes one of ours, so that its errors end as ours do."""
    parser.__class__ = Parser
    parser.formatter_class, parser.allow_abbrev = argparse.HelpFormatter, False
    parser.add_argument("--version", action="version", version=f"airflow-provider-puretalk {__version__}")
    groups = _commands(parser)
    assistants = groups.add_parser("assistants", help="the current assistants", allow_abbrev=False)
    _add_list_assistants(_commands(assistants))
    _add_snapshot(groups)
    stored = _commands(groups.add_parser("snapshots", help="what is stored", allow_abbrev=False))
    _add_list_snapshots(stored)
    _add_show(stored)
    _add_verify(stored)
    _add_compare(stored)
    _add_prune(stored)
    played = _commands(
        groups.add_parser("history", help="what every assistant was, and since when", allow_abbrev=False)
    )
    _add_update_history(played)
    _add_log(played)
    _add_show_as_of(played)
    _add_blame(played)
    _add_field(played)
    _add_timeline(played)
    _add_verify_history(played)
    _add_forget(played)
    _add_probe(groups)


def _add_list_assistants(commands: Any) -> None:
    parser = _command(
        commands,
        "list",
        "assistants:list_assistants",
        "list the assistants of an account, read with the promise of --consistency, in order of their ids",
    )
    add = parser.add_argument
    add(
        "--fields", type=_name_list, metavar="A,B.C",
        help="fields to show, dotted for nested ones (default: a few in the table, all in --json)",
    )  # fmt: skip
    add(
        "--filter", action="append", default=[], type=_pair, metavar="NAME=VALUE", dest="filters",
        help="show those whose field has this value; several for one field: any of them; null is absent too",
    )  # fmt: skip
    add("--limit", type=_whole_number, metavar="N", help="show at most so many")
    _add_connection(parser)
    _add_reading(parser)
    _add_redaction(parser)


def _add_snapshot(commands: Any) -> None:
    parser = _command(commands, "snapshot", "snapshot:snapshot", "take a snapshot of all assistants of an account")
    add = parser.add_argument
    _add_destination(parser)
    add(
        "--partition", type=_nonempty, metavar="NAME",
        help="the snapshot's name (default: now in UTC, as 20261122T000000Z, with more digits where that is taken)",
    )  # fmt: skip
    add(
        "--if-exists", choices=("replace_own", "replace", "keep", "fail"), default="replace_own",
        help="what becomes of a snapshot of that name: replace it, keep it as the result, or fail; replace_own (the "
        "default) replaces what the same run of a task wrote, and so fails here: a command belongs to no run",
    )  # fmt: skip
    add("--format", choices=("jsonl", "parquet"), default="jsonl", help="how records are stored (default: jsonl)")
    add(
        "--compression", choices=("auto", "gzip", "zstd", "snappy", "none"), default="auto",
        help="auto is gzip for jsonl, zstd for parquet (default: auto)",
    )  # fmt: skip
    add("--strict", action="store_true", help="fail where a record breaks the documented schema")
    _add_connection(parser)
    _add_reading(parser)
    _add_redaction(parser)


def _add_list_snapshots(commands: Any) -> None:
    parser = _command(commands, "list", "snapshots:list_stored", "list the snapshots below a destination, oldest first")
    _add_destination(parser)
    parser.add_argument("--account", type=_nonempty, metavar="NAME", help="those of this account only")


def _add_show(commands: Any) -> None:
    parser = _command(commands, "show", "snapshots:show", "show the manifest of a snapshot")
    _add_manifest(parser)


def _add_verify(commands: Any) -> None:
    parser = _command(
        commands, "verify", "snapshots:verify_stored", "recompute every hash and count; ends with 1 where one differs"
    )
    parser.add_argument(
        "place",
        type=_nonempty,
        metavar="MANIFEST",
        help="a snapshot's folder or manifest; with --all a destination",
    )
    parser.add_argument("--all", action="store_true", help="verify every snapshot below the destination")
    parser.add_argument("--account", type=_nonempty, metavar="NAME", help="with --all: those of this account only")
    _add_storage(parser)


def _add_compare(commands: Any) -> None:
    parser = _command(
        commands,
        "compare",
        "compare:compare",
        "compare two snapshots; ends with 2 where something changed",
    )
    add = parser.add_argument
    add(
        "manifests", nargs="*", type=_nonempty, metavar="MANIFEST",
        help="two folders or manifests of snapshots, the older one first",
    )  # fmt: skip
    add(
        "--destination", type=_nonempty, metavar="DESTINATION",
        help="compare the newest two complete snapshots below it instead",
    )  # fmt: skip
    add(
        "--account", type=_nonempty, metavar="NAME",
        help="with --destination: whose snapshots; not needed where there is one account",
    )  # fmt: skip
    add(
        "--ignore-fields", type=_name_list, default=["updated_at"], metavar="A,B.C",
        help="fields whose changes do not count (default: updated_at)",
    )  # fmt: skip
    add(
        "--report",
        type=_nonempty,
        metavar="FILE",
        help="write the report for people, one HTML file, to this local file",
    )
    add(
        "--changes",
        type=_nonempty,
        metavar="FILE",
        help="write changes.jsonl, one change a line, to this local file",
    )
    _add_storage(parser)


def _add_prune(commands: Any) -> None:
    parser = _command(
        commands,
        "prune",
        "prune:prune",
        "list the snapshots that need not be kept any longer, and with --yes remove them",
    )
    add = parser.add_argument
    _add_destination(parser)
    add("--account", type=_nonempty, metavar="NAME", help="whose snapshots; not needed where there is one account")
    for period in ("daily", "weekly", "monthly"):
        what = {"daily": "day", "weekly": "week", "monthly": "month"}[period]
        add(
            f"--keep-{period}", type=_whole_number_or_zero, default=0, metavar="N",
            help=f"keep the newest snapshot of each of the last N {what}s that have one",
        )  # fmt: skip
    add(
        "--keep",
        action="append",
        default=[],
        type=_nonempty,
        metavar="NAME",
        help="keep this snapshot; may be repeated",
    )
    add(
        "--timezone", default="UTC", type=_nonempty, metavar="NAME",
        help="time zone in which days begin and end, such as Europe/Berlin; a time in a name is UTC (default: UTC)",
    )  # fmt: skip
    add(
        "--require-history", action="store_true",
        help="remove only what the history of the account holds, once that has been verified",
    )  # fmt: skip
    add("--yes", action="store_true", help="remove; without it nothing is")


def _add_update_history(commands: Any) -> None:
    parser = _history_command(commands, "update", "history_upkeep:update", "fold the snapshots that the history lacks")
    add = parser.add_argument
    add(
        "--keep", type=_nonempty, metavar="DAYS|forever", required=True,
        help="for how many days to keep versions that ended, or the word forever",
    )  # fmt: skip
    add(
        "--retract", action="append", default=[], type=_nonempty, metavar="NAME",
        help="take this snapshot out, and do not fold it again; may be repeated",
    )  # fmt: skip
    add(
        "--rebuild", action="store_true", help="make a new history of the snapshots that are there, where it is damaged"
    )


def _add_log(commands: Any) -> None:
    parser = _history_command(commands, "log", "history:log", "show what happened to an assistant, newest first")
    _add_assistant(parser)
    parser.add_argument(
        "--fields", type=_name_list, metavar="A,B.C", help="changes of these fields alone, dotted for nested ones"
    )
    _add_range(parser)


def _add_show_as_of(commands: Any) -> None:
    parser = _history_command(commands, "show", "history:show", "show an assistant, or the fleet, as it was")
    _add_assistant(parser, nargs="?")
    parser.add_argument(
        "--at", type=_nonempty, metavar="WHEN",
        help="a snapshot's name, a day (its end is meant) or a moment such as 2026-10-03T12:00:00Z (default: the newest "
        "snapshot)",
    )  # fmt: skip
    _add_timezone(parser)


def _add_blame(commands: Any) -> None:
    parser = _history_command(
        commands, "blame", "history:blame", "show each passage of a text with the snapshot since which it stands"
    )
    _add_assistant(parser)
    parser.add_argument("field", type=_nonempty, metavar="FIELD", help="the field, dotted for a nested one")
    _add_timezone(parser)


def _add_field(commands: Any) -> None:
    parser = _history_command(
        commands, "field", "history:field", "show who had which value of a field, from when to when"
    )
    parser.add_argument("field", type=_nonempty, metavar="FIELD", help="the field, dotted for a nested one")
    parser.add_argument(
        "--value", type=_nonempty, metavar="VALUE", help="spans with this value alone; null is absent too"
    )
    _add_range(parser)


def _add_timeline(commands: Any) -> None:
    parser = _history_command(
        commands, "timeline", "history:timeline", "show a line for each snapshot: what changed since the one before"
    )
    _add_range(parser)


def _add_verify_history(commands: Any) -> None:
    _history_command(
        commands,
        "verify",
        "history_upkeep:verify",
        "rebuild every snapshot, also those that were pruned, and compare its hashes; ends with 1 where one differs",
    )


def _add_forget(commands: Any) -> None:
    parser = _history_command(
        commands, "forget", "history_upkeep:forget", "remove assistants or fields from the whole history, for good"
    )
    add = parser.add_argument
    add(
        "--assistant", action="append", default=[], type=_nonempty, metavar="ID",
        help="forget this assistant, named by its whole id; may be repeated",
    )  # fmt: skip
    add("--fields", type=_name_list, metavar="A,B.C", help="forget these fields of all assistants")
    add("--yes", action="store_true", help="forget; without it nothing is")


def _history_command(commands: Any, name: str, function: str, summary: str) -> argparse.ArgumentParser:
    """Add a command that works on the history of an account."""
    parser = _command(commands, name, function, summary)
    parser.set_defaults(timezone="UTC")  # Of those that take no days.
    _add_destination(parser)
    parser.add_argument(
        "--account", type=_nonempty, metavar="NAME", help="whose history; not needed where there is one account"
    )
    return parser


def _add_assistant(parser: argparse.ArgumentParser, **options: Any) -> None:
    parser.add_argument(
        "assistant", type=_nonempty, metavar="ASSISTANT",
        help="its id, the start of its id, or its name where no other has it", **options,
    )  # fmt: skip


def _add_range(parser: argparse.ArgumentParser) -> None:
    for end, which in (("since", "from"), ("until", "up to")):
        parser.add_argument(
            f"--{end}", type=_nonempty, metavar="WHEN",
            help=f"{which} this snapshot, day or moment (2026-10-03, 2026-10-03T12:00:00Z)",
        )  # fmt: skip
    _add_timezone(parser)


def _add_timezone(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timezone", default="UTC", type=_nonempty, metavar="NAME",
        help="time zone in which days begin and end, such as Europe/Berlin (default: UTC)",
    )  # fmt: skip


def _add_probe(commands: Any) -> None:
    parser = _command(
        commands,
        "probe",
        "probe:probe",
        "send the API about a dozen requests, and print a report without secrets and contents for a bug report",
    )
    _add_connection(parser)


def _add_connection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--conn-id", type=_nonempty, metavar="ID",
        help="Airflow connection with the API key (default: PURETALK_API_KEY and PURETALK_BASE_URL from the environment "
        "where the former is set, else the connection puretalk_default)",
    )  # fmt: skip


def _add_reading(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--consistency",
        choices=_CONSISTENCIES,
        default="verified",
        help="what the reading promises (default: verified)",
    )
    add("--max-walks", type=_whole_number, default=10, metavar="N", help="give up after so many readings (default: 10)")
    add(
        "--max-seconds", type=_seconds, default=3600.0, metavar="S",
        help="give up after so many seconds (default: 3600)",
    )  # fmt: skip


def _add_redaction(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--redact", action="append", default=[], type=_pair, metavar="FIELD=HOW",
        help="drop, mask or hash a field (dotted, * for list items) before anything is kept or shown; may be repeated",
    )  # fmt: skip
    add("--redact-personal", action="store_true", help="redact the documented personal fields")


def _add_destination(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "destination", type=_nonempty, metavar="DESTINATION",
        help="where snapshots lie: a folder that exists, or s3://bucket/prefix",
    )  # fmt: skip
    _add_storage(parser)


def _add_manifest(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "manifest", type=_nonempty, metavar="MANIFEST", help="a snapshot's folder, or the manifest.json in it"
    )
    _add_storage(parser)


def _add_storage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--storage-conn-id", type=_nonempty, metavar="ID", help="Airflow connection of the storage")


def _command(commands: Any, name: str, function: str, summary: str) -> argparse.ArgumentParser:
    """Add a command with the options that all have."""
    described = f"{summary[0].upper()}{summary[1:]}."
    parser: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=described, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON document and nothing else")
    parser.add_argument("-v", "--verbose", action="store_true", help="log progress to stderr")
    parser.add_argument("--debug", action="store_true", help="log everything, with the traceback of an error")
    parser.set_defaults(**{COMMAND: function})
    return parser


def _commands(parser: argparse.ArgumentParser) -> Any:
    return parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser, title="commands")


def _nonempty(text: str) -> str:
    # What a script's unset variable leaves would otherwise mean the default, or the folder it was started in.
    if not text.strip():
        raise argparse.ArgumentTypeError("it must not be empty")
    return text


def _name_list(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"it must name fields, separated by single commas, not {text!r}")
    return names


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def _whole_number(text: str) -> int:
    return _at_least(1, text)


def _whole_number_or_zero(text: str) -> int:
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text) >= least):
        raise argparse.ArgumentTypeError(f"it must be a whole number, at least {least}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (number > 0 and math.isfinite(number)):
        raise argparse.ArgumentTypeError("it must be a number of seconds above 0")
    return number
