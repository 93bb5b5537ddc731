"""What is wrong with a file of a store: it may be damaged, edited, exchanged or a stranger's.

Each function says in words what is wrong first, or None. Only what is read is asked for, so a
store with more in its files is sound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from madaudit.types import STATES, STATUSES

_Test = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _is_count_or_none(value: Any) -> bool:
    return value is None or _is_count(value)


def _is_list_of(test: _Test) -> _Test:
    return lambda value: isinstance(value, list) and all(map(test, value))


def _is_map_of(test: _Test, keys: Sequence[str] | None = None) -> _Test:
    return lambda value: (
        isinstance(value, dict)
        and all(map(test, value.values()))
        and (keys is None or value.keys() <= set(keys))
    )


def _is_shard_name(value: Any) -> bool:
    """Whether a name stays below the store's folders."""
    return (
        _is_text(value)
        and not value.startswith("/")
        and ".." not in value.split("/")
        and "\0" not in value
    )


def _has(**tests: _Test) -> _Test:
    return lambda value: isinstance(value, dict) and _first_fault(value, tests) is None


def _first_fault(content: Mapping[str, Any], tests: Mapping[str, _Test]) -> str | None:
    for name, test in tests.items():
        if name not in content:
            return f"{name!r} is missing"
        if not test(content[name]):
            return f"{name!r} is {str(content[name])[:60]!r}"
    return None


_MANIFEST: dict[str, _Test] = {
    "madaudit": _is_text,
    "python": _is_text,
    "fingerprint": _is_text,
    "plan": _has(
        detectors=_is_list_of(_is_text),
        options=_is_map_of(_is_map_of(lambda value: True)),
        tier=_is_text,
        n_sample=_is_count_or_none,
        seed=_is_count,
        thumbnails=_is_text,
    ),
    "detectors": _is_map_of(_is_count),
    "looks_at": _is_map_of(_is_text),
    "identities": _is_map_of(_is_text),
    "root": _is_text,
    "inputs": _is_list_of(_is_text),
    "shards": _is_list_of(_is_shard_name),
}
_MARKER: dict[str, _Test] = {
    "fingerprint": _is_text,
    "n_samples": _is_count,
    "n_rows": _is_count,
    "n_hits": _is_count,
    "imageless": _is_count,
    "status": _is_map_of(_is_count, STATUSES),
    "states": _is_map_of(_is_map_of(_is_count, STATES)),
    "input": _has(
        uri=_is_text,
        reader=_is_text,
        size_bytes=_is_count,
        version=_is_text,
        digest=_is_text,
        sha256=_is_text,
    ),
}
_PROBLEM = _has(message=_is_text, offset=_is_count_or_none)
_QUARANTINE: dict[str, _Test] = {
    "fingerprint": _is_text,
    "version": _is_text,
    "attempts": _is_count,
    "problems": lambda value: bool(value) and _is_list_of(_PROBLEM)(value),
}


def manifest_fault(content: Mapping[str, Any]) -> str | None:
    fault = _first_fault(content, _MANIFEST)
    if fault is None and len(set(content["shards"])) < len(content["shards"]):
        return "a shard stands in it twice"
    if fault is None and content["identities"].keys() != content["detectors"].keys():
        return "its identities are not those of its detectors"
    return fault


def marker_fault(content: Any, shard: str) -> str | None:
    if not isinstance(content, dict):
        return "it is no object"
    paths = content.get("input") and isinstance(content["input"], dict)
    if paths and not _is_list_of(_is_text)(content["input"].get("paths", [])):
        return "its paths are no list of names"
    if not _is_map_of(_is_map_of(_is_count))(content.get("unscored", {})):
        return "its reasons for missing scores are no counts"
    if not _is_count(content.get("embedded", 0)):
        return "its number of embeddings is no count"
    return _name_fault(content, shard) or _first_fault(content, _MARKER)


def quarantine_fault(content: Any, shard: str) -> str | None:
    if not isinstance(content, dict):
        return "it is no object"
    return _name_fault(content, shard) or _first_fault(content, _QUARANTINE)


def _name_fault(content: Mapping[str, Any], shard: str) -> str | None:
    """Exchanged files would let one shard count twice."""
    name = content.get("shard")
    return None if name == shard else f"it is that of shard {str(name)[:200]!r}"


def sums_fault(marker: Mapping[str, Any], detectors: Sequence[str]) -> str | None:
    """Whether a sound marker's counts add up, for the detectors of the manifest."""
    n_rows = marker["n_rows"]
    if n_rows > marker["n_samples"] or sum(marker["status"].values()) != n_rows:
        return f"{n_rows} rows, but its samples or statuses do not add up to that"
    if marker["states"].keys() != set(detectors):
        return "its detectors are not the manifest's"
    if any(sum(states.values()) != n_rows for states in marker["states"].values()):
        return f"{n_rows} rows, but a detector's states do not add up to that"
    return None


def columns_fault(found: pa.Schema, wanted: Mapping[str, pa.DataType]) -> str | None:
    """Whether a Parquet file has the wanted columns, of these kinds."""
    for name, kind in wanted.items():
        if found.names.count(name) != 1:
            return f"column {name!r} is missing"
        if not _is_like(found.field(name).type, kind):
            return f"column {name!r} holds {found.field(name).type}"
    return None


def _is_like(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Equal, or text or numbers in another width."""
    if found == wanted:
        return True
    if pa.types.is_dictionary(wanted) or pa.types.is_string(wanted):
        inner = found.value_type if pa.types.is_dictionary(found) else found
        return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))
    if pa.types.is_binary(wanted):
        return bool(pa.types.is_large_binary(found))
    both = (pa.types.is_integer, pa.types.is_floating)
    return any(test(found) and test(wanted) for test in both)
