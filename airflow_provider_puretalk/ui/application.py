"""The application that Airflow mounts: its routes, and what is answered when something fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkSnapshotError
from airflow_provider_puretalk.locations import shown
from airflow_provider_puretalk.size_limit import SizeLimitError
from airflow_provider_puretalk.ui import airflow_runs, fleet, pages, task_snapshots
from airflow_provider_puretalk.ui.access import Readable, ReadableAccount, reads_task_instances
from airflow_provider_puretalk.ui.destinations import AccountAt, Destination
from airflow_provider_puretalk.ui.failures import NotThereError, TooMuchError, sentence
from airflow_provider_puretalk.ui.headers import WithHeaders
from airflow_provider_puretalk.ui.storage_threads import StorageThreads
from airflow_provider_puretalk.ui.task_snapshots import TaskInstance

_Result = TypeVar("_Result")

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
#: What is said where the time limit passes, whatever took it.
_LATE = "The storage did not answer in time, or what lies there is too much to be read for a page."

#: The threads of all requests of this process.
_storage_threads = StorageThreads()


class _Place(Convertor[int]):
    """The number of a destination: not so many digits that Python refuses to read them."""

    regex = "[0-9]{1,20}"

    def convert(self, value: str) -> int:
        """Return what an address spells."""
        return int(value)

    def to_string(self, value: int) -> str:
        """Spell it."""
        return str(value)


# Of the whole process, where others may have made one of a plainer name.
register_url_convertor("puretalk_place", _Place())


@router.get("/tasks/{dag_id}/{task_id}/{map_index}/{run_id:path}", dependencies=[reads_task_instances])
async def task_instance(readable: Readable, dag_id: str, task_id: str, map_index: str, run_id: str) -> Response:
    """Show what a task instance stored: the snapshot that it took or compared, with the report."""
    begun = time.monotonic()
    # An Airflow that knows no index leaves its place holder in the address.
    index = int(map_index) if map_index.isdecimal() and len(map_index) < 10 else None
    named = TaskInstance(dag_id, task_id, run_id, index)
    instance, started_by = await _in_time(begun, lambda: airflow_runs.look_up(named))
    found = await _of_each(readable, begun, lambda one, until: task_snapshots.find(one, instance, started_by, until))
    return await _in_time(begun, lambda: pages.task_instance(instance, found))


@router.get("/")
async def accounts(request: Request, readable: Readable) -> Response:
    """Show the accounts below all destinations."""
    root, begun = _root(request), time.monotonic()
    found = await _of_each(readable, begun, fleet.accounts)
    return await _in_time(begun, lambda: pages.accounts(root, found))


@router.get("/{place:puretalk_place}/{account}")
async def account(request: Request, at: ReadableAccount) -> Response:
    """Show the timeline of an account."""
    root = _root(request)
    return await _of_account(at, lambda one, until: pages.timeline(root, one, fleet.timeline(one, until)))


@router.get("/{place:puretalk_place}/{account}/compare")
async def compare(request: Request, at: ReadableAccount, baseline: str = "", snapshot: str = "") -> Response:
    """Show the report of any two snapshots."""
    root = _root(request)
    return await _of_account(
        at, lambda one, until: fleet.compare(one, until, baseline, snapshot, pages.report_of(root, at))
    )


@router.get("/{place:puretalk_place}/{account}/assistant")
async def assistant(request: Request, at: ReadableAccount, id: str = "", on: str = "") -> Response:
    """Show one assistant: its log, since when its prompt stands, its record on a date."""
    root = _root(request)
    return await _of_account(
        at, lambda one, until: pages.assistant(root, one, fleet.assistant(one, until, id, on or None))
    )


@router.get("/{place:puretalk_place}/{account}/numbers")
async def numbers(request: Request, at: ReadableAccount) -> Response:
    """Show the phone numbers, and who is on them since when."""
    root = _root(request)
    return await _of_account(at, lambda one, until: pages.numbers(root, one, fleet.numbers(one, until)))


@router.get("/{place:puretalk_place}/{account}/search")
async def search(request: Request, at: ReadableAccount, text: str = "") -> Response:
    """Show the assistants whose name, number or prompt holds a text."""
    root, part = _root(request), text.strip()
    if not part:
        return await _in_time(time.monotonic(), lambda: pages.search(root, at, part, None))
    return await _of_account(at, lambda one, until: pages.search(root, one, part, fleet.search(one, until, part)))


def _root(request: Request) -> str:
    """Return the path that the pages are mounted at, below the prefix of Airflow's base URL."""
    return str(request.scope["root_path"])


async def _in_time(begun: float, work: Callable[[], _Result]) -> _Result:
    """Do what takes no storage, while there is time.

    :param begun: when the request came.
    :raises HTTPException: there was none left.
    """
    try:
        return await _storage_threads.render(work, begun)
    except TimeoutError:
        raise _Explained(504, _LATE) from None


async def _of_each(
    readable: list[Destination], begun: float, work: Callable[[Destination, float], _Result]
) -> list[tuple[Destination, _Result | str]]:
    """Do some work with each destination; a sentence stands for one that could not be read."""

    async def run(destination: Destination) -> tuple[Destination, _Result | str]:
        try:
            return destination, await _storage_threads.run(destination, work, begun)
        except TimeoutError:
            return destination, _LATE
        except Exception as error:  # Each storage library has its own errors, and what is stored may be anything.
            return destination, sentence(shown(destination.url), error)

    return await asyncio.gather(*map(run, readable))


async def _of_account(at: AccountAt, work: Callable[[AccountAt, float], _Result]) -> _Result:
    """Do some work with an account.

    :raises HTTPException: it could not be done; the detail says why.
    """
    try:
        return await _storage_threads.run(at.destination, lambda _, until: work(at, until))
    except TimeoutError:
        raise _Explained(504, _LATE, at) from None
    except (TooMuchError, SizeLimitError) as error:
        raise _Explained(413, sentence(shown(at.destination.url), error), at) from None
    except (NotThereError, PuretalkConfigurationError, PuretalkSnapshotError) as error:
        raise _Explained(404, str(error), at) from None
    except Exception as error:
        raise _Explained(502, sentence(shown(at.destination.url), error), at) from None


class _Explained(HTTPException):
    """An answer whose detail is for the reader, who may read the destination, with the ways on from there."""

    def __init__(self, status: int, sentence: str, at: AccountAt | None = None) -> None:
        super().__init__(status, sentence)
        self.at = at


# Not coroutines, so that they are called in a thread.


def _http_error(request: Request, error: Any) -> Response:
    if isinstance(error, _Explained):
        return pages.error(error.status_code, error.detail, root=_root(request), at=error.at)
    return pages.error(error.status_code, _SENTENCES.get(error.status_code, "This cannot be shown."))


def _invalid_address(request: Request, error: Any) -> Response:
    return pages.error(404, _SENTENCES[404])


def _wrong_setting(request: Request, error: Any) -> Response:
    return pages.error(503, str(error))


def _failure(request: Request, error: Any) -> Response:
    return pages.error(500, "This page failed; the API server's log says why.")


def _make() -> FastAPI:
    made = FastAPI(title="PureTalk", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    made.include_router(router)
    made.add_exception_handler(HTTPException, _http_error)
    made.add_exception_handler(RequestValidationError, _invalid_address)
    made.add_exception_handler(PuretalkConfigurationError, _wrong_setting)
    made.add_exception_handler(Exception, _failure)
    return made


#: What Airflow mounts.
application = WithHeaders(_make())
