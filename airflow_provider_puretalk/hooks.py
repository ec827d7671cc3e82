"""The Airflow hook: an Airflow connection becomes a client, and the client's pages become models."""

from __future__ import annotations

import json
import logging
import math
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook, mask_secret

from airflow_provider_puretalk import connection_form, metrics, params
from airflow_provider_puretalk.api.client import ApiClient
from airflow_provider_puretalk.api.page import Page
from airflow_provider_puretalk.api.settings import ApiSettings, misspelled
from airflow_provider_puretalk.exceptions import (
    PuretalkConfigurationError,
    PuretalkError,
    PuretalkInconsistentScanError,
    PuretalkNotFoundError,
    PuretalkPaginationError,
)
from airflow_provider_puretalk.once import once, without_made
from airflow_provider_puretalk.records.models import Assistant, AssistantPage
from airflow_provider_puretalk.scan.assistant_scan import AssistantScan, scan
from airflow_provider_puretalk.scan.options import Consistency, ScanOptions
from airflow_provider_puretalk.scan.page_memory import PageMemory
from airflow_provider_puretalk.wording import pluralize

if TYPE_CHECKING:
    import requests

log = logging.getLogger(__name__)


class PuretalkHook(BaseHook):
    """Reads a PureTalk account through an Airflow connection of type ``puretalk``.

    Building one does no I/O; the connection is read at the first request.

    :param puretalk_conn_id: the connection that holds the API key.
    """

    conn_name_attr = "puretalk_conn_id"
    default_conn_name = "puretalk_default"
    conn_type = "puretalk"
    hook_name = "PureTalk"
    #: Gives the context in which the whole list is read.
    reading: Callable[[], AbstractContextManager[None]] = nullcontext

    def __init__(self, puretalk_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.puretalk_conn_id = puretalk_conn_id
        self._connection: Any = None

    @classmethod
    def of_connection(
        cls,
        puretalk_conn_id: str,
        connection: Any,
        *,
        reading: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> Self:
        """Build a hook from an Airflow connection that was fetched already; it does no lookup any more.

        For event loops, where connections are fetched asynchronously.

        :param reading: gives the context in which the whole list is read, so that readings can take turns.
        """
        hook = cls(puretalk_conn_id)
        hook._connection = connection
        hook.reading = reading
        return hook

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy begins with: no locks, no sockets and no key; it makes its own at its first request."""
        return {name: value for name, value in without_made(self).items() if name not in ("_log", "reading")}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the extra fields of the connection form, for Airflow 2.11 to 3.1."""
        return connection_form.widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the standard fields of the connection form, for Airflow 2.11 to 3.1."""
        return connection_form.field_behaviour()

    @once
    def settings(self) -> ApiSettings:
        """Return the connection, checked.

        :raises PuretalkConfigurationError: there is no such connection, or a field of it is wrong.
        """
        params.text("puretalk_conn_id", self.puretalk_conn_id)
        try:
            connection = self._connection or self.get_connection(self.puretalk_conn_id)
        except AirflowNotFoundException:
            raise params.missing_connection(self.puretalk_conn_id, "; create one of type `puretalk`") from None
        extra = _extra_of(self.puretalk_conn_id, connection)
        # Before anything can fail and be logged. Airflow masks the password itself, but knows nothing of these extras.
        for secret in (connection.password, extra.get("redaction_secret"), extra.get("redaction_key")):
            if secret and isinstance(secret, str):
                mask_secret(secret)
        if extra.get("redaction_key"):
            log.warning(
                "Connection %r: rename its extra field `redaction_key` to `redaction_secret`. Airflow hides extras by their "
                "names, and shows this one to all who may list connections. The value, and all hashes, stay.",
                self.puretalk_conn_id,
            )
        for name, meant in misspelled(extra):
            log.warning(
                "Connection %r: its extra field `%s` is unknown and has no effect; is `%s` meant?",
                self.puretalk_conn_id,
                name,
                meant,
            )
        return ApiSettings.from_fields(
            self.puretalk_conn_id,
            host=connection.host,
            schema=connection.schema,
            port=connection.port,
            password=connection.password,
            extra=extra,
        )

    @once
    def client(self) -> ApiClient:
        """Return the client of this connection."""
        return ApiClient(self.settings)

    @property
    def account(self) -> str:
        """The name that snapshots and assets of this connection are filed under."""
        return self.settings.account

    def get_conn(self) -> requests.Session:
        """Return a session, ready to use: the key goes to the connection's origin only, timeouts are set."""
        return self.client.session

    def get_assistants_page(self, page: int = 1, limit: int | None = None) -> AssistantPage:
        """Fetch one page: one request, with retries.

        :param page: the page, from 1.
        :param limit: rows to request; the connection's ``page_size`` by default, 100 where that is unset. The server may
            send fewer.
        :raises PuretalkNotFoundError: the list has no such page.
        """
        response = self.fetch_page(params.whole_number("page", page, least=1, rendered=False), self._limit(limit))
        return AssistantPage.model_validate(
            {"count": response.count, "next": response.next, "previous": response.previous, "results": response.records}
        )

    def fetch_page(self, number: int, limit: int) -> Page:
        """Fetch one page as it came: one request, with retries."""
        with metrics.of_requests(self.client):
            page = self.client.get_page(number, limit)
        metrics.of_page(self.client, len(page.records))
        return page

    def iter_assistants(self, limit: int | None = None) -> Iterator[Assistant]:
        """Walk the list once, lazily, with one page in memory. Proves nothing: see :meth:`scan_assistants`.

        :param limit: rows to request in each page; the connection's ``page_size`` by default, 100 where that is unset.
        :raises PuretalkInconsistentScanError: the list became shorter than the requested page.
        :raises PuretalkPaginationError: the list does not end.
        """
        size, number, ceiling = self._limit(limit), 1, math.inf
        while True:
            try:
                response = self.fetch_page(number, size)
            except PuretalkNotFoundError as error:
                if number == 1:
                    raise
                raise PuretalkInconsistentScanError(
                    f"The list shrank while it was read: page {number} is gone. Read again."
                ) from error
            for record in response.records:
                yield Assistant.model_validate(record)
            if not response.has_next:
                return
            if number == 1:
                # Twice what it should take, and some: lists grow while they are read, but all of them end.
                ceiling = 2 * (response.count // max(1, len(response.records))) + 12
            if number >= ceiling:
                raise PuretalkPaginationError(f"The list does not end: page {number} names another.")
            number += 1

    def scan_assistants(
        self,
        consistency: Consistency = "verified",
        max_walks: int = 10,
        max_seconds: float = 3600,
        limit: int | None = None,
        examine: Callable[[dict[str, Any]], Hashable] | None = None,
        redact: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        cancelled: threading.Event | None = None,
    ) -> AbstractContextManager[AssistantScan]:
        """Read the whole list until the reading is proven; a context manager over the result.

        The records wait on the local disk, so memory does not grow with the fleet.

        :param consistency: ``verified`` (the ids are exactly the list's at one instant during the reading), ``checked``
            (one walk without a contradiction) or ``best_effort`` (one walk; ``complete`` says whether it had any).
        :param max_walks: walks after which to give up.
        :param max_seconds: seconds after which to give up.
        :param limit: rows to request in each page; the connection's ``page_size`` by default, and where that is unset as
            many as the server gives.
        :param examine: called with each raw record as it comes in; see
            :class:`airflow_provider_puretalk.scan.options.ScanOptions`.
        :param redact: gives the record to keep in place of each raw one, before it is written to the local disk; a
            :class:`airflow_provider_puretalk.records.redaction.Redactor`, say.
        :param cancelled: set by another thread, it ends the reading with an error: no further request is sent, and those
            in flight are cut off. Nothing here sets it.
        :raises PuretalkInconsistentScanError: no proof was found.
        """
        size = None if limit is None else self._limit(limit)
        return self.scan(ScanOptions(size, consistency, max_walks, max_seconds, examine, redact, cancelled))

    def scan(self, options: ScanOptions, *, memory: PageMemory | None = None) -> AbstractContextManager[AssistantScan]:
        """Scan the whole list as :meth:`scan_assistants` does, with its options as one.

        :param memory: of the last reading, for those who read again and again.
        """
        return metrics.of_scan(self.client, scan(self.client, options, reading=self.reading, memory=memory))

    def test_connection(self) -> tuple[bool, str]:
        """Fetch one row, without retries, and return in a sentence how that went. Never raises."""
        try:
            # A person is waiting, and web servers give up before all tries could be over.
            client = ApiClient(replace(self.settings, max_retries=0))
            with client.session:
                response = client.get_page(1, 1)
        except PuretalkError as error:
            return False, str(error)
        except Exception as error:
            # Shown to people, so only the type: a message from elsewhere may quote the connection.
            return False, f"The connection could not be tested: {type(error).__name__}."
        return True, f"Connected to {self.settings.base_url}: {pluralize(response.count, 'assistant')}."

    def _limit(self, limit: int | None) -> int:
        if limit is None:
            return self.settings.single_page_size
        return params.whole_number("limit", limit, least=1, rendered=False)


def _extra_of(conn_id: str, connection: Any) -> dict[str, Any]:
    """Read the Extra field. Airflow reads one that is no JSON as empty, which would put defaults in silence."""
    try:
        extra = json.loads(connection.extra or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise PuretalkConfigurationError(f"Connection {conn_id!r}: the Extra field must be a JSON object.")
    return extra
