"""The few requests of the demo to Airflow's public REST API."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

#: Seconds for one answer. A task's first request makes an API server build what workers talk to, a minute on busy cores.
TIMEOUT = 180.0


class ApiRefused(Exception):
    """Airflow answered with an error.

    :ivar status: the HTTP status.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"Airflow's API answered {status}: {text[:300]}")
        self.status = status


class Api:
    """Airflow's REST API on this machine."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._token = ""
        # A proxy set for the rest of the world is not used for an address on this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def log_in(self, user: str, password: str) -> None:
        """Fetch the token that all further requests carry."""
        answer = self._send("POST", "/auth/token", {"username": user, "password": password})
        self._token = answer["access_token"]

    def get(self, path: str) -> Any:
        """Return what is at a path under ``/api/v2``."""
        return self._send("GET", f"/api/v2{path}", None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Create something."""
        return self._send("POST", f"/api/v2{path}", body)

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Change something."""
        return self._send("PATCH", f"/api/v2{path}", body)

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, headers, method=method)
        try:
            with self._opener.open(request, timeout=TIMEOUT) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ApiRefused(error.code, error.read().decode(errors="replace")) from None
