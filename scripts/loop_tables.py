"""Tables and plots of `scripts/loop_experiments`, with t-intervals over seeds.

Cells of one family give the same real samples to the same seed, so differences are taken seed by
seed. A verdict is read off the interval alone: the claim's sign, its reverse, or neither.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from page_sections import ROOT, replace, table
from scipy.stats import t as student

PAGE = ROOT / "docs" / "experiments.md"
_LEVEL = 0.95
#: Rows of one seed, by generation.
Rows = dict[int, dict[str, Any]]


class Results:
    """Finished seeds of every cell."""

    def __init__(self, folder: Path) -> None:
        self.cells: dict[str, dict[int, Rows]] = {}
        for file in sorted(folder.glob("*.json")):
            seeds = json.loads(file.read_text("utf-8"))["seeds"]
            self.cells[file.stem] = {
                int(seed): {row["generation"]: _with_log(row) for row in rows}
                for seed, rows in seeds.items()
            }

    def last(self, name: str) -> int:
        return max(max(rows) for rows in self.cells[name].values())

    def of(self, name: str, value: Callable[[Rows], float]) -> dict[int, float]:
        """A number of every seed of a cell that has it."""
        found = {}
        for seed, rows in self.cells.get(name, {}).items():
            try:
                found[seed] = value(rows)
            except KeyError:
                continue
        return found


def _with_log(row: dict[str, Any]) -> dict[str, Any]:
    """FID spreads by factors, so its logarithm is what is averaged and compared."""
    fid = row.get("fid")
    return row if not fid else {**row, "log_fid": float(np.log10(fid))}


def at(metric: str, generation: int) -> Callable[[Rows], float]:
    return lambda rows: rows[generation][metric]


def late(metric: str, n: int = 3) -> Callable[[Rows], float]:
    """Mean over the last generations, which leaves less noise."""
    return lambda rows: float(np.mean([rows[g][metric] for g in sorted(rows)[-n:]]))


def change(metric: str) -> Callable[[Rows], float]:
    """From the first model to the last generations."""
    return lambda rows: late(metric)(rows) - rows[0][metric]


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and its t-interval; NaN ends for a single run."""
    array = np.asarray(values, dtype=float)
    if len(array) < 2:
        return float(array.mean()) if len(array) else float("nan"), float("nan"), float("nan")
    half = student.ppf((1 + _LEVEL) / 2, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array))
    return float(array.mean()), float(array.mean() - half), float(array.mean() + half)


def in_words(values: Sequence[float]) -> str:
    mean, low, high = interval(values)
    if not len(values):
        return "–"
    return f"{mean:.3g}" if np.isnan(low) else f"{mean:.3g} ({low:.3g} to {high:.3g})"


@dataclass(frozen=True)
class Claim:
    """A statement of the paper, as the sign of a number.

    Attributes:
        says: in words.
        number: whose sign decides, in words.
        value: of a cell's seed.
        cell: it is of.
        less: cell that is subtracted seed by seed; None for none.
        sign: +1 or −1 as the paper has it; 0 where it says "no difference".
    """

    says: str
    number: str
    value: Callable[[Rows], float]
    cell: str
    less: str | None
    sign: int

    def values(self, results: Results) -> list[float]:
        own = results.of(self.cell, self.value)
        if self.less is None:
            return list(own.values())
        other = results.of(self.less, self.value)
        return [own[seed] - other[seed] for seed in own if seed in other]

    def verdict(self, values: Sequence[float]) -> str:
        _, low, high = interval(values)
        if np.isnan(low):
            return "too few seeds"
        if self.sign == 0:
            return "it rises" if low > 0 else "it falls" if high < 0 else "no difference seen"
        if low > 0 or high < 0:
            return "as in the paper" if (low > 0) == (self.sign > 0) else "**the reverse**"
        return "not resolved"


