"""What operators and sensors add to Airflow's rendering of templates, so that arguments reach the task as they were meant.

Airflow renders a template that found nothing as the text "None", and under ``render_template_as_native_obj`` it evaluates
every text, also one that is no template at all: an assistant called "4711" becomes a number. Only while rendering can
these be told from what somebody wrote down verbatim.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_puretalk.api.errors import PuretalkConfigurationError

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import BaseOperator, Context

    _Templater = BaseOperator
else:
    _Templater = object


class TemplatedArguments(_Templater):
    """Keeps text that is no template as it stands, and remembers which templates rendered to nothing."""

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render what is a template, see :meth:`airflow.sdk.BaseOperator.render_template`."""
        if isinstance(content, str):
            is_file = content.endswith(tuple(self.template_ext))
            if not is_file and not _is_template(content, jinja_env or self.get_template_env()):
                return content
            rendered = super().render_template(content, context, jinja_env, seen_oids)
            if rendered is None or (isinstance(rendered, str) and rendered.strip() in ("", "None")):
                self.__dict__.setdefault("_rendered_to_nothing", {})[content] = rendered
                for name in self.template_fields:
                    if getattr(self, name, None) is content:
                        self.__dict__.setdefault("_empty_arguments", set()).add(name)
            return rendered
        return super().render_template(content, context, jinja_env, seen_oids)

    def rendered(self, name: str, *, none_is_nothing: bool = False) -> Any:
        """Return an argument as rendered.

        :param none_is_nothing: refuse None where a template gave it natively: left out, the argument would mean "all".
        :raises PuretalkConfigurationError: a template in it rendered to nothing. The text "None" given verbatim is text.
        """
        value = getattr(self, name)
        nothing = self.__dict__.get("_rendered_to_nothing", {}).values()
        is_empty = name in self.__dict__.get("_empty_arguments", ())
        if (is_empty and (value is not None or none_is_nothing)) or (
            "None" in map(_stripped, nothing) and _has_none(value)
        ):
            raise PuretalkConfigurationError(
                f"`{name}` must not be empty, but a template in it found nothing: it rendered to {_shown(value)}."
            )
        return value


def _is_template(text: str, environment: jinja2.Environment) -> bool:
    marks = (
        environment.variable_start_string,
        environment.block_start_string,
        environment.comment_start_string,
        environment.line_statement_prefix,
        environment.line_comment_prefix,
    )
    return any(mark and mark in text for mark in marks)


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _has_none(value: Any, levels: int = 4) -> bool:
    """Tell whether the text "None" is in a rendered argument, at the depths at which templates are written."""
    if isinstance(value, str):
        return value.strip() == "None"
    if not levels or not isinstance(value, list | tuple | set | Mapping):
        return False
    inner = value.values() if isinstance(value, Mapping) else value
    return any(_has_none(one, levels - 1) for one in inner)


def _shown(value: Any) -> str:
    return repr(value) if value is None or isinstance(value, str) else "'None' in one place"
