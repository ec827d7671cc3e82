"""Translates the errors of storage libraries: access denied, transient, or something else.

None of them means that a file is damaged: that is found out by reading it alone.

Libraries are recognised by what their errors carry (a code, a status, an ``errno``) and by the names of their classes: most
of them are not installed.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from typing import Any

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkError


class AccessDenied(PuretalkConfigurationError):
    """The storage refuses this object: no permission, a disabled key, an archived object."""


#: Codes of transient errors: S3's, then those of others for the same.
_TRANSIENT = {
    "SlowDown", "ServiceUnavailable", "InternalError", "InternalFailure", "RequestTimeout", "OperationAborted",
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
    "RequestLimitExceeded", "BandwidthLimitExceeded", "TooManyRequests", "TooManyRequestsException",
    "PriorRequestNotComplete", "ConditionalRequestConflict", "NoSuchUpload",
    "IncompleteBody", "TemporaryRedirect", "RestoreAlreadyInProgress",
    "ServerBusy", "OperationTimedOut", "InternalServerError", "XMinioServerNotInitialized", "XMinioServerBusy",
}  # fmt: skip
#: Credentials that were valid: the next try has new ones, or a corrected clock.
_EXPIRED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "TokenRefreshRequired",
    "RequestExpired",
    "ExpiredAuthenticationToken",
}
_SKEWED = {"RequestTimeTooSkewed", "RequestInTheFuture"}
#: Archived objects have to be restored before they can be read.
_ARCHIVED = {"InvalidObjectState", "BlobArchived", "BlobBeingRehydrated"}
_DENIED = {
    "AccessDenied", "AllAccessDisabled", "AccountProblem", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch",
    "AuthorizationFailure", "AuthorizationPermissionMismatch", "AuthenticationFailed", "InsufficientAccountPermissions",
    "InvalidSecurity", "InvalidPayer", "NotSignedUp",
}  # fmt: skip
_MISSING = {"NoSuchKey", "BlobNotFound"}
#: A missing bucket is no missing file: the file is there again when its bucket is.
_NO_BUCKET = {"NoSuchBucket", "ContainerNotFound"}

#: Classes for "no response" in botocore, aiohttp, requests, urllib3, azure-core and google-auth.
_NO_RESPONSE = {
    "TimeoutError", "EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError",
    "HTTPClientError", "ProxyConnectionError", "ResponseStreamingError", "IncompleteReadError", "ConnectionError",
    "ConnectTimeout", "ReadTimeout", "Timeout", "ChunkedEncodingError", "ProtocolError", "ClientConnectionError",
    "ClientPayloadError", "ServiceRequestError", "ServiceResponseError", "TransportError",
    "CredentialRetrievalError", "MetadataRetrievalError", "TokenRetrievalError",
}  # fmt: skip
#: TLS fails mostly for a certificate, which is not transient.
_TLS = {"SSLError", "SSLCertVerificationError", "ClientConnectorCertificateError", "CertificateError"}
_NO_CREDENTIALS = {
    "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "NoRegionError", "UnauthorizedSSOTokenError",
    "SSOTokenLoadError", "DefaultCredentialsError", "CredentialUnavailableError", "ParamValidationError",
}  # fmt: skip

#: What may be credentials in an address that a library quotes, such as the one of an endpoint.
_CREDENTIALS = re.compile(r"(://)[^/\s]*@")

#: Errors of the network, of a file server, or of exhausted resources. A full disk is not transient: it needs action.
_TRANSIENT_ERRNO = {
    getattr(errno, name)
    for name in (
        "EAGAIN", "EBUSY", "EINTR", "EIO", "EREMOTEIO", "ESTALE", "ETIMEDOUT", "ETIME", "ECONNRESET", "ECONNREFUSED",
        "ECONNABORTED", "EPIPE", "ENETDOWN", "ENETUNREACH", "ENETRESET", "EHOSTDOWN", "EHOSTUNREACH", "ENOTCONN",
        "ESHUTDOWN", "ECOMM", "EPROTO", "ENOLCK", "EDEADLK", "EMFILE", "ENFILE", "ENOMEM", "ENOBUFS",
    )
    if hasattr(errno, name)
}  # fmt: skip


def translate(error: Exception, where: str, *, writing: bool, verb: str | None = None) -> Exception:
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
    if known & _TRANSIENT or "Throttling" in code or (status is not None and _is_transient_status(status)):
        return PuretalkError(f"{action} now: {_message(error)} ({code or f'HTTP {status}'}).", transient=True)
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
        return (
            error if isinstance(error, FileNotFoundError) else FileNotFoundError(errno.ENOENT, _message(error), where)
        )
    if code.startswith("KMS."):
        return AccessDenied(f"{action}: its encryption key cannot be used ({code}).")
    if known & _DENIED or status in (401, 403) or _is_denied(error):
        reason = f" ({code})" if code and not code.isdigit() else ""
        return AccessDenied(f"{action}: permission denied{reason}.")
    if code == "400":
        return PuretalkError(f"{action}: bad request; this is how S3 refuses an expired token.", transient=True)
    return _by_kind(error, action, has_code=bool(code or status))


def lacks_reason(error: BaseException) -> bool:
    """Return whether S3 refused a HEAD: its response has no body that gives the reason."""
    return next((code for code, _ in _codes(error) if code), "") in ("400", "403")


def _by_kind(error: Exception, action: str, *, has_code: bool) -> PuretalkError:
    """Translate an error by its classes and numbers.

    :param has_code: the storage service gave a code, and none of a transient error. The number that its library translates
        it into means nothing: s3fs turns unknown codes into EIO.
    """
    names = {kind.__name__ for one in _chain(error) for kind in type(one).__mro__}
    numbers = {one.errno for one in _chain(error) if isinstance(one, OSError) and one.errno is not None}
    if errno.EROFS in numbers:
        return PuretalkConfigurationError(f"{action}: it is read-only.")
    if errno.ENAMETOOLONG in numbers:
        return PuretalkConfigurationError(f"{action}: the name is too long for this storage; use shorter names.")
    if names & _NO_CREDENTIALS:
        return PuretalkConfigurationError(f"{action}: {_message(error, kind=True)}")
    transient = not has_code and (bool(numbers & _TRANSIENT_ERRNO) or (bool(names & _NO_RESPONSE) and not names & _TLS))
    if isinstance(error, OSError):
        return PuretalkError(f"{action}: {_message(error)}.", transient=transient)
    return PuretalkError(f"{action}: {_message(error, kind=True)}", transient=transient)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes: libraries translate errors, and lose the code on the way."""
    chained = set[int]()
    # An error of this package is only what was being handled when this one came.
    while error is not None and id(error) not in chained and not isinstance(error, PuretalkError):
        chained.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _codes(error: BaseException) -> Iterator[tuple[str, int | None]]:
    """Yield the codes and HTTP statuses of storage services, the outermost first."""
    for one in _chain(error):
        response: Any = getattr(one, "response", None)
        if isinstance(response, dict):  # botocore
            facts, about = response.get("Error") or {}, response.get("ResponseMetadata") or {}
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


def _is_transient_status(status: int) -> bool:
    return status in (408, 425, 429) or (status >= 500 and status not in (501, 505))


def _is_denied(error: Exception) -> bool:
    # gcsfs raises an OSError without a number for a 403.
    return isinstance(error, PermissionError) or (
        isinstance(error, OSError) and error.errno is None and str(error).startswith("Forbidden")
    )


def _message(error: Exception, *, kind: bool = False) -> str:
    """Return the message of an error, on one line."""
    if isinstance(error, OSError) and error.errno is not None:
        text = str(error.strerror or os.strerror(error.errno))
    else:
        text = str(error)
    text = _CREDENTIALS.sub(r"\1***@", " ".join(text.split()).rstrip("."))
    name = type(error).__name__
    return f"{name}: {text}" if kind and text else text or name
