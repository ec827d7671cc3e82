"""Locations in object storage and on file systems: what was written down is the place that is used, or it is refused.

Storage libraries read more into a location than people do: ``::`` chains file systems, ``?versionId=`` picks an old version,
``#`` and line breaks are cut off. So a location is taken apart here, and what the library made of it is held against that.

An address that names its connection has the id before the bucket, ``s3://conn_id@bucket/prefix``; what could be taken for
something else in an id (``/``, ``:``, ``#``, ...) is written as in any URL: ``s3://team%2Faws@bucket/prefix``.
"""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote, unquote

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

#: How a location may be given.
AnyLocation: TypeAlias = "str | os.PathLike[str] | ObjectStoragePath"

_FILES = ("file", "local")
#: Here what stands before ``@`` can be a container: ``abfss://container@account.dfs.core.windows.net/path``.
_AZURE = ("abfs", "abfss", "wasb", "wasbs")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
#: What storage libraries take for more than a part of a path.
_MEANINGFUL = ("::", "?", "#", "*", "[", "\\")

#: What may be credentials: all before the last ``@`` where it holds a colon, with what stands for a scheme before it.
_CREDENTIALS = re.compile(r"(?s)(?P<scheme>(?>(?:[^/@]*:)?/+|))[^@]*:.*@")
#: Places with a colon that begins no secret: a host with its port, an access point of S3.
_PLACE_WITH_COLON = re.compile(r"[^:]*:[0-9]+|arn:.*")


@dataclass(frozen=True, slots=True)
class Location:
    """A location, taken apart.

    :ivar scheme: in small letters; empty for a local path.
    :ivar place: bucket, host, or an Azure container with its account; empty on a local file system.
    :ivar path: what lies below, without a slash at its end; on a local file system the absolute path.
    :ivar conn_id: the Airflow connection that it names.
    """

    scheme: str
    place: str
    path: str
    conn_id: str | None

    @property
    def is_local(self) -> bool:
        """Whether it is a path of this machine."""
        return self.scheme in ("", *_FILES)

    @property
    def url(self) -> str:
        """The location as people and other tasks may use it again; names its connection."""
        if not self.scheme:
            return self.path or "/"
        conn_id = f"{quote(self.conn_id, safe='!()')}@" if self.conn_id else ""
        if self.is_local:
            return f"{self.scheme}://{conn_id}{self.path or '/'}"
        return f"{self.scheme}://{conn_id}{self.place}" + (f"/{self.path}" if self.path else "")


