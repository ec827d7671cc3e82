"""The contract's shapes as pydantic models, read tolerantly.

A model is a typed view of a decoded JSON object, with a list of everything in it that broke the documentation. Unknown
fields stay (``model_extra``), missing ones are ``None``, and a value of the wrong type, range or format stays exactly as
it came. PureTalk changes its schema without notice and contradicts itself between pages, so refusing a record
would lose an assistant that exists.

Source: the vendor's page "Assistants List" (OpenAPI 1.0.0, ``GET /ai-assistants``). No property is required there; only
those marked :data:`Nullable` here may be null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ModelWrapValidatorHandler,
    PrivateAttr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, SchemaValidator, core_schema
from typing_extensions import TypedDict

if TYPE_CHECKING:
    from pydantic.plugin._schema_validator import PluggableSchemaValidator


@dataclass(frozen=True, slots=True)
class Violation:
    """One value that breaks the documentation.

    :ivar pointer: where it stands in the record, as a JSON pointer (RFC 6901).
    :ivar reason: what is wrong, without the value itself.
    """

    pointer: str
    reason: str


class _NotNull:
    """Marks a documented field that may be missing but not null.

    The Python type stays optional (a missing field reads as ``None``), while an explicit null fails validation and the
    JSON schema shows what the contract shows. Done in the core schema, so it costs nothing per record.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        return schema["schema"] if schema["type"] == "nullable" else schema


class _Timestamp:
    """An RFC 3339 date-time with its offset; read as an aware datetime.

    pydantic alone would also take unix seconds, bare dates and naive times, none of which the contract documents.
    """

    PATTERN = r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.chain_schema(
            [core_schema.str_schema(pattern=self.PATTERN, strict=True), core_schema.datetime_schema(strict=False)]
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}


_UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_URI = r"^[A-Za-z][A-Za-z0-9+.\-]*:\S+$"
_EMAIL = r"^[^@\s]+@[^@\s]+$"
_FORMAT_OF_PATTERN = {_UUID: "uuid", _URI: "uri", _EMAIL: "email", _Timestamp.PATTERN: "date-time"}

# Formats are checked by pattern, so that the text stays as it came.
_UuidText = Annotated[str, StringConstraints(pattern=_UUID), Field(json_schema_extra={"format": "uuid"})]
_UriText = Annotated[str, StringConstraints(pattern=_URI), Field(json_schema_extra={"format": "uri"})]
_EmailText = Annotated[str, StringConstraints(pattern=_EMAIL), Field(json_schema_extra={"format": "email"})]
_NOT_NULL = _NotNull()
_Text = Annotated[str | None, _NOT_NULL]
_Uuid = Annotated[_UuidText | None, _NOT_NULL]
_Uri = Annotated[_UriText | None, _NOT_NULL]
_Email = Annotated[_EmailText | None, _NOT_NULL]
_Flag = Annotated[bool | None, _NOT_NULL]
_Whole = Annotated[int | None, _NOT_NULL]
# A Decimal that no double can hold would become infinite without ``allow_inf_nan``.
_Number = Annotated[Annotated[float, Field(allow_inf_nan=False)] | None, _NOT_NULL]
_Share = Annotated[Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None, _NOT_NULL]
_Latency = Annotated[Annotated[int, Field(ge=0, le=5)] | None, _NOT_NULL]
_Anything = Annotated[list[Any] | None, _NOT_NULL]
_Moment = Annotated[Annotated[datetime, _Timestamp()] | None, _NOT_NULL]


