"""The variables of the environment that ``requests`` honours, checked before they are used.

A CA bundle that is missing, or a proxy's address with a slip of the pen, fails at each try alike, deep inside the libraries.
Here it is one sentence that names the variable. A proxy's address is never repeated: it may hold credentials.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import urllib3
from requests.utils import prepend_scheme_if_needed, select_proxy

from airflow_provider_puretalk.api.host_names import is_host_name
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError

_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SOCKS = ("socks4", "socks4a", "socks5", "socks5h")


class Proxy(NamedTuple):
    """The proxy that requests for a URL go through.

    :ivar named: who names it, for messages.
    :ivar is_socks: whether it is a SOCKS proxy, about which the libraries have errors of their own.
    :ivar has_port: whether it names its port; 80 or 443 is meant otherwise, which is seldom what was meant.
    """

    named: str
    has_port: bool
    is_socks: bool = False


def check(url: str, proxies: Mapping[str, str], verify: bool | str | None) -> None:
    """Check the proxy that requests for a URL will go through, and the certificates that they will be held against.

    :raises PuretalkConfigurationError: one of them cannot be used.
    """
    proxy_of(url, proxies)
    if urlsplit(url).scheme != "https":
        return
    if isinstance(verify, str):
        by_variable = (name for name in _BUNDLE_VARIABLES if os.environ.get(name) == verify)
        _check_bundle(verify, next(by_variable, "The extra field `verify`"))
    _check_key_log()


def proxy_of(url: str, proxies: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that requests for a URL go through.

    :raises PuretalkConfigurationError: its address is none.
    """
    address = select_proxy(url, dict(proxies))
    if not address:
        return None
    named = _variable_of(url, address) or "The proxy that this session was given"
    try:
        parts = urllib3.util.parse_url(prepend_scheme_if_needed(address, "http"))  # type: ignore[no-untyped-call]
    except (urllib3.exceptions.HTTPError, TypeError, ValueError):  # The second one for `http://user:password@`.
        raise PuretalkConfigurationError(f"{named} is not the address of a proxy: {_FORM}") from None
    if (
        not _is_host(parts.host)
        or parts.port == 0
        or parts.path not in (None, "", "/")
        or parts.query
        or parts.fragment
    ):
        raise PuretalkConfigurationError(f"{named} is not the address of a proxy: {_FORM}")
    if not _can_be_sent(unquote(parts.auth or "")):
        raise PuretalkConfigurationError(
            f"{named} holds a user name or password with a character that HTTP cannot send."
        )
    if parts.scheme in _SOCKS:
        _require_socks(named)
    elif parts.scheme not in ("http", "https"):
        raise PuretalkConfigurationError(f"{named} names a kind of proxy that is not known: {_FORM}")
    return Proxy(named, parts.port is not None, parts.scheme in _SOCKS)


def _is_host(host: str | None) -> bool:
    return host is not None and (host.startswith("[") or is_host_name(host.lower()))


_FORM = "write it as http://host:port, https://host:port or socks5h://host:port."


def _can_be_sent(credentials: str) -> bool:
    try:
        credentials.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _require_socks(named: str) -> None:
    try:
        import socks  # type: ignore[import-not-found, import-untyped, unused-ignore]  # noqa: F401  # PySocks
    except ImportError:
        raise PuretalkConfigurationError(
            f"{named} names a SOCKS proxy, for which a library is missing: pip install 'requests[socks]'."
        ) from None


def _variable_of(url: str, address: str) -> str | None:
    """Name the variable that a proxy's address came from."""
    for name in (f"{urlsplit(url).scheme}_proxy", "all_proxy"):
        for variable in sorted((key for key in os.environ if key.lower() == name), reverse=True):  # Small letters win.
            if os.environ[variable] == address:
                return variable
    return None


def _check_bundle(path: str, named: str) -> None:
    try:
        if Path(path).is_dir():
            _check_folder(path, named)
            return
        if Path(path).exists() and not Path(path).is_file():
            raise ssl.SSLError  # A pipe would be waited for.
        Path(path).open("rb").close()
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        raise PuretalkConfigurationError(f"{named} names {path!r}, which holds no certificates in PEM form.") from None
    except (OSError, ValueError) as error:
        raise PuretalkConfigurationError(
            f"{named} names the CA bundle {path!r}, which cannot be used: {_reason(error)}."
        ) from None


def _check_folder(path: str, named: str) -> None:
    """Check a folder of certificates: OpenSSL finds one by the hash of its subject, and skips all other files."""
    if not any(re.fullmatch(r"[0-9a-f]{8}\.[0-9]+", file.name) for file in Path(path).iterdir()):
        raise PuretalkConfigurationError(
            f"{named} names the folder {path!r}, where no certificate has a name that OpenSSL finds: name one file "
            "with all certificates, or run `openssl rehash` on the folder."
        )


def _check_key_log() -> None:
    """Check where the keys of TLS connections are to be written down, for debugging: ``urllib3`` would fail at each try."""
    path = os.path.expandvars(os.environ.get("SSLKEYLOGFILE", ""))
    try:
        if path:
            Path(path).open("ab").close()
    except (OSError, ValueError) as error:
        raise PuretalkConfigurationError(
            f"SSLKEYLOGFILE names {path!r}, which cannot be written: {_reason(error)}. Unset it, or name another file."
        ) from None


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or "it cannot be opened").lower()
