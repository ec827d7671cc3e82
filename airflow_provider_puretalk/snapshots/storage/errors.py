"""What a storage's error means: not permitted, over soon, or something else.

In comes whatever a storage library raised; out comes one of ours, in one sentence. "The file is not what it should be" is
none of them: nothing that is said here was found out by reading a file, so nobody may conclude from it that one is damaged.

Libraries are recognised by what their errors carry (a code, a status, an ``errno``) and by the names of their classes: of
most storages the library is not installed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Any

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkError


class AccessDenied(PuretalkConfigurationError):
    """The storage hands out, or takes, everything but this: no permission, a key that is disabled, an archived object."""


#: What is over by itself. S3's names, then those that others have for the same.
_OVER_SOON = {
    "SlowDown", "ServiceUnavailable", "InternalError", "InternalFailure", "RequestTimeout", "OperationAborted",
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
    "RequestLimitExceeded", "BandwidthLimitExceeded", "TooManyRequests", "TooManyRequestsException",
    "PriorRequestNotComplete", "ConditionalRequestConflict", "NoSuchUpload",
    "IncompleteBody", "TemporaryRedirect", "RestoreAlreadyInProgress",
    "ServerBusy", "OperationTimedOut", "InternalServerError", "XMinioServerNotInitialized", "XMinioServerBusy",
}  # fmt: skip
#: Credentials that were good: the next try has new ones, or a clock that was set.
_EXPIRED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "TokenRefreshRequired",
    "RequestExpired",
    "ExpiredAuthenticationToken",
}
_SKEWED = {"RequestTimeTooSkewed", "RequestInTheFuture"}
#: What lies in an archive has to be brought back by somebody before it can be read.
_ARCHIVED = {"InvalidObjectState", "BlobArchived", "BlobBeingRehydrated"}
_DENIED = {
    "AccessDenied", "AllAccessDisabled", "AccountProblem", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch",
    "AuthorizationFailure", "AuthorizationPermissionMismatch", "AuthenticationFailed", "InsufficientAccountPermissions",
    "InvalidSecurity", "InvalidPayer", "NotSignedUp",
}  # fmt: skip
_MISSING = {"NoSuchKey", "BlobNotFound"}
#: Says nothing of the file that was asked for: it is there again when its bucket is.
_NO_BUCKET = {"NoSuchBucket", "ContainerNotFound"}

#: Names of classes that stand for "no answer" in botocore, aiohttp, requests, urllib3, azure-core and google-auth.
_NO_ANSWER = {
    "TimeoutError", "EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError",
    "HTTPClientError", "ProxyConnectionError", "ResponseStreamingError", "IncompleteReadError", "ConnectionError",
    "ConnectTimeout", "ReadTimeout", "Timeout", "ChunkedEncodingError", "ProtocolError", "ClientConnectionError",
    "ClientPayloadError", "ServiceRequestError", "ServiceResponseError", "TransportError",
    "CredentialRetrievalError", "MetadataRetrievalError", "TokenRetrievalError",
}  # fmt: skip
#: TLS that fails is mostly a certificate that nobody exchanges meanwhile.
_TLS = {"SSLError", "SSLCertVerificationError", "ClientConnectorCertificateError", "CertificateError"}
_NO_CREDENTIALS = {
    "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "NoRegionError", "UnauthorizedSSOTokenError",
    "SSOTokenLoadError", "DefaultCredentialsError", "CredentialUnavailableError", "ParamValidationError",
}  # fmt: skip

#: A network, a server of files, or this machine that is out of breath. A disk without room is none: somebody has to act.
_PASSING = {
    getattr(errno, name)
    for name in (
        "EAGAIN", "EBUSY", "EINTR", "EIO", "EREMOTEIO", "ESTALE", "ETIMEDOUT", "ETIME", "ECONNRESET", "ECONNREFUSED",
        "ECONNABORTED", "EPIPE", "ENETDOWN", "ENETUNREACH", "ENETRESET", "EHOSTDOWN", "EHOSTUNREACH", "ENOTCONN",
        "ESHUTDOWN", "ECOMM", "EPROTO", "ENOLCK", "EDEADLK", "EMFILE", "ENFILE", "ENOMEM", "ENOBUFS",
    )
    if hasattr(errno, name)
}  # fmt: skip


def as_ours(error: Exception, where: str, *, writing: bool, verb: str | None = None) -> Exception:
    """Return the error to raise for what a storage library raised about a file or folder.

    :param verb: what cannot be done, where it is neither "read" nor "written".
    :returns: ``FileNotFoundError`` where it is not there; :class:`AccessDenied`; a :class:`PuretalkConfigurationError`; or
        a :class:`PuretalkError` whose ``transient`` says whether the same may succeed a while later.
    """
    action = f"{where} cannot be {verb or ('written' if writing else 'read')}"
    codes = [*_codes(error)]
    known, status = {code for code, _ in codes}, next((status for _, status in codes if status), None)
    code = next((code for code, _ in codes if code), "")
    if known & _ARCHIVED:
        return AccessDenied(f"{action}: it is archived ({code}). Restore it, or move it away.")
    if known & _EXPIRED:
        return PuretalkError(f"{action}: the storage's credentials have expired ({code}).", transient=True)
    if known & _SKEWED:
        return PuretalkError(
            f"{action}: the clock of this machine differs too much from the storage's ({code}).", transient=True
        )
    if known & _OVER_SOON or "Throttling" in code or (status is not None and _is_passing(status)):
        return PuretalkError(f"{action} now: {_told(error)} ({code or f'HTTP {status}'}).", transient=True)
    if known & _NO_BUCKET:
        return PuretalkConfigurationError(f"{action}: its bucket does not exist ({code}).")
    if isinstance(error, IsADirectoryError):
        return AccessDenied(f"{action}: it is a folder, not a file.")
    if (
        known & _MISSING
        or isinstance(error, FileNotFoundError)
        or (
            isinstance(error, NotADirectoryError) and not writing  # What lies below a file is not there either.
        )
    ):
        return error if isinstance(error, FileNotFoundError) else FileNotFoundError(errno.ENOENT, _told(error), where)
    if code.startswith("KMS."):
        return AccessDenied(f"{action}: its encryption key cannot be used ({code}).")
    if known & _DENIED or status in (401, 403) or _is_denied(error):
        reason = f" ({code})" if code and not code.isdigit() else ""
        return AccessDenied(f"{action}: permission denied{reason}.")
    if code == "400":
        return PuretalkError(f"{action}: bad request; this is how S3 refuses an expired token.", transient=True)
    return _by_kind(error, action, has_code=bool(code or status))


def says_no_reason(error: BaseException) -> bool:
    """Tell whether S3 refused a HEAD: its answer has no body, and so it is not known what for."""
    return next((code for code, _ in _codes(error) if code), "") in ("400", "403")


def _by_kind(error: Exception, action: str, *, has_code: bool) -> PuretalkError:
    """Judge an error by its classes and numbers.

    :param has_code: a storage service gave a code, which is none of those that are over soon. What number its library
        translates that into says nothing: of codes that it does not know, s3fs makes an EIO.
    """
    names = {kind.__name__ for one in _chain(error) for kind in type(one).__mro__}
    numbers = {one.errno for one in _chain(error) if isinstance(one, OSError) and one.errno is not None}
    if errno.EROFS in numbers:
        return PuretalkConfigurationError(f"{action}: it is read-only.")
    if errno.ENAMETOOLONG in numbers:
        return PuretalkConfigurationError(f"{action}: the name is too long for this storage; use shorter names.")
    if names & _NO_CREDENTIALS:
        return PuretalkConfigurationError(f"{action}: {_told(error, kind=True)}")
    passing = not has_code and (bool(numbers & _PASSING) or (bool(names & _NO_ANSWER) and not names & _TLS))
    if isinstance(error, OSError):
        return PuretalkError(f"{action}: {_told(error)}.", transient=passing)
    return PuretalkError(f"{action}: {_told(error, kind=True)}", transient=passing)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that led to it: libraries translate, and lose the code on the way."""
    seen = set[int]()
    # Ours is what was being handled when this one came: it has nothing to do with it.
    while error is not None and id(error) not in seen and not isinstance(error, PuretalkError):
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _codes(error: BaseException) -> Iterator[tuple[str, int | None]]:
    """Yield the codes and HTTP statuses that storage services gave, the outermost first."""
    for one in _chain(error):
        answer: Any = getattr(one, "response", None)
        if isinstance(answer, dict):  # botocore
            facts, about = answer.get("Error") or {}, answer.get("ResponseMetadata") or {}
            yield str(facts.get("Code") or ""), _status(about.get("HTTPStatusCode"))
            continue
        # azure-core has `error_code` and `status_code`, gcsfs `code`, aiohttp `status`.
        named = getattr(one, "error_code", None)
        status = next(
            (found for name in ("status_code", "code", "status") if (found := _status(getattr(one, name, None)))), None
        )
        if status or named:
            yield str(getattr(named, "value", named) or ""), status


def _status(value: Any) -> int | None:
    try:
        number = int(value)
    except (TypeError, ValueError):
        return None
    return number if 400 <= number < 600 else None


def _is_passing(status: int) -> bool:
    return status in (408, 425, 429) or (status >= 500 and status not in (501, 505))


def _is_denied(error: Exception) -> bool:
    # gcsfs tells a 403 as an OSError without a number.
    return isinstance(error, PermissionError) or (
        isinstance(error, OSError) and error.errno is None and str(error).startswith("Forbidden")
    )


def _told(error: Exception, *, kind: bool = False) -> str:
    """Return what an error says, on one line."""
    if isinstance(error, OSError) and error.errno is not None:
        said = str(error.strerror or os.strerror(error.errno))
    else:
        said = str(error)
    said = " ".join(said.split()).rstrip(".")
    name = type(error).__name__
    return f"{name}: {said}" if kind and said else said or name
