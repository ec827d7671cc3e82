"""What a task that fails leaves in XCom, so that a later one can say which account failed, with what, and what to do."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, TypeVar

from airflow.providers.common.compat.sdk import AirflowSkipException, AirflowTaskTimeout

from airflow_provider_puretalk import compat
from airflow_provider_puretalk.exceptions import PuretalkError
from airflow_provider_puretalk.storable import storable

#: The key of the XCom. Airflow clears it when the task is tried again, except 3.0 where the task is mapped.
FAILURE_KEY: Final = "puretalk_failure"
_IS_LEFT: Final = compat.has("tasks away from the database") and not compat.has("XComs of mapped instances cleared")
#: Characters of a message that it holds.
_LONGEST: Final = 1_000

_Result = TypeVar("_Result")


def reporting_failure(execute: Callable[..., _Result]) -> Callable[..., _Result]:
    """Let a task push why it fails, before it does.

    In XCom is ``{"task", "puretalk_conn_id", "account", "error", "message", "next_step"}`` then; ``error`` is the name of
    the error's class. The message of an error that is not of this package stays in the log, since it may quote anything. A
    task that is killed pushes nothing.
    """

    @functools.wraps(execute)
    def call(operator: Any, context: Any) -> _Result:
        try:
            result = execute(operator, context)
        except AirflowSkipException:
            raise
        except (Exception, AirflowTaskTimeout) as error:
            _push(operator, context, _failure(operator, error))
            raise
        instance = context.get("ti")
        if _IS_LEFT and getattr(instance, "map_index", -1) >= 0 and getattr(instance, "try_number", 1) > 1:
            _push(operator, context, {})  # In place of what an earlier try has left; that API takes no None.
        return result

    return call


def _failure(operator: Any, error: BaseException) -> dict[str, Any]:
    from airflow_provider_puretalk.fleet import next_step

    is_ours = isinstance(error, PuretalkError)
    return {
        "task": operator.task_id,
        "puretalk_conn_id": _text_or_none(getattr(operator, "puretalk_conn_id", None)),
        "account": _text_or_none(getattr(operator, "account", None)),
        "error": type(error).__name__,
        "message": storable(str(error)[:_LONGEST]) if is_ours else "The log of the task has its message.",
        "next_step": next_step(error),
    }


def _push(operator: Any, context: Any, failure: dict[str, Any]) -> None:
    try:
        context["ti"].xcom_push(key=FAILURE_KEY, value=failure)
    except Exception as unexpected:
        # The task ends as it would without. Of this error only the type: it may quote anything.
        operator.log.warning("Storing the failure in XCom failed: %s.", type(unexpected).__name__)


def _text_or_none(value: Any) -> str | None:
    return storable(value) if isinstance(value, str) else None
