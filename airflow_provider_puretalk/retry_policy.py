"""When a task that failed on PureTalk comes back: what the error says decides, not a fixed delay. Airflow 3.3 or newer.

::

    PuretalkSnapshotAssistantsOperator(..., retries=5, retry_policy=PuretalkRetryPolicy())

=========================================  ============================================================================
throttled (429)                            back when the server said; with back-off where it did not say
other transient errors                     back after ``first_delay``, doubling with each try, with jitter
wrong key, connection or argument          failed at once: only people can correct it
all others                                 as the task says (``retry_delay``)
=========================================  ============================================================================

The number of tries stays the task's ``retries``.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

from airflow_provider_puretalk import compat, params
from airflow_provider_puretalk.exceptions import (
    PuretalkAuthError,
    PuretalkConfigurationError,
    PuretalkRateLimitError,
    is_transient,
)

try:
    from airflow.providers.common.compat.sdk import RetryDecision, RetryPolicy
except ImportError:  # Airflow before 3.3

    def __getattr__(name: str) -> NoReturn:
        if name != "PuretalkRetryPolicy":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
        from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException

        raise AirflowOptionalProviderFeatureException(compat.missing("retry policies"))

else:
    if TYPE_CHECKING:
        from airflow.providers.common.compat.sdk import Context

    #: Longest wait in seconds, whatever a server says.
    _LONGEST = 7 * 86_400.0

    class PuretalkRetryPolicy(RetryPolicy):
        """Decides by the error when a task comes back, see the module.

        :param first_delay: seconds before the second try, after a transient error that does not say how long.
        :param longest_delay: seconds that such a delay grows to at most.
        :raises PuretalkConfigurationError: a delay is no number of seconds above 0, or the first exceeds the longest.
        """

        def __init__(self, first_delay: float = 30, longest_delay: float = 3600) -> None:
            self.first_delay = params.seconds("first_delay", first_delay, rendered=False)
            self.longest_delay = params.seconds("longest_delay", longest_delay, rendered=False)
            if self.first_delay > self.longest_delay:
                raise PuretalkConfigurationError(
                    f"`first_delay` ({self.first_delay:g} s) must not exceed `longest_delay` ({self.longest_delay:g} s)."
                )

        def evaluate(
            self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
        ) -> RetryDecision:
            """Return what becomes of the task. Not called where a key was refused: such a task fails anyway."""
            if isinstance(exception, PuretalkAuthError | PuretalkConfigurationError):
                return RetryDecision.fail("PureTalk: the key, the connection or an argument is wrong.")
            if not is_transient(exception):
                return RetryDecision.default()
            retry_after = exception.retry_after if isinstance(exception, PuretalkRateLimitError) else None
            delay = self._backoff(try_number) if retry_after is None else retry_after
            reason = "with back-off" if retry_after is None else "as long as the server said"
            return RetryDecision.retry(
                timedelta(seconds=min(delay, _LONGEST)), f"PureTalk: {type(exception).__name__}, back {reason}."
            )

        def _backoff(self, try_number: int) -> float:
            # No task is tried so often that the exponent matters, but one that is cleared again and again counts on.
            delay: float = min(self.longest_delay, self.first_delay * 2 ** min(max(try_number, 1) - 1, 30))
            return delay * random.uniform(0.75, 1.0)


__all__ = ["PuretalkRetryPolicy"]
