"""The models say what the vendor's page "Assistants List" says (OpenAPI 1.0.0), which is written down here by hand."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from airflow_provider_puretalk import models

#: Field, type, format, what else is documented, whether it may be null. None of them is required.
ASSISTANT = """
    user                                object   -          -                   -
    voice                               object   -          -                   -
    llm_states                          array    -          items={}            -
    phone_number                        string   -          -                   null
    variables                           array    -          items={}            -
    knowledge_base                      string   -          -                   null
    assistant_id                        string   uuid       -                   -
    name                                string   -          -                   -
    prompt                              string   -          -                   -
    model                               string   -          -                   -
    who_speaks_first                    string   -          enum=assistant,user -
    begin_message                       string   -          -                   null
    assistant_type                      string   -          -                   -
    avatar                              string   uri        -                   -
    custom_knowledge_base               string   -          -                   -
    timezone                            string   -          -                   -
    voice_stability                     number   -          range=0,1           -
    voice_clarity_similarity            number   -          range=0,1           -
    voice_stream_latency_optimization   integer  -          range=0,5           -
    voice_boost                         boolean  -          -                   -
    voice_speed                         number   -          -                   -
    voice_emotion                       array    -          items={}            -
    call_recording_enabled              boolean  -          -                   -
    reminder_message_frequency          integer  -          -                   -
    max_reminder_messages               integer  -          -                   -
    post_analysis                       string   -          -                   null
    chatbot_logo                        string   uri        -                   null
    chatbot_accent_color                string   -          -                   null
    chatbot_faq                         string   -          -                   null
    chatbot_whitelisted_domains         array    -          items=string        null
    chatbot_begin_message               string   -          -                   null
    tools                               string   -          -                   null
    created_at                          string   date-time  -                   -
    updated_at                          string   date-time  -                   -
    behavior                            integer  -          -                   -
"""
USER = """
    name                                string   -          -                   -
    dp                                  string   uri        -                   null
    email                               string   email      -                   -
"""
VOICE = """
    voice_id                            string   -          -                   -
    name                                string   -          -                   -
    avatar                              string   uri        -                   -
    gender                              string   -          -                   -
    demo_audio_url                      string   uri        -                   -
    is_cloned                           boolean  -          -                   -
    language                            string   -          -                   -
    description                         string   -          -                   null
"""
PAGE = """
    count                               integer  -          -                   -
    next                                string   -          -                   null
    previous                            string   -          -                   null
    results                             array    -          items=Assistant     -
"""
ERROR = """
    err                                 boolean  -          -                   -
    msg                                 string   -          -                   -
"""

TABLES = {
    models.Assistant: ASSISTANT,
    models.AssistantUser: USER,
    models.Voice: VOICE,
    models.AssistantPage: PAGE,
    models.ApiError: ERROR,
}


def rows(table: str) -> dict[str, tuple[str, ...]]:
    """Read a table: field to (type, format, what else, null)."""
    return {name: tuple(facts) for name, *facts in (line.split() for line in table.strip().splitlines())}


def facts_of(schema: dict[str, Any]) -> tuple[str, ...]:
    """Reduce the JSON schema of a field to the columns of a table."""
    null = "-"
    if "anyOf" in schema:
        schema, other = schema["anyOf"]
        assert other == {"type": "null"}
        null = "null"
    if "$ref" in schema:
        return ("object", "-", "-", null)
    also = "-"
    if "enum" in schema:
        also = f"enum={','.join(schema['enum'])}"
    if "minimum" in schema or "maximum" in schema:
        also = f"range={schema['minimum']},{schema['maximum']}"
    if "items" in schema:
        items = schema["items"]
        also = f"items={items.get('type') or items.get('$ref', '').rpartition('/')[2] or items}"
    return (schema["type"], schema.get("format", "-"), also, null)


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.__name__)
def test_a_model_has_the_documented_fields_as_documented_and_no_others(model: type[BaseModel]) -> None:
    """Name, type, format, enum, range and what may be null agree with the contract, field by field, in its order."""
    properties = model.model_json_schema()["properties"]
    found = {name: facts_of(schema) for name, schema in properties.items()}
    assert found == rows(TABLES[model])
    assert list(found) == list(rows(TABLES[model]))


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.__name__)
def test_unknown_fields_are_allowed_everywhere(model: type[BaseModel]) -> None:
    """The contract forbids no further properties, and the vendor adds some."""
    assert model.model_json_schema()["additionalProperties"] is True


@pytest.mark.parametrize(
    "model", [models.Assistant, models.AssistantUser, models.Voice, models.ApiError], ids=lambda model: model.__name__
)
def test_no_property_is_required(model: type[BaseModel]) -> None:
    """A record that lacks everything is a record, its fields read as None, and nothing about it is a violation."""
    assert "required" not in model.model_json_schema()
    empty = model.model_validate({})
    assert {getattr(empty, name) for name in model.model_fields} == {None}
    assert getattr(empty, "violations", ()) == ()


def test_user_and_voice_are_the_documented_objects() -> None:
    """The two nested objects have models of their own."""
    properties = models.Assistant.model_json_schema()["properties"]
    assert properties["user"]["$ref"] == "#/$defs/AssistantUser"
    assert properties["voice"]["$ref"] == "#/$defs/Voice"


def test_the_length_of_the_tables() -> None:
    """35 fields of an assistant, 3 of its user, 8 of its voice: a guard against a table cut by mistake."""
    assert [len(rows(table)) for table in (ASSISTANT, USER, VOICE, PAGE, ERROR)] == [35, 3, 8, 4, 2]


def test_every_field_of_a_typical_record_has_its_documented_python_type() -> None:
    """What the sandbox serves reads without a violation, date-times as aware datetimes."""
    from airflow_provider_puretalk.sandbox import make_fleet

    for record in make_fleet(40):
        assistant = models.Assistant.model_validate(record)
        assert assistant.violations == ()
        assert assistant.user is not None
        assert assistant.user.name == record["user"]["name"]
        assert assistant.created_at is not None
        assert assistant.created_at.utcoffset() is not None
        assert {name: getattr(assistant, name) for name in ("name", "voice_speed", "behavior", "tools")} == {
            name: record[name] for name in ("name", "voice_speed", "behavior", "tools")
        }
