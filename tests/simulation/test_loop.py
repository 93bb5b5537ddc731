"""A loop's description: what is refused, and what fields that change by generation mean."""

from __future__ import annotations

import pytest

from madaudit.errors import OptionError
from madaudit.simulation import Filter, LoopSpec, predict


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loop": "frsh"}, "loop 'frsh' does not exist .*did you mean 'fresh'"),
        ({"pool": "repalce"}, "pool 'repalce' does not exist .*did you mean 'replace'"),
        ({"bias": 1.5}, "bias is 1.5; it must be a number, 0 to 1"),
        ({"bias": [1.0, -0.1], "generations": 2}, "bias is -0.1"),
        ({"bias": float("nan")}, "bias is nan"),
        ({"n_fresh": -1}, "n_fresh is -1; it must be a whole number, 0 or more"),
        ({"n_fresh": 1.5}, "n_fresh is 1.5; it must be a whole number"),
        ({"n_fresh": [1, 2]}, "n_fresh has 2 values for 10 generations"),
        ({"generations": 0}, "generations is 0; it must be a whole number, 1 or more"),
        ({"spectrum": (1.0, 2.0)}, "spectrum has 2 eigenvalues and dim is 1"),
        ({"spectrum": (-1.0,)}, "spectrum is -1.0"),
        ({"filters": [Filter()]}, "filters has 1 values for 10 generations"),
        ({"memory": 2, "pool": "accumulate"}, "memory is 2 with pool 'accumulate'"),
        ({"keep": 2}, "keep is 2 with pool 'replace'"),
        ({"loop": "augmentation", "n_fresh": 5}, "n_fresh is 5 in the augmentation loop"),
        ({"loop": "synthetic", "n_fixed": 5}, "n_fixed is 5 in the synthetic loop"),
        ({"real_weight": 0.0}, "real_weight is 0.0"),
        ({"model_error": float("inf")}, "model_error is inf"),
    ],
)
def test_a_loop_that_makes_no_sense_is_refused_by_name_and_value(options, message):
    with pytest.raises(OptionError, match=message):
        LoopSpec(**{"loop": "fresh", **options})


@pytest.mark.parametrize("name", ["tpr", "fpr"])
def test_a_filter_of_more_than_everything_is_refused(name):
    with pytest.raises(OptionError, match=f"filter's {name} is 1.2; it must be a number, 0 to 1"):
        Filter(**{name: 1.2})


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            LoopSpec("fresh", n_synthetic=5),
            "n_fresh is 0; the fresh loop needs it: give --n-fresh",
        ),
        (LoopSpec("augmentation"), "n_fixed is 0"),
        (LoopSpec("synthetic"), "n_synthetic is 0"),
        (LoopSpec("fresh", n_fresh=5, n_initial=1), "generation 0 has 1 samples"),
    ],
)
def test_a_loop_without_its_samples_cannot_be_predicted(spec, message):
    with pytest.raises(OptionError, match=message):
        predict(spec)


def test_sequences_give_generations_from_one_on():
    spec = LoopSpec("fresh", n_fresh=[7, 8], n_synthetic=[1, 2], bias=0.5, generations=2)
    assert [spec.at("n_fresh", t) for t in (0, 1, 2)] == [7, 7, 8]
    assert (spec.at("bias", 2), spec.initial, spec.real_alone()) == (0.5, 7, 8)


@pytest.mark.parametrize(
    ("spec", "initial"),
    [
        (LoopSpec("fresh", n_fresh=3, n_synthetic=9), 3),
        (LoopSpec("fresh", n_fresh=3, n_fixed=4, n_synthetic=9), 4),
        (LoopSpec("augmentation", n_fixed=5, n_synthetic=9), 5),
        (LoopSpec("synthetic", n_synthetic=9), 9),
        (LoopSpec("synthetic", n_synthetic=9, n_initial=2), 2),
    ],
)
def test_generation_zero_has_the_loops_own_real_samples_unless_told(spec, initial):
    assert spec.initial == initial


def test_json_has_no_number_that_json_lacks():
    content = predict(LoopSpec("synthetic", n_synthetic=4, dim=5, generations=2)).to_dict()
    assert content["trace"][2]["log_det_ratio"] is None
    assert content["fixed_point"]["w2_squared"] is None
    assert content["n_effective"] == 0.0


def test_an_effective_number_without_end_is_null():
    spec = LoopSpec("fresh", n_fresh=10**18, n_synthetic=0)
    assert predict(spec).n_effective == pytest.approx(1e18, rel=1e-3)
