"""When a failed task comes back."""

from __future__ import annotations

import importlib
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException

from airflow_provider_puretalk import exceptions
from airflow_provider_puretalk import retry_policy as module

try:
    from airflow.sdk.definitions.retry_policy import RetryAction

    HAS_POLICIES = True
except ImportError:  # Airflow before 3.3
    HAS_POLICIES = False

only_3_3 = pytest.mark.skipif(not HAS_POLICIES, reason="tasks have a retry policy from Airflow 3.3 on")

TRANSIENT = [
    exceptions.PuretalkServerError,
    exceptions.PuretalkConnectionError,
    exceptions.PuretalkInconsistentScanError,
    exceptions.PuretalkResponseError,
    exceptions.PuretalkRateLimitError,
]


def decide(error: BaseException, try_number: int = 1, **arguments: Any) -> Any:
    policy = module.PuretalkRetryPolicy(**arguments)
    return policy.evaluate(exception=error, try_number=try_number, max_tries=9, context=None)


@pytest.mark.skipif(HAS_POLICIES, reason="only where Airflow lacks it")
def test_older_airflows_are_told() -> None:
    """The module can be imported; asking it for the policy says in a sentence which Airflow it needs."""
    importlib.reload(module)
    with pytest.raises(AirflowOptionalProviderFeatureException, match="needs Airflow 3.3 or newer"):
        from airflow_provider_puretalk.retry_policy import PuretalkRetryPolicy  # noqa: F401
    with pytest.raises(AttributeError, match="Policies"):
        _ = module.Policies


@only_3_3
def test_throttled_tasks_come_back_when_the_server_said() -> None:
    """Neither sooner nor later, whatever the try, as long as it is within reason."""
    for seconds in (3, 600.5, 90_000):
        decision = decide(exceptions.PuretalkRateLimitError("", retry_after=seconds), try_number=4)
        assert decision.action == RetryAction.RETRY
        assert decision.retry_delay == timedelta(seconds=seconds)
    assert decide(exceptions.PuretalkRateLimitError("", retry_after=1e14)).retry_delay == timedelta(days=7)


@only_3_3
@pytest.mark.parametrize("kind", TRANSIENT)
def test_other_transient_errors_back_off(kind: type[exceptions.PuretalkError]) -> None:
    """The delay doubles from try to try, up to a limit, with a quarter of it left to chance."""
    for number, most in ((1, 10), (2, 20), (3, 40), (4, 70), (400, 70)):
        decision = decide(kind(""), number, first_delay=10, longest_delay=70)
        assert decision.action == RetryAction.RETRY
        assert timedelta(seconds=0.75 * most) <= decision.retry_delay <= timedelta(seconds=most)


@only_3_3
@pytest.mark.parametrize("kind", [exceptions.PuretalkAuthError, exceptions.PuretalkConfigurationError])
def test_what_nobody_corrects_is_not_tried_again(kind: type[exceptions.PuretalkError]) -> None:
    """A wrong key or a wrong argument fails the task at once."""
    assert decide(kind("")).action == RetryAction.FAIL


@only_3_3
@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        exceptions.PuretalkDriftError(""),
        exceptions.PuretalkSnapshotError(""),
        exceptions.PuretalkPaginationError(""),
        exceptions.PuretalkNotFoundError(""),
    ],
)
def test_all_else_is_left_to_the_task(error: BaseException) -> None:
    """What the policy knows nothing about goes by the task's own settings."""
    assert decide(error).action == RetryAction.DEFAULT


@only_3_3
@pytest.mark.parametrize("argument", ["first_delay", "longest_delay"])
@pytest.mark.parametrize("value", [0, -1, "30", "x", None, True, float("nan"), float("inf"), 10**400, [30]])
def test_delays_that_are_none(argument: str, value: Any) -> None:
    """They are refused by name where the policy is made, not when a task has failed."""
    with pytest.raises(exceptions.PuretalkConfigurationError, match=f"`{argument}` must be a number of seconds"):
        module.PuretalkRetryPolicy(**{argument: value})


@only_3_3
def test_the_first_delay_is_no_longer_than_the_longest() -> None:
    """Both may be the same: then nothing doubles."""
    with pytest.raises(exceptions.PuretalkConfigurationError, match=r"`first_delay` \(61 s\) must not exceed"):
        module.PuretalkRetryPolicy(first_delay=61, longest_delay=60)
    delay = decide(exceptions.PuretalkServerError(""), 3, first_delay=60, longest_delay=60).retry_delay
    assert timedelta(seconds=45) <= delay <= timedelta(seconds=60)


@only_3_3
def test_a_task_takes_it() -> None:
    """Airflow accepts the policy as an argument of a task, and puts the DAG into the database with it."""
    from datetime import UTC, datetime

    from airflow.sdk import DAG

    from airflow_provider_puretalk.operators import PuretalkListAssistantsOperator
    from tests import airflow_runner

    with DAG("with_policy", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        task = PuretalkListAssistantsOperator(
            task_id="list", retries=3, retry_policy=module.PuretalkRetryPolicy(first_delay=5)
        )
    airflow_runner.register(dag)
    assert task.has_retry_policy
