"""A plan's fingerprint changes with everything that rows depend on, and with nothing else."""

from __future__ import annotations

import pytest

from madaudit.detectors.constant import Constant
from madaudit.detectors.provenance.marks.a1111 import A1111
from madaudit.errors import OptionError
from madaudit.scanning.plan import Plan, detector_identities


@pytest.mark.parametrize(
    "other",
    [
        Plan(("a1111", "c2pa")),
        Plan(("a1111",), tier="pixels"),
        Plan(("a1111",), max_pixels=1000),
        Plan(("a1111",), n_sample=10),
        Plan(("a1111",), thumbnails="clear"),
        Plan(("a1111",), digest="full"),
    ],
)
def test_every_option_changes_the_fingerprint(other: Plan) -> None:
    assert other.fingerprint() != Plan(("a1111",)).fingerprint()


def test_a_detectors_option_changes_the_fingerprint() -> None:
    unchecked = Plan(("c2pa",), {"c2pa": {"validate": False}})
    assert unchecked.fingerprint() != Plan(("c2pa",)).fingerprint()


def test_a_detectors_version_changes_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Plan(("a1111",)).fingerprint()
    monkeypatch.setattr(A1111, "version", 99)
    assert Plan(("a1111",)).fingerprint() != before


def test_the_same_plan_has_the_same_fingerprint() -> None:
    assert Plan(("a1111", "c2pa")).fingerprint() == Plan(("a1111", "c2pa")).fingerprint()


def _identity(plan: Plan, name: str) -> str:
    return detector_identities(plan.build_detectors())[name]


def test_a_detector_keeps_its_identity_beside_others_and_at_another_tier() -> None:
    alone = _identity(Plan(("constant",)), "constant")
    beside = Plan(("a1111", "constant"), tier="pixels", n_sample=3, max_pixels=1000)
    assert _identity(beside, "constant") == alone
    assert len(alone) == 64


def test_options_versions_and_what_a_detector_depends_on_change_its_identity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = {_identity(Plan(("constant",)), "constant")}
    seen.add(_identity(Plan(("constant",), {"constant": {"score": 2.0}}), "constant"))
    monkeypatch.setattr(Constant, "version", 99)
    seen.add(_identity(Plan(("constant",)), "constant"))
    monkeypatch.setattr(Constant, "fingerprint", lambda self: {"weights": "abc"})
    seen.add(_identity(Plan(("constant",)), "constant"))
    assert len(seen) == 4


def test_weights_in_another_place_do_not_change_the_identity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Constant, "fingerprint", lambda self: {"score": "the same content"})
    here, there = (Plan(("constant",), {"constant": {"score": score}}) for score in (1.0, 2.0))
    assert _identity(here, "constant") == _identity(there, "constant")


def test_an_option_without_effect_does_not_change_the_identity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Constant, "idle_options", ("score",))
    here, there = (Plan(("constant",), {"constant": {"score": score}}) for score in (1.0, 2.0))
    assert _identity(here, "constant") == _identity(there, "constant")


def test_an_unknown_detector_is_refused_with_a_suggestion() -> None:
    with pytest.raises(OptionError, match="did you mean 'a1111'"):
        Plan(("a111",)).build_detectors()


def test_an_unknown_option_is_refused_with_a_suggestion() -> None:
    with pytest.raises(OptionError, match="did you mean 'validate'"):
        Plan(("c2pa",), {"c2pa": {"valdate": True}}).build_detectors()


@pytest.mark.parametrize(
    ("name", "value"), [("max_pixels", 0), ("image_timeout_s", -1.0), ("n_sample", 0)]
)
def test_numbers_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(OptionError, match="greater than 0"):
        Plan(("a1111",), **{name: value})  # type: ignore[arg-type]
