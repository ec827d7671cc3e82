"""What can go wrong, as exceptions on whose type a caller branches.

::

    PuretalkError (AirflowException)
    ├── PuretalkConfigurationError        the connection or an argument is wrong
    │   └── SnapshotExistsError           a snapshot is stored there already, and must not be replaced
    ├── PuretalkAuthError                 401, 403; also an AirflowFailException: the task is not retried
    ├── PuretalkNotFoundError             404
    ├── PuretalkRateLimitError            429 that outlasted the retries, or a wait too long to sit out
    ├── PuretalkServerError               5xx that outlasted the retries
    ├── PuretalkConnectionError           no response: DNS, refused, TLS, timeout, reset
    ├── PuretalkResponseError             a response that is not the documented shape
    │   └── PuretalkPaginationError       the pages do not advance
    ├── PuretalkInconsistentScanError     walks over the list never agreed
    ├── PuretalkTemporaryFolderError      the local disk cannot hold what a task works on
    ├── PuretalkSnapshotError             a stored snapshot is missing, torn or does not match its manifest
    ├── PuretalkDriftError                a comparison broke a limit that the user set
    └── PuretalkFailedAccountsError       more accounts failed than may; also an AirflowFailException

Every one of them derives from ``AirflowException``, because a deferred task that ends in any other type is marked failed
in spite of ``soft_fail``. No message and no attribute ever holds the API key or a piece of a response's body: both end up
in logs that people paste into tickets.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_puretalk.invisible import printable

__all__ = [
    "PuretalkAuthError",
    "PuretalkConfigurationError",
    "PuretalkConnectionError",
    "PuretalkDriftError",
    "PuretalkError",
    "PuretalkFailedAccountsError",
    "PuretalkInconsistentScanError",
    "PuretalkNotFoundError",
    "PuretalkPaginationError",
    "PuretalkRateLimitError",
    "PuretalkResponseError",
    "PuretalkServerError",
    "PuretalkSnapshotError",
    "PuretalkTemporaryFolderError",
    "SnapshotExistsError",
]

#: Characters of a message, and of its end, where the advice stands. What it quotes may have any length: an id, a name.
_LONGEST, _LONGEST_END = 8_000, 2_000


class PuretalkError(AirflowException):
    """Root of everything this provider raises on purpose.

    :ivar status_code: HTTP status of the response, where there was one.
    :ivar request_id: the response's ``X-Request-ID``, to quote to PureTalk's support.
    :ivar retry_after: seconds after which the server says to retry.
    :ivar url: the address of the request, without credentials.
    :ivar transient: False where waiting helps nothing, although it helps with others of the same type; None leaves it to
        the type, see :func:`is_transient`.
    """

    transient: bool | None = None  # As those are that an older version pickled.

    def __init__(
        self,
        message: str = "",
        *,
        status_code: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        url: str | None = None,
        transient: bool | None = None,
    ) -> None:
        # Names of assistants, fields and files are in messages, and those in logs.
        message = _shortened(printable(_shortened(message), keep="\n"))
        # Only the message becomes an argument of the exception; pickling restores the rest from ``__dict__``.
        super().__init__(message)
        self.message = message
        # Airflow keeps a status for its own web server under this name, on the class.
        self.status_code: int | None = status_code  # type: ignore[assignment]
        self.request_id = request_id
        self.retry_after = retry_after
        self.url = url
        self.transient = transient

    def __str__(self) -> str:
        facts = [
            f"{label} {value}"
            for label, value in (("HTTP", self.status_code), ("request id", self.request_id))
            if value is not None
        ]
        return f"{self.message} ({', '.join(facts)})" if facts else self.message


def _shortened(message: str) -> str:
    """Leave out the middle of a message that is too long to be read, or logged, or stored."""
    left_out = len(message) - _LONGEST
    if left_out <= 0:
        return message
    note = f" ... ({left_out + 100:,} characters left out) ... "
    return f"{message[: _LONGEST - _LONGEST_END - 100]}{note}{message[-_LONGEST_END:]}"


class PuretalkConfigurationError(PuretalkError):
    """The connection or an argument is wrong; the message names the field."""


class SnapshotExistsError(PuretalkConfigurationError):
    """Something is stored where the new snapshot was to go, and must not be replaced; the message says who wrote it."""


class PuretalkAuthError(PuretalkError, AirflowFailException):
    """The API refused the key (401 or 403). Trying again cannot help, so Airflow fails the task without retries."""


class PuretalkNotFoundError(PuretalkError):
    """The API knows no such address or page (404)."""


class PuretalkRateLimitError(PuretalkError):
    """The API throttled us (429) for longer than this task is willing to wait; ``retry_after`` says how long."""


class PuretalkServerError(PuretalkError):
    """The API failed (5xx) at every try."""


class PuretalkConnectionError(PuretalkError):
    """No response came: DNS, refused, TLS, timeout, reset."""


class PuretalkResponseError(PuretalkError):
    """The response is not the documented shape: ``err: true``, NaN, half a body, a record without id, ..."""


class PuretalkPaginationError(PuretalkResponseError):
    """The pages do not advance, so that reading on would never end."""


class PuretalkInconsistentScanError(PuretalkError):
    """No complete reading was proven: the list changed during every walk, contradicts itself, or time ran out."""


class PuretalkTemporaryFolderError(PuretalkError):
    """The temporary folder is full, missing, or cannot be written; the message names it. ``TMPDIR`` names another one.

    Transient where it is full: other tasks fill it, too, so that there may be room a while later.
    """


class PuretalkSnapshotError(PuretalkError):
    """A stored snapshot is missing, torn, or does not match its manifest."""


class PuretalkDriftError(PuretalkError):
    """A comparison broke a limit that the user set."""


class PuretalkFailedAccountsError(PuretalkError, AirflowFailException):
    """More accounts failed than the user allows. Trying again cannot help before one of them is cleared."""


_TRANSIENT = (
    PuretalkRateLimitError,
    PuretalkServerError,
    PuretalkConnectionError,
    PuretalkInconsistentScanError,
    PuretalkResponseError,
)


def is_transient(error: BaseException) -> bool:
    """Return whether the same may well succeed a while later, by itself."""
    if isinstance(error, PuretalkError) and error.transient is not None:
        return error.transient
    return isinstance(error, _TRANSIENT) and not isinstance(error, PuretalkPaginationError)
