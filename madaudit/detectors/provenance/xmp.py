"""XMP packets: the properties of the image itself, by namespace and name.

Source: ISO 16684-1 (XMP, RDF/XML serialisation). Parsed by defusedxml: entities, external
references and document types are refused. Only properties of the top-level description count, so
a value that describes a nested artwork is not taken for the image's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from madaudit.errors import MalformedError
from madaudit.limits import MAX_XMP_BYTES, MAX_XMP_DEPTH

IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0/"
XMP_BASIC = "http://ns.adobe.com/xap/1.0/"
COMFY = "https://github.com/Comfy-Org/ComfyUI"
DUBLIN_CORE = "http://purl.org/dc/elements/1.1/"
PLUS = "http://ns.useplus.org/ldf/xmp/1.0/"
TC260 = "http://www.tc260.org.cn/ns/AIGC"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"


def read_properties(packet: bytes) -> dict[tuple[str, str], str]:
    """Simple properties of the image by (namespace, name).

    Args:
        packet: the XMP packet, UTF-8 (what JPEG, PNG and WebP prescribe), padding included.

    Raises:
        MalformedError: not XML, or XML that uses what XMP forbids.
    """
    found: dict[tuple[str, str], str] = {}
    for description in _descriptions(packet):
        for name, value in description.attrib.items():
            found.setdefault(_split(name), value.strip())
        for child in description:
            text = _value(child)
            if text is not None:
                found.setdefault(_split(child.tag), text)
    return found


def read_list(packet: bytes, space: str, name: str) -> list[str]:
    """All items of a list property of the image, for example its keywords (dc:subject).

    Raises:
        MalformedError: not XML, or XML that uses what XMP forbids.
    """
    return [
        item.text.strip()
        for description in _descriptions(packet)
        for item in description.findall(f"{{{space}}}{name}/*/{_RDF}li")
        if item.text
    ]


def _descriptions(packet: bytes) -> Iterator[Element]:
    """The top-level descriptions of a packet."""
    if len(packet) > MAX_XMP_BYTES:
        raise MalformedError(f"XMP of {len(packet)} bytes; at most {MAX_XMP_BYTES} are read")
    try:
        parser = DefusedXMLParser(target=_ShallowTree(), forbid_dtd=True)
        parser.feed(packet.strip(b"\0 \r\n\t"))
        root = parser.close()
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise MalformedError(f"XMP cannot be parsed: {error}") from error
    rdf = root if root.tag == f"{_RDF}RDF" else root.find(f"{_RDF}RDF")
    yield from [] if rdf is None else rdf.findall(f"{_RDF}Description")


class _ShallowTree(TreeBuilder):
    """A tree that is given up where it nests too deep."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def start(self, tag: str, attributes: dict[str, str], /) -> Element:
        self._depth += 1
        if self._depth > MAX_XMP_DEPTH:
            raise MalformedError(f"XMP nested deeper than {MAX_XMP_DEPTH}")
        return super().start(tag, attributes)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def _split(name: str) -> tuple[str, str]:
    space, _, local = name.removeprefix("{").rpartition("}")
    return space, local


def _value(element: Element) -> str | None:
    """A simple value: text, an rdf:resource, or the first item of a list."""
    resource = element.get(f"{_RDF}resource")
    if resource is not None:
        return resource.strip()
    if len(element) == 0:
        return (element.text or "").strip()
    item = element.find(f"*/{_RDF}li")
    return None if item is None or item.text is None else item.text.strip()
