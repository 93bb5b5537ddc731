"""Tables of coverage_bench's results, as docs/estimation.md shows them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from page_sections import table

# Error and width of the method's benchmark at area .9 and N = 10⁶, by n and π.
BAR_PI = (0.0, 0.01, 0.2, 0.5)
BARS = {
    200: ((0.0060, 0.017), (0.0095, 0.029), (0.0184, 0.097), (0.0191, 0.102)),
    1000: ((0.0028, 0.010), (0.0058, 0.020), (0.0074, 0.039), (0.0092, 0.045)),
    5000: ((0.0016, 0.0062), (0.0029, 0.013), (0.0036, 0.018), (0.0038, 0.020)),
}


def sections(lines: list[Any]) -> dict[str, str]:
    """The tables of docs/estimation.md by section."""
    texts = {}
    for study in dict.fromkeys(line["study"] for line in lines):
        chosen = [line for line in lines if line["study"] == study]
        if study == "closed" and chosen:
            texts["closed"] = closed_table(chosen, lines)
            texts["bars"] = bars_table(chosen)
        elif study == "pairs":
            texts[study] = pairs_table(chosen)
        elif study != "rogan_gladen" and chosen:
            texts[study] = cells_table(chosen)
    texts["protocol"] = protocol_table(lines)
    return texts


def protocol_table(lines: list[Any]) -> str:
    """Every score of every tier, over the cells of a study."""
    rows = []
    for name, chosen in groups_of(lines).items():
        if "lower_valid" in chosen[0]:
            valid = np.array([line["lower_valid"] for line in chosen])
            held = f"{valid.mean():.3f} ({valid.min():.3f})"
            counts = [str(len(chosen)), replicates_of(chosen, chosen)]
            below = f"{1 - valid.mean():.3f} ({1 - valid.min():.3f})"
            rows.append([name, "lower bound", *counts, "–", "–", held, "0", below, "–", "–", "–"])
        for tier, first in chosen[0].items():
            if isinstance(first, dict) and "coverage" in first:
                rows.append([name, tier, *figures([line[tier] for line in chosen], chosen)])
    header = ["study", "tier", "cells", "replicates", "error", "bias", "coverage (least)"]
    header += ["π above (most)", "π below (most)", "width", "Winkler score", "ms"]
    return table(header, rows)


def groups_of(lines: list[Any]) -> dict[str, list[Any]]:
    """Results by study, pairs by the number of ways in which targets depart."""
    groups: dict[str, list[Any]] = {}
    for line in lines:
        study = line["study"]
        if study in ("peers", "ppi", "rogan_gladen"):
            continue
        if study == "pairs":
            study = f"pairs: {('none', 'one', 'two')[len(line['cell']['axes'])]}"
        groups.setdefault(study, []).append(line)
    return groups


def figures(parts: list[Any], lines: list[Any]) -> list[str]:
    """Counts and means over cells; a dash where not all cells have a figure."""

    def values(name: str) -> Any:
        return np.array([part[name] for part in parts]) if all(name in p for p in parts) else None

    def mean(name: str, digits: int = 4) -> str:
        found = values(name)
        # Adding 0 makes of a rounded −0 a 0.
        return "–" if found is None else f"{round(found.mean(), digits) + 0.0:.{digits}f}"

    def with_extreme(name: str, extreme: Any) -> str:
        found = values(name)
        return "–" if found is None else f"{found.mean():.3f} ({extreme(found):.3f})"

    if "false_clean" in parts[0] and "false_alarm" not in parts[0]:
        alarms = [1 - part["coverage"] - part["false_clean"] for part in parts]
        parts = [
            {**part, "false_alarm": abs(alarm)} for part, alarm in zip(parts, alarms, strict=True)
        ]
    return [
        str(len(parts)),
        replicates_of(parts, lines),
        mean("mae"),
        mean("bias"),
        with_extreme("coverage", np.min),
        with_extreme("false_clean", np.max),
        with_extreme("false_alarm", np.max),
        mean("width"),
        mean("winkler"),
        mean("ms", 1),
    ]


def replicates_of(parts: list[Any], lines: list[Any]) -> str:
    pairs = zip(parts, lines, strict=True)
    numbers = {part.get("replicates", line["replicates"]) for part, line in pairs}
    return "–".join(str(number) for number in sorted({min(numbers), max(numbers)}))


def pairs_table(chosen: list[Any]) -> str:
    """Coverage of every tier by the ways in which the target departs, at every π."""
    tiers = [tier for tier, part in chosen[0].items() if isinstance(part, dict) and tier != "cell"]
    shares = sorted({line["cell"]["pi"] for line in chosen})
    found = {(tuple(line["cell"]["axes"]), line["cell"]["pi"]): line for line in chosen}
    rows = []
    for axes in dict.fromkeys(axes for axes, _ in found):
        cells = [" + ".join(axes) or "none"]
        for pi in shares:
            line = found[axes, pi]
            cells += [f"{line[tier]['coverage']:.2f}" for tier in tiers]
            cells.append(f"{line['refused']:.2f}")
        rows.append(cells)
    columns = [*tiers, "refused"]
    return table(["", *(f"{name}, π = {pi:g}" for pi in shares for name in columns)], rows)


def bars_table(chosen: list[Any]) -> str:
    """Error and width over the benchmark's, at area .9 and N = 10⁶; and all cells' coverage."""
    found = {
        (line["cell"]["n"], line["cell"]["pi"]): line["closed"]
        for line in chosen
        if (line["cell"]["world"], line["cell"]["N"]) == ("0.9", 10**6)
    }
    rows = [
        [
            str(n),
            *(
                f"{found[n, pi]['mae'] / error:.2f} / {found[n, pi]['width'] / width:.2f}"
                for pi, (error, width) in zip(BAR_PI, bars, strict=True)
            ),
        ]
        for n, bars in BARS.items()
    ]
    covered = np.array([line["closed"]["coverage"] for line in chosen])
    at_edges = [line["closed"]["coverage"] for line in chosen if line["cell"]["pi"] in (0.0, 1.0)]
    return (
        table(["n", *(f"π = {pi:g}" for pi in BAR_PI)], rows)
        + f"\nCoverage of {len(covered)} cells: {covered.mean():.3f} on average, "
        f"{covered.min():.3f} at the least, {(covered < 0.92).sum()} below .92; at π = 0 and 1 at "
        f"least {min(at_edges):.3f}. The lower bound held in "
        f"{min(line['lower_valid'] for line in chosen):.2f} or more of each.\n"
    )


def closed_table(chosen: list[Any], lines: list[Any]) -> str:
    """By world and calibration, over the grid of π and both target sizes."""
    peers_found = {
        json.dumps(line["cell"]): line["found"]
        for line in lines
        if line["study"] == "rogan_gladen"
    }
    header = ["world", "n", "error", "coverage, mean (least)", "width", "width / Rogan-Gladen's"]
    rows, ratios = [], {}
    for world, n in sorted({(line["cell"]["world"], line["cell"]["n"]) for line in chosen}):
        inside = [
            line
            for line in chosen
            if (line["cell"]["world"], line["cell"]["n"]) == (world, n) and line["cell"]["N"] < 1e9
        ]
        error, coverage, width = (
            np.array([line["closed"][name] for line in inside])
            for name in ("mae", "coverage", "width")
        )
        ratio = np.mean(
            [
                line["closed"]["width"] / peers_found[json.dumps(line["cell"])]["width"]
                for line in inside
            ]
        )
        ratios.setdefault(n, []).append(ratio)
        covered = f"{coverage.mean():.3f} ({coverage.min():.3f})"
        rows.append(
            [world, str(n), f"{error.mean():.4f}", covered, f"{width.mean():.4f}", f"{ratio:.2f}"]
        )
    by_n = ", ".join(f"{np.mean(part):.3f} at n = {n}" for n, part in ratios.items())
    whole = np.mean(list(ratios.values()))
    covered = np.array([found["coverage"] for found in peers_found.values()])
    return (
        table(header, rows)
        + f"\nWidth over Rogan and Gladen's: {whole:.3f} on average, {by_n}. Theirs covers "
        f"{covered.mean():.3f} on average, {covered.min():.3f} at the least.\n"
    )


def cells_table(chosen: list[Any]) -> str:
    """One row a cell: every estimator's error, coverage and width."""
    varying = [
        name
        for name in chosen[0]["cell"]
        if len({json.dumps(line["cell"][name]) for line in chosen}) > 1
    ]
    parts = [name for name, part in chosen[0].items() if isinstance(part, dict) and "mae" in part]
    extra = [name for name, part in chosen[0].items() if isinstance(part, float)]
    rows = []
    for line in chosen:
        cells = [told(line["cell"][name]) for name in varying]
        for name in parts:
            part = line[name]
            cells.append(f"{part['mae']:.4f} / {part['coverage']:.3f} / {part['width']:.4f}")
            cells[-1] += f", {part['s']:.3g} s" if "s" in part else ""
            cells[-1] += f", rejects {part['rejected']:.2f}" if "rejected" in part else ""
        cells += [f"{line[name]:.3g}" for name in extra]
        cells.append(str(line[parts[0]].get("replicates", line["replicates"])))
        rows.append(cells)
    return table([*varying, *parts, *extra, "replicates"], rows)


def told(value: Any) -> str:
    return ", ".join(f"{part:.2g}" for part in value) if isinstance(value, list) else str(value)
