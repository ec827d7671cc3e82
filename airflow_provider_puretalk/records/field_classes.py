"""What kind of thing each field of an assistant is about.

Kept apart from everything heavy, because DAG files name the classes.
"""

from __future__ import annotations

from typing import Literal, get_args

FieldClass = Literal["behaviour", "compliance", "routing", "voice", "cosmetic", "identity"]
FIELD_CLASSES: tuple[FieldClass, ...] = get_args(FieldClass)

_CLASSES: dict[FieldClass, tuple[str, ...]] = {
    "behaviour": (
        "prompt",
        "llm_states",
        "variables",
        "tools",
        "model",
        "behavior",
        "knowledge_base",
        "custom_knowledge_base",
        "who_speaks_first",
        "post_analysis",
        "chatbot_faq",
    ),
    # What an assistant says first may be the announcement that the law demands: it is compliance before it is behaviour.
    "compliance": (
        "call_recording_enabled",
        "begin_message",
        "chatbot_begin_message",
        "chatbot_whitelisted_domains",
    ),
    "routing": ("phone_number", "timezone", "reminder_message_frequency", "max_reminder_messages"),
    "voice": (
        "voice",
        "voice_stability",
        "voice_clarity_similarity",
        "voice_stream_latency_optimization",
        "voice_boost",
        "voice_speed",
        "voice_emotion",
    ),
    "cosmetic": ("avatar", "chatbot_logo", "chatbot_accent_color"),
    "identity": ("assistant_id", "name", "user", "assistant_type", "created_at", "updated_at"),
}
_CLASS_OF: dict[str, FieldClass] = {name: kind for kind, names in _CLASSES.items() for name in names}


def field_class(name: str) -> FieldClass:
    """Return the class of a top-level field. An undocumented one may steer calls: it counts as behaviour."""
    return _CLASS_OF.get(name, "behaviour")
