"""`madaudit detectors`: what each detector needs, and what it was verified on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from madaudit.commands.shell import common_options, guarded, print_json
from madaudit.detectors import build_detector, known_detectors
from madaudit.errors import MadauditError


@dataclass(frozen=True)
class DetectorList:
    """One dictionary per detector: name, kind, version, available, why, verified, weights."""

    detectors: list[dict[str, Any]]

    def to_dict(self) -> list[dict[str, Any]]:
        return self.detectors


def list_detectors() -> DetectorList:
    """All detectors, those of third parties included."""
    return DetectorList([_describe(name) for name in known_detectors()])


def _describe(name: str) -> dict[str, Any]:
    try:
        detector = build_detector(name)
    except Exception as error:  # noqa: BLE001 — a stranger's plug-in that cannot even be loaded
        unknown = dict.fromkeys(("kind", "tier", "version", "verified", "weights"))
        kind = "" if isinstance(error, MadauditError) else f"{type(error).__name__}: "
        return {**unknown, "name": name, "available": False, "why": f"{kind}{error}"}
    why = detector.why_unavailable()
    return {
        "name": name,
        "kind": detector.kind,
        "tier": detector.tier,
        "version": detector.version,
        "available": why is None,
        "why": why,
        "verified": detector.verified,
        "weights": getattr(detector, "weights_source", None),
    }


def _about(item: dict[str, Any]) -> str | None:
    """What a detector is; None for a plug-in that cannot be loaded."""
    if item["kind"] is None:
        return None
    return f"{item['kind']}, needs {item['tier']}; {item['verified']}"


@click.command("detectors")
@common_options
@guarded
def command(as_json: bool, quiet: bool, verbose: bool) -> int:
    """List the detectors: what each needs, and what it was verified on.

    \b
      madaudit detectors
      madaudit detectors --json
    """
    result = list_detectors()
    if as_json:
        print_json(result.to_dict())
        return 0
    for item in result.detectors:
        mark = click.style("✓", fg="green") if item["available"] else click.style("✗", fg="red")
        about = "; ".join(filter(None, (_about(item), item["why"])))
        click.echo(f"{mark} {item['name']:<20} {about}")
    return 0
