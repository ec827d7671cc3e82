"""A connection's fields, checked: where the API is, with which key, and how patiently and how fast to send requests.

An error names the wrong field, and never repeats a value that could hold a secret. Knows nothing of Airflow's connection
object.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from airflow_provider_puretalk.api.host_names import is_host_name
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.params import is_path_part

#: Where the vendor's page says the API is ("Assistants List", section servers).
DEFAULT_BASE_URL = "https://api.puretalk.ai/api"
#: Rows that a single request asks for, and that a reading begins with, where no ``page_size`` is set.
DEFAULT_PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Everything a client needs to know. The two secrets are left out of ``repr``.

    :ivar page_size: the ``limit`` of each request; None where readings find out what the server gives.
    """

    base_url: str
    api_key: str = field(repr=False)
    account: str
    page_size: int | None = None
    timeout: float = 30.0
    max_retries: int = 5
    retry_backoff: float = 0.5
    max_parallel_requests: int = 4
    requests_per_second: float | None = None
    max_response_bytes: int = 250_000_000
    verify: bool | str = True
    redaction_key: str | None = field(default=None, repr=False)

    @property
    def single_page_size(self) -> int:
        """The ``limit`` of a request for one page that no reading sends."""
        return DEFAULT_PAGE_SIZE if self.page_size is None else self.page_size

    @classmethod
    def from_fields(
        cls,
        conn_id: str,
        *,
        host: str | None,
        schema: str | None,
        port: int | None,
        password: str | None,
        extra: Mapping[str, Any],
    ) -> ApiSettings:
        """Check the fields of a connection.

        :raises PuretalkConfigurationError: a field is missing or wrong; the message names the field and ``conn_id``.
        """
        try:
            options = _Extra.model_validate({name: value for name, value in extra.items() if value not in (None, "")})
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            name = ".".join(str(part) for part in problem["loc"][:1])
            raise PuretalkConfigurationError(
                f"Connection {conn_id!r}: the extra field `{name}` is wrong: {_Extra.meaning(name)}."
            ) from None
        account = options.account or conn_id
        if not is_path_part(account):
            field_name = "the extra field `account`" if options.account else "the connection id, used as `account`,"
            raise PuretalkConfigurationError(
                f"Connection {conn_id!r}: {field_name} must consist of letters, digits and `. _ : -`, without `..`."
            )
        return cls(
            base_url=_base_url(conn_id, host, schema, port),
            api_key=_api_key(conn_id, password),
            account=account,
            page_size=options.page_size,
            timeout=options.timeout,
            max_retries=options.max_retries,
            retry_backoff=options.retry_backoff,
            max_parallel_requests=options.max_parallel_requests,
            requests_per_second=options.requests_per_second,
            max_response_bytes=options.max_response_bytes,
            verify=options.verify,
            redaction_key=_redaction_key(conn_id, options),
        )


