"""Why something cannot be shown, in the sentence that a page has for it."""

from __future__ import annotations

import logging
from typing import Final

from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException

from airflow_provider_puretalk.exceptions import PuretalkError
from airflow_provider_puretalk.size_limit import SizeLimitError

log = logging.getLogger(__name__)

#: What is said where there is more to be read than a page may read.
_TOO_LARGE: Final = (
    "What lies there is too large to be read for a page: one of its files, or a record, once it is unpacked. The command "
    "line reads it."
)


class NotThereError(Exception):
    """Nothing is stored under the name; the message is a sentence."""


class TooMuchError(Exception):
    """It would be too much for a page; the message is a sentence that says what to do instead."""


def sentence(what: str, error: Exception) -> str:
    """Return what a page says of an error, and log it.

    What is not of this package may quote anything: a page names its kind only.

    :param what: what was read, for the log.
    """
    match error:
        case TooMuchError() | NotThereError():
            return str(error)
        case SizeLimitError():
            return _TOO_LARGE
        case AirflowOptionalProviderFeatureException() | OSError() | PuretalkError():
            log.warning("Reading %s for a page failed: %s", what, error)
            return str(error)
    log.warning("Reading %s for a page failed", what, exc_info=error)
    return f"Reading it failed ({type(error).__name__}); the API server's log says why."
