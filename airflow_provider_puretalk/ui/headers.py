"""The headers of every response, errors included: what a browser may do with a page that shares Airflow's origin."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: No script, no other source, framed by Airflow only; no form, and an origin of its own.
_POLICY = "default-src 'none'; base-uri 'none'; frame-ancestors 'self'; "
_ALONE = "form-action 'none'; sandbox; style-src "
#: Pages with links and searches: a browser sends the login with them from Airflow's own origin only.
_LINKED = "form-action 'self'; sandbox allow-same-origin allow-forms; style-src "
_CSP = b"content-security-policy"

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def content_security_policy(styles: Iterable[str], *, is_linked: bool = False) -> str:
    """Return the policy of a page.

    :param styles: the contents of its ``<style>`` elements; no others are applied.
    :param is_linked: whether it leads to other pages.
    """
    hashes = [base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() for style in styles]
    return _POLICY + (_LINKED if is_linked else _ALONE) + (" ".join(f"'sha256-{one}'" for one in hashes) or "'none'")


class WithHeaders:
    """An ASGI application whose responses all have the headers; a page may set its own content security policy."""

    def __init__(self, application: Callable[..., Awaitable[None]]) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: _Send) -> None:
        """Handle a request."""

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in _ALWAYS}
                headers = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in names]
                if not any(name.lower() == _CSP for name, _ in headers):
                    headers.append((_CSP, content_security_policy(()).encode()))
                message["headers"] = [*headers, *_ALWAYS]
            await send(message)

        await self._application(scope, receive, send_with_headers)
