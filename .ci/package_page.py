"""Makes the README and the project's links lead to the repository, for the page that a package index shows of a release.

There, a path or a heading of the README leads nowhere. The address of the repository stands in no file: whoever builds a
release says it, as the workflow does, and a copy of this repository names itself.
"""

from __future__ import annotations

import re
from pathlib import Path

#: Code, in which nothing is a link; or a link or picture, with its target as group 2.
_CODE_OR_LINK = re.compile(r"(```.*?^```|`[^`\n]+`)|\]\(([^()\s]+)\)", re.DOTALL | re.MULTILINE)
_PICTURES = (".png", ".svg", ".gif", ".jpg")


def lead_to(repository: str, folder: Path) -> None:
    """Rewrite README.md and pyproject.toml in a copy of the repository.

    :param repository: its address, as the forge shows it: ``https://forge.example/owner/name``.
    :param folder: the copy; the files that README.md names have to be there.
    :raises ValueError: the address is none, or README.md links to a file that is not there.
    """
    if not re.fullmatch(r"https://[\w.-]+(/[\w.-]+)+", repository):
        raise ValueError(f"{repository!r} is no address of a repository, such as https://forge.example/owner/name")
    package = (folder / "airflow_provider_puretalk" / "__init__.py").read_text()
    (version,) = re.findall(r'^__version__ = "(.+)"$', package, re.MULTILINE)
    readme = folder / "README.md"
    readme.write_text(absolute(readme.read_text(), repository, f"v{version}", folder))
    pyproject = folder / "pyproject.toml"
    text, found = re.subn(
        r"(?m)^\[project\.urls\]\n",
        f"""[project.urls]
Source = "{repository}"
Documentation = "{repository}/blob/v{version}/docs/index.md"
Changelog = "{repository}/blob/v{version}/CHANGELOG.md"
Issues = "{repository}/issues"
""",
        pyproject.read_text(),
    )
    if found != 1:
        raise ValueError("pyproject.toml has no [project.urls]")
    pyproject.write_text(text)


def absolute(text: str, repository: str, tag: str, folder: Path) -> str:
    """Return Markdown with every link and picture as an address below the repository, at a tag."""

    def replaced(match: re.Match[str]) -> str:
        target = match[2]
        if target is None or re.match(r"https?://|mailto:", target):
            return match[0]
        path, _, heading = target.partition("#")
        if path and not (folder / path).exists():
            raise ValueError(f"README.md links to {path!r}, and there is none")
        shown_as = "raw" if path.endswith(_PICTURES) else "blob"
        return f"]({repository}/{shown_as}/{tag}/{path or 'README.md'}{'#' * bool(heading)}{heading})"

    return _CODE_OR_LINK.sub(replaced, text)
