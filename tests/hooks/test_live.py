"""Looking at images on their way: what goes, what stays, and that nothing ever raises."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from madaudit.assessment.policy import Policy
from madaudit.errors import OptionError
from madaudit.estimation.combination import fit_combiner
from madaudit.hooks.live import Examiner
from madaudit.scanning.plan import Plan
from tests.commands.store_building import composite, generated, page, photo

PLAN = Plan(("a1111", "iptc"))


def test_a_marked_image_goes_with_the_reason():
    examiner = Examiner(PLAN)
    found = examiner.examine(generated(1).data)
    assert (found.keeps, found.label, found.detector) == (False, "synthetic", "a1111")
    assert "demo" in found.says
    assert examiner.ledger.report()["reasons"] == {"marked by a1111": 1}


def test_a_photo_and_a_composite_stay():
    examiner = Examiner(PLAN)
    assert examiner.examine(photo(0).data).keeps
    found = examiner.examine(composite(2).data)
    assert (found.keeps, found.label) == (True, "composite")


@pytest.mark.parametrize("image", [b"", page().data, photo(0).data[:50], None, 17, "text"])
def test_what_is_no_image_stays_and_nothing_is_raised(image):
    examiner = Examiner(PLAN)
    assert examiner.examine(image).keeps
    assert examiner.ledger.report()["kept"] == 1


def test_bytes_that_were_decoded_before_are_counted_as_a_failure():
    examiner = Examiner(PLAN)
    assert examiner.examine(object()).keeps
    assert examiner.ledger.report()["failed"] == 1


def test_a_policy_without_a_cut_drops_nothing():
    assert Examiner(PLAN, Policy()).examine(generated(1).data).keeps


def test_a_cut_of_marks_alone_needs_no_calibration():
    assert not Examiner(PLAN, Policy(cut=3.0)).examine(generated(1).data).keeps


def test_a_cut_of_scores_needs_a_combiner():
    with pytest.raises(OptionError, match="combiner"):
        Examiner(Plan(("constant",)), Policy(cut=0.0))


@pytest.mark.parametrize(("score", "keeps"), [(-2.0, True), (2.0, False)])
def test_a_cut_is_of_the_combined_scores(score, keeps):
    rng = np.random.default_rng(0)
    real, fake = rng.normal(-2, 1, (400, 1)), rng.normal(2, 1, (400, 1))
    combiner = fit_combiner(real, fake, ["constant"])
    plan = Plan(("constant",), {"constant": {"score": score}})
    found = Examiner(plan, Policy(cut=0.0), combiner=combiner).examine(photo(0).data)
    assert found.keeps is keeps
    assert found.log_ratio == pytest.approx(combiner.log_ratio(np.array([[score]]))[0])


def test_what_is_found_goes_into_json():
    content = Examiner(PLAN).examine(generated(1).data).to_dict()
    assert content["log_ratio"] is None
    assert not math.isnan(Examiner(PLAN).examine(generated(1).data).log_ratio)


def test_a_pickled_copy_finds_the_same_and_counts_with_it():
    examiner = Examiner(PLAN)
    copy = pickle.loads(pickle.dumps(examiner))
    assert copy.examine(generated(1).data) == examiner.examine(generated(1).data)
    assert examiner.ledger.report()["dropped"] == 2