class _TolerantModel(BaseModel):
    """Keeps what it does not know and what is wrong; lists the latter in :attr:`violations`."""

    model_config = ConfigDict(extra="allow", strict=True)

    _own_violations: tuple[Violation, ...] = PrivateAttr(default=())

    @model_validator(mode="wrap")
    @classmethod
    def _keep_what_is_wrong(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            if not isinstance(data, Mapping):
                raise  # Not an object at all: the field that holds it keeps it as it came.
            problems = error.errors(include_url=False, include_context=True)
        # pydantic refuses a key with a lone surrogate without saying which: such a key is unknown, and kept as that.
        unreadable = {name for name in data if not _is_unicode(name)}
        problems = [problem for problem in problems if problem["loc"]]
        wrong = {str(problem["loc"][0]) for problem in problems}
        if any(name in wrong or name not in data for name in cls._indispensable):
            return handler(data)  # Raises as it did.
        if unreadable and not wrong:
            # The unreadable key hid all other problems of this object.
            model = cls.model_validate({name: value for name, value in data.items() if name not in unreadable})
            model.__pydantic_extra__ = {**(model.model_extra or {}), **{name: data[name] for name in unreadable}}
            return model
        model = handler({name: value for name, value in data.items() if name not in wrong})
        for name in wrong:
            # Past validation on purpose: the value does not have the annotated type.
            model.__dict__[name] = data[name]
            model.__pydantic_fields_set__.add(name)
        model._own_violations = tuple(Violation(json_pointer(problem["loc"]), _reason(problem)) for problem in problems)
        return model

    #: Names of the fields that hold another documented object, or a list of them.
    _nested: ClassVar[tuple[str, ...]] = ()
    #: Names of the fields without which the object says nothing: where one is missing or wrong, it is refused.
    _indispensable: ClassVar[tuple[str, ...]] = ()

    @property
    def violations(self) -> tuple[Violation, ...]:
        """Every value here or in a nested object that breaks the documentation."""
        return tuple(self._violations())

    def _violations(self) -> Iterator[Violation]:
        yield from self._own_violations
        for name in self._nested:
            nested = self.__dict__.get(name)
            parts = enumerate(nested) if isinstance(nested, list) else [(None, nested)]
            for place, part in parts:
                if isinstance(part, _TolerantModel):
                    start = f"/{name}" if place is None else f"/{name}/{place}"
                    for violation in part._violations():
                        yield Violation(start + violation.pointer, violation.reason)


class AssistantUser(_TolerantModel):
    """The person an assistant belongs to."""

    name: _Text = Field(None, description="The name of the user")
    dp: _UriText | None = Field(None, description="The display picture of the user")
    email: _Email = Field(None, description="The email of the user")


class Voice(_TolerantModel):
    """The voice an assistant speaks with. ``voice_id`` is opaque: three forms of it have been seen."""

    voice_id: _Text = Field(None, description="The id of the voice")
    name: _Text = Field(None, description="The name of the voice")
    avatar: _Uri = Field(None, description="The avatar of the voice")
    gender: _Text = Field(None, description="The gender of the voice")
    demo_audio_url: _Uri = Field(None, description="A sample of the voice")
    is_cloned: _Flag = Field(None, description="Whether the voice is cloned")
    language: _Text = Field(None, description="The language of the voice")
    description: str | None = Field(None, description="The description of the voice")


class Assistant(_TolerantModel):
    """One AI assistant as the list shows it (the contract's ``AssistantPopulated``).

    Validating never fails for a JSON object: what breaks the documentation is kept and listed in :attr:`violations`.
    """

    _nested: ClassVar[tuple[str, ...]] = ("user", "voice")

    user: Annotated[AssistantUser | None, _NOT_NULL] = Field(None, description="Who the assistant belongs to")
    voice: Annotated[Voice | None, _NOT_NULL] = Field(None, description="The voice it speaks with")
    llm_states: _Anything = Field(None, description="States of the conversation")
    phone_number: str | None = Field(None, description="The phone number it answers")
    variables: _Anything = Field(None, description="Variables of the prompt")
    knowledge_base: str | None = Field(None, description="The knowledge base it draws on")
    assistant_id: _Uuid = Field(None, description="What it is known by; never changes")
    name: _Text = Field(None, description="The name of the assistant")
    prompt: _Text = Field(None, description="The instructions it follows")
    model: _Text = Field(None, description="The language model; a free string")
    who_speaks_first: Annotated[Literal["assistant", "user"] | None, _NOT_NULL] = Field(
        None, description="Who opens the conversation"
    )
    begin_message: str | None = Field(None, description="The first words it says")
    assistant_type: _Text = Field(None, description="The kind of assistant")
    avatar: _Uri = Field(None, description="The picture of the assistant")
    custom_knowledge_base: _Text = Field(None, description="Knowledge written into the assistant itself")
    timezone: _Text = Field(None, description="The timezone it works in")
    voice_stability: _Share = Field(None, description="0 to 1")
    voice_clarity_similarity: _Share = Field(None, description="0 to 1")
    voice_stream_latency_optimization: _Latency = Field(None, description="0 to 5")
    voice_boost: _Flag = Field(None, description="Whether the voice is boosted")
    voice_speed: _Number = Field(None, description="The speed of the voice")
    voice_emotion: _Anything = Field(None, description="Emotions of the voice")
    call_recording_enabled: _Flag = Field(None, description="Whether calls are recorded")
    reminder_message_frequency: _Whole = Field(None, description="How often it reminds a silent caller")
    max_reminder_messages: _Whole = Field(None, description="How many reminders at most")
    post_analysis: str | None = Field(None, description="What is analysed after a call")
    chatbot_logo: _UriText | None = Field(None, description="The logo of the chatbot")
    chatbot_accent_color: str | None = Field(None, description="The accent colour of the chatbot")
    chatbot_faq: str | None = Field(None, description="The FAQ of the chatbot")
    chatbot_whitelisted_domains: list[str] | None = Field(None, description="Where the chatbot may be embedded")
    chatbot_begin_message: str | None = Field(None, description="The first words of the chatbot")
    tools: str | None = Field(None, description="The tools it may call")
    created_at: _Moment = Field(None, description="When it was created")
    updated_at: _Moment = Field(None, description="When it was last changed")
    behavior: _Whole = Field(None, description="The behaviour it follows")


def violations_of(record: Mapping[str, Any]) -> tuple[Violation, ...]:
    """Return what in a raw record breaks the documentation, as :attr:`Assistant.violations` does.

    Meant for whole fleets: a record without violations, the usual case, is checked without a model being built.
    """
    if _documented().isinstance_python(record):
        return ()
    return Assistant.model_validate(record).violations


@cache
def _documented() -> SchemaValidator | PluggableSchemaValidator:
    """Return a validator for the fields of :class:`Assistant` that accepts only what is documented."""
    nested = {
        name: Annotated[_shape_of(model, {}) | None, _NOT_NULL]
        for name, model in (("user", AssistantUser), ("voice", Voice))
    }
    return TypeAdapter(_shape_of(Assistant, nested)).validator


def _shape_of(model: type[BaseModel], others: Mapping[str, Any]) -> Any:
    """Return a dict type with a model's fields, some of them replaced. Checking it builds nothing, and never tolerates."""
    fields = {name: field.rebuild_annotation() for name, field in model.model_fields.items()}
    shape: Any = TypedDict(f"Documented{model.__name__}", {**fields, **others}, total=False)  # type: ignore[misc]
    shape.__pydantic_config__ = ConfigDict(extra="ignore", strict=True)  # type: ignore[attr-defined]  # pydantic's way
    return shape


class AssistantPage(_TolerantModel):
    """One page of the list: the envelope of ``GET /ai-assistants``. Refused where ``count`` or ``results`` is wrong.

    :ivar count: how many assistants there were when this page was fetched, on all pages together.
    :ivar next: address of the next page, or None on the last one. Says only *whether* there is more.
    :ivar previous: address of the page before; not reliable.
    :ivar results: the assistants on this page, in the server's order.
    """

    _nested: ClassVar[tuple[str, ...]] = ("results",)
    _indispensable: ClassVar[tuple[str, ...]] = ("count", "results")

    count: int = Field(description="The total number of AI Assistants")
    next: str | None = Field(None, description="The next page of AI Assistants")
    previous: str | None = Field(None, description="The previous page of AI Assistants")
    results: list[Assistant] = Field(description="The list of AI Assistants")


class ApiError(_TolerantModel):
    """What the API says when it refuses: a flag and a sentence. Nothing may be decided on the sentence."""

    err: _Flag = None
    msg: _Text = None


def _is_unicode(text: str) -> bool:
    """Return whether a string has no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def json_pointer(path: Iterator[str | int] | tuple[str | int, ...]) -> str:
    """Return the JSON pointer (RFC 6901) of a path of keys and indexes."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def pointer_path(pointer: str) -> list[str]:
    """Return the keys of a JSON pointer, indexes among them as text."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def json_type(value: Any) -> str:
    """Return what JSON calls the type of a decoded value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, str):
        return "string"
    if isinstance(value, Mapping):
        return "object"
    if isinstance(value, list | tuple):
        return "array"
    return "number"


