"""The control route: lets people change the fleet and set faults while the sandbox runs, with curl and without a key.

Its JSON is read exactly, so that a record can be given any shape. Meant for loopback.

It needs no key, so web pages in a browser must not get in. What changes something needs the content type of JSON, which a
page of another origin may send only after a CORS preflight, and nothing here permits it. The Host must be the machine
itself, so that no foreign name that was pointed at loopback (DNS rebinding) becomes the same origin.
"""

from __future__ import annotations

from http import HTTPStatus
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response

from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.sandbox.faults import Fault
from airflow_provider_puretalk.sandbox.state import Sandbox
from airflow_provider_puretalk.sandbox.store import encode


def control_router(sandbox: Sandbox) -> APIRouter:
    """Build the routes that edit one sandbox."""
    router = APIRouter(include_in_schema=False, dependencies=[Depends(_require_own_host), Depends(_require_json)])
    _add_fleet_routes(router, sandbox)
    _add_fault_routes(router, sandbox)

    @router.get("/requests")
    async def requests() -> Response:
        return _json_response({"count": sandbox.request_count, "max_in_flight": sandbox.max_in_flight})

    return router


def _add_fleet_routes(router: APIRouter, sandbox: Sandbox) -> None:
    fleet = sandbox.fleet

    @router.get("/assistants")
    async def assistants() -> Response:
        rows = [{"assistant_id": record.get("assistant_id"), "name": record.get("name")} for record in fleet]
        return _json_response({"count": len(rows), "assistants": rows})

    @router.post("/assistants")
    async def add(request: Request) -> Response:
        partial = await _read_object(request, empty={})
        try:
            return _json_response(fleet.add(partial), HTTPStatus.CREATED)
        except (RecursionError, ValueError) as error:
            raise _refusal(str(error)) from None

    @router.patch("/assistants/{assistant_id}")
    async def change(assistant_id: str, request: Request) -> Response:
        changes = await _read_object(request)
        try:
            return _json_response(fleet.change(assistant_id, changes))
        except KeyError:
            raise _unknown(assistant_id) from None
        except (RecursionError, ValueError) as error:
            raise _refusal(str(error)) from None

    @router.delete("/assistants/{assistant_id}")
    async def remove(assistant_id: str) -> Response:
        try:
            fleet.remove(assistant_id)
        except KeyError:
            raise _unknown(assistant_id) from None
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _add_fault_routes(router: APIRouter, sandbox: Sandbox) -> None:
    faults = sandbox.faults

    @router.get("/faults")
    async def pending() -> Response:
        return _json_response([fault.as_dict() for fault in faults.pending()])

    @router.post("/faults")
    async def put(request: Request) -> Response:
        body = await _read(request)
        try:
            rules = [_fault(item) for item in (body if isinstance(body, list) else [body])]
        except ValueError as error:
            raise _refusal(str(error)) from None
        faults.replace_all(rules)
        return await pending()

    @router.delete("/faults")
    async def clear() -> Response:
        faults.clear()
        return Response(status_code=HTTPStatus.NO_CONTENT)


async def _require_own_host(request: Request) -> None:
    """Refuse a Host that is neither loopback nor the very address at which the request arrived."""
    hosts = request.headers.getlist("host")
    name = _host_name(hosts[0]) if len(hosts) == 1 else None
    if name is None or not (_is_loopback(name) or _is_same_address(name, request.scope.get("server"))):
        raise HTTPException(
            HTTPStatus.FORBIDDEN, "the control route answers only under this machine's own address, such as 127.0.0.1"
        )


async def _require_json(request: Request) -> None:
    """Refuse a change that does not say that it is JSON: any web page can send a form or plain text anywhere."""
    if request.method in ("GET", "HEAD"):
        return
    kinds = request.headers.getlist("content-type")
    if len(kinds) != 1 or kinds[0].partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the header `Content-Type: application/json` is needed")


def _host_name(host: str) -> str | None:
    """Return the name in a Host header without its port, None where it is not of that form."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018  # Raises where it is no number.
    except ValueError:
        return None
    # Nothing but a name and a port, or the rest would be what the check never sees.
    return parts.hostname if parts.netloc == host and "@" not in host else None


def _is_loopback(name: str) -> bool:
    if name.rstrip(".") == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _is_same_address(name: str, server: tuple[str, int | None] | None) -> bool:
    try:
        return server is not None and ip_address(name) == ip_address(server[0])
    except ValueError:
        return False


def _fault(item: Any) -> Fault:
    if isinstance(item, str):
        return Fault.parse(item)
    if isinstance(item, dict):
        return Fault.from_dict(item)
    raise ValueError("a fault is an object with a 'kind', or its text form")


async def _read(request: Request) -> Any:
    try:
        return canonical_json.loads(await request.body())
    except canonical_json.InvalidJSONError as error:
        raise _refusal(f"the body is not JSON: {error}") from None
    except (RecursionError, ValueError):
        raise _refusal("the body is nested too deeply, or holds a number that is too long") from None


async def _read_object(request: Request, *, empty: dict[str, Any] | None = None) -> dict[str, Any]:
    if empty is not None and not await request.body():
        return empty
    body = await _read(request)
    if not isinstance(body, dict):
        raise _refusal("the body must be a JSON object")
    return body


def _json_response(value: Any, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(encode(value) + b"\n", status, media_type="application/json")


def _refusal(reason: str) -> HTTPException:
    return HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, reason)


def _unknown(assistant_id: str) -> HTTPException:
    return HTTPException(HTTPStatus.NOT_FOUND, f"no assistant has the id {assistant_id}")