def misspelled(extra: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the extra fields that are unknown and resemble a known one, each with the one that seems to be meant.

    Other unknown fields may be of other software. Airflow's form once wrote ``extra__puretalk__timeout`` for ``timeout``.
    """
    for name in extra.keys() - _Extra.model_fields.keys():
        plain = name.lower().removeprefix("extra__puretalk__").replace("-", "_")
        if meant := get_close_matches(plain, _Extra.model_fields, n=1, cutoff=0.8):
            yield name, meant[0]


def _truth_or_bundle(value: Any) -> Any:
    """Read ``verify`` as people write it: a form gives text, JSON gives a boolean."""
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if not isinstance(value, bool | str):
        raise ValueError("neither a boolean nor a path")
    try:
        there = isinstance(value, bool) or Path(value).exists()
    except OSError:  # too long, or in a folder that may not be entered
        there = False
    if not there:
        raise ValueError("no such file")
    return value


def _not_a_boolean(value: Any) -> Any:
    """Refuse ``true`` where a number is expected; pydantic would read it as 1."""
    if isinstance(value, bool):
        raise ValueError("a boolean")
    return value


_Count = Annotated[int, BeforeValidator(_not_a_boolean)]
_Seconds = Annotated[float, BeforeValidator(_not_a_boolean), Field(allow_inf_nan=False)]


class _Extra(BaseModel):
    """The extra fields; each description completes the sentence "is wrong: ...". Fields of others are ignored."""

    model_config = ConfigDict(extra="ignore")

    account: str | None = Field(None, description="it must be text")
    page_size: _Count | None = Field(None, ge=1, le=2**31 - 1, description="it must be a whole number, at least 1")
    timeout: _Seconds = Field(
        30.0, gt=0, le=86_400, description="it must be a number of seconds above 0, 86,400 at most"
    )
    max_retries: _Count = Field(5, ge=0, le=100, description="it must be a whole number from 0 to 100")
    retry_backoff: _Seconds = Field(0.5, ge=0, le=60, description="it must be a number of seconds from 0 to 60")
    max_parallel_requests: _Count = Field(4, ge=1, le=64, description="it must be a whole number from 1 to 64")
    requests_per_second: _Seconds | None = Field(None, ge=0.001, description="it must be a number, at least 0.001")
    max_response_bytes: _Count = Field(
        250_000_000, ge=1_000, le=2**40, description="it must be a whole number of bytes, at least 1,000"
    )
    verify: Annotated[bool | str, BeforeValidator(_truth_or_bundle)] = Field(
        True, description="it must be true, false or the path of an existing CA bundle"
    )
    redaction_secret: SecretStr | None = Field(None, description="it must be text")
    redaction_key: SecretStr | None = Field(None, description="it must be text")

    @classmethod
    def meaning(cls, name: str) -> str:
        return cls.model_fields[name].description or "it has the wrong form"


def _redaction_key(conn_id: str, options: _Extra) -> str | None:
    """Take the secret from either of its two fields: they are one, and must not differ."""
    if options.redaction_secret and options.redaction_key and options.redaction_secret != options.redaction_key:
        raise PuretalkConfigurationError(
            f"Connection {conn_id!r}: the extra fields `redaction_secret` and `redaction_key` differ; keep the one that "
            "the stored hashes were made with, as `redaction_secret`."
        )
    secret = options.redaction_secret or options.redaction_key
    return secret.get_secret_value() if secret else None


def _api_key(conn_id: str, password: str | None) -> str:
    if not password:
        raise PuretalkConfigurationError(
            f"Connection {conn_id!r}: the Password field is empty; it must hold the API key from PureTalk's dashboard."
        )
    # Anything else cannot stand in an HTTP header, and requests would quote it in its own error.
    if not re.fullmatch(r"[\x21-\x7e]+", password):
        raise PuretalkConfigurationError(
            f"Connection {conn_id!r}: the Password field holds white space, a line break or a character outside ASCII; "
            "paste the API key alone."
        )
    return password


def _base_url(conn_id: str, host: str | None, schema: str | None, port: int | None) -> str:
    """Put the base URL together, without a trailing slash.

    A full URL in Host is taken as it is. A bare name gets the Schema field (``https`` without one), the Port, and the
    path ``/api`` unless it brings a path of its own.
    """
    host = (host or "").strip()
    if port is not None and not 0 < port < 65_536:
        raise PuretalkConfigurationError(f"Connection {conn_id!r}: the Port field must be a number from 1 to 65,535.")
    if schema and schema.lower() not in ("http", "https"):
        raise PuretalkConfigurationError(
            f"Connection {conn_id!r}: the Schema field must be http or https; a path belongs into the Host field."
        )
    if not host:
        if port is not None or schema:
            raise PuretalkConfigurationError(
                f"Connection {conn_id!r}: Schema or Port is set, but Host is empty; set Host as well, or none of them."
            )
        return DEFAULT_BASE_URL
    whole = re.match(r"(?i)https?://[^/]", host) is not None
    parts = _split(conn_id, host if whole else f"{schema or 'https'}://{_with_brackets(host)}", host, whole=whole)
    if port is not None and parts.port not in (None, port):
        raise PuretalkConfigurationError(f"Connection {conn_id!r}: Host and Port name different ports.")
    if schema and schema.lower() != parts.scheme:
        raise PuretalkConfigurationError(f"Connection {conn_id!r}: Host and Schema name different schemes.")
    number = parts.port or port
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    path = parts.path.rstrip("/")
    if not whole and not path:
        path = urlsplit(DEFAULT_BASE_URL).path
    return f"{parts.scheme}://{name}{f':{number}' if number else ''}{path}"


def _with_brackets(host: str) -> str:
    """Put a bare IPv6 address into the brackets that URLs have."""
    name, slash, path = host.partition("/")
    try:
        ipaddress.IPv6Address(name)
    except ValueError:
        return host
    return f"[{name}]{slash}{path}"


def _split(conn_id: str, url: str, given: str, *, whole: bool) -> SplitResult:
    """Split a URL; no error repeats it, because people put keys into it by mistake.

    :param given: what stands in the Host field.
    :param whole: whether that is the whole URL, and no bare name.
    """
    problem = None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise PuretalkConfigurationError(f"Connection {conn_id!r}: the Host field is not a valid URL.") from None
    name = parts.hostname or ""
    if "@" in url:
        problem = "holds credentials; the API key belongs into the Password field"
    elif parts.query or parts.fragment:
        problem = "holds a query or a fragment; only scheme, host, port and path belong there"
    elif not whole and _LIKE_A_SCHEME.match(given):
        problem = "must be an http:// or https:// URL, with both slashes, or a host name alone"
    elif port == 0 or re.search(r"[\s\\]|[^\x21-\x7e]", url) or not _is_a_host(name, parts.netloc):
        problem = "is not a valid URL"
    if problem:
        raise PuretalkConfigurationError(f"Connection {conn_id!r}: the Host field {problem}.")
    return parts


#: What is no host name but the beginning of a URL with a slip of the pen: the key would go to a host called "http".
_LIKE_A_SCHEME = re.compile(r"(?i)/|[^/\[]*:(/|$)|[^/]+//|https?(:|/|$)")


def _is_a_host(name: str, netloc: str) -> bool:
    """Return whether something can be a host: a name, an IPv4 address, or an IPv6 address in brackets."""
    if not netloc.startswith("["):  # Python takes other things out of brackets, too.
        return is_host_name(name) and name not in ("http", "https")
    try:
        return ipaddress.IPv6Address(name).scope_id is None
    except ValueError:
        return False
