"""What could not have been seen in a data set, in words."""

from __future__ import annotations

from madaudit.estimation import MarkTally
from madaudit.reports.wording import percent
from madaudit.scanning.survey import Survey


def imageless_in_words(survey: Survey) -> str | None:
    """How many rows hold no image at all; None where all do."""
    n_rows = sum(marker["n_rows"] for marker in survey.markers)
    n_imageless = sum(marker.get("imageless", 0) for marker in survey.markers)
    if not n_imageless:
        return None
    return (
        f"{percent(n_imageless / n_rows)} of rows have no image (metadata, documents or "
        f"embeddings), so no mark in a file could have been seen there"
    )


def blindness_in_words(survey: Survey, tally: MarkTally) -> str | None:
    """Why a floor of zero says nothing; None where a mark could have been seen somewhere."""
    if not tally.n or tally.observable + tally.partly + tally.synthetic > 0:
        return None
    why = (
        "the data set holds metadata, documents or embeddings and no whole image"
        if any(marker.get("imageless") for marker in survey.markers)
        else "every image was re-encoded, is broken, or is of a format whose metadata is not read"
    )
    return (
        f"Not one sample could have shown a mark ({why}), so the floor of zero says nothing: "
        f"p is not bounded."
    )
