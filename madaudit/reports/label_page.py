"""One offline page on which a person labels samples by keyboard.

No network: a content security policy lets nothing in but the page's own script and pictures, which
are re-encoded before they get here. The page holds opaque names only: which sample an item is, and
which items are blind checks, stands in the store.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from madaudit.reports.wording import visible


@dataclass(frozen=True)
class PageItem:
    """One picture to judge.

    Attributes:
        name: opaque, [0-9a-f]+.
        webp: the picture, made by us.
        caption: shown below it; "" for none.
    """

    name: str
    webp: bytes
    caption: str = ""


def render_label_page(draw: str, items: Sequence[PageItem]) -> bytes:
    """The page.

    Args:
        draw: name of the draw, which the export carries back.
        items: in the order in which they are shown.
    """
    folder = resources.files("madaudit.reports").joinpath("templates")
    template, script, style = (
        folder.joinpath(f"label.{ending}").read_text(encoding="utf-8")
        for ending in ("html", "js", "css")
    )
    data = {
        "draw": draw,
        "items": [
            {
                "name": item.name,
                "image": "data:image/webp;base64," + base64.b64encode(item.webp).decode(),
                "caption": visible(item.caption),
            }
            for item in items
        ],
    }
    # In a script element nothing ends the data but "</", and no character of it is left.
    text = json.dumps(data).replace("<", "\\u003c")
    parts = {
        "@SCRIPT_HASH@": _digest(script),
        "@STYLE_HASH@": _digest(style),
        "@STYLE@": style,
        "@SCRIPT@": script,
        "@DATA@": text,
    }
    for name, part in parts.items():
        head, _, tail = template.partition(name)
        template = head + part + tail
    return template.encode()


def _digest(text: str) -> str:
    """What a content security policy calls a script or a style by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
