"""The sensor that waits for any change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_puretalk import params
from airflow_provider_puretalk.invisible import printable
from airflow_provider_puretalk.locations import AnyLocation
from airflow_provider_puretalk.sensors.waiting import WaitingSensor

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_puretalk.conditions.assistants_changed import ChangeCondition
    from airflow_provider_puretalk.hooks import PuretalkHook


class PuretalkAssistantsChangedSensor(WaitingSensor):
    """Wait until the live list differs from a stored snapshot.

    Each poll is a proven reading, redacted as the snapshot was before anything is compared. By default the snapshot is the
    newest complete one whose reading was finished when the wait began; what is stored later is skipped, since it may hold
    the very change. Name ``baseline`` to be independent of clocks.

    :param puretalk_conn_id: the connection that holds the API key.
    :param destination: where the snapshots are: what the snapshot operator was given.
    :param account: whose snapshots they are; the connection's account by default.
    :param storage_conn_id: the Airflow connection of the storage.
    :param baseline: name of the snapshot to compare with; by default the newest complete one when the wait began. An
        earlier task whose result this is may return None for the default.
    :param ignore_fields: dotted names (``voice.avatar``, ``llm_states.*.id``) whose changes do not count.
    :param max_consecutive_failures: consecutive transient failures that are tolerated, beyond the connection's retries.
    :param max_seconds: seconds that one poll may take.
    :param deferrable: wait in the triggerer. There, sensors that watch the same share their polls.
    :returns: the summary of a comparison, as
        :class:`~airflow_provider_puretalk.operators.PuretalkCompareSnapshotsOperator` returns it, without paths:
        ``snapshot`` is None, ``baseline`` the snapshot's name; ids and names of fields, never contents.
    """

    template_fields: Sequence[str] = (
        "puretalk_conn_id",
        "destination",
        "account",
        "storage_conn_id",
        "baseline",
        "ignore_fields",
        "max_consecutive_failures",
        "max_seconds",
    )
    template_fields_renderers = {"ignore_fields": "json"}  # noqa: RUF012 - as Airflow's
    ui_color = "#ffe0e0"
    ui_fgcolor = "#5c1010"

    def __init__(
        self,
        *,
        puretalk_conn_id: str = "puretalk_default",
        destination: AnyLocation,
        account: str | None = None,
        storage_conn_id: str | None = None,
        baseline: str | None = None,
        ignore_fields: Sequence[str] = ("updated_at",),
        max_consecutive_failures: int = 5,
        max_seconds: float = 3600,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            puretalk_conn_id=puretalk_conn_id,
            max_consecutive_failures=max_consecutive_failures,
            max_seconds=max_seconds,
            deferrable=deferrable,
            **kwargs,
        )
        self.destination = destination
        self.account = account
        self.storage_conn_id = storage_conn_id
        self.baseline = baseline
        self.ignore_fields = ignore_fields

    def _make_condition(self, began: float) -> ChangeCondition:
        from airflow_provider_puretalk.conditions.assistants_changed import ChangeCondition
        from airflow_provider_puretalk.records.field_paths import parse_names

        given = self.rendered("ignore_fields")
        ignored = parse_names("ignore_fields", () if given is None else given)
        return ChangeCondition(
            destination=params.location("destination", self.rendered("destination")),
            storage_conn_id=params.optional_text("storage_conn_id", self.rendered("storage_conn_id")),
            account=params.optional_text("account", self.rendered("account")),
            baseline=params.optional_text("baseline", self.rendered("baseline", result_may_be_none=True)),
            ignore_fields=tuple(".".join(name) for name in ignored),
            began=began,
        )

    def _resumed(self, context: Context, found: dict[str, Any], began: float) -> Any:
        from airflow_provider_puretalk.conditions.assistants_changed import checked_summary

        return super()._resumed(context, checked_summary(found), began)

    def _result(self, found: Mapping[str, Any]) -> dict[str, Any]:
        for note in found["notes"]:
            self.log.warning("%s", printable(note))
        self.log.info("Differs from %s: %s", printable(str(found["baseline"])), printable(found["summary"]))
        return dict(found)

    def _account(self, hook: PuretalkHook) -> str:
        return params.optional_text("account", self.rendered("account")) or hook.account

    def _extra(self, result: dict[str, Any]) -> dict[str, Any]:
        return result
