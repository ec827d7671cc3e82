"""Whatever an assistant holds, the report shows it and is not made of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.sandbox import make_fleet
from airflow_provider_puretalk.snapshots.report import write_report
from tests.snapshots.report.reading import Page
from tests.snapshots.report.test_page import ATTRIBUTES, ELEMENTS

Report = Callable[..., Page]

HOSTILE = [
    "<script>document.title = 'owned'</script>",
    "</title></style></script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "--><!--",
    "]]><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt; &amp;amp; &#0;",
    "javascript:alert(1)",
    "`<b>`code",
]


def everywhere(value: str, record: dict[str, Any]) -> dict[str, Any]:
    """Return a record that holds a text wherever a report may show it, the names of its fields included."""
    record = copy.deepcopy(record)
    for name, old in record.items():
        if name != "assistant_id":
            record[name] = {**old, **dict.fromkeys(old, value)} if isinstance(old, dict) else value
    return {**record, value: value, "llm_states": [{value: value}]}


@pytest.mark.long
@pytest.mark.parametrize("value", HOSTILE)
def test_markup_is_shown(report: Report, value: str) -> None:
    """A text that would be markup is shown as it is, and adds nothing to what the page is made of."""
    fleet = make_fleet(30, seed=2)
    odd = {"assistant_id": value, "name": value}
    baseline = [*fleet[:12], *(everywhere(value, one) for one in fleet[12:14])]
    current = [*(everywhere(value, one) for one in fleet[:10]), *fleet[10:12], *(everywhere(value, fleet[20]), odd)]
    page = report(baseline, current)
    assert {name for name, _ in page.shape()} <= ELEMENTS
    assert {attribute for _, attribute in page.shape() if attribute} <= ATTRIBUTES
    assert page.text.count(" ".join(value.split())) > 20
    for section in ("in-common", "changed", "added", "removed", "fleet"):
        assert value[:20] in page.section(section).text, section


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\0b", "a␀b"),
        ("a\x1b[31mb\x7f", "a␛[31mb␡"),
        ("line\r\nend", "line␍\nend"),
        ("half \ud83d of a pair", "half \\ud83d of a pair"),
        ("abc\u202edef\u2066", "abc[U+202E]def[U+2066]"),
        ("zero\u200bwidth\ufeff", "zero[U+200B]width[U+FEFF]"),
        ("hidden\U000e0041\U000e0042", "hidden[U+E0041][U+E0042]"),
        ("\u2028\x85", "[U+2028][U+0085]"),
        ("family 👩‍👩‍👧 نیم‌فاصله", "family 👩‍👩‍👧 نیم‌فاصله"),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(report: Report, value: str, expected: str) -> None:
    """Controls, halves of pairs and overrides of direction are shown; joiners, which scripts need, stay."""
    page = report([{"assistant_id": "1", "prompt": "x"}], [{"assistant_id": "1", "prompt": value, value: 1}])
    assert expected in page.section("changed").text
    assert value in expected or value.encode(errors="surrogatepass") not in page.data


def test_name_that_is_no_text(report: Report) -> None:
    """Records that break the documentation are shown as they are."""
    baseline = [{"assistant_id": "1", "name": {"first": "<b>"}, "voice": "none", "prompt": ["a"], "phone_number": [1]}]
    page = report(baseline, [{**baseline[0], "prompt": {"b": 10**400}, "model": 1.5}, {"assistant_id": "2", "name": 7}])
    assert '{"first":"<b>"}' in page.section("changed").text
    assert "1" + "0" * 400 in page.section("changed").text
    assert "7 2" in page.section("added").words


ANY_TEXT = st.text(st.characters(codec=None) | st.sampled_from("<>&\"'`\0\n\r\ud800\u202e"), max_size=80)
ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.dictionaries(
    st.sampled_from(["name", "prompt", "tools", "voice", "phone_number", "model", "call_recording_enabled"]) | ANY_TEXT,
    ANY_VALUE,
    max_size=5,
)


@pytest.mark.long
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(baseline=st.lists(FIELDS, max_size=4), current=st.lists(FIELDS, max_size=8))
def test_any_json_makes_a_sound_page(
    baseline: list[Any], current: list[Any], keep: Callable[..., str], tmp_path: Path
) -> None:
    """Any records at all give a page of balanced elements of the known kinds, in valid UTF-8 without controls."""
    older, newer = ([{**one, "assistant_id": f"{n}"} for n, one in enumerate(side)] for side in (baseline, current))
    with snapshots.compare(keep("a", older), keep("b", newer)) as comparison:
        write_report(comparison, tmp_path / "report.html")
        page = Page((tmp_path / "report.html").read_bytes())
        shown = {"added": comparison.counts["added"], "removed": comparison.counts["removed"]}
    assert {name for name, _ in page.shape()} <= ELEMENTS
    assert {attribute for _, attribute in page.shape() if attribute} <= ATTRIBUTES
    assert not any(ord(character) < 32 and character != "\n" for character in page.data.decode().replace("\t", ""))
    for section, count in shown.items():
        assert len(list(page.section(section).all("article"))) == count
