"""From the best fit of an image to its evidence, the same for every check with messages."""

from __future__ import annotations

from madaudit.detectors.watermarks.pixels.p_values import charged, score
from madaudit.detectors.watermarks.pixels.reading import Fit
from madaudit.errors import OptionError
from madaudit.types import MISSING, UNOBSERVABLE, Detail, Evidence, Sample


def evidence_of(fit: Fit, *, threshold: float, hypotheses: int, field: str) -> Evidence:
    """Present or absent, with the p-value in either case.

    Args:
        fit: the best of what was tried.
        threshold: largest p-value that is called present.
        hypotheses: how many messages, methods and positions are charged.
        field: where in the image the mark stands.
    """
    p_value = charged(fit.p_value, hypotheses)
    is_present = p_value <= threshold
    message = fit.message
    bits = f"{fit.n_agree} of {message.n_bits} bits"
    chance = f"p = {p_value:.1e} after {hypotheses} hypotheses"
    where = f" ({fit.where})" if fit.where else ""
    if is_present:
        says = f"{message.tool}'s watermark {message.name!r}: {bits}, {chance}{where}"
    else:
        says = f"no known watermark: nearest is {message.name!r} with {bits}, {chance}{where}"
    detail = Detail(
        says,
        label=message.label if is_present else None,
        tool=message.tool if is_present else None,
        field=field,
        message=message.name,
        bit_agreement=fit.n_agree / message.n_bits,
        p_value=p_value,
        hypotheses=hypotheses,
    )
    return Evidence("present" if is_present else "absent", score(p_value), detail)


def unobservable(why: str) -> Evidence:
    """A mark could not have been seen, with the reason."""
    return UNOBSERVABLE._replace(detail=Detail(f"no mark could be seen: {why}"))


def without_pixels(sample: Sample) -> Evidence:
    """What to say of a sample whose pixels are not there."""
    return UNOBSERVABLE if sample.image is None and sample.status == "ok" else MISSING


def require_threshold(name: str, threshold: float) -> None:
    """Refuse a threshold that is no p-value.

    Raises:
        OptionError: it is not between 0 and 1.
    """
    if not 0 < threshold < 1:
        raise OptionError(f"{name}.threshold is {threshold}; allowed: above 0 and below 1")
