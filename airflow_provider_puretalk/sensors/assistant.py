"""The sensor that waits for an assistant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_puretalk import params
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.invisible import printable
from airflow_provider_puretalk.sensors.waiting import WaitingSensor
from airflow_provider_puretalk.xcom import NotForXComError, plain

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_puretalk.conditions.assistant import AssistantCondition


class PuretalkAssistantSensor(WaitingSensor):
    """Wait until an assistant exists and its fields have the values expected.

    Each poll is one walk over the list. What it finds was there; what it misses, because the list is edited meanwhile, the
    next one finds. Where several assistants of that name meet ``expect``, the one with the smallest id is returned.

    :param puretalk_conn_id: the connection that holds the API key.
    :param assistant_id: its id.
    :param name: its name. At least one of the two must be given; with both, both must be right.
    :param expect: dotted names (``voice.language``) mapped to the value that each must have. None matches null and
        absent; a list must be equal, not contain. Templates give text: ``"{{ 1 }}"`` expects ``"1"``, not 1.
    :param max_consecutive_failures: consecutive transient failures that are tolerated, beyond the connection's retries.
    :param max_seconds: seconds that one poll may take.
    :param deferrable: wait in the triggerer. There, all sensors with the same connection share their polls.
    :returns: the assistant as a dict, all fields as the API sent them.
    """

    template_fields: Sequence[str] = (
        "puretalk_conn_id",
        "assistant_id",
        "name",
        "expect",
        "max_consecutive_failures",
        "max_seconds",
    )
    template_fields_renderers = {"expect": "json"}  # noqa: RUF012 - as Airflow's
    ui_color = "#fff3bf"
    ui_fgcolor = "#5c3c00"

    def __init__(
        self,
        *,
        puretalk_conn_id: str = "puretalk_default",
        assistant_id: str | None = None,
        name: str | None = None,
        expect: Mapping[str, Any] | None = None,
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
        self.assistant_id = assistant_id
        self.name = name
        self.expect = expect

    def _make_condition(self, began: float) -> AssistantCondition:
        from airflow_provider_puretalk.conditions.assistant import AssistantCondition

        return AssistantCondition(
            params.optional_data("assistant_id", self.rendered("assistant_id")),
            params.optional_data("name", self.rendered("name")),
            {} if (expect := self.rendered("expect")) is None else expect,
        )

    def _resumed(self, context: Context, found: dict[str, Any], began: float) -> Any:
        # The event has no contents, since events are logged. If the assistant has changed back, the wait goes on.
        self.log.info("The trigger found assistant %s; reading it.", printable(str(found.get("assistant_id"))))
        return self._poll_or_defer(context, began)

    def _result(self, found: Mapping[str, Any]) -> dict[str, Any]:
        try:
            result: dict[str, Any] = plain(dict(found))
        except NotForXComError as error:
            raise PuretalkConfigurationError(
                f"Assistant {found['assistant_id']!r} holds {error}, which XCom cannot carry. Keep the assistants in "
                "object storage with PuretalkSnapshotAssistantsOperator instead."
            ) from None
        self.log.info("Assistant %s is as expected.", printable(str(found["assistant_id"])))
        return result

    def _extra(self, result: dict[str, Any]) -> dict[str, Any]:
        return {"assistant_id": result["assistant_id"]}
