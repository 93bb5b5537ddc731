import numpy as np
import pytest

from madaudit import simulate
from madaudit.commands.loop_interventions import InterventionOptions, build_interventions
from madaudit.commands.loop_judges import DetectorJudge, build_judge
from madaudit.commands.loop_marks import SheetMark, random_digits
from madaudit.commands.loop_pictures import enlarged, pictures_of, values_of
from madaudit.detectors.watermarks import decode
from madaudit.errors import OptionError, RequestError


def _images(n=60, side=16, seed=0):
    values = np.random.default_rng(seed).uniform(-0.8, 0.8, (n, 3, side, side))
    return values.astype(np.float32)


def _greys(n=60, side=16, seed=0):
    """Grey images with room for a mark's change."""
    values = np.random.default_rng(seed).uniform(-0.7, 0.7, (n, 1, side, side))
    return values.astype(np.float32).repeat(3, axis=1)


def test_a_marked_draw_repeated_holds_the_message_that_the_library_reads():
    mark = SheetMark("dwt_dct", 16, "0110")
    picture = pictures_of(mark.put(_greys(5)))[2]
    sheet = np.tile(picture, (16, 16, 1))

    np.testing.assert_array_equal(decode(sheet, n_bits=64), mark.message)


@pytest.mark.parametrize("side", [8, 16, 24, 40])
def test_marking_does_not_depend_on_the_others_on_the_sheet(side):
    mark = SheetMark("dwt_dct", side, random_digits(side, 3))
    values = _greys(70, side)
    together = mark.put(values)

    np.testing.assert_array_equal(mark.put(values[33:34])[0], together[33])
    assert together.shape == values.shape
    assert 0 < np.abs(together - values).mean() < 0.1


@pytest.mark.parametrize("method", ["dwt_dct", "dwt_dct_svd"])
def test_marked_images_answer_the_bits_and_others_do_not(method):
    mark = SheetMark(method, 16, "1001")
    values = _greys(300)

    assert mark.agreement(mark.put(values)) > 0.95
    # Two of the four bits are 0, which is what the method reads of any grey block.
    assert mark.agreement(values) == 0.5


def test_pictures_come_back_as_the_samples_they_were():
    pictures = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)

    np.testing.assert_array_equal(pictures_of(values_of(pictures)), pictures)


def test_only_what_is_too_small_is_enlarged():
    picture = np.zeros((16, 16, 3), np.uint8)

    assert enlarged(picture, 28).shape == (28, 28, 3)
    assert enlarged(picture, 16) is picture


@pytest.mark.parametrize(
    ("side", "digits", "message"),
    [
        (12, "1", "give a --side that is a multiple"),
        (16, "101", "allowed are 4 of 0 and 1"),
        (16, "10a1", "allowed are 4 of 0 and 1"),
    ],
)
def test_marks_that_cannot_be_put_are_refused(side, digits, message):
    with pytest.raises(OptionError, match=message):
        SheetMark("dwt_dct", side, digits)


def test_an_unknown_mark_is_refused_with_the_known_ones():
    with pytest.raises(OptionError, match=r"mark 'dwt' does not exist \(known: dwt_dct"):
        SheetMark("dwt", 16, "1010")


def test_the_check_of_the_mark_drops_marked_draws_and_few_others():
    options = InterventionOptions(detector="dwt_dct", mark="dwt_dct", mark_bits="0110")
    values = _greys(64)
    found = build_interventions(options, values)

    assert found.judge.drops(found.mark.put(values)).mean() > 0.9
    assert not found.judge.drops(values).any()


class _Brightness:
    """A graded detector that cannot score dark images."""

    name, kind = "brightness", "graded"

    def space(self):
        return None

    def detect(self, batch):
        from madaudit.types import UNOBSERVABLE, Evidence

        means = [batch.pixels(place).mean() for place in range(len(batch))]
        return [Evidence("present", m) if m > 60 else UNOBSERVABLE for m in means]


def _flat(levels):
    return np.ones((len(levels), 1, 8, 8), np.float32) * np.asarray(levels)[:, None, None, None]


@pytest.mark.slow
@pytest.mark.parametrize("fpr", [0.05, 0.2, 0.5])
def test_a_cut_costs_at_most_the_share_of_real_samples_that_it_may(fpr):
    real = _flat(np.random.default_rng(0).uniform(-1, 1, 400).astype(np.float32))
    judge = DetectorJudge(_Brightness()).at_fpr(real, fpr)

    assert fpr - 0.01 <= judge.drops(real).mean() <= fpr


def test_a_sample_that_cannot_be_judged_stays():
    judge = DetectorJudge(_Brightness()).at_fpr(_flat(np.linspace(0, 1, 50)), 0.1)

    assert not judge.drops(_flat([-1.0])).any()


@pytest.mark.parametrize(
    ("name", "options", "fpr", "message"),
    [
        ("a1111", {}, 0.0, "looks at metadata, and a draw is pixels alone"),
        ("dwt_dct", {}, 0.1, "drops its hits and has no score to cut at"),
        ("forensic", {}, 0.0, "must be above 0 and below 1"),
        ("nightbours", {}, 0.1, "does not exist"),
    ],
)
def test_detectors_that_cannot_filter_are_refused(name, options, fpr, message):
    with pytest.raises(OptionError, match=message):
        build_judge(name, options, real=_images(), fpr=fpr)


def test_a_detector_without_what_it_needs_is_refused():
    with pytest.raises(RequestError, match="needs a bank of known images"):
        build_judge("neighbours", {}, real=_images(), fpr=0.1)


LOOP = {"loop": "fresh", "n_initial": 80, "n_fresh": 40, "n_synthetic": 60, "generations": 2}


@pytest.fixture
def colours(tmp_path):
    path = tmp_path / "data.npz"
    pictures = pictures_of(_greys(300))
    np.savez(path, x_train=pictures, y_train=np.zeros(300, np.int64))
    return str(path)


@pytest.mark.slow
def test_a_loop_filters_by_a_detector_and_marks_its_draws(colours):
    content = simulate(
        "normal",
        **LOOP,
        data=colours,
        side=16,
        n_eval=50,
        mark="dwt_dct",
        filter_detector="dwt_dct",
    ).to_dict()

    first, *later = content["trace"]
    assert "filter_tpr" not in first
    assert {"mark_agreement", "mark_strength"} <= set(first)
    for row in later:
        assert row["n_synthetic"] == round(60 * (1 - row["filter_tpr"]))
    assert content["experiment"]["interventions"]["mark"] == "dwt_dct"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filter_detector": "forensic", "filter_tpr": 0.5}, "is measured; leave it out"),
        ({"filter_detector": "forensic", "filter_fpr": (0.1, 0.2)}, "give one value"),
        ({"mark_bits": "1"}, "without --mark"),
        ({"options": {"forensic": {}}}, "which this loop does not filter by"),
        ({"mark": "dwt_dct", "data": "mixture25"}, "these marks stand in colour"),
        ({"filter_detector": "forensic", "filter_fpr": 0.1, "data": "mixture25"}, "of images"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        simulate("normal", **{**LOOP, "n_eval": 50, **options})


def test_theories_have_no_samples_to_look_at():
    with pytest.raises(OptionError, match="no samples to mark or to show a detector"):
        simulate("gaussian", **LOOP, mark="dwt_dct")
