"""The exceptions: their tree, what they carry, and that they survive a pickle, because Airflow sends them around."""

from __future__ import annotations

import copy
import pickle

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_puretalk import exceptions

LEAVES = {
    "PuretalkConfigurationError": "PuretalkError",
    "PuretalkAuthError": "PuretalkError",
    "PuretalkNotFoundError": "PuretalkError",
    "PuretalkRateLimitError": "PuretalkError",
    "PuretalkServerError": "PuretalkError",
    "PuretalkConnectionError": "PuretalkError",
    "PuretalkResponseError": "PuretalkError",
    "PuretalkPaginationError": "PuretalkResponseError",
    "PuretalkInconsistentScanError": "PuretalkError",
    "PuretalkTemporaryFolderError": "PuretalkError",
    "SnapshotExistsError": "PuretalkConfigurationError",
    "PuretalkSnapshotError": "PuretalkError",
    "PuretalkDriftError": "PuretalkError",
    "PuretalkFailedAccountsError": "PuretalkError",
}
#: Where a task's retries cannot help.
FINAL = {exceptions.PuretalkAuthError, exceptions.PuretalkFailedAccountsError}
CLASSES = [getattr(exceptions, name) for name in exceptions.__all__]


def test_the_tree() -> None:
    """One root, which is Airflow's, and one class for each thing that a caller would do differently."""
    assert {name: getattr(exceptions, name).__mro__[1].__name__ for name in LEAVES} == LEAVES
    assert set(exceptions.__all__) == {*LEAVES, "PuretalkError"}
    assert issubclass(exceptions.PuretalkError, AirflowException)


def test_what_a_message_quotes_does_not_make_it_endless() -> None:
    """Its beginning and its advice stay, a pickle changes nothing more, and what fits is left alone."""
    for quoted in ("x" * 10_000_000, "\u200b" * 2_000):
        error = exceptions.PuretalkResponseError(f"Assistant {quoted!r} is odd. Do this.")
        assert len(error.message) <= 8_000
        assert error.message.startswith("Assistant '")
        assert error.message.endswith("' is odd. Do this.")
        assert "characters left out" in error.message
        assert pickle.loads(pickle.dumps(error)).message == error.message
    assert exceptions.PuretalkError("x" * 8_000).message == "x" * 8_000


@pytest.mark.parametrize("error_class", CLASSES, ids=lambda one: one.__name__)
def test_only_where_retries_cannot_help_there_are_none(
    error_class: type[exceptions.PuretalkError],
) -> None:
    """Airflow does not retry an ``AirflowFailException``."""
    assert issubclass(error_class, AirflowFailException) is (error_class in FINAL)


def full(error_class: type[exceptions.PuretalkError]) -> exceptions.PuretalkError:
    return error_class(
        "It went wrong.", status_code=429, request_id="id-7", retry_after=3.5, url="https://puretalk.test/api/x?page=1"
    )


@pytest.mark.parametrize("error_class", CLASSES, ids=lambda one: one.__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_error_survives_a_pickle(error_class: type[exceptions.PuretalkError], protocol: int) -> None:
    """Class, message and every attribute; so do copies."""
    error = full(error_class)
    for twin in (pickle.loads(pickle.dumps(error, protocol)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is error_class
        assert str(twin) == str(error) == "It went wrong. (HTTP 429, request id id-7)"
        assert vars(twin) == vars(error)
        assert twin.args == ("It went wrong.",)


@pytest.mark.parametrize("error_class", CLASSES, ids=lambda one: one.__name__)
def test_what_is_not_known_is_none(error_class: type[exceptions.PuretalkError]) -> None:
    """Nothing but a message is needed."""
    error = error_class("It went wrong.")
    assert (error.status_code, error.request_id, error.retry_after, error.url) == (None, None, None, None)
    assert str(error) == "It went wrong."
    assert str(error_class()) == ""


def test_the_message_says_what_to_quote_to_the_support() -> None:
    """Status and request id stand at its end; the address does not, it is long and says little."""
    text = str(exceptions.PuretalkServerError("The API failed.", status_code=503, url="https://puretalk.test/x"))
    assert text == "The API failed. (HTTP 503)"
