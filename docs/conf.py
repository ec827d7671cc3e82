"""How the docs become a site: ``make docs``, which fails at any warning.

The pages are the Markdown files of this folder, which read as well where they lie. What lies outside of it (the README, the
changelog, the benchmarks, the example DAGs) is included by a page of its own, and links to it are led there.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from airflow_provider_puretalk import __version__  # noqa: E402 - it is found below ROOT

project = "airflow-provider-puretalk"
author = "The authors of airflow-provider-puretalk"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.intersphinx"]
intersphinx_mapping: dict[str, Any] = {}  # Nothing is fetched while the site is built.
html_theme = "furo"
html_title = f"airflow-provider-puretalk {__version__}"
html_show_sourcelink = False
html_copy_source = False
exclude_patterns = ["*.schema.json"]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

autodoc_typehints = "none"  # The signatures are long; parameters and results are described in words.
autodoc_class_signature = "separated"
autodoc_member_order = "bysource"
# Links are made to what has a page here, and to nothing of Airflow's or Python's.
nitpicky = False

#: Links to what lies outside of this folder, and the page that has it here.
ELSEWHERE: Final = {
    "../README.md": "overview.md",
    "../CHANGELOG.md": "changelog.md",
    "../CONTRIBUTING.md": "contributing.md",
    "../SECURITY.md": "security.md",
    "../benchmarks/README.md": "benchmarks.md",
}
#: The same for what is linked from files at the top of the repository.
_FROM_ABOVE: Final = {name.removeprefix("../"): page for name, page in ELSEWHERE.items()}


def lead_here(text: str, *, from_above: bool) -> str:
    """Return a page whose links lead to pages of the site.

    :param from_above: the page is a file of the repository's top folder, where links to the docs begin with ``docs/``.
    """

    def lead(found: re.Match[str]) -> str:
        target, _, anchor = found[1].partition("#")
        if from_above:
            target = _FROM_ABOVE.get(target, target)
            target = target.removeprefix("docs/") if target.startswith("docs/") else target
        target = ELSEWHERE.get(target, target)
        if example := re.fullmatch(r"(?:\.\./)?example_dags(?:/(\w+)\.py)?", target):
            target, anchor = "examples.md", example[1].replace("_", "-") if example[1] else ""
        return f"]({target}{'#' + anchor if anchor else ''})"

    return re.sub(r"\]\((?!\w+:)([^)\s]+)\)", lead, text)


def _read(app: Any, name: str, content: list[str]) -> None:
    """Lead links of a page to pages of the site; put in the files from outside that a page is made of."""
    included = re.match(r"<!-- from (\S+) -->\n", content[0])
    if included is not None:
        content[0] = lead_here((ROOT / included[1]).read_text(), from_above="/" not in included[1])
        app.env.note_dependency(str(ROOT / included[1]))
    elif name == "examples":
        content[0] += "".join(_examples())
    else:
        content[0] = lead_here(content[0], from_above=False)


def _examples() -> list[str]:
    """Return a section for each example DAG: its name, and its file as it lies."""
    return [
        f"\n## {file.stem}\n\n```{{literalinclude}} ../example_dags/{file.name}\n:language: python\n```\n"
        for file in sorted((ROOT / "example_dags").glob("puretalk_*.py"))
    ]


def setup(app: Any) -> None:
    """Connect what is above."""
    app.connect("source-read", _read)
