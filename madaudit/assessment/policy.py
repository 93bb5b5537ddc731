"""The policy: one versioned file that says where to cut and what a data set must fulfil.

    version: 1
    cut: {score: 1.25, calibration: 8c1f…}   # read by filter and hooks; drop at and above
    weight: {real: 1.6}           # in place of a cut: of a real sample beside a synthetic one
    rules: {max_prevalence: 0.05, max_level: low}
    levels: {none: 0.001, low: 0.01, elevated: 0.05, high: 0.2}

YAML, of which JSON is a part; parsing builds plain values only. Unknown names are refused, so that
a misspelt rule never passes silently.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from madaudit.assessment.harm import LEVELS, LIMITS, Level, require_limits
from madaudit.errors import OptionError
from madaudit.registry import suggest

VERSION = 1
# Rules with a number: name to the value that they bound, and whether it is bounded from above.
BOUNDS: Mapping[str, tuple[str, bool]] = {
    "max_floor": ("floor", True),
    "max_harm": ("harm", True),
    "max_missing": ("missing", True),
    "max_prevalence": ("prevalence", True),
    "max_quarantined": ("quarantined", True),
    "min_effective_real": ("effective_real", False),
    "min_observable": ("observable", False),
}
# At least the digits by which a store's posteriors are named.
_DIGEST = re.compile("[0-9a-f]{16,64}")
_SECTIONS = ("version", "cut", "weight", "rules", "levels")

#: The file as JSON Schema (2020-12), for editors and other programs.
SCHEMA: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "madaudit policy",
    "type": "object",
    "required": ["version"],
    "additionalProperties": False,
    "properties": {
        "version": {"const": VERSION},
        "cut": {
            "type": ["object", "null"],
            "additionalProperties": False,
            "required": ["score"],
            "properties": {
                "score": {"type": "number"},
                "calibration": {"type": "string", "pattern": "^[0-9a-f]{16,64}$"},
            },
        },
        "weight": {
            "type": ["object", "null"],
            "additionalProperties": False,
            "required": ["real"],
            "properties": {"real": {"type": "number", "exclusiveMinimum": 0}},
        },
        "rules": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                **{name: {"type": "number", "minimum": 0, "maximum": 1} for name in BOUNDS},
                "max_level": {"enum": list(LEVELS)},
            },
        },
        "levels": {
            "type": "object",
            "additionalProperties": False,
            "required": list(LEVELS[:-1]),
            "properties": {
                name: {"type": "number", "exclusiveMinimum": 0} for name in LEVELS[:-1]
            },
        },
    },
}


@dataclass(frozen=True)
class Broken:
    """A rule that a data set does not fulfil; `value` None where it is not known."""

    rule: str
    value: float | str | None
    allowed: float | str

    def to_dict(self) -> dict[str, Any]:
        return {"rule": self.rule, "value": self.value, "allowed": self.allowed}


@dataclass(frozen=True)
class Policy:
    """Where to cut and what must hold.

    Attributes:
        cut: score at and above which samples are dropped; None for no cut.
        real_weight: weight of a real sample beside a synthetic one of 1; None for no weights.
        rules: name to bound; see `BOUNDS`, and "max_level".
        levels: harm below which each risk level holds.
        calibration: fingerprint of the calibration whose log-ratio the cut's score is; None for
            the only one that a store has posteriors of.
    """

    cut: float | None = None
    real_weight: float | None = None
    rules: Mapping[str, float | str] = field(default_factory=dict)
    levels: Mapping[Level, float] = field(default_factory=lambda: dict(LIMITS))
    calibration: str | None = None

    def to_yaml(self) -> str:
        """The file's text; reading it back gives an equal policy."""
        cut: dict[str, Any] | None = None if self.cut is None else {"score": self.cut}
        if cut is not None and self.calibration is not None:
            cut["calibration"] = self.calibration
        content = {
            "version": VERSION,
            "cut": cut,
            "weight": None if self.real_weight is None else {"real": self.real_weight},
            "rules": dict(self.rules),
            "levels": dict(self.levels),
        }
        text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        return text

    def broken_by(self, values: Mapping[str, float | str | None]) -> tuple[Broken, ...]:
        """Rules that are not fulfilled; what is not known fulfils none.

        Args:
            values: what is known of the data set, by the names that `BOUNDS` gives, and "level".
                Give the cautious end: the upper one for what is bounded from above.
        """
        broken = []
        for rule, allowed in self.rules.items():
            name, is_above = ("level", True) if rule == "max_level" else BOUNDS[rule]
            value = values.get(name)
            if value is None or not _holds(value, allowed, is_above=is_above):
                broken.append(Broken(rule, value, allowed))
        return tuple(broken)


