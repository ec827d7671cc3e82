"""Reads a report as a browser does, and is stricter: every element has to be closed where it should be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

#: Elements that have no content in HTML, and those of SVG that we write as such.
VOID = {"meta", "br", "rect", "input"}


class Element:
    """An element with its attributes and what is in it."""

    def __init__(self, name: str, attributes: dict[str, str | None], parent: Element | None) -> None:
        self.name = name
        self.attributes = attributes
        self.parent = parent
        self.parts: list[Element | str] = []

    @property
    def text(self) -> str:
        """All text in it, in order."""
        return "".join(part if isinstance(part, str) else part.text for part in self.parts)

    @property
    def words(self) -> str:
        """All text in it, with each stretch of white space as one space."""
        return " ".join(self.text.split())

    def all(self, name: str | None = None, css_class: str | None = None) -> Iterator[Element]:
        """Yield the elements in it, at any depth, that have a name and a class."""
        for part in self.parts:
            if isinstance(part, Element):
                classes = (part.attributes.get("class") or "").split()
                if name in (None, part.name) and (css_class is None or css_class in classes):
                    yield part
                yield from part.all(name, css_class)


class Page(HTMLParser):
    """A report, read."""

    def __init__(self, data: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.data = data
        self.top = self._open = Element("", {}, None)
        self.feed(data.decode("utf-8"))  # Strictly: half a character is an error.
        self.close()
        assert self._open is self.top, f"<{self._open.name}> is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"<{tag}> has an attribute twice"
        element = Element(tag, dict(attrs), self._open)
        self._open.parts.append(element)
        if tag not in VOID:
            self._open = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._open.name, f"</{tag}> closes <{self._open.name}>"
        assert self._open.parent is not None
        self._open = self._open.parent

    def handle_data(self, data: str) -> None:
        self._open.parts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")

    @property
    def text(self) -> str:
        return self.top.text

    def section(self, name: str) -> Element:
        """Return the section with this id in its heading; an empty element where there is none."""
        for section in self.top.all("section"):
            if section.attributes.get("aria-labelledby") == name:
                return section
        return Element("section", {}, None)

    def shape(self) -> set[tuple[str, str]]:
        """Return the names of all elements with those of their attributes: all that could be active in the page."""
        return {(element.name, attribute) for element in self.top.all() for attribute in (*element.attributes, "")}

    def css(self) -> str:
        (style,) = self.top.all("style")
        return style.text

    def warning(self, title: str) -> str:
        """Return what a warning says, its title without its number and without why it matters."""
        for warning in self.section("warnings").all(css_class="warning"):
            if title in next(warning.all("h3")).text:
                return re.sub(r"\s+", " ", next(warning.all("ul")).text).strip()
        return ""
