"""Links on a task in Airflow's UI, to the files that it wrote: a manifest, the report of a comparison or a fleet.

While a task runs, :func:`store_address` finds the address that a browser can open and keeps it; the link classes only hand
it out. So the web server of Airflow 2 needs neither the storage nor its connection, and a task that fails because too much
changed still has the link to its report. A link is a convenience: nothing here ever fails a task.

A browser can open:

* ``http(s)://`` destinations, as they are;
* ``s3://`` in AWS's console, unless the connection or the environment names another endpoint; ``gs://`` in Google's;
* any other where the *storage's* connection has an extra field ``browse_url``: a pattern such as
  ``https://files.example.com/{path}``. ``{path}`` is the whole path in the storage, with the bucket and without a leading
  slash; ``{file}`` the path below the destination (``account=.../snapshot=.../_report-vs-....html``). Everyone who may
  see the task sees the link, so no secret belongs into the pattern.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, unquote, urlencode, urlsplit

from airflow.providers.common.compat.sdk import BaseOperatorLink

from airflow_provider_puretalk import locations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow.providers.common.compat.sdk import BaseOperator, Context, TaskInstanceKey

log = logging.getLogger(__name__)

#: Which domain AWS's console has for regions whose name begins so; all others share one.
_CONSOLES = {"cn-": "console.amazonaws.cn", "us-gov-": "console.amazonaws-us-gov.com"}
#: What stays readable in a path.
_SAFE = "/=:@"


class _StoredFileLink(BaseOperatorLink):
    """A link whose address the task has found while it ran."""

    @property
    def xcom_key(self) -> str:
        """Return the key of the XCom that Airflow 3 reads; Airflow 2 has no such property."""
        return f"_link_{type(self).__name__}"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address, empty where there is none.

        Airflow 3 calls this in the worker when the task has ended, and keeps the result in XCom itself. Airflow 2 calls it
        in the web server, where the operator is only what was serialized of it.
        """
        known = getattr(operator, "link_addresses", None)
        if known is not None:
            return str(known.get(self.xcom_key, ""))
        try:
            from airflow.providers.common.compat.sdk import XCom

            return str(XCom.get_value(key=self.xcom_key, ti_key=ti_key) or "")
        except Exception:  # A page of the web server must not break because of a link.
            log.debug("No link from XCom.", exc_info=True)
            return ""


class PuretalkManifestLink(_StoredFileLink):
    """The manifest of the snapshot that a task took."""

    name = "Manifest"


class PuretalkReportLink(_StoredFileLink):
    """The report of the comparison that a task made."""

    name = "Report"


class PuretalkFleetReportLink(_StoredFileLink):
    """The report of many accounts that a task wrote."""

    name = "Fleet report"


class Linked(Protocol):
    """An operator with such links: it has a dictionary for their addresses."""

    link_addresses: dict[str, str]


def store_address(operator: Linked, context: Context, link: type[_StoredFileLink], path: str) -> None:
    """Store the address of a file for a link of a task; where no browser can open it, there is none.

    :param path: as the storage names it, with the id of its connection.
    """
    try:
        url = address(path)
        if url is not None:
            operator.link_addresses[link().xcom_key] = url
            context["ti"].xcom_push(key=link().xcom_key, value=url)
    except Exception as error:
        # Only its type: a connection's error may quote anything.
        log.warning("Link %r in the UI failed, the task goes on without it: %s.", link.name, type(error).__name__)


def address(path: str, extra_of: Callable[[str], Mapping[str, Any]] | None = None) -> str | None:
    """Return where a browser can open a stored file, None where it cannot.

    :param extra_of: returns the extra fields of a connection; for many files, one that reads it once.
    """
    scheme, separator, rest = path.partition("://")
    if not separator or path.startswith("/"):
        return None
    named, bucket, inside = locations.split(scheme, rest)
    conn_id = unquote(named)
    whole = f"{bucket}/{inside}" if bucket else inside
    extra = (extra_of or connection_extra)(conn_id) if conn_id else {}
    if extra.get("browse_url"):
        return _filled(extra["browse_url"], whole, conn_id)
    match scheme:
        case "http" | "https":
            return f"{scheme}://{bucket}/{quote(inside, _SAFE)}"
        case "s3" | "s3a" | "s3n":
            return _in_aws_console(bucket, inside, extra)
        case "gs" | "gcs":
            return f"https://storage.cloud.google.com/{quote(whole, _SAFE)}"
    return None


def connection_extra(conn_id: str) -> Mapping[str, Any]:
    """Return the extra fields of a connection."""
    from airflow.providers.common.compat.sdk import BaseHook

    extra: Mapping[str, Any] = BaseHook.get_connection(conn_id).extra_dejson
    return extra


def _filled(pattern: Any, whole: str, conn_id: str) -> str | None:
    """Fill in a pattern. No error repeats it: people put tokens into URLs."""
    parts = urlsplit(pattern) if isinstance(pattern, str) else urlsplit("")
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or not ("{path}" in pattern or "{file}" in pattern):
        log.warning(
            "Connection %r: the extra field `browse_url` is no pattern for links: it must be an http(s):// URL without "
            "credentials, with {path} or {file} in it.",
            conn_id,
        )
        return None
    below = "/".join(whole.split("/")[-3:])
    return str(pattern).replace("{path}", quote(whole, _SAFE)).replace("{file}", quote(below, _SAFE))


def _in_aws_console(bucket: str, key: str, extra: Mapping[str, Any]) -> str | None:
    """Return a page of AWS's console; None where the bucket is of another vendor with the same protocol."""
    service = (extra.get("service_config") or {}).get("s3") or {}
    elsewhere = (
        extra.get("endpoint_url"),
        service.get("endpoint_url"),
        os.environ.get("AWS_ENDPOINT_URL"),
        os.environ.get("AWS_ENDPOINT_URL_S3"),
    )
    if any(elsewhere):
        return None
    region = extra.get("region_name") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
    console = next((name for begin, name in _CONSOLES.items() if region.startswith(begin)), "console.aws.amazon.com")
    query = ({"region": region} if region else {}) | {"prefix": key}
    return f"https://{console}/s3/object/{quote(bucket)}?{urlencode(query)}"