def parse_policy(text: str, *, name: str = "policy") -> Policy:
    """A policy from its file's text.

    Args:
        text: YAML or JSON.
        name: of the file, for messages.

    Raises:
        OptionError: no YAML, an unknown name, or a value out of its range; the message names it.
    """
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        where = " ".join(str(error).split())
        raise OptionError(f"cannot read {name}: it is no YAML ({where})") from error
    sections = _mapping(name, content, _SECTIONS)
    if sections.get("version") != VERSION:
        raise OptionError(
            f"{name}: version is {sections.get('version')!r}; this madaudit reads {VERSION}"
        )
    rules = _mapping(f"{name}: rules", sections.get("rules") or {}, (*BOUNDS, "max_level"))
    for rule, value in rules.items():
        if rule == "max_level":
            _require_level(name, value)
        else:
            _number(f"{name}: rules.{rule}", value, low=0.0, high=1.0)
    levels = sections.get("levels") or dict(LIMITS)
    _mapping(f"{name}: levels", levels, LEVELS[:-1])
    for level, value in levels.items():
        _number(f"{name}: levels.{level}", value, low=0.0)
    require_limits(levels)
    cut, calibration = _cut(f"{name}: cut", sections.get("cut"))
    weight = _only(f"{name}: weight", sections.get("weight"), "real", low=1e-12)
    return Policy(cut, weight, rules, levels, calibration)


def _holds(value: float | str, allowed: float | str, *, is_above: bool) -> bool:
    if isinstance(value, str) or isinstance(allowed, str):
        names: tuple[str, ...] = LEVELS
        return names.index(str(value)) <= names.index(str(allowed))
    return value <= allowed if is_above else value >= allowed


def _mapping(what: str, value: Any, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise OptionError(f"{what} is {value!r}; it must hold names and values")
    for key in value:
        if key not in known:
            raise OptionError(f"{what} has no entry {key!r}{suggest(str(key), list(known))}")
    return value


def _cut(what: str, value: Any) -> tuple[float | None, str | None]:
    """Score and calibration of a cut."""
    if not isinstance(value, dict):
        return _only(what, value, "score", low=-math.inf), None
    content = _mapping(what, value, ("score", "calibration"))
    calibration = content.get("calibration")
    is_digest = isinstance(calibration, str) and _DIGEST.fullmatch(calibration)
    if calibration is not None and not is_digest:
        raise OptionError(
            f"{what}.calibration is {calibration!r}; it must be a calibration's fingerprint, 16 "
            f"to 64 digits in quotes, or be left out"
        )
    rest = {key: content[key] for key in content if key != "calibration"}
    return _only(what, rest, "score", low=-math.inf), calibration


def _only(what: str, value: Any, key: str, *, low: float) -> float | None:
    if value is None:
        return None
    content = _mapping(what, value, (key,))
    if key not in content:
        raise OptionError(f"{what} has no {key!r}; give it, or leave the section out")
    return _number(f"{what}.{key}", content[key], low=low)


def _number(what: str, value: Any, *, low: float, high: float = math.inf) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:
        top = f" to {high:g}" if math.isfinite(high) else " or more"
        span = f", {low:g}{top}" if math.isfinite(low) else ""
        raise OptionError(f"{what} is {value!r}; it must be a number{span}")
    return float(value)


def _require_level(name: str, value: Any) -> None:
    if value not in LEVELS:
        raise OptionError(
            f"{name}: rules.max_level is {value!r}{suggest(str(value), list(LEVELS))}"
        )
