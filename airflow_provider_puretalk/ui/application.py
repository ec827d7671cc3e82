"""The application that Airflow mounts: its routes, and what is answered when something fails."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.locations import shown
from airflow_provider_puretalk.ui import pages, task_snapshots
from airflow_provider_puretalk.ui.access import Readable, reads_task_instances
from airflow_provider_puretalk.ui.destinations import Destination
from airflow_provider_puretalk.ui.headers import WithHeaders
from airflow_provider_puretalk.ui.storage_threads import StorageThreads
from airflow_provider_puretalk.ui.task_snapshots import TaskInstance

log = logging.getLogger(__name__)

#: All routes, GET only. Each takes :data:`.access.Readable`, so that none forgets to ask the auth manager.
router = APIRouter()

#: What is said of an error, by status: never whether there is such a thing.
_SENTENCES = {
    401: "Log in to Airflow first.",
    403: "You may not see this. It takes the permission to read the connection of the storage and, of a task, the DAG's "
    "task instances.",
    404: "There is no such page.",
    405: "Pages can only be read.",
}


#: The threads of all requests of this process.
_storage_threads = StorageThreads()


@router.get("/tasks/{dag_id}/{task_id}/{map_index}/{run_id:path}", dependencies=[reads_task_instances])
async def task_instance(readable: Readable, dag_id: str, task_id: str, map_index: str, run_id: str) -> Response:
    """Show what a task instance stored: the snapshot that it took or compared, with the report."""
    # An Airflow that knows no index leaves its place holder in the address.
    index = int(map_index) if map_index.isdecimal() and len(map_index) < 10 else None
    instance = TaskInstance(dag_id, task_id, run_id, index)

    async def find(destination: Destination) -> pages.Found:
        try:
            return destination, await _storage_threads.run(
                destination, lambda one, until: task_snapshots.find(one, instance, until)
            )
        except TimeoutError:
            return destination, "The storage did not answer in time."
        except task_snapshots.Unreadable as error:
            log.warning("Reading %s for a page failed: %s", shown(destination.url), error)
            return destination, str(error)

    found = await asyncio.gather(*map(find, readable))
    return await asyncio.to_thread(pages.task_instance, instance, found)


async def _http_error(request: Request, error: Any) -> Response:
    return pages.error(error.status_code, _SENTENCES.get(error.status_code, "This cannot be shown."))


async def _invalid_address(request: Request, error: Any) -> Response:
    return pages.error(404, _SENTENCES[404])


async def _wrong_setting(request: Request, error: Any) -> Response:
    return pages.error(503, str(error))


async def _failure(request: Request, error: Any) -> Response:
    return pages.error(500, "This page failed; the API server's log says why.")


def _make() -> FastAPI:
    made = FastAPI(title="PureTalk", docs_url=None, redoc_url=None, openapi_url=None)
    made.include_router(router)
    made.add_exception_handler(HTTPException, _http_error)
    made.add_exception_handler(RequestValidationError, _invalid_address)
    made.add_exception_handler(PuretalkConfigurationError, _wrong_setting)
    made.add_exception_handler(Exception, _failure)
    return made


#: What Airflow mounts.
application = WithHeaders(_make())
