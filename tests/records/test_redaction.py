"""What a policy takes out of a record, what it leaves, and which policies make no sense."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkResponseError
from airflow_provider_puretalk.models import Assistant, AssistantUser, Voice
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.field_paths import Pattern, below
from airflow_provider_puretalk.records.models import violations_of
from airflow_provider_puretalk.records.redaction import PERSONAL_FIELDS, Redactor
from airflow_provider_puretalk.sandbox import make_fleet

KEY = "pepper-2b7e151628aed2a6"
ID = "eba4389c-9c13-490b-8a36-fef23a9c237c"

TREATMENTS = st.sampled_from(["drop", "mask", "hash"])
NAMES = ["a", "b", "a.b", "user"]
VALUES = st.recursive(
    st.none() | st.just("secret"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=12,
)
RECORDS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)


@st.composite
def policies(draw: st.DrawFn) -> dict[str, str]:
    """Policies that are accepted, for the names that occur in RECORDS."""
    names = st.lists(st.sampled_from(["a", "b", "user", "*"]), min_size=1, max_size=3).map(".".join)
    policy: dict[str, str] = {}
    for name in draw(st.lists(names, min_size=1, max_size=4)):
        try:
            Redactor(wider := {**policy, name: draw(TREATMENTS)}, KEY)
        except PuretalkConfigurationError:
            continue
        policy = wider
    return policy or {"a": "mask"}


def numbered(value: Any, numbers: Iterator[int]) -> Any:
    """Return a value in which each secret is a different one."""
    if isinstance(value, dict):
        return {key: numbered(one, numbers) for key, one in value.items()}
    if isinstance(value, list):
        return [numbered(one, numbers) for one in value]
    return value and f"secret-{next(numbers)}-"


def kept(value: Any, patterns: list[Pattern]) -> Iterator[str]:
    """Yield the texts that no name means, reaching them from the outside, as a reader of the documentation would."""
    if () in patterns:
        return
    if patterns and value is not None and not isinstance(value, list if patterns[0][0] == "*" else dict):
        return  # A name looks into something that it cannot look into.
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from kept(one, below(patterns, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from kept(one, below(patterns, index))


def texts(value: Any) -> Iterator[str]:
    """Yield all texts that stand in a value."""
    return kept(value, [])


@pytest.mark.long
@given(RECORDS, policies())
@example({"user": "text"}, {"user.a": "hash", "user.b": "drop"})
@example({"a.b": "dotted", "a": {"b": "nested", "a": "other"}}, {"a.b": "mask"})
@example({"a": [{"b": "x"}, "text", None, ["y"]]}, {"a.*.b": "drop"})
def test_what_is_named_goes_and_nothing_else(record: dict[str, Any], policy: dict[str, str]) -> None:
    """Not a secret that a name means, or may be hidden in, is left; every other one is; and the record stays as it was."""
    record = numbered(record, iter(range(1000)))
    before = copy.deepcopy(record)
    redacted = Redactor(policy, KEY)(record)
    assert record == before
    left = [text for text in texts(redacted) if text.startswith("secret-")]
    assert left == list(kept(record, [tuple(name.split(".")) for name in policy]))


@pytest.mark.long
@given(RECORDS, policies())
def test_nothing_moves_but_what_is_named(record: dict[str, Any], policy: dict[str, str]) -> None:
    """A policy without ``drop`` leaves every key, every index, and every null where they were."""
    policy = {name: "mask" for name in policy}
    redacted = Redactor(policy)(record)

    def same_shape(old: Any, new: Any) -> bool:
        if old is None or new is None:
            return old is new
        if isinstance(old, dict) and isinstance(new, dict):
            return list(old) == list(new) and all(same_shape(old[key], new[key]) for key in old)
        if isinstance(old, list) and isinstance(new, list):
            return len(old) == len(new) and all(map(same_shape, old, new))
        return new in (old, "***")

    assert same_shape(record, redacted)


@pytest.mark.long
@given(RECORDS, policies())
def test_what_is_redacted_can_be_redacted_again(record: dict[str, Any], policy: dict[str, str]) -> None:
    """Masking and dropping twice is masking and dropping once."""
    redactor = Redactor({name: treatment.replace("hash", "mask") for name, treatment in policy.items()})
    once = redactor(record)
    assert redactor(once) == once


def test_drop_mask_and_hash() -> None:
    """``drop`` removes the key, ``mask`` writes three stars, ``hash`` 64 hex digits; null and absent stay what they are."""
    record: dict[str, Any] = {"assistant_id": ID, "name": "n", "prompt": None, "model": "m", "tools": 7}
    policy = {"name": "drop", "prompt": "hash", "model": "mask", "tools": "hash", "timezone": "mask"}
    digest = hmac.new(KEY.encode(), b"7", hashlib.sha256).hexdigest()
    assert Redactor(policy, KEY)(record) == {"assistant_id": ID, "prompt": None, "model": "***", "tools": digest}


def test_null_stays_unless_dropped() -> None:
    """A null is masked and hashed to null, as there is nothing to hide; ``drop`` leaves no trace of the field."""
    record = {"a": None, "b": None, "c": None, "d": [None, 1]}
    policy = {"a": "mask", "b": "hash", "c": "drop", "d.*": "mask"}
    assert Redactor(policy, KEY)(record) == {"a": None, "b": None, "d": [None, "***"]}


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        ("ü", b'"\xc3\xbc"'),
        ({"b": 1, "a": [1.50, True]}, b'{"a":[1.5,true],"b":1}'),
        ("\ud800", rb'"\ud800"'),
        (10**400, b"1" + b"0" * 400),
        (0, b"0"),
        ("", b'""'),
        (False, b"false"),
        ([], b"[]"),
    ],
    ids=["text", "object", "lone surrogate", "large", "zero", "empty", "false", "empty list"],
)
def test_hash_is_of_the_canonical_spelling(value: Any, spelled: bytes) -> None:
    """Anybody with the key can compute it: HMAC-SHA-256 of the value as JSONL writes it, as lower-case hex digits."""
    digest = hmac.new(KEY.encode(), spelled, hashlib.sha256).hexdigest()
    assert Redactor({"a": "hash"}, KEY)({"a": value}) == {"a": digest}


def test_hashes_tell_values_and_keys_apart() -> None:
    """Equal values have equal hashes under one key, others have not, nor the same ones under another key."""
    redactor, other = Redactor({"a": "hash"}, KEY), Redactor({"a": "hash"}, KEY + "x")
    values: list[Any] = [1, "1", True, "true", [1], {"a": 1}]
    hashes = [json.dumps(one({"a": value})) for one in (redactor, other) for value in values]
    assert len(set(hashes)) == len(hashes)
    assert redactor({"a": {"x": 1, "y": 2}}) == Redactor({"a": "hash"}, KEY)({"a": {"y": 2, "x": 1}})


@pytest.mark.long
def test_a_hash_too_deep_is_an_error_without_the_value() -> None:
    """What cannot be spelled cannot be hashed: an error, and the value is not in it."""
    deep: Any = "secret"
    for _ in range(1_000_000):
        deep = [deep]
    with pytest.raises(PuretalkResponseError, match="nested too deeply") as caught:
        Redactor({"a": "hash"}, KEY)({"a": deep})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("record", "policy", "redacted"),
    [
        ({"user": "Maya, maya@example.com"}, {"user.email": "mask"}, {"user": "***"}),
        ({"user": ["maya@example.com"]}, {"user.email": "mask"}, {"user": "***"}),
        ({"user": 7}, {"user.email": "drop"}, {}),
        ({"user": False}, {"user.email": "mask"}, {"user": "***"}),
        ({"user": None}, {"user.email": "drop"}, {"user": None}),
        ({"user": {}}, {"user.email": "drop"}, {"user": {}}),
        ({"a": {"b": "x"}}, {"a.*.b": "mask"}, {"a": "***"}),
        ({"a": {"*": "x"}}, {"a.*": "mask"}, {"a": "***"}),
        ({"a": "x"}, {"a.*": "mask"}, {"a": "***"}),
        ({"a": [{"b": "x"}, "y", None, {"c": 2}]}, {"a.*.b": "mask"}, {"a": [{"b": "***"}, "***", None, {"c": 2}]}),
        ({"a": [{"b": "x"}, "y", {"c": 2}]}, {"a.*.b": "drop"}, {"a": [{}, {"c": 2}]}),
        ({"a": ["x", None, {"y": 1}]}, {"a.*": "drop"}, {"a": []}),
        ({"user": "text"}, {"user.name": "mask", "user.email": "drop"}, {}),
        ({"user": "text"}, {"user.name": "hash", "user.email": "mask"}, {"user": "***"}),
    ],
    ids=str,
)  # fmt: skip
def test_a_parent_that_breaks_the_documentation_is_treated_whole(
    record: dict[str, Any], policy: dict[str, str], redacted: dict[str, Any]
) -> None:
    """Where a name cannot look into a value, the whole value is treated, by the strictest treatment that looked."""
    assert Redactor(policy, KEY)(record) == redacted


def test_unmatched_names() -> None:
    """Names that were in no record are told: null is there, a field of something that has no fields is not."""
    redactor = Redactor({"a": "mask", "b.c": "mask", "d": "mask", "e.*.f": "drop", "g": "drop"})
    assert redactor.unmatched == ["a", "b.c", "d", "e.*.f", "g"]
    redactor({"a": None, "b": {}, "e": []})
    assert redactor.unmatched == ["b.c", "d", "e.*.f", "g"]
    redactor({"b": "text", "e": [{"f": 1}], "h": 1})
    assert redactor.unmatched == ["b.c", "d", "g"]


def test_policy_is_sorted_and_the_key_leaves_no_trace() -> None:
    """What a manifest keeps of it: the names in order, and of the key some digits that only tell it from another."""
    redactor = Redactor({"b": "hash", "a": "mask"}, KEY)
    assert list(redactor.policy.items()) == [("a", "mask"), ("b", "hash")]
    fingerprints = {Redactor({"b": "hash"}, key).key_fingerprint for key in (KEY, KEY + "x", "x")}
    assert len(fingerprints) == 3
    assert redactor.key_fingerprint in fingerprints
    assert {len(fingerprint or "") for fingerprint in fingerprints} == {16}
    assert KEY not in str(vars(redactor)["policy"]) + repr(redactor)
    assert Redactor({"a": "mask"}, KEY).key_fingerprint is None


@pytest.mark.parametrize("treatment", ["mask", "hash"])
def test_what_is_treated_breaks_no_documentation(treatment: str) -> None:
    """However little three stars look like a number or a picture's address, nothing of that counts as a violation."""
    names = [name for name in Assistant.model_fields if name not in ("assistant_id", "user", "voice")]
    names += [f"user.{name}" for name in AssistantUser.model_fields]
    names += [f"voice.{name}" for name in Voice.model_fields]
    redactor = Redactor(dict.fromkeys(names, treatment), KEY)
    for record in make_fleet(20):
        redacted = redactor(record)
        assert violations_of(redacted)
        assert violations_of(redactor.without(redacted)) == ()


