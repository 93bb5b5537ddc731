"""What detectors of generators say alike: how an image was made, in one sentence."""

from __future__ import annotations

from typing import Any, NamedTuple

from madaudit.detectors.base import one_line
from madaudit.types import Detail, Label


class Mode(NamedTuple):
    """How a generator came by its pixels.

    Attributes:
        label: synthetic where it made most of them, composite where it kept a picture's content,
            None where it made none.
        words: for the sentence.
    """

    label: Label | None
    words: str


TEXT_TO_IMAGE = Mode("synthetic", "text-to-image")
IMAGE_TO_IMAGE = Mode("synthetic", "image-to-image")
INPAINTING = Mode("composite", "inpainting")
OUTPAINTING = Mode("composite", "outpainting")
ENLARGEMENT = Mode("composite", "enlargement or repair of a picture by a model")
UNSTATED = Mode("synthetic", "generation, how is not said")
HANDLING = Mode(None, "handling of an image, no generating step among it")


def generated(tool: str, mode: Mode, field: str, model: Any = None) -> Detail:
    """A generator's mark.

    Args:
        tool: the program.
        mode: how it made the image.
        field: where the mark stands.
        model: its name, as the file has it; what is no text, or blank, is left out.
    """
    tool = one_line(tool, 40)
    name = one_line(model, 80) if isinstance(model, str) else ""
    made_by = f"{tool} with model {name}" if name else tool
    return Detail(
        says=f"{made_by}: {mode.words}, settings in {field}",
        label=mode.label,
        tool=tool,
        model=name or None,
        field=field,
    )
