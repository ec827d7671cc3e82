"""How long versions that ended are kept, as operators and the command line take it."""

from __future__ import annotations

from typing import Any, Literal

from airflow_provider_puretalk import params
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.history.manifest import FOREVER


def parse_keep(value: Any) -> int | Literal["forever"]:
    """Check a number of days, or the word ``forever``, also as a template or a terminal gives it.

    There is no default: what is dropped is gone for good, and what is kept forever may be personal.

    :raises PuretalkConfigurationError: it is neither, or was not given.
    """
    if isinstance(value, str) and value.strip() == FOREVER:
        return "forever"
    try:
        return params.whole_number("keep", value, least=1)
    except PuretalkConfigurationError:
        raise PuretalkConfigurationError(
            f"`keep` must be said, and has no default: a number of days for which versions that ended are kept, at least 1, "
            f"or the word {FOREVER!r}. It is {value!r}."
        ) from None
