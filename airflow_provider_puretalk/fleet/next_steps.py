"""What to do about an error, in one sentence, for those who read of many accounts at once."""

from __future__ import annotations

from typing import Final

from airflow_provider_puretalk import exceptions
from airflow_provider_puretalk.exceptions import PuretalkError, is_transient

#: By class; an error has the sentence of the first class that it is of.
NEXT_STEPS: Final[dict[type[PuretalkError], str]] = {
    exceptions.PuretalkAuthError: "Put a valid key into the connection's Password field, then clear this account.",
    exceptions.SnapshotExistsError: "Choose `if_exists` or another `partition`; the message says who wrote what is there.",
    exceptions.PuretalkConfigurationError: "Correct what the message names, then clear this account.",
    exceptions.PuretalkNotFoundError: "Correct the connection's Host field, then clear this account.",
    exceptions.PuretalkRateLimitError: "Clear this account later; set `requests_per_second`, or give the pool fewer slots.",
    exceptions.PuretalkServerError: "Clear this account later; report the request id to PureTalk where it stays so.",
    exceptions.PuretalkConnectionError: "Check the network from the worker to the Host, then clear this account.",
    exceptions.PuretalkPaginationError: "Report the message to PureTalk: the pages of this account's list do not advance.",
    exceptions.PuretalkResponseError: "Clear this account later; report the request id to PureTalk where it stays so.",
    exceptions.PuretalkInconsistentScanError: "Clear this account later, when fewer assistants are edited; see the message.",
    exceptions.PuretalkTemporaryFolderError: "Make room in the worker's temporary folder, then clear this account.",
    exceptions.PuretalkSnapshotError: "Verify the file that the message names; where it is damaged, take a new snapshot.",
    exceptions.PuretalkDriftError: "Read the comparison's report; where all is well, raise the limit and clear it.",
    exceptions.PuretalkFailedAccountsError: "Repair the accounts that the report names, and clear their failed tasks.",
}
_TRANSIENT: Final = "Clear this account later: what it failed with may pass by itself."
_OTHER: Final = "Read the log of the failed task."


def next_step(error: BaseException) -> str:
    """Return what to do about an error, in one sentence."""
    for kind, sentence in NEXT_STEPS.items():
        if isinstance(error, kind):
            return sentence
    return _TRANSIENT if is_transient(error) else _OTHER
