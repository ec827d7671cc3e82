"""Sends one question and takes down the answer as it is: nothing is retried, nothing is refused.

Whatever of an answer may be shown is decided here: names of headers, the values of a few of them, the shape of a body.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
import urllib3

from airflow_provider_puretalk.api.deadline import time_limit
from airflow_provider_puretalk.api.request import WHOLE_ANSWER_FACTOR
from airflow_provider_puretalk.api.response_body import read_body
from airflow_provider_puretalk.api.session import open_session
from airflow_provider_puretalk.api.settings import ApiSettings
from airflow_provider_puretalk.api.transport_errors import explain
from airflow_provider_puretalk.exceptions import PuretalkResponseError
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.models import json_type

#: Headers whose values say how the server behaves, and nothing about whom it answers.
_TELLING = re.compile(r"(?i)server|content-type|content-encoding|retry-after|allow|(x-)?rate-?limit.*")
#: Values of these that are shown; anything else could be more than a number or a product's name.
_HARMLESS = re.compile(r"[A-Za-z0-9 ._/;:,=+()\"*-]{1,100}")
#: Keys of a body that are shown by name; an answer that is no error has no others.
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")
_MOST_KEYS = 20


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    :ivar status: HTTP status, None where no whole answer came.
    :ivar problem: why none came, or why its body cannot be read; None where all is well.
    :ivar body: the decoded JSON; None where it is none.
    :ivar size: bytes of the body, decompressed.
    :ivar redirected: whether another address of the same origin gave the answer.
    :ivar headers: as they came, for :func:`telling_headers`.
    """

    status: int | None
    problem: str | None = None
    body: Any = None
    size: int = 0
    redirected: bool = False
    headers: Mapping[str, str] | None = None

    @property
    def shape(self) -> Any:
        """The body without its values, or what is wrong with it."""
        return self.problem if self.problem is not None else shape(self.body)


class Asker:
    """Asks, one question at a time and not faster than the connection allows.

    :param settings: the connection.
    """

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._session = open_session(settings)
        self._times: list[float] = []

    def ask(self, *, with_key: bool = True, **query: int) -> Reply:
        """Send one question about the list.

        :param with_key: False leaves the key out.
        :param query: parameters of the address.
        """
        url, silence = f"{self._settings.base_url}/ai-assistants", self._settings.timeout
        begun = time.perf_counter()
        with time_limit(silence * WHOLE_ANSWER_FACTOR) as limit:
            try:
                with self._session.get(
                    url, params=query, timeout=silence, stream=True, auth=None if with_key else _no_key
                ) as response:
                    body = read_body(response, self._settings.max_response_bytes)
            except requests.TooManyRedirects:
                return Reply(None, "The API redirects in circles.")
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                return Reply(None, "The answer came in drips." if limit.expired else explain(error, None).message)
            except PuretalkResponseError as error:
                return Reply(None, error.message)
        if limit.expired:
            return Reply(None, "The answer came in drips.")
        self._times.append(time.perf_counter() - begun)
        return _reply(response, body)

    @property
    def times(self) -> dict[str, float | int]:
        """How long answers took, in milliseconds."""
        taken = [round(seconds * 1000, 1) for seconds in self._times] or [0.0]
        return {
            "answers": len(self._times),
            "shortest": min(taken),
            "median": round(statistics.median(taken), 1),
            "longest": max(taken),
        }

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def telling_headers(reply: Reply, secret: str) -> dict[str, str]:
    """Return the headers that say how the server behaves, and never the secret."""
    return {
        name: value if _HARMLESS.fullmatch(value) and secret not in value else "(not shown)"
        for name, value in sorted((reply.headers or {}).items())
        if _TELLING.fullmatch(name)
    }


def shape(body: Any) -> Any:
    """Return what a body is made of: of an object the types by key, of anything else the type."""
    if not isinstance(body, dict):
        return json_type(body)
    keys = [key for key in body if _KEY.fullmatch(key)][:_MOST_KEYS]
    told = {key: json_type(body[key]) for key in keys}
    return told if len(told) == len(body) else told | {"...": f"{len(body) - len(told)} more"}


def _reply(response: requests.Response, body: bytes) -> Reply:
    kind = response.headers.get("Content-Type", "").lower()
    facts: dict[str, Any] = {
        "size": len(body),
        "redirected": bool(response.history),
        "headers": response.headers,
    }
    try:
        return Reply(response.status_code, None, canonical_json.loads(body), **facts)
    except canonical_json.InvalidJSONError:
        what = "no body" if not body else "an HTML page" if "html" in kind else "not JSON"
        return Reply(response.status_code, what, None, **facts)


def _no_key(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
