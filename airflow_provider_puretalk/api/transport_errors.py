"""Says in one sentence why no whole answer came.

The messages of ``requests`` and ``urllib3`` are not passed on: they can hold a proxy's credentials, and their first
line seldom names the cause. The cause is looked up in the chain of exceptions instead.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator

import requests
import urllib3


def explain(error: BaseException) -> tuple[bool, str]:
    """Return whether an answer had begun and broke off, and a sentence on the cause."""
    chain = list(_chain(error))
    for cause in chain:
        if isinstance(cause, urllib3.exceptions.IncompleteRead | http.client.IncompleteRead):
            return True, "The answer broke off: its body is shorter than announced."
        if isinstance(cause, urllib3.exceptions.DecodeError):
            return True, "The answer's body is damaged: it cannot be decoded."
    # What breaks while a body is read is not wrapped by requests: it arrives as urllib3 raised it.
    if isinstance(error, urllib3.exceptions.ProtocolError):
        reset = next((cause for cause in chain if isinstance(cause, ConnectionError)), None)
        return True, f"The answer broke off: {_of_connection(reset)}."
    return False, _why_no_answer(chain)


def _why_no_answer(chain: list[BaseException]) -> str:
    if any(isinstance(cause, urllib3.exceptions.ProxyError | requests.exceptions.ProxyError) for cause in chain):
        return "No answer: the proxy from the environment cannot be used."
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"No answer: the API's TLS certificate was refused ({cause.verify_message})."
        if isinstance(cause, ssl.SSLError):
            return f"No answer: TLS failed ({cause.reason or 'no reason given'})."
        if isinstance(cause, socket.gaierror):
            return f"No answer: the host name cannot be resolved ({cause.strerror})."
        if isinstance(cause, urllib3.exceptions.ConnectTimeoutError) and not isinstance(
            cause,
            urllib3.exceptions.NewConnectionError,  # a subclass that means anything but a timeout
        ):
            return "No answer: connecting timed out."
        if isinstance(cause, TimeoutError | urllib3.exceptions.ReadTimeoutError | requests.Timeout):
            return "No answer: the API was silent for longer than the connection's `timeout`."
        if isinstance(cause, ConnectionError):
            return f"No answer: {_of_connection(cause)}."
    return f"No answer: {type(chain[-1]).__name__}."


def _of_connection(error: ConnectionError | None) -> str:
    return ((error and error.strerror) or "connection broken").lower()


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what lies behind it, however it is attached; the innermost last."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        attached = [getattr(current, "reason", None), *current.args]
        nested = next((item for item in attached if isinstance(item, BaseException)), None)
        current = nested or current.__cause__ or current.__context__