_DIES, _BIASED = "fully synthetic, λ = 1, loses quality and diversity", "λ < 1 holds precision"
_DELAY, _SHARE = "a fixed real set delays", "a synthetic share helps at λ = 1"
_START, _LEVELS = "fresh data: the start is forgotten", "fresh data: the level is set by n and λ"
_FRESH = "flow-fresh-100-400"
CLAIMS = (
    Claim(_DIES, "flow, change of log10 FID", change("log_fid"), "flow-synthetic", None, 1),
    Claim(_DIES, "flow, change of precision", change("precision"), "flow-synthetic", None, -1),
    Claim(_DIES, "flow, change of recall", change("recall"), "flow-synthetic", None, -1),
    Claim(_DIES, "WGAN, change of log10 FID", change("log_fid"), "wgan-synthetic", None, 1),
    Claim(_DIES, "WGAN, change of precision", change("precision"), "wgan-synthetic", None, -1),
    Claim(_DIES, "WGAN, change of recall", change("recall"), "wgan-synthetic", None, -1),
    Claim(_DIES, "mixture, change of modes", change("modes"), "mixture-synthetic", None, -1),
    Claim(_BIASED, "flow, λ = .75, change of precision", change("precision"),
          "flow-synthetic-0.75", None, 0),
    Claim("λ < 1 loses recall faster", "flow, recall, λ = .75 less λ = 1", late("recall"),
          "flow-synthetic-0.75", "flow-synthetic", -1),
    Claim(_DELAY, "flow, log10 FID less fully synthetic", late("log_fid"),
          "flow-augmentation", "flow-synthetic", -1),
    Claim(_DELAY, "flow, recall less fully synthetic", late("recall"),
          "flow-augmentation", "flow-synthetic", 1),
    Claim(_DELAY, "mixture, modes at 400 less fully synthetic", at("modes", 400),
          "mixture-augmentation", "mixture-synthetic", 1),
    Claim(_START, "flow, log10 FID of generation 0, n_ini = 500 less 100", at("log_fid", 0),
          f"{_FRESH}-from-500", _FRESH, -1),
    Claim(_START, "flow, log10 FID of the last, n_ini = 500 less 100", late("log_fid"),
          f"{_FRESH}-from-500", _FRESH, 0),
    Claim(_LEVELS, "flow, variance of the last, λ = .75 less λ = 1", late("variance_ratio"),
          f"{_FRESH}-0.75", _FRESH, -1),
    Claim(_LEVELS, "flow, recall of the last, λ = .75 less λ = 1", late("recall"),
          f"{_FRESH}-0.75", _FRESH, -1),
    Claim(_SHARE, "flow, log10 FID of the last, n_s = 100 less 0", late("log_fid"),
          "flow-fresh-100-100", "flow-fresh-100-0", -1),
    Claim(_SHARE, "flow, log10 FID of the last, n_s = 400 less 0", late("log_fid"),
          _FRESH, "flow-fresh-100-0", -1),
)  # fmt: skip


def claims_table(results: Results) -> str:
    rows = []
    for claim in CLAIMS:
        values = claim.values(results)
        if values:
            cells = [claim.says, claim.number, str(len(values)), in_words(values)]
            rows.append([*cells, claim.verdict(values)])
    return table(["the paper", "number", "seeds", "mean (95 %)", "here"], rows)


def cells_table(results: Results) -> str:
    rows = []
    for name, seeds in results.cells.items():
        if name.startswith(("filter-", "mark-")):
            continue
        last = results.last(name)
        metrics = ("modes", "recall") if name.startswith("mixture") else ("fid", "precision",
                                                                          "recall")  # fmt: skip
        shown = [
            f"{metric} {in_words(list(results.of(name, at(metric, 0)).values()))} → "
            f"{in_words(list(results.of(name, at(metric, last)).values()))}"
            for metric in metrics
        ]
        rows.append([f"`{name}`", str(len(seeds)), str(last), "; ".join(shown)])
    return table(["cell", "seeds", "generations", "first → last model, mean (95 %)"], rows)


def filters_table(results: Results) -> str:
    """Which detector keeps a loop alive: every filter beside the same loop without one."""
    rows = []
    none = "filter-normal-none"
    for name in (name for name in results.cells if name.startswith("filter-normal-")):
        seeds, against = (results.of(one, late("log_fid")) for one in (name, none))
        saved = [against[seed] - seeds[seed] for seed in seeds if seed in against]
        rates = [
            in_words(list(results.of(name, _mean_of(rate)).values()))
            for rate in ("filter_tpr", "filter_fpr")
        ]
        if "-rates-" in name:
            rates = ["as told", "as told"]
        last = [list(results.of(name, late(m)).values()) for m in ("fid", "recall",
                                                                   "variance_ratio")]  # fmt: skip
        rows.append([
            name.removeprefix("filter-normal-"), str(len(seeds)), *rates, *map(in_words, last),
            "" if name == none else _saved_in_words(saved),
        ])  # fmt: skip
    head = ["filter", "seeds", "dropped, synthetic", "dropped, real", "FID, last", "recall, last",
            "variance, last", "log10 FID saved against none"]  # fmt: skip
    return table(head, rows)


