"""The event trigger that starts DAGs when an account's assistants change."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import AsyncIterator, Hashable, Iterable
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.triggers import BaseEventTrigger
from airflow.triggers.base import TriggerEvent

from airflow_provider_puretalk import compat, params
from airflow_provider_puretalk.change_detection.detector import Watch
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.params import is_path_part
from airflow_provider_puretalk.records.field_paths import parse_names
from airflow_provider_puretalk.triggers import fleet_polls
from airflow_provider_puretalk.wording import pluralize

if TYPE_CHECKING:
    from airflow.triggers.shared_stream import SharedStreamProducer

    from airflow_provider_puretalk.triggers.fleet_polls import Observation

log = logging.getLogger(__name__)


class PuretalkAssistantsChangedTrigger(BaseEventTrigger):
    """Fires when assistants were added, removed or changed; for an ``AssetWatcher`` (Airflow 3.0 and newer).

    Each poll is a proven reading of the whole list. The first one is a baseline and fires nothing; a change that is
    undone before the next poll is no change. The event's payload holds ids, names of fields and counts, never contents:
    ``{"account", "added": [ids], "removed": [ids], "changed": [{"assistant_id", "fields": [...]}], "counts",
    "truncated", "digest", "seen_at"}``. Lists end at 100 ids and 20 fields with ``truncated`` true; ``counts`` stays
    exact. Fields are distinguished one level deep (``voice.language``).

    **Delivery** is at least once: an event is stored before its changes go into the checkpoint, and a repeated one has the
    same ``digest``. On Airflow 3.3 the checkpoint is in the asset state store, so changes made while no triggerer ran come
    after its start, in one event. On 3.0 to 3.2 the baseline is kept in memory: there the first poll after a start is a
    baseline again. So it is on 3.3 where one and the same trigger watches for several assets.

    **Requests**: on Airflow 3.3 all watchers of a connection and page size share one poll, at the shortest of their
    intervals; before, each has its own. No error ends a watcher: after failures the pauses double, up to a quarter of an
    hour, and each try is one request until one is answered. A key that is refused and a connection that is wrong are logged
    as errors and tried again likewise: correct the connection, and the watcher goes on.

    **What is kept** of a field is four bytes of a hash, keyed with the connection's ``redaction_secret``. Without one,
    guesses about short values can be tested by all who may read the asset state store.

    :param puretalk_conn_id: the connection to poll with.
    :param account: the account that the connection must be of; by default none is expected.
    :param poll_interval: seconds between two polls.
    :param page_size: rows a page, the ``limit`` of each request; the connection's by default.
    :param max_seconds: seconds that one poll may take; where watchers share their polls, the largest value counts.
        A poll that needs more fails, at every try: let it be twice what one walk over the list takes, at least.
    :param assistant_ids: events of these assistants only.
    :param field_classes: events of changes in fields of these classes only: ``behaviour``, ``compliance``, ``routing``,
        ``voice``, ``cosmetic``, ``identity``. An assistant that is added or removed is a change of ``identity``.
    :param ignore_fields: names of fields whose changes do not count (``voice.avatar``); with a ``?`` behind it, the query of
        a link does not (``voice.avatar?``). A name that no assistant has as a field is warned of.
    :raises PuretalkConfigurationError: on Airflow 2, or, once a DAG is stored, where an argument is invalid.
    """

    def __init__(
        self,
        *,
        puretalk_conn_id: str = "puretalk_default",
        account: str | None = None,
        poll_interval: float = 300.0,
        page_size: int | None = None,
        max_seconds: float = 3600.0,
        assistant_ids: Iterable[str] | None = None,
        field_classes: Iterable[str] | None = None,
        ignore_fields: Iterable[str] = ("updated_at",),
    ) -> None:
        compat.require("asset watchers")
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's constructor has no types
        # Checked later: what a constructor raises in a triggerer would end the triggerer.
        self.puretalk_conn_id = puretalk_conn_id
        self.account = account
        self.poll_interval = poll_interval
        self.page_size = page_size
        self.max_seconds = max_seconds
        # Each of them is read several times, which a generator allows once.
        self.assistant_ids = _taken(assistant_ids)
        self.field_classes = _taken(field_classes)
        self.ignore_fields = _taken(ignore_fields)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the trigger is built from, the same at each parse of the DAG.

        :raises PuretalkConfigurationError: an argument is invalid; the message names it.
        """
        account = self.account
        if account is not None and not (isinstance(account, str) and is_path_part(account)):
            raise PuretalkConfigurationError(
                f"`account` {account!r} cannot be one: letters, digits and `. _ : -` only."
            )
        self._watch()
        return "airflow_provider_puretalk.triggers.PuretalkAssistantsChangedTrigger", {
            "puretalk_conn_id": params.text("puretalk_conn_id", self.puretalk_conn_id),
            "account": account,
            "poll_interval": params.seconds("poll_interval", self.poll_interval),
            "page_size": (
                None if self.page_size is None else params.whole_number("page_size", self.page_size, least=1)
            ),
            "max_seconds": params.seconds("max_seconds", self.max_seconds),
            **self._filters(),
        }

    def shared_stream_key(self) -> Hashable:
        """Return what all watchers have in common that can share a poll."""
        return "puretalk-assistants", self.puretalk_conn_id, self.page_size

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Observation]:
        """Yield observations of the account, for ever."""
        async for observation in fleet_polls.acknowledged_later(cls._shared_observations(kwargs)):
            yield observation

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Return the producer of observations, which acknowledges them when their events are stored."""
        from airflow_provider_puretalk.triggers.shared_stream import ObservationProducer

        return ObservationProducer(cls._shared_observations(kwargs))

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Observation]) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each observation in which anything watched has changed."""
        from airflow_provider_puretalk.triggers import checkpoint_store  # Here: importing it takes long.

        pace = fleet_polls.shared_pace(self.shared_stream_key(), self.poll_interval, self.max_seconds)
        with pace.joined(self.poll_interval, self.max_seconds):
            store, name = getattr(self, "asset_state_store", None), self._name()
            tracker = await checkpoint_store.restored_tracker(store, name, self._filters(), self._older_names())
            entry = checkpoint_store.Entry(store, name, self._filters(), tracker)
            is_first = True
            async for observation in shared_stream:
                observation.received_by += 1
                if not self._is_of_the_account(observation):
                    continue
                changes = await tracker.observe(observation.fleet)
                if is_first:
                    is_first = False
                    self._watch().warn_of_names(observation.fleet, log)
                if save := tracker.pending_save():
                    observation.when_acknowledged.append(save)
                observation.when_acknowledged.append(entry.renew)
                if changes is None:
                    log.info(
                        "Watching %s of %s.",
                        pluralize(len(observation.fleet.fingerprints), "assistant"),
                        observation.fleet.account,
                    )
                elif changes.call_for_event:
                    observed_at = observation.fleet.observed_at
                    payload = changes.to_payload(
                        observed_at.isoformat() if observed_at else None, tracker.not_compared()
                    )
                    yield TriggerEvent(payload)  # type: ignore[no-untyped-call]  # Airflow's constructor has no types

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll for this trigger alone, where Airflow shares no streams."""
        stream = fleet_polls.observations(
            self.puretalk_conn_id, self.page_size, fleet_polls.Pace(self.poll_interval, self.max_seconds)
        )
        async for event in self.filter_shared_stream(fleet_polls.acknowledged_later(stream)):
            yield event

    @classmethod
    def _shared_observations(cls, kwargs: dict[str, Any]) -> AsyncIterator[Observation]:
        trigger = cls(**kwargs)
        pace = fleet_polls.shared_pace(trigger.shared_stream_key(), trigger.poll_interval, trigger.max_seconds)
        return fleet_polls.observations(trigger.puretalk_conn_id, trigger.page_size, pace)

    def _filters(self) -> dict[str, list[str] | None]:
        return {
            "assistant_ids": None if self.assistant_ids is None else _sorted("assistant_ids", self.assistant_ids),
            "field_classes": None if self.field_classes is None else _sorted("field_classes", self.field_classes),
            "ignore_fields": sorted({".".join(name) for name in parse_names("ignore_fields", self.ignore_fields)}),
        }

    def _watch(self) -> Watch:
        return Watch(
            assistant_ids=self.assistant_ids, field_classes=self.field_classes, ignore_fields=self.ignore_fields
        )

    def _name(self) -> str:
        """Return what the keys in the store begin with: two watchers that differ in anything share no checkpoint."""
        _, kwargs = self.serialize()
        return _key(kwargs)

    def _older_names(self) -> dict[str, dict[str, Any]]:
        """Return names that earlier releases used, which left the pace out: with these filters and with the default ones."""
        default: dict[str, Any] = {"assistant_ids": None, "field_classes": None, "ignore_fields": ["updated_at"]}
        return {
            _key([self.puretalk_conn_id, account, filters]): filters
            for filters in (default, self._filters())
            for account in (None, self.account)
        }

    def _is_of_the_account(self, observation: Observation) -> bool:
        if self.account in (None, observation.fleet.account):
            return True
        log.error(
            "Poll skipped: the connection %r is of the account %r, but %r is watched; correct one of them.",
            self.puretalk_conn_id,
            observation.fleet.account,
            self.account,
        )
        return False


def _taken(values: Any) -> Any:
    """Return what an iterable holds, anything else as it is: it is refused later."""
    found = params.elements(values)
    return values if found is None else found


def _key(identity: Any) -> str:
    return f"puretalk/{hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=8).hexdigest()}"


def _sorted(name: str, values: Iterable[str]) -> list[str]:
    return sorted(set(params.texts(name, values)))
