"""What CI and releases run is what stands in this repository, and nothing that can change under a name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

CLONE = Path(__file__).parents[2]
WORKFLOWS = sorted((CLONE / ".github" / "workflows").glob("*.yml"))


def _jobs(name: str) -> dict[str, dict[str, Any]]:
    workflow = yaml.safe_load((CLONE / ".github" / "workflows" / name).read_text())
    jobs: dict[str, dict[str, Any]] = workflow["jobs"]
    return jobs


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_actions_are_pinned_by_commit_and_named_by_version(file: Path) -> None:
    """A tag can be moved to other code; a commit cannot."""
    used = re.findall(r"^ *(?:- )?uses: (.+)$", file.read_text(), re.MULTILINE)
    assert used
    for action in used:
        assert action.startswith("./.github/") or re.fullmatch(r"[\w./-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", action), (
            action
        )


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_no_job_may_do_more_than_it_names(file: Path) -> None:
    """The token of a run has no permission by default, and only what each job lists."""
    workflow = yaml.safe_load(file.read_text())
    assert workflow["permissions"] == {}
    assert all(job["permissions"] for job in workflow["jobs"].values())


def test_ci_runs_what_everybody_can_run() -> None:
    """The checks stand in `.ci/run`, so that they are the same on a laptop."""
    runs = [step.get("run") for step in _jobs("ci.yml")["run"]["steps"]]
    assert "bash .ci/run" in runs


def test_only_a_job_that_builds_nothing_may_publish() -> None:
    """What a build step or a test drags in never sees the right to publish."""
    publish = _jobs("release.yml")["publish"]
    assert publish["environment"] == "release"
    assert [step for step in publish["steps"] if "run" in step] == []
    assert _jobs("release.yml")["build"]["needs"] == "ci"
