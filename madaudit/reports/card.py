"""A data card: a README with Hugging Face's YAML, the audit in words, and Croissant's RAI fields.

What only the data set's owner knows (licence, languages, how it was collected) is not made up: the
card says what the audit found and leaves the rest out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

import yaml

from madaudit.reports.audit_report import AuditReport
from madaudit.reports.base import Renderer
from madaudit.reports.markdown import summary
from madaudit.reports.wording import percent, visible

# Hugging Face's size categories, by their upper ends.
_SIZES = (
    (1e3, "n<1K"),
    (1e4, "1K<n<10K"),
    (1e5, "10K<n<100K"),
    (1e6, "100K<n<1M"),
    (1e7, "1M<n<10M"),
    (1e8, "10M<n<100M"),
    (1e9, "100M<n<1B"),
    (1e10, "1B<n<10B"),
    (1e11, "10B<n<100B"),
    (1e12, "100B<n<1T"),
)
# Croissant's terms that keep their name; with the others below, its own context of version 1.0.
_TERMS = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject",
    "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField",
    "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate",
    "separator", "source", "subField", "transform",
)  # fmt: skip
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS},
}


@dataclass(frozen=True)
class CardRenderer(Renderer):
    """Ready to be merged into a data set's README."""

    name: ClassVar[str] = "card"
    file_name: ClassVar[str] = "card.md"

    def render(self, report: AuditReport) -> bytes:
        front = yaml.safe_dump(front_matter(report), sort_keys=False, allow_unicode=True)
        fields = json.dumps(croissant(report), ensure_ascii=False, allow_nan=False, indent=2)
        # Nothing in the JSON may end its fence.
        fields = fields.replace("`", "\\u0060")
        text = (
            f"---\n{front}---\n\n# Synthetic contamination\n\n{summary(report)}\n\n"
            f"## How this was found\n\n```\n{_fenced(report.method.command)}\n```\n\n"
            f"## Croissant (RAI vocabulary)\n\n```json\n{fields}\n```\n"
        )
        return text.encode("utf-8", "replace")


def front_matter(report: AuditReport) -> dict[str, Any]:
    """The YAML that Hugging Face reads; the key `madaudit` is ours, and theirs ignores it."""
    size = next((name for most, name in _SIZES if report.n_samples < most), "n>1T")
    return {
        "pretty_name": _clean(report.title),
        "size_categories": [size],
        "tags": ["madaudit", "synthetic-contamination-audit"],
        "madaudit": {
            "effective_real_fraction": report.p.to_dict(),
            "effective_real_fraction_of_distinct": (
                report.copies.p.to_dict() if report.copies else None
            ),
            "tier": report.tier,
            "synthetic_by_marks_at_least": report.floor.low,
            "risk_level": report.risk.level if report.risk else None,
            "plan": report.method.fingerprint,
            "versions": {_clean(k): _clean(v) for k, v in report.method.versions.items()},
        },
    }


def croissant(report: AuditReport) -> dict[str, Any]:
    """Fields of Croissant's RAI vocabulary 1.0, to be merged into a data set's own JSON-LD."""
    tools = ", ".join(_clean(row.tool) for row in report.tools[:10])
    hidden = sum(row.share for row in report.observability[2:])
    broken = sum(fault.n for fault in report.faults)
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.0",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        "name": _clean(report.title),
        "rai:dataLimitations": [
            _clean(report.answer),
            *(map(_clean, report.risk.says) if report.risk else ()),
        ],
        "rai:dataBiases": (
            f"Generated samples found: {percent(report.floor.low)} at least"
            + (f", by {tools}." if tools else ".")
        ),
        "rai:dataCollectionMissingData": (
            f"Of {percent(min(hidden, 1.0))} of samples some or all marks could not have been "
            f"seen; {broken:g} samples or shards are broken."
        ),
        "rai:machineAnnotationTools": [
            f"madaudit detector {_clean(name)} version {version}"
            for name, version, _ in report.method.detectors
        ],
        "rai:dataAnnotationProtocol": _clean(report.method.command),
    }


def _clean(text: str) -> str:
    return visible(text.replace("\n", "; "))


def _fenced(command: str) -> str:
    """Lines of a command, of which none can end its fence."""
    return "\n".join(visible(line) for line in command.split("\n")).replace("```", "` ` `")
