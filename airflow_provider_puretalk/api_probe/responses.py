"""What of a response may be shown: the names of its headers, the values of a few of them, the shape of its body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from airflow_provider_puretalk.api.request import RawResponse
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.models import json_type

#: Headers whose values say how the server behaves, and nothing about the client.
_SHOWN_HEADERS = re.compile(r"(?i)server|content-type|content-encoding|retry-after|allow|(x-)?rate-?limit.*")
#: Values of these that are shown; anything else could be more than a number or a product's name.
_HARMLESS = re.compile(r"[A-Za-z0-9 ._/;:,=+()\"*-]{1,100}")
#: Keys of a body that are shown by name; an ordinary response has no others.
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")
_MOST_KEYS = 20


@dataclass(frozen=True, slots=True)
class ProbeResponse:
    """One response.

    :ivar status: HTTP status, None where no whole response came.
    :ivar problem: why none came, or why its body cannot be read; None where all is well.
    :ivar body: the decoded JSON; None where it is none.
    :ivar size: bytes of the body, decompressed.
    :ivar redirected: whether another address of the same origin gave it.
    :ivar headers: as they came, for :func:`shown_headers`.
    """

    status: int | None
    problem: str | None = None
    body: Any = None
    size: int = 0
    redirected: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, raw: RawResponse) -> Self:
        """Decode what the API sent."""
        problem, body = None, None
        try:
            body = canonical_json.loads(raw.body)
        except canonical_json.InvalidJSONError:
            html = "html" in raw.content_type.lower()
            problem = "no body" if not raw.body else "an HTML page" if html else "not JSON"
        return cls(raw.facts["status_code"], problem, body, len(raw.body), raw.redirected, raw.headers)

    @property
    def shape(self) -> Any:
        """The body without its values, or what is wrong with it."""
        return self.problem if self.problem is not None else shape(self.body)

    @property
    def header_names(self) -> set[str]:
        """The names of the headers, in lower case."""
        return {name.lower() for name in self.headers}


def shown_headers(response: ProbeResponse, secret: str) -> dict[str, str]:
    """Return the headers that say how the server behaves, and never the secret."""
    return {
        name: value if _HARMLESS.fullmatch(value) and secret not in value else "(not shown)"
        for name, value in sorted(response.headers.items())
        if _SHOWN_HEADERS.fullmatch(name)
    }


def shape(body: Any) -> Any:
    """Return what a body is made of: of an object the types by key, of anything else the type."""
    if not isinstance(body, dict):
        return json_type(body)
    keys = [key for key in body if _KEY.fullmatch(key)][:_MOST_KEYS]
    types = {key: json_type(body[key]) for key in keys}
    return types if len(types) == len(body) else types | {"...": f"{len(body) - len(types)} more"}
