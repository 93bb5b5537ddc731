"""A page as a browser's parser sees it: elements, attributes and text, apart."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import NamedTuple


class Element(NamedTuple):
    """An opening tag."""

    tag: str
    attributes: dict[str, str | None]


class Page(HTMLParser):
    """A parsed page.

    Attributes:
        elements: in order.
        text: all text, styles left out.
        style: content of style elements.
        others: comments, declarations and processing instructions.
    """

    def __init__(self, html: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.others: list[str] = []
        self._texts: list[str] = []
        self._styles: list[str] = []
        self._last = ""
        self.feed(html.decode("utf-8"))
        self.close()
        self.text, self.style = "".join(self._texts), "".join(self._styles)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs)))
        self._last = tag

    def handle_endtag(self, tag: str) -> None:
        self._last = f"/{tag}"

    def handle_data(self, data: str) -> None:
        (self._styles if self._last == "style" else self._texts).append(data)

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def handle_pi(self, data: str) -> None:
        self.others.append(data)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)

    def of(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    @property
    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """Tags with the names of their attributes, in order: what data must not change."""
        return [(element.tag, tuple(element.attributes)) for element in self.elements]
