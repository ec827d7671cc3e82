"""On the page of a package index, everything that the README names can be opened."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import pytest

import airflow_provider_puretalk
from tests import ci_script
from tests.packaging.test_workflows import _jobs

CLONE = Path(__file__).parents[2]
REPOSITORY = "https://forge.example/owner/name"
TAG = f"v{airflow_provider_puretalk.__version__}"
page = ci_script.load("package_page")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what a build needs, with a file for each that the README names."""
    for name in ("README.md", "pyproject.toml", "airflow_provider_puretalk/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(CLONE / name, tmp_path / name)
    for name in re.findall(r"\]\(([\w/.-]+)", (CLONE / "README.md").read_text()):
        if (CLONE / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        elif (CLONE / name).is_dir():
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
    return tmp_path


def test_every_link_and_picture_is_an_address_of_the_release(copy: Path) -> None:
    """A page, a heading and a picture each, as the forge shows them at the release's tag; what is no link stays."""
    before = (copy / "README.md").read_text()
    page.lead_to(REPOSITORY, copy)
    after = (copy / "README.md").read_text()
    targets = re.findall(r"\]\(([^()\s]+)\)", after)
    assert [target for target in targets if not target.startswith("https://")] == []
    assert f"{REPOSITORY}/blob/{TAG}/docs/format.md#redaction" in targets
    assert f"{REPOSITORY}/blob/{TAG}/README.md#many-accounts" in targets
    assert f"{REPOSITORY}/raw/{TAG}/docs/images/fleet-timeline.png" in targets
    without = re.compile(r"\]\([^()\s]+\)")
    assert without.sub("", after) == without.sub("", before)


def test_the_projects_links_lead_there_too(copy: Path) -> None:
    """Beside those that stand in pyproject.toml, with the names by which an index knows them."""
    page.lead_to(REPOSITORY, copy)
    urls = tomllib.loads((copy / "pyproject.toml").read_text())["project"]["urls"]
    assert urls.items() >= tomllib.loads((CLONE / "pyproject.toml").read_text())["project"]["urls"].items()
    assert urls["Source"] == REPOSITORY
    assert urls["Changelog"] == f"{REPOSITORY}/blob/{TAG}/CHANGELOG.md"
    assert {"Documentation", "Issues"} <= urls.keys()


def test_code_stays_as_it_is(tmp_path: Path) -> None:
    """What looks like a link there is none; a link whose text is code is one."""
    (tmp_path / "a.md").touch()
    text = "`x[0](a.md)` and [`x`](a.md)\n```python\nx[0](missing.md)\n```\n[a](https://a.example)\n"
    expected = text.replace("[`x`](a.md)", f"[`x`]({REPOSITORY}/blob/v1/a.md)")
    assert page.absolute(text, REPOSITORY, "v1", tmp_path) == expected


def test_a_link_to_nothing_ends_the_build(tmp_path: Path) -> None:
    """The file that is missing is named."""
    with pytest.raises(ValueError, match=r"docs/gone\.md"):
        page.absolute("[a](docs/gone.md#b)", REPOSITORY, "v1", tmp_path)


@pytest.mark.parametrize("wrong", ["forge.example/owner/name", "https://forge.example", "${{ x }}"])
def test_what_is_no_address_ends_the_build(copy: Path, wrong: str) -> None:
    """A workflow that was edited wrongly publishes no page that leads nowhere."""
    with pytest.raises(ValueError, match="no address of a repository"):
        page.lead_to(wrong, copy)


def test_a_release_says_where_it_was_built() -> None:
    """The workflow gives the build its own repository's address."""
    (made,) = [step for step in _jobs("release.yml")["build"]["steps"] if step.get("run") == "make wheel"]
    assert made["env"]["REPOSITORY_URL"] == "${{ github.server_url }}/${{ github.repository }}"
