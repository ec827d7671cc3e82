"""The package speaks the field's language: words that stand for nothing a reader could search for are kept out."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import airflow_provider_puretalk

PACKAGE = Path(airflow_provider_puretalk.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

#: What this package once said, and what to say instead.
INSTEAD = {
    "tell|tells|told|telling|untold": "log, emit, list, name",
    "look|looks|looked|looking": "poll, observe, evaluate",
    "ask|asks|asked|asking|question|questions": "request, fetch, send, call",
    "somebody|whoever|theirs": "the task, the caller, the owner",
    "remember|remembers|remembered|recall|recalled": "checkpoint, save, restore",
    "wanted|wish|wishes": "expected, requested",
    "news": "event, outcome",
    "debris": "orphan",
    "findings": "warnings",
    "ledger": "change store",
    "census": "fleet stats",
}
#: Names that lie in people's databases and XComs, and those of what is looked up, or of a file's position.
ALLOWED = {"next_look", "debris", "lookup", "look_up", "looked_up", "tell"}
_OLD = re.compile(rf"(?:{'|'.join(INSTEAD)})")
#: What emits a log line.
_LOGGED = {"debug", "info", "warning", "error", "exception", "critical", "log"}
_LOOK_UP = re.compile(r"\blook(?:s|ed|ing)?[ -]up\b|\blook(?:s|ed)? like\b")


def identifiers(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and token.string not in ALLOWED:
            yield token.start[0], token.string


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Yield the texts of log lines and errors."""
    for node in ast.walk(ast.parse(source)):
        called = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Raise) or called in _LOGGED or called.endswith("Error"):
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.lineno, _LOOK_UP.sub("", part.value)


def words_of(text: str) -> list[str]:
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return re.findall(r"[a-z]+", apart.lower())


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_identifiers_logs_and_errors_use_the_fields_words(module: Path) -> None:
    """No name, log line or error uses a word that has a better known one; ``INSTEAD`` says which."""
    if module.match("sandbox/phrases.py"):
        return  # What made-up assistants say to made-up callers.
    source = module.read_text()
    found = [
        f"{module.relative_to(PACKAGE)}:{line}: {text!r}"
        for line, text in sorted({*identifiers(source), *texts(source)})
        if any(_OLD.fullmatch(word) for word in words_of(text))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "is_old"),
    [("_looked_at", True), ("LookProducer", True), ("tolerated", False), ("task_id", False), ("Asking failed", True)],
)
def test_words_are_found_wherever_they_stand(text: str, is_old: bool) -> None:
    """A word counts in any case and as part of a name, and letters within another word do not."""
    assert any(_OLD.fullmatch(word) for word in words_of(text)) == is_old
