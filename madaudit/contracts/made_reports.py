"""Reports made by hand, plain and hostile: no scan, no store."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from madaudit.reports.audit_report import (
    AuditReport,
    Count,
    Fault,
    GroupCount,
    Hit,
    Method,
    ToolCount,
    WatermarkCount,
)
from madaudit.types import Interval

# What a data set may hold to break a page, by what it tries.
HOSTILE = {
    "script": "<script>alert(1)</script>",
    "closes the style": "</style></title></p></pre><script src=//evil.example></script>",
    "closes an attribute": '" onerror="alert(1)" x=\'',
    "closes a tag": "'><img src=x onerror=alert(1)>",
    "javascript URL": "javascript:alert(document.domain)",
    "data URL": "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "right to left": "invoice\u202egpj.exe",
    "isolates": "\u2066\u2067abc\u2069",
    "hidden": "pass\u200b\u00ad\ufeffword",
    "template": "{{ 7*7 }}{% for x in y %}{{ config.items() }}${7*7}",
    "comment": "<!-- --><![CDATA[ ]]><?php ?>",
    "entities": "&lt;script&gt;&amp;&#x3c;img&#x3e;",
    "NUL": "a\x00b\x1b[31mred\x07",
    "half a character": "\ud800<b>",
    "very long": "<b>" + "x" * 100_000,
}


def thumbnail(colour: str = "teal") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (192, 128), colour).save(buffer, "JPEG")
    return buffer.getvalue()


def interval(low: float) -> Interval:
    return Interval(low, low, 1.0)


def hit(text: str = "text", **changes: Any) -> Hit:
    about: dict[str, Any] = {
        "shard": text,
        "ordinal": 3,
        "key": text,
        "says": (text, text),
        "label": "synthetic",
        "caption": text,
        "url": text,
        "size": "24 × 24",
        "thumbnail": thumbnail(),
    }
    return Hit(**{**about, **changes})


def method(text: str = "text") -> Method:
    return Method(
        assumptions=("marks are not forged",),
        flags=(text,),
        detectors=((text, 1, text),),
        versions={text: text},
        fingerprint="0" * 64,
        command=f"madaudit scan '{text}' -o STORE\nmadaudit report STORE",
    )


def report_of(text: str = "text", **changes: Any) -> AuditReport:
    """A report in which everything that a data set can name is `text`."""
    group = GroupCount(text, 4.0, 0.25, 0.25, 0.5, 0.25)
    about: dict[str, Any] = {
        "title": text,
        "answer": f"At least 25 % of {text} is synthetic.",
        "in_words": (text,),
        "p": Interval(0.0, None, 0.75),
        "floor": interval(0.25),
        "validated_floor": interval(0.0),
        "tier": "floor",
        "n_samples": 4,
        "n_rows": 4,
        "is_sampled": False,
        "observability": (Count("could be seen", 2.0, 0.5, "a mark would be there"),),
        "funnel": (Count("synthetic", 1.0, 0.25, "the floor"),),
        "tools": (ToolCount(text, "synthetic", "a1111", 1.0, 0.25, 0.0, (text, text)),),
        "shards": (group,),
        "n_shards": 1,
        "domains": (group,),
        "n_domains": 1,
        "n_domain_rows": 4,
        "hits": (hit(text),),
        "faults": (Fault(text, 1.0, text, text),),
        "thumbnails": "blurred",
        "method": method(text),
        "watermarks": (
            WatermarkCount(text, 4, 1, 1, 0.01, Interval(0.25, 0.25, 1.0), 41.0, (text, text), 2),
        ),
    }
    return AuditReport(**{**about, **changes})


_EMPTY = ("tools", "domains", "hits", "faults", "in_words", "watermarks")


def bare_report(**changes: Any) -> AuditReport:
    """A report of a data set without marks, URLs, pictures and errors."""
    nothing: dict[str, Any] = dict.fromkeys(_EMPTY, ())
    return report_of(**{**nothing, "n_domains": 0, "floor": interval(0.0), **changes})
