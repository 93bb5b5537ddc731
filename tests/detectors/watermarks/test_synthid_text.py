"""The SynthID-Text check on documents, and its parts against transformers' own values."""

from __future__ import annotations

import io
import json
import math
import pickle

import numpy as np
import pytest

from madaudit.detectors.base import Look
from madaudit.detectors.watermarks.synthid_text import SynthIDText
from madaudit.detectors.watermarks.text.bayes import Parameters, load_parameters
from madaudit.detectors.watermarks.text.g_values import (
    Hashing,
    mean_score,
    weighted_mean_score,
    whole_weights,
)
from madaudit.detectors.watermarks.text.writing import TournamentMark
from madaudit.errors import OptionError
from madaudit.types import Sample
from tests.detectors.watermarks.text.golden_values import bits, golden
from tests.detectors.watermarks.text.marked_building import (
    captioned,
    document,
    said_of,
    small_gpt2,
    written,
)
from tests.detectors.watermarks.text.torch_reference import tokens

_GOLDEN = golden()["synthid"]
_HASHING = Hashing(tuple(_GOLDEN["keys"]), context_history=128)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> str:
    return str(small_gpt2(tmp_path_factory.mktemp("tokens") / "gpt2"))


def _golden_g_values() -> np.ndarray:
    return np.array([[int(sign) for sign in row] for row in _GOLDEN["g_values"]])


def _trained() -> Parameters:
    return Parameters(np.array(_GOLDEN["beta"]), np.array(_GOLDEN["delta"]), 0.5, "")


def test_g_values_are_those_of_transformers_processor():
    np.testing.assert_array_equal(_HASHING.g_values(tokens()), _golden_g_values())


def test_masks_are_those_of_transformers_processor():
    mask = bits(_GOLDEN["mask"])
    np.testing.assert_array_equal(_HASHING.unmasked(tokens()), mask)
    assert not mask.all()
    until_eos = _HASHING.unmasked(tokens(), _GOLDEN["eos"])
    np.testing.assert_array_equal(until_eos, bits(_GOLDEN["mask_until_eos"]))


def test_the_posterior_is_that_of_transformers_bayesian_detector():
    found = _trained().posterior(_golden_g_values(), bits(_GOLDEN["mask"]))
    assert found == pytest.approx(_GOLDEN["posterior"], rel=1e-3)


def test_iterated_hashing_follows_its_definition_number_by_number():
    def wrap(number: int) -> int:
        return (number + 2**63) % 2**64 - 2**63

    def step(state: int, data: int) -> int:
        return wrap(wrap(wrap(state + data) * 6364136223846793005) + 1)

    hashing = Hashing((654, 2**40), ngram_len=3, hashing="iterated")
    numbers = [5, 70000, 3, 9]
    expected = []
    for at in range(2):
        row = []
        for key in hashing.keys:
            state = int(hashing._start()[0])
            for number in (*numbers[at : at + 3], key):
                state = step(state, number)
            for _ in range(12):
                state = step(state, 1) >> 5
            row.append((state >> 30) % 2)
        expected.append(row)
    assert hashing.g_values(np.array(numbers)).tolist() == expected


def test_scores_are_the_published_means():
    g_values, mask = np.array([[1, 0], [1, 1], [0, 0]]), np.array([True, True, False])
    assert mean_score(g_values, mask) == pytest.approx(0.75)
    # weights 10 and 1, scaled to sum 2
    assert weighted_mean_score(g_values, mask) == pytest.approx((20 + 1) / 11 * 2 / 4)


def test_whole_weights_are_the_published_ones_rounded():
    weights = whole_weights(30)
    assert (weights[0], weights[-1]) == (10, 1)
    assert np.abs(weights - np.linspace(10, 1, 30)).max() <= 0.5


@pytest.mark.parametrize("statistic", ["mean", "weighted"])
@pytest.mark.parametrize("hashing", ["table", "iterated"])
def test_a_marked_document_is_found(tokenizer, statistic, hashing):
    mark = TournamentMark(Hashing(hashing=hashing))
    detector = SynthIDText(tokenizer=tokenizer, statistic=statistic, hashing=hashing)
    evidence = said_of(detector, document(written(150, 1, mark)))
    assert evidence.is_hit
    assert evidence.detail is not None
    assert evidence.score == pytest.approx(-math.log10(evidence.detail.p_value))
    assert "public key" in evidence.detail.message


def test_other_keys_and_unmarked_text_are_absent_with_their_p_value(tokenizer):
    marked = written(150, 2, TournamentMark(Hashing()))
    keys = ",".join(str(1001 + 17 * layer) for layer in range(30))
    for detector, text in (
        (SynthIDText(tokenizer=tokenizer, keys=keys), marked),
        (SynthIDText(tokenizer=tokenizer), written(150, 3)),
    ):
        evidence = said_of(detector, document(text))
        assert evidence.state == "absent"
        assert evidence.detail is not None
        assert 1e-4 < evidence.detail.p_value <= 1


def test_a_marked_caption_is_present_but_no_hit(tokenizer):
    marked = written(150, 1, TournamentMark(Hashing()))
    evidence = said_of(SynthIDText(tokenizer=tokenizer), captioned(marked))
    assert evidence.state == "present"
    assert not evidence.is_hit


def test_short_and_absent_texts_are_unobservable(tokenizer):
    detector = SynthIDText(tokenizer=tokenizer)
    assert said_of(detector, document("ABCDEFGHIJKLM")).state == "unobservable"
    assert said_of(detector, document("AB")).state == "unobservable"
    assert said_of(detector, Look(Sample(0, "k"), None)).state == "unobservable"
    assert said_of(detector, document("ABCDEFGHIJKLMN")).state == "absent"


