"""The greenlist check on documents and captions."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from madaudit.detectors.base import Look
from madaudit.detectors.watermarks.greenlist import Greenlist
from madaudit.detectors.watermarks.text.green_lists import GreenLists
from madaudit.detectors.watermarks.text.seeding import PUBLIC_KEY, scheme_named
from madaudit.detectors.watermarks.text.writing import GreenMark
from madaudit.errors import OptionError
from madaudit.types import Sample
from tests.detectors.watermarks.text.marked_building import (
    N_TOKENS,
    captioned,
    document,
    said_of,
    small_gpt2,
    written,
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> str:
    return str(small_gpt2(tmp_path_factory.mktemp("tokens") / "gpt2"))


def _mark(scheme: str = "lefthash", key: int = PUBLIC_KEY, gamma: float = 0.25) -> GreenMark:
    return GreenMark(scheme_named(scheme), key, GreenLists(N_TOKENS, gamma), delta=4.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "scheme", ["lefthash", "minhash", "skipgram", "selfhash", "transformers-selfhash-4"]
)
def test_a_marked_document_is_found_by_its_own_scheme(tokenizer, scheme):
    detector = Greenlist(tokenizer=tokenizer, scheme=scheme)
    evidence = said_of(detector, document(written(120, 1, _mark(scheme))))
    assert evidence.is_hit
    assert evidence.detail is not None
    assert scheme in evidence.detail.message
    assert evidence.score == pytest.approx(-math.log10(evidence.detail.p_value))


def test_another_key_and_an_unmarked_text_are_absent_with_their_p_value(tokenizer):
    marked = written(200, 2, _mark())
    for detector, text in (
        (Greenlist(tokenizer=tokenizer, key=99), marked),
        (Greenlist(tokenizer=tokenizer), written(200, 2)),
    ):
        evidence = said_of(detector, document(text))
        assert evidence.state == "absent"
        assert evidence.detail is not None
        assert 1e-4 < evidence.detail.p_value <= 1
        assert evidence.detail.hypotheses == 1
        assert evidence.detail.label is None


def test_a_marked_caption_is_present_but_says_nothing_of_its_image(tokenizer):
    evidence = said_of(Greenlist(tokenizer=tokenizer), captioned(written(150, 3, _mark())))
    assert evidence.state == "present"
    assert evidence.detail is not None
    assert evidence.detail.field == "caption"
    assert not evidence.is_hit


def test_the_document_goes_before_the_caption(tokenizer):
    sample = captioned(written(150, 3, _mark())).sample._replace(text="short")
    evidence = said_of(Greenlist(tokenizer=tokenizer), Look(sample, None))
    assert evidence.state == "unobservable"


@pytest.mark.parametrize(("windows", "needed"), [("whole", 10), ("winmax", 10)])
def test_a_text_too_short_to_reach_the_threshold_is_unobservable(tokenizer, windows, needed):
    detector = Greenlist(tokenizer=tokenizer, windows=windows)
    assert detector.n_needed == needed
    evidence = said_of(detector, document("ABCDEFGHIJ"))
    assert evidence.state == "unobservable"
    assert evidence.detail is not None
    assert "10 tokens" in evidence.detail.says
    assert math.isnan(evidence.score)
    assert said_of(detector, document("ABCDEFGHIJK")).state == "absent"


def test_the_fewest_tokens_are_just_enough(tokenizer):
    for gamma, trials in ((0.25, "lefthash"), (0.5, "lefthash,minhash")):
        detector = Greenlist(tokenizer=tokenizer, gamma=gamma, scheme=trials)
        n, n_trials = detector.n_needed, len(detector.trials)
        share = detector.trials[0].lists.share
        assert share**n * n_trials <= detector.threshold < share ** (n - 1) * n_trials


def test_a_sample_without_text_is_unobservable_and_a_broken_one_missing(tokenizer):
    detector = Greenlist(tokenizer=tokenizer)
    assert said_of(detector, Look(Sample(0, "k"), None)).state == "unobservable"
    broken = Sample(0, "k", status="missing_image", error="no image member")
    assert said_of(detector, Look(broken, None)).state == "missing"


@pytest.mark.slow
def test_every_trial_is_charged_for(tokenizer):
    text = document(written(150, 5, _mark("minhash")))
    alone = said_of(Greenlist(tokenizer=tokenizer, scheme="minhash"), text).detail
    several = said_of(
        Greenlist(tokenizer=tokenizer, scheme="minhash,lefthash,selfhash", key="7,15485863"), text
    ).detail
    assert several is not None
    assert alone is not None
    assert several.hypotheses == 6
    assert several.p_value == pytest.approx(6 * alone.p_value)
    assert several.message == alone.message


def test_a_mark_in_a_part_is_found_by_windows_and_hidden_in_the_whole(tokenizer):
    text = written(1200, 6) + written(80, 7, _mark()) + written(1200, 8)
    whole = said_of(Greenlist(tokenizer=tokenizer, threshold=1e-9), document(text))
    window = said_of(
        Greenlist(tokenizer=tokenizer, threshold=1e-9, windows="winmax"), document(text)
    )
    assert (whole.state, window.state) == ("absent", "present")


def test_legacy_lists_take_the_other_end_of_the_permutation(tokenizer):
    lists = GreenLists(N_TOKENS, 0.25, legacy=True)
    text = document(written(120, 9, GreenMark(scheme_named("lefthash"), 5, lists, 4.0)))
    assert said_of(Greenlist(tokenizer=tokenizer, key=5, legacy=True), text).is_hit
    assert said_of(Greenlist(tokenizer=tokenizer, key=5), text).state == "absent"


def test_a_key_from_a_file_is_found_and_kept_out_of_what_is_stored(tokenizer, tmp_path):
    (tmp_path / "key").write_text("123457\n", encoding="utf-8")
    detector = Greenlist(tokenizer=tokenizer, key=f"@{tmp_path / 'key'}")
    evidence = said_of(detector, document(written(120, 10, _mark(key=123457))))
    assert evidence.is_hit
    assert evidence.detail is not None
    assert "123457" not in repr(evidence) + repr(detector) + repr(detector.fingerprint())
    before = detector.fingerprint()
    (tmp_path / "key").write_text("123458", encoding="utf-8")
    assert Greenlist(tokenizer=tokenizer, key=detector.key).fingerprint() != before


@pytest.mark.parametrize(
    "options",
    [
        {"scheme": "lefthsh"},
        {"key": 0},
        {"key": "x"},
        {"key": "-4"},
        {"key": "@no/such/file"},
        {"gamma": 1.0},
        {"gamma": "a"},
        {"windows": "max"},
        {"threshold": 0},
        {"max_tokens": 0},
        {"vocabulary": 1},
    ],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(OptionError):
        Greenlist(**options)


def test_without_a_tokenizer_it_refuses_and_names_what_to_give(tmp_path):
    assert "greenlist.tokenizer=PATH" in (Greenlist().why_unavailable() or "")
    absent = Greenlist(tokenizer=str(tmp_path / "none"))
    assert "no tokenizer at" in (absent.why_unavailable() or "")
    with pytest.raises(OptionError, match="tokenizer"):
        Greenlist().fingerprint()


@pytest.mark.parametrize(
    "text",
    ["x" * 10**6, "\0" * 10**6, "\ud800" * 10**6, "\u202e\u05d0" * 5 * 10**5, "a b" * 333_333],
    ids=["letters", "nul", "half", "rtl", "words"],
)
def test_hostile_text_is_bounded_and_never_an_exception(tokenizer, text):
    detector = Greenlist(tokenizer=tokenizer, max_tokens=500, windows="winmax")
    assert said_of(detector, document(text)).state in ("absent", "unobservable")


def test_the_order_of_samples_and_their_number_do_not_matter(tokenizer):
    detector = Greenlist(tokenizer=tokenizer)
    texts = [written(60, seed, _mark() if seed % 2 else None) for seed in range(4)]
    alone = [said_of(detector, document(text)) for text in texts]
    assert [said_of(detector, document(text)) for text in texts[::-1]] == alone[::-1]


def test_a_pickled_copy_says_the_same_after_use(tokenizer):
    detector, text = Greenlist(tokenizer=tokenizer), document(written(60, 1))
    before = said_of(detector, text)
    copy = pickle.loads(pickle.dumps(detector))
    assert copy == detector
    assert said_of(copy, text) == before


@pytest.mark.slow
def test_p_values_of_unmarked_text_over_random_keys_are_nominal(tokenizer):
    # 2,000 keys: at a nominal 0.01 at most 20 expected; more than 42 has probability 4e-6
    # (binomial). The discrete p-value attains about 0.006; none or one has probability 8e-5.
    generator = np.random.default_rng(20261125)
    texts = [written(60, seed) for seed in range(40)]
    low = 0
    for text in texts:
        for key in generator.integers(1, 2**62, 50).tolist():
            evidence = said_of(Greenlist(tokenizer=tokenizer, key=key), document(text))
            low += evidence.detail.p_value <= 0.01
    assert 2 <= low <= 42
