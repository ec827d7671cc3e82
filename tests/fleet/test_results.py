"""What tasks returned may be of an older release, or damaged: it is taken for what it is, or as not there."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_puretalk.fleet import results, summarize
from tests.fleet.conftest import outcome

REPORT = "_report-vs-20261121T000000Z~1a2b3c4d~5e6f7a8b.html"
NO_COUNTS: list[Any] = [None, "7", 7.0, -1, True, 2**63, [7], {"a": 7}, float("nan")]


@pytest.mark.parametrize("value", NO_COUNTS, ids=repr)
def test_what_is_no_count_counts_for_nothing(value: Any) -> None:
    """And the counts beside it as they are."""
    one = outcome("a", snapshot={"count": value}, comparison={"counts": {"added": value, "removed": 2, "new": 3}})
    found = summarize([one, outcome("b", snapshot={"count": 5}, comparison={"counts": {"removed": 1}})], fleet="agency")
    assert (found["assistants"], found["changes"], found["succeeded"]) == (5, {"removed": 3}, 2)


@pytest.mark.parametrize("counts", [None, 7, "added", ["added"], {}], ids=repr)
def test_a_comparison_without_counts_has_none(counts: Any) -> None:
    """Whatever stands there."""
    assert results.changes({"counts": counts}) == results.changes({}) == results.changes(None) == {}


@pytest.mark.parametrize("name", [None, 7, "", "..", "a/b", "a\n", ["a"], "../../etc"], ids=repr)
def test_a_name_that_cannot_be_a_snapshots_is_none(name: Any) -> None:
    """No path comes out of it."""
    assert results.snapshot_name({"snapshot": name}) is None
    assert results.report_file("a", {"snapshot": name, "report_path": f"/d/{REPORT}"}) is None


@pytest.mark.parametrize(
    "path", [None, 7, "", "/d/other.html", "javascript:alert(1)", f"/d/{REPORT}?x", "/d/manifest.json"]
)
def test_a_path_that_is_no_reports_is_none(path: Any) -> None:
    """Only a name that comparisons give to reports counts."""
    assert results.report_file("a", {"snapshot": "s", "report_path": path}) is None


def test_a_reports_path_is_put_together_anew() -> None:
    """Wherever the result says that it lies."""
    found = results.report_file("a", {"snapshot": "s", "report_path": f"https://elsewhere.test/x/{REPORT}"})
    assert found == f"account=a/snapshot=s/{REPORT}"
