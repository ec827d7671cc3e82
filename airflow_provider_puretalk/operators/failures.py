"""What a task that fails leaves in XCom, so that a later one can say which account failed, with what, and what to do."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, TypeVar

from airflow.providers.common.compat.sdk import AirflowSkipException, AirflowTaskTimeout

from airflow_provider_puretalk.exceptions import PuretalkError
from airflow_provider_puretalk.storable import storable

#: The key of the XCom. Airflow clears it when the task is tried again.
FAILURE_KEY: Final = "puretalk_failure"
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
            return execute(operator, context)
        except AirflowSkipException:
            raise
        except (Exception, AirflowTaskTimeout) as error:
            _push(operator, context, error)
            raise

    return call


def _push(operator: Any, context: Any, error: BaseException) -> None:
    from airflow_provider_puretalk.fleet import next_step

    is_ours = isinstance(error, PuretalkError)
    failure = {
        "task": operator.task_id,
        "puretalk_conn_id": _text_or_none(getattr(operator, "puretalk_conn_id", None)),
        "account": _text_or_none(getattr(operator, "account", None)),
        "error": type(error).__name__,
        "message": storable(str(error)[:_LONGEST]) if is_ours else "The log of the task has its message.",
        "next_step": next_step(error),
    }
    try:
        context["ti"].xcom_push(key=FAILURE_KEY, value=failure)
    except Exception as unexpected:
        # The task fails with its own error all the same. Of this one only the type: it may quote anything.
        operator.log.warning("Storing the failure in XCom failed: %s.", type(unexpected).__name__)


def _text_or_none(value: Any) -> str | None:
    return storable(value) if isinstance(value, str) else None
