"""Halves are disjoint, copies stay together, and what cannot count is in neither."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from madaudit.errors import InputError
from madaudit.estimation.calibration_fit import source_names
from madaudit.estimation.known_samples import (
    N_FOLDS,
    KnownSamples,
    SourceName,
    describe_sources,
    split_halves,
)

_SOURCES = (
    SourceName("camera", "real"),
    SourceName("scans", "real"),
    SourceName("gan", "synthetic"),
)


def _known(n: int = 60, **changes: object) -> KnownSamples:
    """n samples a source, each picture of its own."""
    total = 3 * n
    known = KnownSamples(
        detectors=("a",),
        scores=np.zeros((total, 1)),
        sources=_SOURCES,
        source=np.repeat(np.arange(3), n),
        marked=np.zeros(total, dtype=bool),
        contents=[f"c{row}" for row in range(total)],
        hashes=list(range(total)),
    )
    return replace(known, **changes)  # type: ignore[arg-type]


def test_every_source_is_halved_and_no_sample_is_on_both_sides() -> None:
    known = _known(61)
    halves = split_halves(known)
    assert not (halves.fitting & halves.counting).any()
    assert (halves.fitting | halves.counting).all()
    for source in _SOURCES:
        assert abs(int((halves.fitting & known.of(source)).sum()) - 30.5) == 0.5


def test_the_draw_follows_its_seed() -> None:
    first, again, other = (split_halves(_known(), seed).fitting for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_copies_by_hash_and_by_pixels_stay_together_across_sources() -> None:
    hashes = list(range(180))
    contents = [f"c{row}" for row in range(180)]
    # A chain over two real sources: 3 and 70 share a hash, 70 and 71 their pixels' digest.
    hashes[70] = hashes[3]
    contents[71] = contents[70]
    known = _known(hashes=hashes, contents=contents)
    for seed in range(8):
        halves = split_halves(known, seed)
        assert halves.fitting[3] == halves.fitting[70]
        assert halves.fold[3] == halves.fold[70] == halves.fold[71]
    assert halves.repeated[71]
    assert not (halves.fitting | halves.counting)[71]


def test_marked_samples_are_in_neither_half() -> None:
    marked = np.arange(180) % 5 == 0
    halves = split_halves(_known(marked=marked))
    assert not ((halves.fitting | halves.counting) & marked).any()


def test_a_picture_of_both_labels_is_in_neither_half() -> None:
    contents = [f"c{row}" for row in range(180)]
    contents[150] = contents[2]
    halves = split_halves(_known(contents=contents))
    assert halves.conflicting[[2, 150]].all()
    assert not (halves.fitting | halves.counting)[[2, 150]].any()


def test_samples_without_keys_are_pictures_of_their_own() -> None:
    none: list[None] = [None] * 180
    halves = split_halves(_known(contents=none, hashes=none))
    assert (halves.fitting | halves.counting).all()
    assert not (halves.repeated | halves.conflicting).any()


def test_folds_are_all_used() -> None:
    assert set(split_halves(_known()).fold.tolist()) == set(range(N_FOLDS))


def test_provenance_counts_what_was_left_out() -> None:
    marked = np.arange(180) == 0
    contents = [f"c{row}" for row in range(180)]
    contents[9] = contents[8]
    scores = np.zeros((180, 1))
    scores[20] = np.nan
    known = _known(marked=marked, contents=contents, scores=scores)
    camera = describe_sources(known, split_halves(known), ["CC0"] * 3, ["2 truncated", "", ""])[0]
    assert (camera.n, camera.licence) == (58, "CC0")
    assert camera.note == "1 marked; 1 repeated; 1 without a score; 2 truncated"


def test_scores_of_another_number_are_refused() -> None:
    with pytest.raises(InputError, match=r"scores \(3, 1\) for 1 detectors and \[180\] samples"):
        _known(scores=np.zeros((3, 1)))


def test_a_name_under_both_labels_is_refused() -> None:
    with pytest.raises(InputError, match="'x' is given as real and as synthetic"):
        source_names([("x", "real"), ("x", "synthetic")])
