"""The command line of the sandbox: ``python -m airflow_provider_puretalk.sandbox``."""

from __future__ import annotations

import argparse
import errno
import json
import shlex
import sys
from collections.abc import Sequence

from airflow_provider_puretalk.sandbox.faults import KINDS, Fault
from airflow_provider_puretalk.sandbox.fleet import iter_fleet
from airflow_provider_puretalk.sandbox.pages import ETAGS
from airflow_provider_puretalk.sandbox.server import INSTALL_HINT, base_url, is_extra_installed, listen, serve
from airflow_provider_puretalk.sandbox.state import Rules, Sandbox
from airflow_provider_puretalk.sandbox.store import FleetStore

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        rules = Rules(
            api_key=options.api_key,
            page_size=options.page_size,
            max_limit=options.max_limit or None,
            refuse_above=options.refuse_above,
            latency_ms=options.latency_ms,
            requests_per_second=options.requests_per_second,
            redirect_slash=options.redirect_slash,
            etag=options.etag,
        )
    except ValueError as error:
        parser.error(str(error))
    if not is_extra_installed():
        return _fail(INSTALL_HINT)
    try:
        listener = listen(options.host, options.port)
    except (OSError, UnicodeError) as error:  # the latter for names that cannot be host names
        return _fail(_why_not(error, options.host, options.port))
    try:
        fleet = FleetStore(iter_fleet(options.assistants, seed=options.seed), seed=options.seed)
        sandbox = Sandbox(fleet, rules=rules, faults=options.fault, seed=options.seed)
        _greet(sandbox, base_url(listener), options.host)
        serve(sandbox, listener)
    except KeyboardInterrupt:
        pass
    print("Stopped.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_puretalk.sandbox",
        description="A stand-in PureTalk for trying, tests and benchmarks: serves invented assistants from memory.",
        epilog="Faults, each of which also takes times=N (or times=always), page=N and share=0.05 (of the requests):\n"
        + "\n".join(f"  {kind:15}{what}" for kind, what in _described_faults()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    rules = Rules()
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=_port, default=8900, help="port to listen on, 0 for a free one (default: %(default)s)")
    add("--assistants", type=_count, default=250, metavar="N", help="how many to invent (default: %(default)s)")
    add("--seed", type=int, default=0, metavar="N", help="the same seed invents the same ones (default: %(default)s)")
    add("--api-key", default=rules.api_key, metavar="KEY", help="key that requests must have (default: %(default)s)")
    add("--page-size", type=_count, default=rules.page_size, metavar="N", help="rows a page (default: %(default)s)")
    add(
        "--max-limit", type=_count, default=rules.max_limit, metavar="N",
        help="silent maximum of limit, 0 for none (default: %(default)s)",
    )  # fmt: skip
    add("--refuse-above", type=_count, metavar="N", help="answer 400 to a limit above this (default: no such limit)")
    add("--latency-ms", type=float, default=0, metavar="MS", help="pause before every response (default: %(default)s)")
    add("--requests-per-second", type=float, metavar="N", help="answer 429 above this (default: no limit)")
    add("--redirect-slash", action="store_true", help="answer 301 to paths without a trailing slash, as Django does")
    add("--etag", choices=ETAGS, default=rules.etag, help="kind of entity tags (default: %(default)s)")
    add(
        "--fault", type=_fault, action="append", default=[], metavar="KIND[:NAME=VALUE,...]",
        help="what goes wrong, in this order; may be repeated: 503:times=2, half_body:page=3, shuffle:times=always",
    )  # fmt: skip
    return parser


def _described_faults() -> list[tuple[str, str]]:
    return [
        (kind, what + (f" ({', '.join(f'{name}={value}' for name, value in defaults.items())})" if defaults else ""))
        for kind, (what, defaults) in KINDS.items()
    ]


def _greet(sandbox: Sandbox, url: str, host: str) -> None:
    connection = shlex.quote(json.dumps({"conn_type": "puretalk", "host": url, "password": sandbox.api_key}))
    lines = [
        "PureTalk sandbox: a stand-in for trying, tests and benchmarks - not PureTalk.",
        f"  base URL    {url}",
        f"  API key     {sandbox.api_key}",
        f"  assistants  {len(sandbox.fleet)}, in memory only",
        f"  control     {url.removesuffix('/api')}/_sandbox/assistants (also: faults, requests)",
        f"  for Airflow export AIRFLOW_CONN_PURETALK_DEFAULT={connection}",
    ]
    if host not in _LOOPBACK:
        lines.append(
            "Everyone who can reach this address can change the fleet: the control route needs no key (web pages cannot)."
        )
    lines.append("Ctrl-C stops it.")
    print("\n".join(lines), flush=True)


def _why_not(error: OSError | UnicodeError, host: str, port: int) -> str:
    if not isinstance(error, OSError):
        return f"Cannot listen on {host!r}: it is no host name."
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use; choose another with --port, or --port 0 for a free one."
    return f"Cannot listen on {host}, port {port}: {error.strerror or error}."


def _fail(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("it must be a whole number, at least 0")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _fault(text: str) -> Fault:
    try:
        return Fault.parse(text)
    except ValueError as error:
        # argparse would drop the reason.
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
