"""The control route: lets people change the fleet and set faults while the sandbox runs, with curl and without a key.

In comes JSON, read exactly, so that a record can be given any shape; out goes a short answer. Meant for loopback.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from airflow_provider_puretalk.api import exact_json
from airflow_provider_puretalk.sandbox.faults import Fault
from airflow_provider_puretalk.sandbox.state import Sandbox
from airflow_provider_puretalk.sandbox.store import encode


def control_router(sandbox: Sandbox) -> APIRouter:
    """Build the routes that edit one sandbox."""
    router = APIRouter(include_in_schema=False)
    _add_fleet_routes(router, sandbox)
    _add_fault_routes(router, sandbox)

    @router.get("/requests")
    async def requests() -> Response:
        return _answer({"count": sandbox.request_count, "max_in_flight": sandbox.max_in_flight})

    return router


def _add_fleet_routes(router: APIRouter, sandbox: Sandbox) -> None:
    fleet = sandbox.fleet

    @router.get("/assistants")
    async def assistants() -> Response:
        rows = [{"assistant_id": record.get("assistant_id"), "name": record.get("name")} for record in fleet]
        return _answer({"count": len(rows), "assistants": rows})

    @router.post("/assistants")
    async def add(request: Request) -> Response:
        partial = await _read_object(request, empty={})
        try:
            return _answer(fleet.add(partial), HTTPStatus.CREATED)
        except ValueError as error:
            raise _refusal(str(error)) from None

    @router.patch("/assistants/{assistant_id}")
    async def change(assistant_id: str, request: Request) -> Response:
        changes = await _read_object(request)
        try:
            return _answer(fleet.change(assistant_id, changes))
        except KeyError:
            raise _unknown(assistant_id) from None
        except ValueError as error:
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
        return _answer([fault.as_dict() for fault in faults.pending()])

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


def _fault(item: Any) -> Fault:
    if isinstance(item, str):
        return Fault.parse(item)
    if isinstance(item, dict):
        return Fault.from_dict(item)
    raise ValueError("a fault is an object with a 'kind', or its text form")


async def _read(request: Request) -> Any:
    try:
        return exact_json.loads(await request.body())
    except exact_json.InvalidJSONError as error:
        raise _refusal(f"the body is not JSON: {error}") from None


async def _read_object(request: Request, *, empty: dict[str, Any] | None = None) -> dict[str, Any]:
    if empty is not None and not await request.body():
        return empty
    body = await _read(request)
    if not isinstance(body, dict):
        raise _refusal("the body must be a JSON object")
    return body


def _answer(value: Any, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(encode(value) + b"\n", status, media_type="application/json")


def _refusal(reason: str) -> HTTPException:
    return HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, reason)


def _unknown(assistant_id: str) -> HTTPException:
    return HTTPException(HTTPStatus.NOT_FOUND, f"no assistant has the id {assistant_id}")
