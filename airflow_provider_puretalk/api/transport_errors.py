"""Transport errors: one sentence for why no whole response came.

The messages of ``requests`` and ``urllib3`` are not passed on: they can hold a proxy's credentials, and their first
line seldom names the cause. The cause is found in the chain of exceptions instead.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
from collections.abc import Iterator
from typing import NamedTuple

import requests
import urllib3

from airflow_provider_puretalk.api.environment import Proxy


class Cause(NamedTuple):
    """Why no whole response came.

    :ivar message: a sentence.
    :ivar broke_off: whether a response had begun.
    :ivar is_lasting: whether it will be the same at each try, until the environment is corrected.
    """

    message: str
    broke_off: bool = False
    is_lasting: bool = False


def explain(error: BaseException, proxy: Proxy | None) -> Cause:
    """Return why no whole response came.

    :param proxy: what the request went through.
    """
    chain = list(_chain(error))
    for cause in chain:
        if isinstance(cause, urllib3.exceptions.IncompleteRead | http.client.IncompleteRead):
            return Cause("The response broke off: its body is shorter than announced.", broke_off=True)
        if isinstance(cause, urllib3.exceptions.DecodeError):
            return Cause("The response's body is damaged: it cannot be decoded.", broke_off=True)
    # What breaks while a body is read is not wrapped by requests: it arrives as urllib3 raised it.
    if isinstance(error, urllib3.exceptions.ProtocolError):
        reset = next((cause for cause in chain if isinstance(cause, ConnectionError)), None)
        return Cause(f"The response broke off: {_of_connection(reset)}.", broke_off=True)
    if any(isinstance(cause, urllib3.exceptions.ProxyError | requests.exceptions.ProxyError) for cause in chain):
        return _why_no_proxy(chain, proxy)
    if proxy is not None and proxy.is_socks and (found := _why_no_socks(chain, proxy)):
        return found
    if any(_NO_BUNDLE in str(cause) for cause in chain if type(cause) is OSError):
        return Cause("No response: the CA bundle is gone.", is_lasting=True)
    return Cause(_why_no_answer(chain))


#: How OpenSSL, older and newer, says that what came is no TLS.
_NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
#: How ``requests`` says that the CA bundle is not there.
_NO_BUNDLE = "suitable TLS CA certificate bundle"
#: How the standard library says that a proxy refused the tunnel.
_REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: ([0-9]{3})")


def _why_no_proxy(chain: list[BaseException], proxy: Proxy | None) -> Cause:
    named = proxy.named if proxy else "the environment"
    status = next((found[1] for cause in chain if (found := _REFUSED_TUNNEL.search(str(cause)))), None)
    if status == "407":
        return credentials_refused(proxy)
    if status is not None:
        return Cause(f"No response: the proxy that {named} names refused to connect to the API (HTTP {status}).")
    if proxy is not None and not proxy.has_port:
        return Cause(
            f"No response: {named} names a proxy without a port, and none answers at the usual one.", is_lasting=True
        )
    return Cause(f"No response: the proxy that {named} names cannot be used.")


def _why_no_socks(chain: list[BaseException], proxy: Proxy) -> Cause | None:
    """Return what went wrong before the API was reached through a SOCKS proxy; None where it was reached."""
    kinds = {type(cause).__name__ for cause in chain if type(cause).__module__ == "socks"}  # PySocks, maybe not there.
    unknown = next((cause for cause in chain if isinstance(cause, socket.gaierror)), None)
    if unknown is not None:
        return Cause(
            f"No response: a host name cannot be resolved ({unknown.strerror}), the API's or that of the proxy that "
            f"{proxy.named} names. With socks5h:// the proxy resolves the API's."
        )
    if not kinds:
        return None
    if "SOCKS5AuthError" in kinds:
        return Cause(
            f"The SOCKS proxy that {proxy.named} names wants other credentials: write it as "
            "socks5h://user:password@host:port.",
            is_lasting=True,
        )
    if kinds & {"SOCKS4Error", "SOCKS5Error"}:
        return Cause(f"No response: the proxy that {proxy.named} names refused to connect to the API.")
    return _why_no_proxy(chain, proxy)


def credentials_refused(proxy: Proxy | None) -> Cause:
    """Return what a proxy's refusal (407) means."""
    named = proxy.named if proxy else "the environment"
    return Cause(
        f"The proxy that {named} names wants other credentials (HTTP 407): write it as http://user:password@host:port.",
        is_lasting=True,
    )


def _why_no_answer(chain: list[BaseException]) -> str:
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            hint = " SSL_CERT_FILE is set, but not used here: set REQUESTS_CA_BUNDLE, or the extra field `verify`."
            ignored = hint if os.environ.get("SSL_CERT_FILE") else ""
            return f"No response: the API's TLS certificate was refused ({cause.verify_message}).{ignored}"
        if isinstance(cause, ssl.SSLError):
            hint = " What answers there may not speak TLS: for plain HTTP the Host field begins with http://."
            plain = hint if cause.reason in _NOT_TLS else ""
            return f"No response: TLS failed ({cause.reason or 'no reason given'}).{plain}"
        if isinstance(cause, socket.gaierror):
            return f"No response: the host name cannot be resolved ({cause.strerror})."
        if isinstance(cause, requests.ConnectTimeout | urllib3.exceptions.ConnectTimeoutError) and not isinstance(
            cause,
            urllib3.exceptions.NewConnectionError,  # a subclass that means anything but a timeout
        ):
            return "No response: connecting timed out."
        if isinstance(cause, TimeoutError | urllib3.exceptions.ReadTimeoutError | requests.Timeout):
            return "No response: the API was silent for longer than the connection's `timeout`."
        if isinstance(cause, ConnectionError):
            return f"No response: {_of_connection(cause)}."
    return f"No response: {type(chain[-1]).__name__}."


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
