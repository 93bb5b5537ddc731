"""What an estimate rests on, and what a reader must know before using it."""

from __future__ import annotations

from madaudit.commands.gold import GoldLabels
from madaudit.commands.observability import blindness_in_words, imageless_in_words
from madaudit.commands.store_estimate import Estimate
from madaudit.commands.store_tiers import Composite
from madaudit.estimation import MarkTally
from madaudit.estimation.calibration import Calibration
from madaudit.estimation.prevalence import Estimate as Tiers
from madaudit.reports.wording import percent, plural
from madaudit.scanning.survey import Survey

# Real sources from which their shift can be modelled.
_FEW_SOURCES = 10


def assumptions_of(
    tiers: Tiers, known: Estimate, total: MarkTally, gold: GoldLabels | None
) -> tuple[str, ...]:
    """What the headline rests on; what the floor says of itself only where it leads."""
    marks, composites = known.assumptions[0], known.assumptions[-1]
    if tiers.tier == "floor":
        return known.assumptions
    has_marks = total.synthetic > 0
    undecided: tuple[str, ...] = ()
    if tiers.tier == "adjudicated" and gold is not None and gold.undecided is not None:
        undecided = ("undecided samples are like the others of their score",)
    return (*tiers.assumptions, *undecided, *((marks,) if has_marks else ()), composites)


def score_flags(tiers: Tiers, calibration: Calibration | None) -> tuple[str, ...]:
    """What the fits say of themselves; without a calibration, what labels say of theirs."""
    if calibration is None:
        return tuple(flag for flag in tiers.flags if "label" in flag)
    n = sum(1 for sketch in calibration.real.values() if sketch.n > 0)
    if not 0 < n < _FEW_SOURCES:
        return tiers.flags
    told = (
        f"the calibration's real samples are of {plural(n, 'source')}: from fewer than "
        f"{_FEW_SOURCES} nobody can tell how far scores of other real samples lie"
    )
    return (*tiers.flags, told)


def floor_assumptions(*, is_sampled: bool, composite: Composite) -> tuple[str, ...]:
    words = {
        "real": "composites (photos with generated parts) count as real",
        "synthetic": "composites (photos with generated parts) count as synthetic",
        "apart": "composites (photos with generated parts) are left out of all shares",
    }
    basis = (
        "the floor is a sample's: its lower end is an exact binomial bound at the effective "
        "number of samples"
        if is_sampled
        else "the floor is a census of marks: it has no sampling error"
    )
    return (
        "marks are not forged (the validated floor assumes it of signed ones alone)",
        basis,
        "a sample without a mark may be anything, so the floor says nothing about an upper end",
        words[composite],
    )


def floor_flags(survey: Survey, tally: MarkTally) -> tuple[str, ...]:
    flags: list[str] = []
    n_shards = len(survey.manifest["shards"])
    n_finished = len(survey.markers)
    if n_finished < n_shards:
        flags.append(
            f"{plural(n_shards - n_finished, 'shard')} of {n_shards} not finished and not counted"
        )
    n_quarantined = len(survey.quarantine)
    if n_quarantined:
        flags.append(f"{plural(n_quarantined, 'shard')} in quarantine: something is wrong there")
    flags += filter(None, (blindness_in_words(survey, tally), imageless_in_words(survey)))
    hidden = tally.share(tally.hidden)
    if hidden > 0:
        flags.append(f"marks of {percent(hidden)} of samples could not have been seen")
    partly = tally.share(tally.partly)
    if partly > 0:
        flags.append(
            f"of {percent(partly)} of samples only some marks could have been seen "
            f"(re-encoded, with a mark in the EXIF column)"
        )
    bare = tally.share(tally.bare)
    if bare > 0:
        flags.append(
            f"{percent(bare)} of samples carry no metadata at all: whether they ever did, "
            f"nobody says"
        )
    return tuple(flags)
