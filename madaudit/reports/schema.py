"""The JSON Schema of the report's JSON twin, made from the dataclasses that it is made of."""

from __future__ import annotations

import types
import typing
from dataclasses import fields, is_dataclass
from typing import Any

from madaudit.reports.audit_report import SCHEMA_VERSION, AuditReport
from madaudit.types import Interval

_SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    # ∞ and "not known" are null.
    float: {"type": ["number", "null"]},
    type(None): {"type": "null"},
}


def report_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12, of `AuditReport.to_dict()`."""
    definitions: dict[str, Any] = {}
    root = _object(AuditReport, definitions)
    root["properties"] = {"schema": {"const": SCHEMA_VERSION}, **root["properties"]}
    root["required"] = ["schema", *root["required"]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "madaudit report",
        **root,
        "$defs": definitions,
    }


def _object(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    names = [field.name for field in fields(kind) if field.name != "thumbnail"]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": names,
        "properties": {name: _of(hints[name], definitions) for name in names},
    }


def _of(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of one annotation."""
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if isinstance(hint, type) and is_dataclass(hint):
        if hint.__name__ not in definitions:
            definitions[hint.__name__] = {}
            definitions[hint.__name__] = (
                _object(hint, definitions) if hint is not Interval else _interval()
            )
        return {"$ref": f"#/$defs/{hint.__name__}"}
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_of(each, definitions) for each in inner]}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of(inner[1], definitions)}
    if origin is tuple and inner[-1] is Ellipsis:
        return {"type": "array", "items": _of(inner[0], definitions)}
    if origin is tuple:
        return {
            "type": "array",
            "prefixItems": [_of(each, definitions) for each in inner],
            "minItems": len(inner),
            "maxItems": len(inner),
        }
    raise TypeError(f"no JSON Schema for {hint}")


def _interval() -> dict[str, Any]:
    """INTERFACE's interval; an unbounded or unknown end is null."""
    names = ["low", "point", "high", "level"]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": names,
        "properties": {name: {"type": ["number", "null"]} for name in names},
    }
