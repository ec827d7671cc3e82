"""What Airflow's plugin manager registers, in every process; FastAPI and all else come with the first request.

Nothing is registered where the Airflow lacks what the pages need, or ``[puretalk] ui_destinations`` is not set.
"""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_provider_puretalk import compat

#: Where Airflow mounts the pages.
PREFIX = "/puretalk"


class _PagesOnDemand:
    """An ASGI application that is imported when the first request comes."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle a request."""
        import asyncio
        from importlib import import_module

        pages = await asyncio.to_thread(import_module, f"{__package__}.application")
        await pages.application(scope, receive, send)


def setting() -> str:
    """Return ``[puretalk] ui_destinations`` as it stands in Airflow's configuration; empty where nothing may be shown.

    :raises PuretalkConfigurationError: Airflow cannot read it; the message quotes nothing of it.
    """
    from airflow.configuration import conf

    try:
        return str(conf.get("puretalk", "ui_destinations", fallback=None) or "").strip()
    except Exception as error:  # As many kinds as there are sources of settings.
        from configparser import InterpolationError

        from airflow_provider_puretalk.exceptions import PuretalkConfigurationError

        why = (
            "in `airflow.cfg` a `%` is written `%%`"
            if isinstance(error, InterpolationError)
            else f"Airflow raises {type(error).__name__}"
        )
        raise PuretalkConfigurationError(f"`[puretalk] ui_destinations` cannot be read: {why}.") from None


def _is_shown() -> bool:
    if not compat.has("pages of plugins"):
        return False
    try:
        return bool(setting())
    except Exception:  # A page says what is wrong, to those who may know; without one nobody would.
        return True


_SHOWN = _is_shown()


class PuretalkPlugin(AirflowPlugin):
    """The fleet pages in the navigation, and the tab on each task instance."""

    name = "puretalk"
    # A run's id comes last, where it may hold anything. Relative, so that it follows the prefix of `[api] base_url`.
    external_views = [
        {"name": "PureTalk", "href": f"{PREFIX[1:]}/", "destination": "nav", "url_route": "puretalk-fleet"},
        {
            "name": "PureTalk",
            "href": f"{PREFIX[1:]}/tasks/{{DAG_ID}}/{{TASK_ID}}/{{MAP_INDEX}}/{{RUN_ID}}",
            "destination": "task_instance",
            "url_route": "puretalk",
        },
    ] * _SHOWN
    fastapi_apps = [{"name": "PureTalk", "app": _PagesOnDemand(), "url_prefix": PREFIX}] * _SHOWN
