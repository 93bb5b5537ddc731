"""From a page's exports and the key in the store to labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from madaudit.commands.label_files import (
    ANSWERS,
    UNDECIDED,
    Label,
    LabelSet,
    parse_json,
    parse_labels,
    read_bytes,
)
from madaudit.errors import InputError
from madaudit.reports.wording import plural
from madaudit.scanning.store import Store

_NAME = frozenset("0123456789abcdef")


def join_answers(store: Store, exports: Sequence[str]) -> tuple[LabelSet, tuple[str, ...]]:
    """Labels of one draw from the exports of one or more people, and notes for a reader.

    Where people differ on a sample it is undecided; every person's answers to checks count.

    Raises:
        InputError: an export is none of ours, of another draw, or answers what was not asked.
    """
    read = [_export(path) for path in exports]
    draws = {draw for draw, _ in read}
    if len(draws) > 1:
        raise InputError(
            f"cannot read labels: the exports are of {len(draws)} draws "
            f"({', '.join(sorted(draws))}); read those of one draw together"
        )
    draw = draws.pop()
    key = store.read_json(f"labels/{draw}/key.json")
    if key is None:
        raise InputError(
            f"cannot read labels: store {store.url} has no draw {draw}; the key of a draw lies in "
            f"the store from which it was drawn"
        )
    items = _items(key, draw)
    said: dict[str, list[str]] = {}
    for path, (_, answers) in zip(exports, read, strict=True):
        foreign = [name for name in answers if name not in items]
        if foreign:
            raise InputError(
                f"cannot read {path}: it answers {plural(len(foreign), 'item')} that draw {draw} "
                f"does not have"
            )
        for name, answer in answers.items():
            said.setdefault(name, []).append(answer)
    labels, checks = [], {"real": Counter[str](), "synthetic": Counter[str]()}
    n_differ = 0
    for name, answers_of in said.items():
        item = items[name]
        if item["kind"] == "check":
            checks[item["truth"]].update(answers_of)
            continue
        agreed = answers_of[0] if len(set(answers_of)) == 1 else UNDECIDED
        n_differ += len(set(answers_of)) > 1
        labels.append({"shard": item["shard"], "ordinal": item["ordinal"], "bin": item["bin"],
                       "label": agreed})  # fmt: skip
    found = parse_labels(
        {
            "version": key.get("version"),
            "draw": draw,
            "store": key.get("store"),
            "design": key.get("design"),
            "checks": {truth: dict(counts) for truth, counts in checks.items()},
            "labels": labels,
        },
        f"labels/{draw}/key.json",
    )
    n_samples = sum(1 for item in items.values() if item["kind"] == "sample")
    return found, _notes(found.labels, n_samples, n_differ)


def _notes(labels: Sequence[Label], n_samples: int, n_differ: int) -> tuple[str, ...]:
    notes = []
    if len(labels) < n_samples:
        notes.append(
            f"{plural(n_samples - len(labels), 'sample')} of {n_samples} without an answer; the "
            f"page shows them in random order, so those that were answered still stand for all"
        )
    if n_differ:
        notes.append(f"people differ on {plural(n_differ, 'sample')}, now undecided")
    return tuple(notes)


def _export(path: str) -> tuple[str, dict[str, str]]:
    """Draw and answers of a page's export, which may be a stranger's."""
    content = parse_json(read_bytes(path), path)
    draw, answers = content.get("draw"), content.get("answers")
    if content.get("kind") != "madaudit labels" or not isinstance(answers, dict):
        raise InputError(f"cannot read {path}: it is no export of a labelling page")
    if not isinstance(draw, str) or not draw or not _NAME.issuperset(draw):
        raise InputError(f"cannot read {path}: its draw is {str(draw)[:60]!r}")
    for answer in answers.values():
        if answer not in ANSWERS:
            raise InputError(
                f"cannot read {path}: an answer is {str(answer)[:60]!r}; allowed are "
                f"{', '.join(ANSWERS)}"
            )
    return draw, answers


def _items(key: Any, draw: str) -> Mapping[str, Mapping[str, Any]]:
    """The items of a key by name."""
    try:
        items = {str(item["name"]): item for item in key["items"]}
        for item in items.values():
            if item["kind"] == "check":
                if item["truth"] not in ("real", "synthetic"):
                    raise ValueError(f"a truth is {item['truth']!r}")
            elif item["kind"] != "sample":
                raise ValueError(f"an item is a {item['kind']!r}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"cannot use the key of draw {draw}: {error}; draw again") from error
    return items
