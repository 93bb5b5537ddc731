"""The cut: what it promises on data whose truth is known, and what it costs."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import norm

from madaudit.assessment import MARKS_ONLY, CutOptions, best_cut, counts_of, find_cut, harm_of
from madaudit.assessment.harm import worst
from madaudit.errors import OptionError
from madaudit.simulation import LoopSpec
from madaudit.types import Interval

EDGES = np.linspace(-5.0, 5.0, 65)
FRESH = LoopSpec("fresh", bias=0.9)


def template(mean, edges=EDGES):
    mass = np.diff(norm.cdf(edges, mean))
    return mass / mass.sum()


REAL, SYNTHETIC = template(-1.0), template(1.0)


def estimate(low, point, high, n=1e8):
    return SimpleNamespace(n=n, prevalence=Interval(low, point, high))


def cut_of(prevalence, n_calibration=100_000, **options):
    spec = options.pop("loop", FRESH)
    return best_cut(
        np.round(n_calibration * REAL),
        np.round(n_calibration * SYNTHETIC),
        estimate(*prevalence),
        spec,
        tolerance=options.pop("tolerance", 0.01),
        options=CutOptions(edges=EDGES, **{"n_draws": 50, **options}),
    )


def true_harms(prevalence, bias, n, edges=EDGES):
    """Harm and real loss of every cut, known exactly."""
    real_kept, synthetic_kept = (
        np.append(0.0, np.cumsum(template(mean, edges))) for mean in (-1.0, 1.0)
    )
    spec = LoopSpec("fresh", bias=bias)
    n_real = n * (1 - prevalence)
    numbers = counts_of(spec, n_real * real_kept, n * prevalence * synthetic_kept)
    return worst(*harm_of(spec, numbers, n_real)), 1.0 - real_kept


@pytest.mark.parametrize(
    ("prevalence", "tolerance", "marked", "action"),
    [
        ((0.48, 0.5, 0.52), 0.01, 0.0, "cut"),
        ((0.48, None, 0.52), 0.01, 0.0, "cut"),
        ((0.0, 0.001, 0.002), 0.01, 0.0, "do not filter"),
        ((0.3, 0.3, 0.3), 0.01, 0.299, "cut"),
        ((0.48, 0.5, 0.52), 1e-9, 0.0, "no cut suffices"),
    ],
)
def test_the_cut_found_without_its_curve_is_that_of_the_curve(
    prevalence, tolerance, marked, action
):
    counts = np.round(1e5 * REAL), np.round(1e5 * SYNTHETIC)
    given = {"tolerance": tolerance, "options": CutOptions(edges=EDGES, marked=marked)}
    whole = best_cut(*counts, estimate(*prevalence), FRESH, **given)
    found = find_cut(*counts, estimate(*prevalence), FRESH, **given)
    assert (found.action, found.cut) == (whole.action, whole.cut)
    assert found.action == action
    if action != "no cut suffices":
        assert found.real_lost == whole.real_lost


def test_a_clean_data_set_is_not_filtered():
    found = cut_of((0.0, 0.001, 0.002))
    assert (found.action, found.cut, found.fresh_real_needed) == ("do not filter", None, 0)
    assert found.real_lost.point == 0.0
    # While the cut that maximises n_e would throw real samples away for nothing.
    assert found.n_effective_cut is not None


def test_the_cut_is_the_last_whose_upper_harm_is_within_the_tolerance():
    found = cut_of((0.48, 0.5, 0.52))
    place = [point.cut for point in found.curve].index(found.cut)
    assert found.action == "cut"
    assert found.curve[place].harm_bound <= 0.01 < found.curve[place + 1].harm_bound
    assert found.harm == found.curve[place].harm


def test_the_point_of_harm_is_the_harm_of_the_calibrations_shares():
    found = cut_of((0.5, 0.5, 0.5))
    harms, _ = true_harms(0.5, 0.9, 1e8)
    # Whole counts of the calibration say little of the outermost bins.
    points = [point.harm.point for point in found.curve[16:]]
    assert points == pytest.approx(harms[16:], rel=0.01)


def test_more_uncertainty_cuts_more():
    sure = cut_of((0.5, 0.5, 0.5)).cut
    assert cut_of((0.4, 0.5, 0.6)).cut < sure
    assert cut_of((0.5, 0.5, 0.5), bias=Interval(0.8, 0.9, 0.95)).cut < sure


def test_a_set_without_a_point_is_taken_at_its_worse_end():
    assert cut_of((0.1, None, 0.5)).cut <= cut_of((0.5, 0.5, 0.5)).cut


def test_no_cut_suffices_where_scores_say_nothing():
    flat = np.full(64, 1000.0)
    found = best_cut(flat, flat, estimate(0.9, 0.9, 0.9), FRESH, options=CutOptions(edges=EDGES))
    assert (found.action, found.cut) == ("no cut suffices", None)
    assert found.harm.high > 0.01
    assert found.fresh_real_needed > 0


def test_who_is_hurt_is_told_group_by_group():
    found = cut_of((0.5, 0.5, 0.5))
    shares = found.dropped_of({"weak": 1000 * template(-0.5), "strong": 1000 * template(3.0)})
    assert shares["strong"].point > 0.9 > shares["weak"].point
    assert shares["weak"].low < shares["weak"].point < shares["weak"].high


def test_who_is_hurt_is_told_on_the_calibrations_own_bins():
    fine = np.linspace(-5.0, 5.0, 1025)
    masses = [np.round(1e6 * np.diff(norm.cdf(fine, mean))) for mean in (-1.0, 1.0)]
    found = best_cut(*masses, estimate(0.5, 0.5, 0.5), FRESH, options=CutOptions(edges=fine))
    share = found.dropped_of({"real": masses[0]})["real"]
    assert share.point == pytest.approx(found.real_lost.point)


def test_marked_samples_go_first_since_that_costs_no_real_one():
    """Half of the synthetic samples are marked; without them the harm is within the tolerance."""
    known = (0.3, 0.3, 0.3)
    harm = best_cut(REAL, SYNTHETIC, estimate(*known), FRESH).curve[-1].harm.point
    kept = cut_of(known, tolerance=0.9 * harm, marked=0.15)
    assert (kept.action, kept.cut, kept.real_lost.point) == ("cut", MARKS_ONLY, 0.0)
    assert kept.synthetic_kept.point == pytest.approx(0.5)
    # Below it every cut keeps its share of the unmarked half alone.
    assert kept.curve[40].synthetic_kept.point == pytest.approx(SYNTHETIC[:40].sum() / 2, rel=0.01)


def test_marks_are_no_reason_to_cut():
    found = cut_of((0.001, 0.001, 0.001), marked=0.001)
    assert (found.action, found.cut) == ("do not filter", None)


def test_synthetic_samples_that_look_real_cannot_be_cut_away():
    """With a third of them like real ones, a cut keeps at least a third of what it keeps."""
    assert cut_of((0.5, 0.5, 0.5)).action == "cut"
    blind = cut_of((0.5, None, 0.5), least_detected=0.67)
    assert blind.action == "no cut suffices"
    assert blind.harm_bound > 0.01


def test_both_ends_of_two_sets_are_taken_together():
    """π at its upper end meets λ at its lower one, whatever the draws' order."""
    found = cut_of((0.1, None, 0.5), bias=Interval(0.8, None, 1.0), n_calibration=10**7)
    harms, _ = true_harms(0.5, 0.8, 1e8)
    assert found.curve[-1].harm_bound == pytest.approx(harms[-1], rel=1e-3)


