"""The published JSON Schema says what the JSON twin holds, and refuses anything else."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from madaudit.reports import build_renderer
from madaudit.reports.schema import report_schema
from tests.reports.full_report import full_report
from tests.reports.report_building import bare_report

_PUBLISHED = Path(__file__).parents[2] / "docs" / "schema" / "report.json"
_TYPES = {
    "string": str, "boolean": bool, "integer": int, "number": (int, float), "null": type(None),
    "object": dict, "array": list,
}  # fmt: skip


def twin(report):
    return json.loads(build_renderer("json").render(report))


def faults(value, schema, root, where="$"):
    """What is wrong with a value: the part of JSON Schema that ours uses, written anew."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if "const" in schema and value != schema["const"]:
        yield f"{where}: not {schema['const']}"
    if "anyOf" in schema and all(list(faults(value, one, root)) for one in schema["anyOf"]):
        yield f"{where}: none of the alternatives"
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{where}: no {kinds}"
    elif isinstance(value, dict):
        yield from object_faults(value, schema, root, where)
    elif isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{where}: {len(value)} items"
        each = schema.get("prefixItems") or [schema.get("items", {})] * len(value)
        for place, (item, its) in enumerate(zip(value, each, strict=False)):
            yield from faults(item, its, root, f"{where}[{place}]")


def object_faults(value, schema, root, where):
    known, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
    yield from (
        f"{where}: lacks {name}" for name in schema.get("required", ()) if name not in value
    )
    for name, item in value.items():
        if name in known:
            yield from faults(item, known[name], root, f"{where}.{name}")
        elif rest is False:
            yield f"{where}: {name} is not known"
        elif isinstance(rest, dict):
            yield from faults(item, rest, root, f"{where}.{name}")


def _is(value, kind):
    return isinstance(value, _TYPES[kind]) and (kind == "boolean") == isinstance(value, bool)


def test_the_published_schema_is_the_codes():
    assert json.loads(_PUBLISHED.read_text(encoding="utf-8")) == report_schema()


@pytest.mark.parametrize("report", [full_report(), bare_report()], ids=["full", "bare"])
def test_reports_fulfil_it(report):
    schema = report_schema()
    assert list(faults(twin(report), schema, schema)) == []


def test_an_independent_validator_agrees():
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    jsonschema.Draft202012Validator.check_schema(report_schema())
    jsonschema.validate(twin(full_report()), report_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**twin(full_report()), "p": 0.5}, report_schema())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), 1),
        (("p",), 0.5),
        (("p", "low"), "none"),
        (("hits", 0, "says"), "words"),
        (("risk", "by_bias", 0), [1.0]),
        (("risk", "level"), None),
        (("no such field",), 1),
    ],
    ids=str,
)
def test_what_is_no_report_is_refused(path, value):
    content = copy.deepcopy(twin(full_report()))
    place = content
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    schema = report_schema()
    assert list(faults(content, schema, schema))


def test_every_field_is_required():
    schema = report_schema()
    content = twin(full_report())
    for name in list(content):
        less = {key: item for key, item in content.items() if key != name}
        assert list(faults(less, schema, schema)) == [f"$: lacks {name}"]