def _mean_of(name: str) -> Callable[[Rows], float]:
    return lambda rows: float(np.mean([rows[g][name] for g in rows if g]))


def _saved_in_words(saved: Sequence[float]) -> str:
    _, low, high = interval(saved)
    verdict = "yes" if low > 0 else "**worse**" if high < 0 else "not resolved"
    return f"{in_words(saved)}: {verdict}"


_MARKED = ("normal-fresh", "normal-synthetic", "ddpm-fresh")


def marks_table(results: Results) -> str:
    """Does the mark's trace grow: what the models' own, unmarked draws carry, by generation."""
    rows = []
    pairs = {f"mark-{loop}": f"mark-{loop}-none" for loop in _MARKED}
    for name, plain in pairs.items():
        if name not in results.cells:
            continue
        for generation in range(results.last(name) + 1):
            own, other = (results.of(n, at("log_fid", generation)) for n in (name, plain))
            worse = [own[seed] - other[seed] for seed in own if seed in other]
            bits, trace, first = (
                results.of(name, at(*what))
                for what in (
                    ("mark_agreement", generation),
                    ("mark_strength", generation),
                    ("mark_strength", 1),
                )
            )
            grown = [trace[seed] - first[seed] for seed in trace] if generation > 1 else []
            rows.append([
                name, str(generation), str(len(own)),
                in_words(list(bits.values())), in_words(list(trace.values())),
                in_words(grown) if grown else "",
                in_words(worse),
            ])  # fmt: skip
    head = ["loop", "generation", "seeds", "bits answered", "trace", "since generation 1",
            "log10 FID added"]  # fmt: skip
    return table(head, rows)


def sections(results: Results) -> dict[str, str]:
    """The page's tables by the name of their section."""
    return {
        "claims": claims_table(results),
        "cells": cells_table(results),
        "filters": filters_table(results),
        "marks": marks_table(results),
    }


def write_page(folder: Path, *, is_written: bool) -> None:
    results = Results(folder)
    for name, text in sections(results).items():
        print(f"{name}\n\n{text}")
        if is_written:
            replace(PAGE, name, text)
    if is_written:
        draw(results, folder / "loops.png")


_PLOTS = {
    "flow": ("flow-synthetic", "flow-synthetic-0.75", "flow-augmentation", _FRESH,
             f"{_FRESH}-from-500", "flow-fresh-100-0"),
    "wgan": ("wgan-synthetic",),
    "mixture": ("mixture-synthetic", "mixture-synthetic-0.9", "mixture-augmentation",
                "mixture-fresh"),
}  # fmt: skip


def draw(results: Results, file: Path) -> None:
    """log10 FID (or modes), precision and recall by generation: mean over seeds and band."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8), layout="constrained")
    axes = figure.subplots(len(_PLOTS), 3, squeeze=False)
    for row, (family, names) in zip(axes, _PLOTS.items(), strict=True):
        metrics = (("modes", "modal_variance_ratio", "recall") if family == "mixture"
                   else ("log_fid", "precision", "recall"))  # fmt: skip
        for axis, metric in zip(row, metrics, strict=True):
            for name in (n for n in names if n in results.cells):
                _line(axis, results, name, metric)
            axis.set_title(f"{family}: {metric}", fontsize=9)
        row[-1].legend(fontsize=6)
    figure.supxlabel("generation", fontsize=9)
    figure.savefig(file, dpi=90)


def _line(axis: Any, results: Results, name: str, metric: str) -> None:
    generations = sorted(set.intersection(*(set(rows) for rows in results.cells[name].values())))
    found = np.array([
        interval(list(results.of(name, at(metric, g)).values())) for g in generations
    ])  # fmt: skip
    (line,) = axis.plot(generations, found[:, 0], label=name, linewidth=1.2)
    axis.fill_between(generations, found[:, 1], found[:, 2], color=line.get_color(), alpha=0.15)