def test_many_bins_are_joined_on_the_curve_and_not_where_it_is_cut():
    fine = np.linspace(-5.0, 5.0, 1025)
    masses = [np.round(1e9 * np.diff(norm.cdf(fine, mean))) for mean in (-1.0, 1.0)]
    found = best_cut(*masses, estimate(0.5, 0.5, 0.5), FRESH, options=CutOptions(edges=fine))
    assert len(found.curve) < 300
    harms, lost = true_harms(0.5, 0.9, 1e8, fine)
    least = lost[harms <= 0.01].min()
    assert found.real_lost.point == pytest.approx(least, abs=1.5 * np.abs(np.diff(lost)).max())
    # Ten times narrower than a bin of the curve, of which 256 have the same mass.
    assert np.abs(np.diff(lost)).max() < 2 / 256


def test_the_same_seed_gives_the_same_cut():
    assert cut_of((0.4, 0.5, 0.6)).to_dict() == cut_of((0.4, 0.5, 0.6)).to_dict()


def test_json_is_json():
    content = json.loads(json.dumps(cut_of((0.4, 0.5, 0.6)).to_dict(), allow_nan=False))
    assert set(content) >= {"action", "cut", "real_lost", "synthetic_kept", "harm", "curve"}
    assert content["curve"][-1]["cut"] is None


@pytest.mark.parametrize(
    ("real", "synthetic", "edges", "message"),
    [
        ([1, 2], [1, 2, 3], None, "synthetic_counts has shape"),
        ([0, 0], [1, 2], None, "real_counts is empty"),
        ([1, 2], [0, 0], None, "synthetic_counts is empty"),
        ([1, -2], [1, 2], None, "real_counts has shape"),
        ([1, 2], [1, 2], [0, 1], "edges has 2 scores for 2 bins"),
    ],
)
def test_counts_that_do_not_fit_are_refused(real, synthetic, edges, message):
    with pytest.raises(OptionError, match=message):
        best_cut(real, synthetic, estimate(0.1, 0.1, 0.1), FRESH, options=CutOptions(edges=edges))


@pytest.mark.slow
def test_the_true_harm_is_within_the_tolerance_and_little_more_is_lost_than_had_to_be():
    """Known truth; π, λ and both histograms are measured with error, 60 runs.

    At least 50 within: if 95 % are, that fails with a chance below 1e-3. The loss is compared with
    the least of any cut that would really have kept the harm within the tolerance.
    """
    edges = np.linspace(-4.0, 4.0, 257)
    harms, lost = true_harms(0.5, 0.9, 1e8, edges)
    least = lost[np.nonzero(harms <= 0.01)[0][-1]]
    n_within, losses = 0, []
    for seed in range(60):
        generator = np.random.default_rng(seed)
        prevalence, bias = generator.normal(0.5, 0.004), generator.normal(0.9, 0.002)
        found = best_cut(
            generator.multinomial(20_000, template(-1.0, edges)),
            generator.multinomial(20_000, template(1.0, edges)),
            estimate(prevalence - 0.00784, prevalence, prevalence + 0.00784),
            LoopSpec("fresh", bias=0.9, generations=2),
            options=CutOptions(
                edges=edges,
                bias=Interval(bias - 0.00392, bias, bias + 0.00392),
                n_draws=100,
                seed=seed,
            ),
        )
        place = int(np.searchsorted(edges, found.cut))
        n_within += harms[place] <= 0.01
        losses.append(lost[place])
    assert n_within >= 50
    assert np.median(losses) <= 1.1 * least, (n_within, np.median(losses), least)
