"""What every family of generators promises, small enough for seconds."""

import pytest

from madaudit.contracts.generators import CHECKS, GeneratorCase, small_samples
from madaudit.errors import OptionError
from madaudit.simulation.generators import GENERATORS, build_generator
from tests.contracts.promises import promise_of

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


def _samples(name):
    return small_samples((2,) if name in OF_POINTS else (1, 8, 8))


def _family(name):
    pytest.importorskip("torch", reason="needs torch: pip install 'madaudit[loops]'")
    return build_generator(name, SMALL[name])


def test_every_family_has_a_small_case():
    assert set(SMALL) == set(GENERATORS)


@pytest.mark.parametrize("check", CHECKS, ids=promise_of)
@pytest.mark.parametrize("name", SMALL)
def test_it_keeps_the_contract(check, name):
    check(GeneratorCase(name, _family(name), _samples(name)))


@pytest.mark.parametrize("name", sorted(set(SMALL) - {"normal"}))
def test_the_seed_of_training_matters(name):
    family, samples = _family(name), _samples(name)
    first, other = (
        family.fit(samples, seed=seed).sample(8, bias=1.0, seed=4).values for seed in (3, 5)
    )

    assert (first != other).any()


@pytest.mark.parametrize("name", SMALL)
def test_training_leaves_the_process_as_it_was(name):
    import torch

    family, samples = _family(name), _samples(name)
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    family.fit(samples, seed=0).sample(4, bias=1.0, seed=0)

    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("name", sorted(UNBIASED_ONLY))
def test_a_family_without_a_knob_refuses_sampling_bias(name):
    fitted = _family(name).fit(_samples(name), seed=0)
    with pytest.raises(OptionError, match="no knob"):
        fitted.sample(4, bias=0.5, seed=0)


@pytest.mark.parametrize("name", sorted(set(SMALL) - UNBIASED_ONLY))
def test_a_family_with_a_knob_draws_otherwise_by_it(name):
    fitted = _family(name).fit(_samples(name), seed=0)
    plain = fitted.sample(4, bias=1.0, seed=0).values
    assert (fitted.sample(4, bias=0.5, seed=0).values != plain).any()


@pytest.mark.parametrize("name", sorted(set(SMALL) - OF_POINTS - {"normal"}))
def test_image_families_refuse_points(name):
    with pytest.raises(OptionError, match="square images"):
        _family(name).fit(_samples("flow"), seed=0)
