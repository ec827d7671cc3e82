"""Invented fleets of voice assistants, like a real company's; the same one for the same seed.

The records are plain dicts as in the list: documented fields in the contract's order, and on a few of them the unknown
fields that the vendor once had. An assistant depends on the seed and its own place only, so a longer fleet begins with the
shorter one. Knows no server and no models.
"""

from __future__ import annotations

import json
import re
import unicodedata
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

from airflow_provider_puretalk.sandbox import phrases
from airflow_provider_puretalk.sandbox.checks import require_whole

#: When the first assistant of every fleet was made, and how long the company has been adding more.
_FIRST_DAY = datetime(2024, 1, 8, 9, 0, tzinfo=UTC)
_YEARS_OF_GROWTH = timedelta(days=780)

_Choice = TypeVar("_Choice")


def make_fleet(count: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """Invent ``count`` assistants, in order of their creation.

    :returns: about 4.6 KB a record as JSON. The same seed gives the same fleet.
    """
    return list(iter_fleet(count, seed=seed))


def iter_fleet(count: int, *, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Do the same one by one, for fleets too large to hold as dicts."""
    require_whole("the number of assistants", count, 0)
    maker = FleetMaker(seed)
    return (maker.assistant(place) for place in range(count))


def timestamp(moment: datetime) -> str:
    """Write a moment as DRF does: UTC, microseconds unless there are none, ``Z``."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


class FleetMaker:
    """One company: its team and its voices are shared by all assistants made here."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        random = Random(f"puretalk-sandbox:{seed}")
        self._team = [_user(random, name, email) for name, email in phrases.TEAM]
        self._voices = [
            _voice(random, name, gender, language)
            for language in phrases.LANGUAGES
            for name, gender in random.sample(phrases.VOICE_NAMES, 3)
        ]

    def assistant(self, place: int) -> dict[str, Any]:
        """Invent the assistant at a place in the fleet, 0 being the oldest."""
        random = Random(f"puretalk-sandbox:{self._seed}:{place}")
        # The first language gets the larger share, as in most fleets.
        language = random.choice(phrases.LANGUAGES[:1] * 3 + phrases.LANGUAGES)
        voice = random.choice([voice for voice in self._voices if voice["language"] == language.code])
        company, job = random.choice(phrases.COMPANIES), random.choice(phrases.JOBS)
        # Fast growth at first, slower later: creation times rise with the place and never pass the last day.
        created = _FIRST_DAY + _YEARS_OF_GROWTH * (1 - 1 / (1 + place / 200)) + timedelta(microseconds=place)
        is_chatbot = random.random() < 0.2
        words = {
            "name": voice["name"],
            "company": company.name,
            "language": language.english_name,
            "city": company.city,
            "slug": _slug(company.name),
            "reminder": language.reminder,
        }
        record: dict[str, Any] = {
            "user": dict(random.choice(self._team)),
            "voice": dict(voice),
            "llm_states": _states(random, job),
            "phone_number": None if random.random() < 0.25 else _phone_number(random),
            "variables": _variables(job),
            "knowledge_base": random.choice((None, None, f"{words['slug']}-faq", f"{words['slug']}-handbook")),
            "assistant_id": _uuid(random),
            "name": f"{company.name} - {job.title}" + random.choice(("", "", " (test)", " v2", f" {language.code}")),
            "prompt": _prompt(random, words, company, job),
            "model": random.choice(phrases.MODELS),
            "who_speaks_first": random.choice(("assistant", "assistant", "assistant", "user")),
            "begin_message": None if random.random() < 0.1 else language.greeting.format(**words),
            "assistant_type": "chatbot" if is_chatbot else random.choice(("inbound", "inbound", "outbound")),
            "avatar": f"https://cdn.example.com/avatars/{random.randrange(40):02}.png",
            "custom_knowledge_base": _facts(random, words) if random.random() < 0.3 else "",
            "timezone": random.choice(language.timezones),
            "voice_stability": random.randrange(20, 101, 5) / 100,
            "voice_clarity_similarity": random.randrange(40, 101, 5) / 100,
            "voice_stream_latency_optimization": random.randrange(6),
            "voice_boost": random.random() < 0.3,
            "voice_speed": random.choice((0.9, 1.0, 1.0, 1.1)),
            "voice_emotion": random.choice(([], [], ["positivity"], ["positivity:high", "curiosity"])),
            "call_recording_enabled": random.random() < 0.7,
            "reminder_message_frequency": random.choice((5, 10, 15, 30)),
            "max_reminder_messages": random.randrange(1, 5),
            "post_analysis": job.analysis,
            **_chatbot(random, words, language, is_chatbot),
            "tools": None if random.random() < 0.2 else _tools(job),
            "created_at": timestamp(created),
            "updated_at": timestamp(created + timedelta(microseconds=random.randrange(40 * 86_400 * 10**6))),
            "behavior": random.randrange(1, 5),
        }
        if random.random() < 0.05:
            record["is_archived"] = random.random() < 0.5  # not documented
        return record


def _user(random: Random, name: str, email: str) -> dict[str, Any]:
    picture = f"https://cdn.example.com/people/{_uuid(random)}.jpg" if random.random() < 0.6 else None
    return {"name": name, "dp": picture, "email": email}


def _voice(random: Random, name: str, gender: str, language: phrases.Language) -> dict[str, Any]:
    # Three forms of voice ids have been seen; clients may not rely on one of them.
    forms = (_uuid(random), f"{language.code}-{name}Neural", f"{random.getrandbits(96):024x}")
    slug = _slug(name)
    voice = {
        "voice_id": random.choice(forms),
        "name": name,
        "avatar": f"https://cdn.example.com/voices/{slug}.png",
        "gender": gender,
        "demo_audio_url": f"https://cdn.example.com/voices/{slug}-{language.code}.mp3",
        "is_cloned": random.random() < 0.15,
        "language": language.code,
        "description": random.choice((None, "", "Warm and calm, good on the phone.", "Young, quick, a little rough.")),
    }
    if random.random() < 0.25:
        voice["provider"] = random.choice(("elevenlabs", "azure"))  # not documented any more
    return voice


def _prompt(random: Random, words: dict[str, Any], company: phrases.Company, job: phrases.Job) -> str:
    """Write 1 to 4 KB of instructions with headings, as people paste them."""
    sections = [
        f"# Role\nYou are {words['name']}, the {job.title.lower()} assistant of {company.name}, a {company.trade} in "
        f"{company.city}. You speak {words['language']} on the telephone. Today is {{{{current_date}}}}.",
        f"## Goal\n{job.goal}",
        "## How you speak\n" + _bullets(_pick(random, phrases.STYLE, 3, 7), words),
        "## Conversation\n" + "\n".join(f"{n}. {step.format(**words)}" for n, step in enumerate(job.steps, 1)),
        "## Facts\n" + _facts(random, words),
        "## What you never do\n" + _bullets([*job.rules, *_pick(random, phrases.LIMITS, 2, 6)], words),
    ]
    if random.random() < 0.7:
        sections.append("## When something goes wrong\n" + _bullets(_pick(random, phrases.TROUBLE, 2, 6), words))
    if random.random() < 0.5:
        dialogues = _pick(random, phrases.DIALOGUES, 2, 6)
        sections.append("## Examples\n" + "\n\n".join(f"Caller: {line}\nYou: {reply}" for line, reply in dialogues))
    return "\n\n".join(sections) + "\n"


def _facts(random: Random, words: dict[str, Any]) -> str:
    return _bullets(_pick(random, phrases.FACTS, 4, 9), {**words, "number": random.randrange(5, 60)})


def _states(random: Random, job: phrases.Job) -> list[Any]:
    if random.random() < 0.7:
        return []
    names = ["greeting", job.title.lower(), "goodbye"]
    return [
        {"name": name, "prompt": f'You are in the part "{name}" of the call.', "next": names[place + 1 : place + 2]}
        for place, name in enumerate(names)
    ]


def _variables(job: phrases.Job) -> list[Any]:
    names = sorted(set(re.findall(r"{{{{(\w+)}}}}", " ".join(job.steps))))
    return [{"name": name, "default": "", "required": True} for name in names]


def _tools(job: phrases.Job) -> str:
    """Describe the tools as JSON inside a string, which is how they are documented."""
    return json.dumps(
        [
            {
                "type": "webhook",
                "name": name,
                "description": f"Does what `{name}` says and waits for the answer.",
                "url": f"https://hooks.example.com/v1/{name.replace('_', '-')}",
                "method": "POST",
                "timeout": 8,
                "parameters": {"type": "object", "properties": {"text": {"type": "string"}}, "required": []},
            }
            for name in job.tools
        ]
    )


def _chatbot(random: Random, words: dict[str, Any], language: phrases.Language, is_chatbot: bool) -> dict[str, Any]:
    if not is_chatbot:
        names = ("logo", "accent_color", "faq", "whitelisted_domains", "begin_message")
        return {f"chatbot_{name}": None for name in names}
    return {
        "chatbot_logo": f"https://cdn.example.com/logos/{words['slug']}.svg",
        "chatbot_accent_color": f"#{random.getrandbits(24):06x}",
        "chatbot_faq": _facts(random, words) if random.random() < 0.5 else "",
        "chatbot_whitelisted_domains": ["example.com", f"{words['slug']}.example.org"][: random.randrange(3)],
        "chatbot_begin_message": language.greeting.format(**words),
    }


def _pick(random: Random, choices: Sequence[_Choice], least: int, most: int) -> list[_Choice]:
    return random.sample(choices, random.randint(least, min(most, len(choices))))


def _bullets(lines: Sequence[str], words: dict[str, Any]) -> str:
    return "\n".join(f"- {line.format(**words)}" for line in lines)


def _phone_number(random: Random) -> str:
    prefix = random.choice(phrases.PHONE_PREFIXES)
    return f"{prefix}{random.randrange(100):02}" if prefix.startswith("+1") else f"{prefix}{random.randrange(1000):03}"


def _uuid(random: Random) -> str:
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z]+", "-", plain.lower()).strip("-")
