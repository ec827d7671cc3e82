"""The application: the documented path with its corners, its OpenAPI document, and the control route.

The OpenAPI document is made from the package's own models. The responses are made from a :class:`Sandbox` without them: a
model would add, drop or round values of a stored record.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Security
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from fastapi.security import APIKeyHeader
from starlette.exceptions import HTTPException as StarletteHTTPException

from airflow_provider_puretalk.models import ApiError, AssistantPage
from airflow_provider_puretalk.sandbox.control import control_router
from airflow_provider_puretalk.sandbox.gate import API_PATH, FAULT_KEY, Gate
from airflow_provider_puretalk.sandbox.pages import (
    LimitRefusedError,
    PageNotFoundError,
    etag_header,
    is_named,
    read_page,
    spoil,
)
from airflow_provider_puretalk.sandbox.state import Sandbox
from airflow_provider_puretalk.sandbox.store import encode

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_PATH = "/ai-assistants"

_KEY_HEADER = APIKeyHeader(
    name="X-API-KEY",
    scheme_name="ApiKeyAuth",
    description="The API key",
    auto_error=False,  # the refusal has a shape of its own
)

_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": AssistantPage, "description": "AI Assistants response"},
    404: {"model": ApiError, "description": "Not Found"},
}

# Documented, but not declared to FastAPI: it would refuse with 422 what the service ignores or does not find.
_PARAMETERS = {
    "parameters": [
        {"name": name, "in": "query", "description": meaning, "schema": {"type": "integer", "format": "int32"}}
        for name, meaning in (
            ("page", "The page number to return"),
            ("limit", "The maximum number of results to return"),
        )
    ]
}


def create_app(sandbox: Sandbox) -> ASGIApp:
    """Build the application for one sandbox."""
    router = _api_router(sandbox)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.include_router(router, prefix=API_PATH)
    app.include_router(control_router(sandbox), prefix="/_sandbox")

    @app.get("/openapi.json")
    async def openapi() -> Response:
        document = get_openapi(
            title="PureTalk sandbox",
            version="1.0.0",
            description="A stand-in for trying, tests and benchmarks - not PureTalk.",
            routes=router.routes,
            servers=[{"url": API_PATH}],
        )
        return Response(encode(document), media_type="application/json")

    @app.exception_handler(StarletteHTTPException)
    async def refuse(request: Request, error: StarletteHTTPException) -> Response:
        body = encode({"err": True, "msg": error.detail})
        return Response(body, error.status_code, error.headers, media_type="application/json")

    return Gate(app, sandbox)


def _api_router(sandbox: Sandbox) -> APIRouter:
    """Build the documented part."""

    async def slash(request: Request) -> None:
        # Before the check of the key, as in Django's CommonMiddleware.
        if sandbox.rules.redirect_slash and not request.url.path.endswith("/"):
            target = f"{request.url.path}/" + (f"?{request.url.query}" if request.url.query else "")
            raise HTTPException(HTTPStatus.MOVED_PERMANENTLY, "The path ends in a slash.", {"Location": target})

    async def key(given: str | None = Security(_KEY_HEADER)) -> None:
        if given != sandbox.rules.api_key:
            raise HTTPException(HTTPStatus.UNAUTHORIZED, "The API key is missing or wrong.")

    async def throttle() -> None:
        wait = sandbox.throttle.wait(sandbox.rules.requests_per_second) if sandbox.rules.requests_per_second else 0
        if wait:
            raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests.", {"Retry-After": str(wait)})

    router = APIRouter(dependencies=[Depends(slash), Depends(key), Depends(throttle)])

    @router.get(f"{_PATH}/", include_in_schema=False)
    @router.get(
        _PATH,
        summary="Assistants List",
        description="Returns all AI Assistants from the system that the user has access to",
        operation_id="list_assistants",
        response_model=None,
        responses=_RESPONSES,
        openapi_extra=_PARAMETERS,
    )
    async def assistants(request: Request) -> Response:
        fault = request.scope.get(FAULT_KEY)
        query = request.query_params.multi_items()
        url = f"{request.url.scheme}://{request.url.netloc}{API_PATH}{_PATH}"
        try:
            page = read_page(
                sandbox.fleet,
                query,
                url=url,
                page_size=sandbox.rules.page_size,
                max_limit=sandbox.rules.max_limit,
                refuse_above=sandbox.rules.refuse_above,
                shuffled=sandbox.shuffling if fault is not None and fault.kind == "shuffle" else None,
            )
        except LimitRefusedError:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "The limit is too large.") from None
        except PageNotFoundError:
            raise HTTPException(HTTPStatus.NOT_FOUND, "Invalid page.") from None
        body = page.body() if fault is None else spoil(page, fault, url=url, query=query)
        headers = etag_header(body, sandbox.rules.etag)
        # What goes wrong needs a body to go wrong with.
        if fault is None and is_named(headers.get("ETag"), request.headers.getlist("if-none-match")):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(body, headers=headers, media_type="application/json")

    return router
