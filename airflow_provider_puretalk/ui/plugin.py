"""What Airflow's plugin manager registers, in every process; FastAPI and all else come with the first request.

Nothing is registered where the Airflow lacks what the pages need, or ``[puretalk] ui_destinations`` is not set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

from airflow_provider_puretalk import compat
from airflow_provider_puretalk.once import once
from airflow_provider_puretalk.ui import destinations

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: Where Airflow mounts the pages.
PREFIX = "/puretalk"


class _PagesOnDemand:
    """An ASGI application that is imported and built when the first request comes."""

    async def __call__(self, scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Handle a request."""
        import asyncio

        application = await asyncio.to_thread(lambda: self._application)
        await application(scope, receive, send)

    @once
    def _application(self) -> Callable[..., Awaitable[None]]:
        from airflow_provider_puretalk.ui.application import make_application

        return make_application()


def _is_shown() -> bool:
    return compat.has("pages of plugins") and destinations.are_named()


class PuretalkPlugin(AirflowPlugin):
    """The pages, and the tab on each task instance that leads to them."""

    name = "puretalk"
    # A run's id comes last, where it may hold anything. Relative, so that it follows the prefix of `[api] base_url`.
    external_views = (
        [
            {
                "name": "PureTalk",
                "href": f"{PREFIX[1:]}/tasks/{{DAG_ID}}/{{TASK_ID}}/{{MAP_INDEX}}/{{RUN_ID}}",
                "destination": "task_instance",
                "url_route": "puretalk",
            }
        ]
        if _is_shown()
        else []
    )
    fastapi_apps = [{"name": "PureTalk", "app": _PagesOnDemand(), "url_prefix": PREFIX}] if _is_shown() else []
