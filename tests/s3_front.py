"""Stands in front of the S3 server and refuses what a policy would: moto's own checks do not hold on all its versions.

It serves the same buckets as the fixture ``s3_server``, since moto keeps them for the whole process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl

#: Is given the method, the path (``bucket/key``) and the query of a request; says whether it is allowed, or how it is
#: refused instead: "503 SlowDown".
Policy = Callable[[str, str, dict[str, str]], bool | str]

_REFUSAL = '<?xml version="1.0"?><Error><Code>{0}</Code><Message>{0}, it says</Message></Error>'


def tried_once(url: str) -> dict[str, Any]:
    """Return the fields of a connection to an S3 server that sends each request once."""
    extra = {"endpoint_url": url, "region_name": "us-east-1", "config_kwargs": {"retries": {"max_attempts": 0}}}
    return {"conn_type": "aws", "host": None, "login": "access-key", "password": "secret-key", "extra": extra}


@contextmanager
def guarded_by(policy: Policy, *, without_conditional_writes: str | None = None) -> Iterator[str]:
    """Serve S3 under a policy; yields the address.

    :param without_conditional_writes: how a request is refused that must not replace an object: "501 NotImplemented".
    """
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    behind = DomainDispatcherApplication(create_backend_app)

    def front(environ: dict[str, Any], start_response: Any) -> Any:
        query = dict(parse_qsl(environ["QUERY_STRING"]))
        said = policy(environ["REQUEST_METHOD"], environ["PATH_INFO"].strip("/"), query)
        if without_conditional_writes and "HTTP_IF_NONE_MATCH" in environ:
            said = without_conditional_writes
        if said is True:
            return behind(environ, start_response)
        status, _, code = (said or "403 AccessDenied").partition(" ")
        body = _REFUSAL.format(code).encode()
        start_response(f"{status} {code}", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    server = make_server("127.0.0.1", 0, front, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
