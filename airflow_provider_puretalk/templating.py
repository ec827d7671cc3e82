"""What operators and sensors add to Airflow's rendering of templates, so that arguments reach the task as they were meant.

Airflow renders a template that found nothing as the text "None", and under ``render_template_as_native_obj`` it evaluates
every text, also one that is no template at all: an assistant called "4711" becomes a number. Only while rendering can
these be distinguished from what was written down verbatim.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import BaseOperator, Context

    _Templater = BaseOperator
else:
    _Templater = object


class TemplatedArguments(_Templater):
    """Keeps text that is no template as it stands, and records which templates rendered to nothing."""

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render what is a template, see :meth:`airflow.sdk.BaseOperator.render_template`."""
        is_text = isinstance(content, str)
        if is_text:
            environment = jinja_env or self.get_template_env()
            is_file = content.endswith(tuple(self.template_ext))
            if not is_file and not _is_template(content, environment):
                return content
        rendered = super().render_template(content, context, jinja_env, seen_oids)
        if is_text and not is_file:
            rendered = _as_spelled(rendered, content, context, environment)
        if rendered is None or (is_text and isinstance(rendered, str) and rendered.strip() in ("", "None")):
            if is_text:
                self.__dict__.setdefault("_rendered_to_nothing", {})[content] = rendered
            for name in self.template_fields:
                if getattr(self, name, None) is content is not None:
                    self.__dict__.setdefault("_empty_arguments" if is_text else "_none_results", set()).add(name)
        return rendered

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], *args: Any, **kwargs: Any
    ) -> None:
        """Render the fields, and record which of them were functions that found nothing. Airflow calls those itself."""
        names = [name for name in template_fields if parent is self and callable(getattr(self, name, None))]
        super()._do_render_template_fields(parent, template_fields, *args, **kwargs)
        for name in names:
            if _stripped(getattr(self, name)) in (None, "", "None"):
                self.__dict__.setdefault("_empty_arguments", set()).add(name)

    def rendered(self, name: str, *, may_be_none: bool = False, result_may_be_none: bool = False) -> Any:
        """Return an argument as rendered.

        :param may_be_none: whether None is a choice that a template or an earlier task may make. Else it is refused, since
            the argument would count as left out: all pages for one, everything for what a policy keeps.
        :param result_may_be_none: whether it is one that an earlier task may make by what it returns, and a template not.
        :raises PuretalkConfigurationError: a template in it rendered to nothing, or the function that gives it, or the task
            whose result it is, returned None. None and the text "None" given verbatim are what they are.
        """
        value = getattr(self, name)
        if may_be_none and (value is None or (isinstance(value, str) and value == "None")):
            return None
        nothing = self.__dict__.get("_rendered_to_nothing", {}).values()
        if result_may_be_none and name in self.__dict__.get("_none_results", ()):
            return None
        if name in self.__dict__.get("_empty_arguments", set()) | self.__dict__.get("_none_results", set()) or (
            "None" in map(_stripped, nothing) and _has_none(value)
        ):
            raise PuretalkConfigurationError(
                f"`{name}` must not be empty, but a template in it found nothing: it rendered to {_shown(value)}. Leave "
                "the argument out where its default is meant."
            )
        return value


def _as_spelled(value: Any, content: str, context: Context, environment: jinja2.Environment) -> Any:
    """Return what a template rendered to, but the text where native rendering took it for another whole number.

    "+4930" is no 4930, nor "1_0" a 10. Where undefined names are left alone, such a name is empty text.
    """
    if isinstance(value, environment.undefined):
        return ""
    if not isinstance(value, int):
        return value
    template = environment.from_string(content)
    known: Any = copy.copy(context)  # As Airflow does it: a context is no dict to unpack, some entries are costly.
    known.update((name, one) for name, one in template.globals.items() if name not in context)
    names = environment.context_class(environment, known, template.name, template.blocks)
    spelled = "".join(map(str, template.root_render_func(names)))
    return value if spelled == str(value) else spelled


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
    """Return whether the text "None" is in a rendered argument, at the depths at which templates are written."""
    if isinstance(value, str):
        return value.strip() == "None"
    if not levels or not isinstance(value, list | tuple | set | Mapping):
        return False
    inner = value.values() if isinstance(value, Mapping) else value
    return any(_has_none(one, levels - 1) for one in inner)


def _shown(value: Any) -> str:
    return repr(value) if value is None or isinstance(value, str) else "'None' in one place"