def test_without_leaves_what_nobody_named() -> None:
    """A value that breaks the documentation in another field is still found."""
    redactor = Redactor({"user.email": "mask"})
    redacted = redactor({"assistant_id": ID, "user": {"email": "no address", "name": 5}})
    (violation,) = violations_of(redactor.without(redacted))
    assert violation.pointer == "/user/name"


def test_personal_fields() -> None:
    """The shipped policy needs no key, names documented fields, and leaves nothing of the owner and the number."""
    assert set(PERSONAL_FIELDS) == {"user.name", "user.email", "user.dp", "phone_number"}
    redactor = Redactor(PERSONAL_FIELDS)
    for record in make_fleet(20):
        redacted = canonical_json.dumps(redactor(record)).decode()
        assert record["user"]["email"] not in redacted
        assert record["user"]["name"] not in redacted
        assert not record["phone_number"] or f'"{record["phone_number"]}"' not in redacted
    assert redactor.unmatched == []


WRONG: list[tuple[Any, list[str]]] = [
    (None, ["must map", "NoneType"]),
    ("user.email", ["must map", "str"]),
    ([("a", "mask")], ["must map", "list"]),
    ({}, ["empty", "leave it out"]),
    ({"a": "erase"}, ["`a`", "'erase'", "'drop', 'mask' or 'hash'"]),
    ({"a": None}, ["`a`", "None"]),
    ({"a": ["mask"]}, ["`a`", "['mask']"]),
    ({"a": "Mask"}, ["`a`", "'Mask'"]),
    ({"": "mask"}, ["''"]),
    ({"a.": "mask"}, ["'a.'"]),
    ({"*": "mask"}, ["'*'"]),
    ({"*.assistant_id": "mask"}, ["'*.assistant_id'"]),
    ({7: "mask"}, ["7"]),
    ({"\ud800": "mask"}, ["Unicode"]),
    ({"assistant_id": "mask"}, ["'assistant_id'", "cannot be taken out"]),
    ({"assistant_id.x": "mask"}, ["'assistant_id.x'", "cannot be taken out"]),
    ({"user": "mask", "user.email": "mask"}, ["`user`", "`user.email`", "keep one"]),
    ({"a.*.b": "mask", "a.*": "drop"}, ["`a.*`", "`a.*.b`", "keep one"]),
    ({"a.*": "mask", "a.b": "drop"}, ["`a.*`", "`a.b`", "list", "object"]),
    ({"a": "hash"}, ["`a`", "`redaction_secret`", "'mask' or 'drop'"]),
]


