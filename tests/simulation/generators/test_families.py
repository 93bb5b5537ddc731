"""What every family of generators promises, small enough for seconds."""

import numpy as np
import pytest

from madaudit.errors import OptionError
from madaudit.simulation.generators import GENERATORS, build_generator
from madaudit.simulation.generators.base import DivergenceError, Samples

pytestmark = pytest.mark.torch

SMALL = {
    "ddpm": {"steps": 6, "batch": 16, "width": 8, "multipliers": (1, 2), "n_draw_steps": 4},
    "flow": {"epochs": 2, "batch": 64, "hidden": 8},
    "normal": {},
    "stylegan": {"steps": 6, "batch": 8, "width": 16, "dim": 16},
    "wgan": {"steps": 3, "batch": 8, "width": 16, "n_critic": 2},
}
# Families that make points and not images, and those with no knob for sampling bias.
OF_POINTS = {"flow"}
UNBIASED_ONLY = {"wgan"}


def _samples(name, n=96):
    generator = np.random.default_rng(0)
    shape = (n, 2) if name in OF_POINTS else (n, 1, 8, 8)
    values = np.clip(generator.normal(0, 0.4, size=shape), -1, 1).astype(np.float32)
    return Samples(values, np.arange(n) % 3)


def _family(name):
    pytest.importorskip("torch", reason="needs torch: pip install 'madaudit[loops]'")
    return build_generator(name, SMALL[name])


def test_every_family_has_a_small_case():
    assert set(SMALL) == set(GENERATORS)


@pytest.mark.parametrize("name", SMALL)
def test_same_seed_same_model_and_same_draws(name):
    family, samples = _family(name), _samples(name)
    drawn = [family.fit(samples, seed=3).sample(10, bias=1.0, seed=4) for _ in range(2)]

    np.testing.assert_array_equal(drawn[0].values, drawn[1].values)
    np.testing.assert_array_equal(drawn[0].labels, drawn[1].labels)


@pytest.mark.parametrize("name", SMALL)
def test_seeds_of_training_and_of_draws_matter(name):
    family, samples = _family(name), _samples(name)
    first = family.fit(samples, seed=3)
    other = family.fit(samples, seed=5)

    assert (
        first.sample(8, bias=1.0, seed=4).values != first.sample(8, bias=1.0, seed=5).values
    ).any()
    if name != "normal":
        assert (
            first.sample(8, bias=1.0, seed=4).values != other.sample(8, bias=1.0, seed=4).values
        ).any()


@pytest.mark.parametrize("name", SMALL)
def test_draws_have_the_shape_of_the_samples(name):
    samples = _samples(name)
    drawn = _family(name).fit(samples, seed=0).sample(21, bias=1.0, seed=0)

    assert drawn.values.shape == (21, *samples.values.shape[1:])
    assert drawn.values.dtype == np.float32
    assert drawn.labels.shape == (21,)
    assert drawn.labels.dtype == np.int64
    assert np.isfinite(drawn.values).all()


@pytest.mark.parametrize("name", SMALL)
def test_a_restored_model_draws_the_same(name):
    family = _family(name)
    fitted = family.fit(_samples(name), seed=0)
    state = fitted.state()
    again = family.restore({key: value.copy() for key, value in state.items()})

    assert all(isinstance(value, np.ndarray) for value in state.values())
    np.testing.assert_array_equal(
        again.sample(9, bias=1.0, seed=1).values, fitted.sample(9, bias=1.0, seed=1).values
    )


@pytest.mark.parametrize("name", SMALL)
def test_training_leaves_the_process_as_it_was(name):
    import torch

    family, samples = _family(name), _samples(name)
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    family.fit(samples, seed=0).sample(4, bias=1.0, seed=0)

    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("name", SMALL)
def test_weights_decide_what_is_learnt_from(name):
    family, samples = _family(name), _samples(name)
    weights = np.r_[np.ones(48), np.zeros(48)]
    equal = family.fit(samples, seed=0, weights=np.full(96, 2.0)).sample(4, bias=1.0, seed=0)
    unequal = family.fit(samples, seed=0, weights=weights).sample(4, bias=1.0, seed=0)

    np.testing.assert_array_equal(
        equal.values, family.fit(samples, seed=0).sample(4, bias=1.0, seed=0).values
    )
    assert (equal.values != unequal.values).any()


@pytest.mark.parametrize("name", SMALL)
def test_sampling_bias_changes_draws_or_is_refused(name):
    fitted = _family(name).fit(_samples(name), seed=0)
    if name in UNBIASED_ONLY:
        with pytest.raises(OptionError, match="no knob"):
            fitted.sample(4, bias=0.5, seed=0)
    else:
        plain = fitted.sample(4, bias=1.0, seed=0).values
        assert (fitted.sample(4, bias=0.5, seed=0).values != plain).any()


@pytest.mark.parametrize("name", SMALL)
def test_samples_that_are_not_finite_are_a_divergence(name):
    samples = _samples(name)
    samples.values[:] = np.nan

    with pytest.raises(DivergenceError):
        _family(name).fit(samples, seed=0)


@pytest.mark.parametrize("name", SMALL)
def test_one_sample_is_refused(name):
    with pytest.raises(OptionError, match="at least 2"):
        _family(name).fit(_samples(name).part(0, 1), seed=0)


@pytest.mark.parametrize("name", sorted(set(SMALL) - OF_POINTS - {"normal"}))
def test_image_families_refuse_points(name):
    with pytest.raises(OptionError, match="square images"):
        _family(name).fit(_samples("flow"), seed=0)
