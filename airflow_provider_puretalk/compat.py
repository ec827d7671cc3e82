"""Which Airflow has what, in one table: all that this package does otherwise on one Airflow than on another.

Names that only moved come from ``airflow.providers.common.compat``, or are imported by trying. What stands here are features
that an Airflow has or lacks; :func:`require` refuses in the same words wherever one is missing. Cheap to import: every
process of Airflow does, for the plugin.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from airflow import __version__ as AIRFLOW_VERSION


class Feature(NamedTuple):
    """Something that newer Airflows have.

    :ivar since: the first that has it, as (major, minor), or with the patch release where that matters.
    :ivar what: what people write that needs it; empty where nothing has to be refused.
    :ivar why: what that Airflow can do.
    :ivar instead: what to do on an older one.
    """

    since: tuple[int, ...]
    what: str = ""
    why: str = ""
    instead: str = ""


FEATURES: Final = {
    "asset watchers": Feature(
        (3, 0),
        "PuretalkAssistantsChangedTrigger",
        "which starts DAGs when something happens",
        "On Airflow 2, schedule the DAG on the asset and let a snapshot task update it.",
    ),
    # Airflow 2 raises an error in a task that is killed; Airflow 3 only calls `on_kill`, and kills the process later.
    "killed tasks go on": Feature((3, 0)),
    # Workers may have a secrets backend of their own.
    "secrets backends of workers": Feature((3, 0)),
    # What they say of assets goes to the API server as JSON.
    "tasks away from the database": Feature((3, 0)),
    # Before a next try, as Airflow 2 does; 3.0 clears only those of instances that are not mapped.
    "XComs of mapped instances cleared": Feature((3, 1)),
    # Before, all values of an event's extra that comes through an alias are hashed.
    "lists in extras of aliases": Feature((3, 1)),
    # Pages that a plugin brings get the login from a cookie; before, only from a header, which no browser sends for a page.
    "pages of plugins": Feature((3, 1, 1)),
    # Through the provider's metadata; before, `python -m airflow_provider_puretalk` has the same commands.
    "commands of providers": Feature((3, 2)),
    # The form as metadata; before, through methods of the hook's class.
    "connection form as metadata": Feature((3, 2)),
    # Watchers of one connection share a poll; before, each has its own.
    "shared streams": Feature((3, 3)),
    # What a watcher saw last survives the triggerer; before, it is in memory only.
    "asset state store": Feature((3, 3)),
    "partitions named by tasks": Feature((3, 3), "`emit_partition`", "where tasks can name partitions"),
    "retry policies": Feature(
        (3, 3),
        "PuretalkRetryPolicy",
        "where tasks have a `retry_policy`",
        "Use the task's `retries` and `retry_delay`.",
    ),
}

_numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", AIRFLOW_VERSION)
assert _numbers is not None, AIRFLOW_VERSION
_INSTALLED: Final = tuple(map(int, _numbers.groups()))


def has(feature: str) -> bool:
    """Return whether this Airflow has a feature of :data:`FEATURES`."""
    return FEATURES[feature].since <= _INSTALLED


def missing(feature: str) -> str:
    """Return the sentence that says which Airflow is needed, and what to do without it."""
    entry = FEATURES[feature]
    since = ".".join(map(str, entry.since))
    sentence = f"{entry.what} needs Airflow {since} or newer, {entry.why}; this is {AIRFLOW_VERSION}. {entry.instead}"
    return sentence.rstrip()


def require(feature: str) -> None:
    """Refuse what this Airflow cannot do.

    :raises PuretalkConfigurationError: it lacks the feature.
    """
    if not has(feature):
        from airflow_provider_puretalk.exceptions import PuretalkConfigurationError

        raise PuretalkConfigurationError(missing(feature))