@pytest.mark.parametrize(
    ("policy", "words"), WRONG, ids=lambda value: str(value)[:40].encode("unicode_escape").decode()
)
def test_wrong_policies(policy: Any, words: list[str]) -> None:
    """A policy that cannot be carried out as it stands is refused in a sentence that says why."""
    with pytest.raises(PuretalkConfigurationError) as caught:
        Redactor(policy)
    assert [word for word in ["`redact`", *words] if word not in str(caught.value)] == []


def test_an_empty_key_is_none() -> None:
    """Hashing with an empty key would hide nothing from anybody."""
    with pytest.raises(PuretalkConfigurationError, match="redaction_secret"):
        Redactor({"a": "hash"}, "")


def test_undocumented_fields_beside_those_taken_out_are_named() -> None:
    """A policy for `user.email` says that the API sends a `user.telephone` now, which nobody decided about."""
    redactor = Redactor({**PERSONAL_FIELDS, "llm_states.*.key": "drop"})
    redactor({"user": {"name": "A", "telephone": "+1", "email": None}, "voice": {"odd": 1}, "odd": 2})
    redactor(
        {"user": {"dp": None, "address": {"city": "B"}}, "llm_states": [{"key": 1, "other": 2}], "phone_number": "1"}
    )
    assert redactor.undocumented_beside == ["llm_states.*.other", "user.address", "user.telephone"]
    assert [warning for warning in redactor.warnings() if "`user.telephone`" in warning]


def test_documented_fields_beside_those_taken_out_are_not_named() -> None:
    """Everybody who writes a policy can know those."""
    redactor = Redactor({"user.email": "mask", "voice.name": "drop"})
    redactor({"user": {"name": "A", "email": "a@b.c"}, "voice": {"name": "C", "language": "en"}})
    assert redactor.warnings() == []
