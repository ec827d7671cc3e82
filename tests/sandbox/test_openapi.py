"""The OpenAPI document says what the vendor's page "Assistants List" says, which is written down here by hand."""

from __future__ import annotations

import pytest
import requests

ANY = {"type": "array", "items": {}}
TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
FLAG = {"type": "boolean"}
URI = {"type": "string", "format": "uri"}
MOMENT = {"type": "string", "format": "date-time"}
SHARE = {"type": "number", "minimum": 0, "maximum": 1}


def null_or(schema):
    return {**schema, "nullable": True}


ASSISTANT = {
    "user": {
        "type": "object",
        "properties": {"name": TEXT, "dp": null_or(URI), "email": {"type": "string", "format": "email"}},
    },
    "voice": {
        "type": "object",
        "properties": {
            "voice_id": TEXT,
            "name": TEXT,
            "avatar": URI,
            "gender": TEXT,
            "demo_audio_url": URI,
            "is_cloned": FLAG,
            "language": TEXT,
            "description": null_or(TEXT),
        },
    },
    "llm_states": ANY,
    "phone_number": null_or(TEXT),
    "variables": ANY,
    "knowledge_base": null_or(TEXT),
    "assistant_id": {"type": "string", "format": "uuid"},
    "name": TEXT,
    "prompt": TEXT,
    "model": TEXT,
    "who_speaks_first": {"type": "string", "enum": ["assistant", "user"]},
    "begin_message": null_or(TEXT),
    "assistant_type": TEXT,
    "avatar": URI,
    "custom_knowledge_base": TEXT,
    "timezone": TEXT,
    "voice_stability": SHARE,
    "voice_clarity_similarity": SHARE,
    "voice_stream_latency_optimization": {"type": "integer", "minimum": 0, "maximum": 5},
    "voice_boost": FLAG,
    "voice_speed": {"type": "number"},
    "voice_emotion": ANY,
    "call_recording_enabled": FLAG,
    "reminder_message_frequency": WHOLE,
    "max_reminder_messages": WHOLE,
    "post_analysis": null_or(TEXT),
    "chatbot_logo": null_or(URI),
    "chatbot_accent_color": null_or(TEXT),
    "chatbot_faq": null_or(TEXT),
    "chatbot_whitelisted_domains": null_or({"type": "array", "items": TEXT}),
    "chatbot_begin_message": null_or(TEXT),
    "tools": null_or(TEXT),
    "created_at": MOMENT,
    "updated_at": MOMENT,
    "behavior": WHOLE,
}
PAGE = {
    "type": "object",
    "properties": {
        "count": WHOLE,
        "next": null_or(TEXT),
        "previous": null_or(TEXT),
        "results": {"type": "array", "items": {"type": "object", "properties": ASSISTANT}},
    },
}
ERROR = {"type": "object", "properties": {"err": FLAG, "msg": TEXT}}

#: What the two documents are compared in. Titles, texts and patterns (how we check a format) are ours.
FACTS = ("type", "format", "enum", "minimum", "maximum")


@pytest.fixture
def document(sandbox):
    response = requests.get(sandbox.base_url.removesuffix("/api") + "/openapi.json", timeout=10)
    assert response.status_code == 200
    return response.json()


def facts(schema, document):
    """Reduce a schema of OpenAPI 3.1 to the facts, with 3.0's word for null."""
    if "$ref" in schema:
        return facts(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    if "anyOf" in schema:
        other, null = schema["anyOf"]
        assert null == {"type": "null"}
        return {**facts(other, document), "nullable": True}
    found = {name: schema[name] for name in FACTS if name in schema}
    if "items" in schema:
        found["items"] = facts(schema["items"], document)
    if "properties" in schema:
        found["properties"] = {name: facts(value, document) for name, value in schema["properties"].items()}
    return found


def operation(document):
    return document["paths"]["/ai-assistants"]["get"]


def schema_of(document, status):
    return facts(operation(document)["responses"][status]["content"]["application/json"]["schema"], document)


def test_only_the_documented_path_is_documented(document):
    """The control route and the second spelling of the path are no part of the contract."""
    assert list(document["paths"]) == ["/ai-assistants"]
    assert list(document["paths"]["/ai-assistants"]) == ["get"]
    assert document["servers"] == [{"url": "/api"}]


def test_the_parameters_agree(document):
    parameters = {item["name"]: (item["in"], item["schema"]) for item in operation(document)["parameters"]}
    number = ("query", {"type": "integer", "format": "int32"})
    assert parameters == {"page": number, "limit": number}
    assert not any(item.get("required") for item in operation(document)["parameters"])


def test_the_page_and_every_field_of_an_assistant_agree(document):
    """Names, types, formats, enums, ranges and what may be null."""
    assert schema_of(document, "200") == PAGE


def test_no_property_of_an_assistant_is_required(document):
    schemas = document["components"]["schemas"]
    assert not any("required" in schemas[name] for name in ("Assistant", "AssistantUser", "Voice", "ApiError"))


def test_the_refusal_agrees(document):
    assert schema_of(document, "404") == ERROR


def test_no_other_status_is_documented(document):
    assert sorted(operation(document)["responses"]) == ["200", "404"]


def test_the_key_is_required_where_the_contract_says(document):
    scheme = document["components"]["securitySchemes"]["ApiKeyAuth"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "X-API-KEY")
    assert operation(document)["security"] == [{"ApiKeyAuth": []}]
