"""C2PA manifests read without trusting them: who claims what about which image.

Source: C2PA Technical Specification 2.2: 11 (manifests), 10.3 (claims), 18.15 (actions),
18.16 (ingredients); CAWG Training and Data Mining Assertion 1.0. Nothing is verified here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from madaudit.detectors.base import one_line
from madaudit.detectors.provenance import cbor
from madaudit.detectors.provenance.jumbf import Superbox, parse_superbox
from madaudit.errors import MalformedError
from madaudit.limits import MAX_JSON_BYTES


@dataclass(frozen=True)
class Action:
    """One action: what was done, its digital source type, and by which agent."""

    name: str
    source_type: str | None
    agent: str | None


@dataclass(frozen=True)
class Ingredient:
    """An image that went into this one; `manifest` is its label in the store, if it has one."""

    title: str | None
    relationship: str | None
    manifest: str | None


@dataclass(frozen=True)
class Manifest:
    """One claim.

    Attributes:
        label: its name in the store.
        generator: the program that made it, with version and library as it writes them.
        tool: the program's name alone.
        actions: what was done.
        ingredients: out of what.
        mining: uses for mining and training, each with "allowed", "notAllowed" or "constrained".
    """

    label: str
    generator: str
    tool: str
    actions: tuple[Action, ...]
    ingredients: tuple[Ingredient, ...]
    mining: tuple[tuple[str, str], ...] = ()


def read_store(data: bytes) -> tuple[Manifest, ...]:
    """The manifests of a store in order; the last is the active one.

    Args:
        data: the JUMBF superbox labelled "c2pa".

    Raises:
        MalformedError: no C2PA store, or one whose boxes are broken.
    """
    store = parse_superbox(data)
    if store.label != "c2pa":
        raise MalformedError(f"JUMBF of {store.label!r}, not of c2pa")
    manifests = tuple(_manifest(box) for box in store.children)
    if not manifests:
        raise MalformedError("C2PA store without a manifest")
    return manifests


def _manifest(box: Superbox) -> Manifest:
    claim = _payload(box.child("c2pa.claim.v2") or box.child("c2pa.claim"))
    assertions = box.child("c2pa.assertions")
    actions: list[Action] = []
    ingredients: list[Ingredient] = []
    mining: list[tuple[str, str]] = []
    for assertion in assertions.children if assertions else ():
        name = assertion.label.split("__")[0]
        if name in ("c2pa.actions", "c2pa.actions.v2"):
            actions += _actions(_payload(assertion))
        elif name in ("c2pa.ingredient", "c2pa.ingredient.v2", "c2pa.ingredient.v3"):
            ingredients.append(_ingredient(_payload(assertion)))
        elif name in ("c2pa.training-mining", "cawg.training-mining"):
            mining += _mining(_payload(assertion))
    generator, tool = _generator(claim)
    return Manifest(box.label, generator, tool, tuple(actions), tuple(ingredients), tuple(mining))


def _payload(box: Superbox | None) -> dict[Any, Any]:
    """The map in a box's CBOR or JSON content; empty where it holds none."""
    for kind, data in box.content if box else ():
        if kind == b"cbor":
            value = cbor.decode(data)
        elif kind == b"json":
            if len(data) > MAX_JSON_BYTES:
                raise MalformedError(f"C2PA assertion of {len(data)} bytes of JSON")
            try:
                value = json.loads(data)
            except (ValueError, RecursionError) as error:
                raise MalformedError(f"C2PA assertion is not JSON: {error}") from error
        else:
            continue
        if isinstance(value, dict):
            return value
    return {}


def _generator(claim: dict[Any, Any]) -> tuple[str, str]:
    """The program that made the claim, with its version, and its name alone.

    The old form is that of a web browser's user agent: "Adobe_Photoshop/25.1.0 adobe_c2pa/0.7.6".
    """
    info = claim.get("claim_generator_info")
    if isinstance(info, list):
        info = info[0] if info else None
    if isinstance(info, dict) and isinstance(info.get("name"), str):
        name, version = info["name"], info.get("version")
        full = f"{name} {version}" if version else name
        return one_line(full, 80), one_line(name.partition(" c2pa-rs/")[0], 60) or "unnamed"
    agent = claim.get("claim_generator")
    if not isinstance(agent, str) or not agent.strip():
        return "unnamed", "unnamed"
    first = agent.split()[0].partition("/")[0].replace("_", " ")
    return one_line(agent, 80), one_line(first, 60) or "unnamed"


def _actions(assertion: dict[Any, Any]) -> list[Action]:
    listed = assertion.get("actions")
    return [
        Action(
            _text(action.get("action")) or "",
            _text(action.get("digitalSourceType")),
            _agent(action.get("softwareAgent")),
        )
        for action in (listed if isinstance(listed, list) else [])
        if isinstance(action, dict)
    ]


def _agent(agent: Any) -> str | None:
    if isinstance(agent, dict):
        version = agent.get("version")
        name = _text(agent.get("name"))
        return one_line(f"{name} {version}") if name and version else name
    return _text(agent)


def _ingredient(assertion: dict[Any, Any]) -> Ingredient:
    manifest = None
    for name in ("activeManifest", "c2pa_manifest"):
        reference = assertion.get(name)
        if isinstance(reference, dict) and isinstance(reference.get("url"), str):
            manifest = reference["url"].rpartition("/c2pa/")[2].split("/")[0]
            break
    return Ingredient(
        _text(assertion.get("dc:title")), _text(assertion.get("relationship")), manifest
    )


def _mining(assertion: dict[Any, Any]) -> list[tuple[str, str]]:
    """Uses and their permissions, by the last part of their names ("c2pa.ai_training")."""
    entries = assertion.get("entries")
    return [
        (one_line(use.rpartition(".")[2], 40), one_line(str(entry.get("use")), 20))
        for use, entry in (entries.items() if isinstance(entries, dict) else ())
        if isinstance(use, str) and isinstance(entry, dict)
    ]


def _text(value: Any) -> str | None:
    return one_line(value) if isinstance(value, str) and value else None