_EXPECTED = {
    "string_type": "string",
    "int_type": "integer",
    "float_type": "number",
    "bool_type": "boolean",
    "list_type": "array",
    "model_type": "object",
}


def documented_fields() -> frozenset[str]:
    """Return the names of all documented fields, dotted for nested ones."""
    return frozenset(
        [
            *Assistant.model_fields,
            *(f"user.{name}" for name in AssistantUser.model_fields),
            *(f"voice.{name}" for name in Voice.model_fields),
        ]
    )


@cache
def documented_types() -> dict[str, str]:
    """Return the documented fields as JSON pointers, each with its JSON type, null aside."""
    schema = Assistant.model_json_schema()
    return {
        json_pointer(tuple(path)): _type_in(schema, path) for path in (name.split(".") for name in documented_fields())
    }


def _type_in(schema: dict[str, Any], path: list[str]) -> str:
    found: Any = schema["properties"][path[0]]
    for name in [*path[1:], None]:
        while "type" not in found:
            if "$ref" in found:
                found = schema["$defs"][found["$ref"].rpartition("/")[2]]
            else:
                (found,) = [one for one in found["anyOf"] if one.get("type") != "null"]
        if name is not None:
            found = found["properties"][name]
    return str(found["type"])


def _reason(problem: Mapping[str, Any]) -> str:
    """Return what is wrong without the value: reasons are counted, logged and stored."""
    kind, context, given = problem["type"], problem.get("ctx", {}), problem["input"]
    if kind == "finite_number" or (kind == "float_type" and json_type(given) == "integer"):
        return "too large for a double"
    if kind == "literal_error" and not isinstance(given, str):
        kind = "string_type"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, got {json_type(given)}"
    if kind == "string_pattern_mismatch":
        return f"not a {_FORMAT_OF_PATTERN[context['pattern']]}"
    if kind == "literal_error":
        return f"not one of {context['expected']}"
    if kind == "less_than_equal":
        return f"above {context['le']:g}"
    if kind == "greater_than_equal":
        return f"below {context['ge']:g}"
    if kind == "string_unicode":
        return "not valid Unicode"
    if kind.startswith(("datetime", "timezone")):
        return "not a date-time"
    return str(kind).replace("_", " ")
