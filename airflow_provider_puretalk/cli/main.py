"""Runs a command: errors become a sentence and an exit code, and stdout holds the output and nothing else.

Exit codes: 0 done, 1 failed, 2 changed (``compare`` only), 130 after Ctrl-C, 141 where the reader of the output has gone.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import NoReturn, TextIO

from airflow_provider_puretalk.cli import parser
from airflow_provider_puretalk.cli.output import Output, OutputError, discard, print_message
from airflow_provider_puretalk.invisible import printable

_BROKEN_PIPE = 128 + 13

_PACKAGE = "airflow_provider_puretalk"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m airflow_provider_puretalk`` with these arguments; returns the exit code.

    :raises SystemExit: after ``--help``, ``--version`` and usage errors, as argparse does.
    """
    return guarded(lambda: run(parser.new_parser().parse_args(arguments)))


def guarded(work: Callable[[], int]) -> int:
    """Do something that prints; a reader that has gone, and Ctrl-C, end it without an error.

    Output that cannot be written, to a full disk for one, is a failure in one sentence, whatever had been done.
    """
    if sys.stderr is None:  # Closed (`2>&-`), and print() would take stdout instead.
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - until the process ends
    if sys.stdout is None:  # Closed (`>&-`): known before anything was done.
        print_message("The output cannot be written: standard output is closed. Send it to /dev/null instead.")
        return parser.FAILED
    try:
        try:
            return work()
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt as stop:
        print_message("Stopped.")
        return 128 + next(iter(stop.args), signal.SIGINT)
    except BrokenPipeError:
        discard(sys.stdout)
        return _BROKEN_PIPE
    except OSError as error:
        discard(sys.stdout)
        print_message(f"The output cannot be written: {error.strerror or type(error).__name__}.")
        return parser.FAILED


def as_process(work: Callable[[], int]) -> NoReturn:
    """Do something as the only work of this process. Ctrl-C and SIGTERM clean up first; a second one does not."""

    def stop(number: int, _: object) -> NoReturn:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, lambda number, _: os._exit(128 + number))
        raise KeyboardInterrupt(number)

    for each in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(each) in (signal.default_int_handler, signal.SIG_DFL):  # Not where it is ignored.
            signal.signal(each, stop)
    sys.exit(work())


def run(options: argparse.Namespace) -> int:
    """Run the command that was parsed; returns the exit code."""
    stdout = sys.stdout
    # What Airflow, and what it loads, print and log does not belong into the output.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            with _calm(options):
                return _call(options, stdout)
        except OutputError as error:
            raise error.cause from None
        except Exception as error:
            if options.debug:
                traceback.print_exc()
            print_message(_sentence(error))
            return parser.FAILED


def _call(options: argparse.Namespace, stdout: TextIO) -> int:
    module, _, function = getattr(options, parser.COMMAND).partition(":")
    command = getattr(import_module(f"{_PACKAGE}.cli.{module}"), function)
    output = Output(stdout, as_json=options.as_json)
    code: int = command(options, output)
    output.flush()
    return code


def _sentence(error: Exception) -> str:
    try:
        from airflow.providers.common.compat.sdk import AirflowException
    except Exception:  # The cause of the error itself: a configuration or a locale that Airflow cannot read.
        hint = " For a locale that is not UTF-8, set LC_ALL=C.UTF-8." if isinstance(error, UnicodeError) else ""
        return (
            f"Airflow cannot be loaded ({type(error).__name__}): its configuration or the locale is wrong.{hint} "
            "--debug shows where."
        )
    if isinstance(error, AirflowException):
        return str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}."
    # Only the type: a message from elsewhere may quote the connection.
    return f"Unexpected {type(error).__name__}. --debug shows where."


@contextlib.contextmanager
def _calm(options: argparse.Namespace) -> Iterator[None]:
    """Let warnings of this package and errors of others through to stderr, a line each; everything with ``--debug``."""
    with warnings.catch_warnings():
        # Both set up warnings and logging in their own way, which would undo what is set here.
        with contextlib.nullcontext() if options.debug else _nothing_logged():
            import airflow.configuration

            if not (options.debug or sys.warnoptions):
                warnings.simplefilter("ignore")
            import airflow.settings  # noqa: F401

        root, ours = logging.getLogger(), logging.getLogger(_PACKAGE)
        handlers, level = root.handlers[:], ours.level
        root.handlers = [_handler(options)]
        ours.setLevel(logging.INFO if options.verbose or options.debug else logging.WARNING)
        try:
            yield
        finally:
            root.handlers = handlers
            ours.setLevel(level)


@contextlib.contextmanager
def _nothing_logged() -> Iterator[None]:
    """Log no more than errors: what Airflow imports once its logging is set up says how it is set up itself."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)


def _handler(options: argparse.Namespace) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s") if options.debug else _OneLine())
    if not options.debug:
        handler.addFilter(lambda record: record.name.startswith(_PACKAGE) or record.levelno >= logging.ERROR)
    return handler


class _OneLine(logging.Formatter):
    """The message, without the traceback that others like to add."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(record.getMessage())