def _npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _safetensors(**arrays: np.ndarray) -> bytes:
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for name, array in arrays.items():
        content = array.astype("<f4").tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(array.shape),
            "data_offsets": [len(body), len(body) + len(content)],
        }
        body += content
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def _arrays(prefix: str = "") -> dict[str, np.ndarray]:
    beta, delta = np.array(_GOLDEN["beta"]), np.array(_GOLDEN["delta"])
    return {
        f"{prefix}beta": beta[None, None],
        f"{prefix}delta": delta[None, None],
        "prior": np.array([0.5]),
    }


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.npz", _npz(**_arrays())),
        ("b.npz", _npz(**_arrays("params/likelihood_model_watermarked/"))),
        ("c.safetensors", _safetensors(**_arrays("likelihood_model_watermarked."))),
    ],
)
def test_trained_parameters_are_read_in_every_published_form(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    trained = load_parameters(str(tmp_path / name))
    np.testing.assert_allclose(trained.beta, _GOLDEN["beta"], rtol=1e-6)
    np.testing.assert_allclose(trained.delta, _GOLDEN["delta"], rtol=1e-6)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04junk",
        b"\xff" * 40,
        _npz(beta=np.zeros(3)),
        _npz(beta=np.zeros(3), delta=np.zeros((2, 2)), prior=np.array([0.5])),
        _npz(beta=np.full(1, np.nan), delta=np.zeros((1, 1)), prior=np.array([0.5])),
        _safetensors(**_arrays())[:-8],
    ],
)
def test_broken_parameters_are_refused(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(OptionError, match="cannot read the parameters"):
        load_parameters(str(tmp_path / "file"))


def test_the_bayesian_statistic_finds_a_mark_and_refuses_without_parameters(tokenizer, tmp_path):
    keys = ",".join(map(str, _GOLDEN["keys"]))
    without = SynthIDText(tokenizer=tokenizer, statistic="bayesian", keys=keys)
    assert "parameters=FILE" in (without.why_unavailable() or "")
    depth = len(_GOLDEN["keys"])
    content = _npz(beta=np.full(depth, 1.0), delta=np.zeros((depth, depth)), prior=np.array([0.5]))
    (tmp_path / "trained.npz").write_bytes(content)
    detector = SynthIDText(
        tokenizer=tokenizer,
        statistic="bayesian",
        keys=keys,
        parameters=str(tmp_path / "trained.npz"),
    )
    assert detector.why_unavailable() is None
    mark = TournamentMark(Hashing(tuple(_GOLDEN["keys"])))
    assert said_of(detector, document(written(300, 4, mark))).is_hit
    assert said_of(detector, document(written(300, 4))).state == "absent"


def test_the_likelihood_ratio_has_mean_one_without_a_mark():
    # All 2**6 outcomes of two n-grams of three layers, one cell shared between them.
    generator = np.random.default_rng(3)
    trained = Parameters(generator.normal(size=3), generator.normal(size=(3, 3)), 0.5, "")
    share, total = 0.4, 0.0
    is_new = np.array([[True, True, True], [True, False, True]])
    for outcome in np.ndindex(2, 2, 2, 2, 2):
        first, second, third, fourth, sixth = outcome
        g_values = np.array([[first, second, third], [fourth, second, sixth]])
        chance = math.prod(share if one else 1 - share for one in outcome)
        total += chance * math.exp(trained.log_ratio(g_values, is_new, share))
    assert total == pytest.approx(1.0)


@pytest.mark.parametrize(
    "options",
    [
        {"keys": "private"},
        {"ngram_len": 1},
        {"table_size": 0},
        {"hashing": "sha"},
        {"statistic": "median"},
        {"context_history": 0},
        {"threshold": 2.0},
    ],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(OptionError):
        SynthIDText(**options)


def test_without_a_tokenizer_it_refuses_and_names_what_to_give():
    assert "synthid_text.tokenizer=PATH" in (SynthIDText().why_unavailable() or "")


@pytest.mark.parametrize("text", ["x" * 10**6, "\0\ud800" * 10**5], ids=["letters", "broken"])
def test_hostile_text_is_bounded_and_never_an_exception(tokenizer, text):
    assert said_of(SynthIDText(tokenizer=tokenizer), document(text)).state == "unobservable"


def test_a_pickled_copy_says_the_same_after_use(tokenizer):
    detector, text = SynthIDText(tokenizer=tokenizer), document(written(60, 1))
    before = said_of(detector, text)
    copy = pickle.loads(pickle.dumps(detector))
    assert copy == detector
    assert said_of(copy, text) == before


@pytest.mark.slow
@pytest.mark.parametrize("statistic", ["mean", "weighted"])
def test_p_values_of_unmarked_text_over_random_keys_are_nominal(tokenizer, statistic):
    # 2,000 draws of keys: at a nominal 0.01, 20 expected; more than 42 has probability 4e-6, and
    # fewer than 4 has 3e-6 (binomial).
    generator = np.random.default_rng(20261125)
    texts = [written(60, seed) for seed in range(40)]
    low = 0
    for text in texts:
        for _ in range(50):
            keys = ",".join(map(str, generator.integers(1, 2**62, 30).tolist()))
            detector = SynthIDText(tokenizer=tokenizer, keys=keys, statistic=statistic)
            low += said_of(detector, document(text)).detail.p_value <= 0.01
    assert 4 <= low <= 42