def as_text(value: Any) -> str | None:
    """Return text, a ``Path``, or an ``ObjectStoragePath`` with its connection as text; None for what is no location."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(getattr(value, "protocol", None), str):
        scheme, separator, rest = str(value).partition("://")
        conn_id = getattr(value, "conn_id", None)
        if not separator or not conn_id:
            return str(value)
        return f"{scheme}://{quote(conn_id, safe='!()')}@{rest.removeprefix(f'{conn_id}@')}"
    if isinstance(value, os.PathLike) and isinstance(path := os.fspath(value), str):
        return path
    return None


def shown(text: str) -> str:
    """Return a location that may be anything for a message: what may be credentials is left out."""
    return _CREDENTIALS.sub(r"\g<scheme>***@", text, count=1)


def parse(value: Any, conn_id: str | None = None) -> Location:
    """Take a location apart.

    :param value: text, a ``Path`` or an ``ObjectStoragePath``.
    :param conn_id: the connection to open it with, where it does not name it.
    :raises PuretalkConfigurationError: it is none, or a storage library would take it for another place.
    """
    text = as_text(value)
    if text is None:
        raise PuretalkConfigurationError(
            f"The destination must be text, a Path or an ObjectStoragePath, not of type {type(value).__name__}."
        )
    if unfit := next((char for char in text if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")), None):
        raise PuretalkConfigurationError(
            f"The destination {shown(text)!r} holds {unfit!r}, which is cut off or kept, depending on the storage."
        )
    if text.startswith("/"):
        return Location("", "", text.rstrip("/"), conn_id)
    scheme, separator, rest = text.partition("://")
    if not separator or not (_SCHEME.fullmatch(scheme) or "::" in scheme):
        raise PuretalkConfigurationError(
            f"The destination must be an absolute path or a URL such as s3://bucket/prefix, not {shown(text)!r}."
        )
    scheme = scheme.lower()
    if scheme in _FILES:
        named, separator, path = rest.partition("@/")
        if separator and "/" not in named:
            _refuse_credentials(scheme, named)
            return _with(Location(scheme, "", f"/{path}".rstrip("/"), unquote(named) or None), conn_id)
        if not rest.startswith("/"):
            raise PuretalkConfigurationError(
                f"The destination {shown(text)!r} is not absolute: file:// takes three slashes, as in file:///data."
            )
        return Location(scheme, "", rest.rstrip("/"), conn_id)
    named, place, path = split(scheme, rest)
    # A secret may hold a slash, and seems to be the path then.
    _refuse_credentials(scheme, place if "@" in path and not _PLACE_WITH_COLON.fullmatch(place) else named)
    for meaningful in _MEANINGFUL:
        if meaningful in f"{scheme}://{place}/{path}":
            raise PuretalkConfigurationError(
                f"The destination {text!r} holds {meaningful!r}, with which storage libraries lead to another place; "
                "name one without."
            )
    if any(part in ("", ".", "..") for part in path.split("/")) and path:
        raise PuretalkConfigurationError(
            f"The destination {text!r} has a part that is empty, '.' or '..', which storages understand differently."
        )
    found = Location(scheme, place, path, unquote(named) or None)
    if not place and not path:
        raise PuretalkConfigurationError(f"The destination {text!r} names no bucket.")
    return _with(found, conn_id)


def _refuse_credentials(scheme: str, named: str) -> None:
    if ":" in named:
        raise PuretalkConfigurationError(
            f"The {scheme}:// destination holds credentials; they belong into an Airflow connection, whose id may "
            f"stand there instead: {scheme}://conn_id@..."
        )


def _with(found: Location, conn_id: str | None) -> Location:
    """Return the location, opened with a connection that it does not name itself."""
    if conn_id and found.conn_id and conn_id != found.conn_id:
        raise PuretalkConfigurationError(
            f"`storage_conn_id` names the connection {conn_id!r}, and the destination names another one, {found.conn_id!r}."
        )
    return replace(found, conn_id=conn_id or found.conn_id)


def split(scheme: str, rest: str) -> tuple[str, str, str]:
    """Take what follows ``://`` apart into the connection as it is spelled there, the place, and the path."""
    authority, _, path = rest.partition("/")
    named, _, place = authority.rpartition("@")
    if scheme in _AZURE and named and "." in place:  # A container's name has no dot, an account's address has.
        named, _, container = named.rpartition("@")
        place = f"{container}@{place}"
    return named, place, path.removesuffix("/")


def root_in(fs: Any, location: Location) -> str:
    """Return what a file system calls a location, once it is seen to be the same place.

    :raises PuretalkConfigurationError: it is another one.
    """
    if location.is_local:
        root, expected = str(fs._strip_protocol(location.path or "/")), {location.path or "/"}
    else:
        place = _place_in(fs, location)
        whole = f"{place}/{location.path}".strip("/")
        address = f"{location.scheme}://{location.place}/{location.path}".rstrip("/")
        root, expected = str(fs._strip_protocol(address)), {whole, f"/{whole}"}
        if fs.root_marker == "/":  # One tree: the place is a host.
            expected.add(f"/{location.path}")
    root = root.rstrip("/")
    if root not in {one.rstrip("/") for one in expected} or str(fs._strip_protocol(root or "/")).rstrip("/") != root:
        raise PuretalkConfigurationError(
            f"The destination {location.url} would lead to another place: its storage library makes {root!r} of it."
        )
    return root


def _place_in(fs: Any, location: Location) -> str:
    """Return the outermost name of a location; of an Azure account, once it is seen to be the one that is opened."""
    container, separator, host = location.place.partition("@")
    if location.scheme not in _AZURE or not separator:
        return location.place
    account, opened = host.split(".")[0], getattr(fs, "account_name", None)
    if opened != account:
        raise PuretalkConfigurationError(
            f"The destination is in the storage account {account!r}, but "
            + (f"what is opened is {opened!r}" if opened else "no connection says how to open it")
            + "; name the account's Airflow connection with `storage_conn_id`."
        )
    return container
