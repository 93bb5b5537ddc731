"""The "infotext" that Automatic1111's web UI invented and its forks and imitators write.

A prompt, perhaps "Negative prompt: …", and a last line of "Name: value" pairs that begins with
"Steps: ". Source: AUTOMATIC1111/stable-diffusion-webui, modules/infotext_utils.py
(parse_generation_parameters), whose rule is the same: the last line is the parameters. Which
program wrote them is told by "App", by "Version" and by fields that only one program writes.
"""

from __future__ import annotations

import re

from madaudit.detectors.base import one_line
from madaudit.detectors.provenance.generation import (
    IMAGE_TO_IMAGE,
    INPAINTING,
    TEXT_TO_IMAGE,
    Mode,
)
from madaudit.limits import MAX_INFOTEXT_CHARS

_STEPS = re.compile(r"(?:^|\n)Steps: \d+, ")
# Names are bounded: unbounded, a run of spaces costs the cube of its length.
_PAIR = re.compile(r'([\w \-/]{1,64}):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_REQUIRED = ("Sampler", "CFG scale", "Seed")
# Version to tool, first match; checked on genuine files except where the docs table says so.
_VERSIONS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^ComfyUI\b"), "ComfyUI"),
    (re.compile(r"^Fooocus\b"), "Fooocus"),
    (re.compile(r"^stable-diffusion\.cpp\b"), "stable-diffusion.cpp"),
    (re.compile(r"^neo\b"), "Forge Neo"),
    (re.compile(r"^classic\b"), "Forge Classic"),
    (re.compile(r"^f\d+\.\d+\.\d+v2-v"), "reForge"),
    (re.compile(r"^f\d+\.\d+"), "Forge"),
    (re.compile(r"^v?\d+\.\d+"), "Automatic1111"),
)


def parse_infotext(text: str) -> dict[str, str] | None:
    """The parameters of an infotext, or None where the text is none.

    Args:
        text: the whole value of the metadata field.

    Returns:
        Names to values, for example {"Steps": "20", "Sampler": "Euler a", …}.
    """
    tail = text[-MAX_INFOTEXT_CHARS:]
    starts = [match.start() for match in _STEPS.finditer(tail)]
    if not starts:
        return None
    line = tail[starts[-1] :].strip()
    pairs = {match[1].strip(): match[2].strip('" ') for match in _PAIR.finditer(line)}
    return pairs if any(name in pairs for name in _REQUIRED) else None


def program_of(parameters: dict[str, str]) -> str:
    """The program that wrote them; the first of its kind where nothing says."""
    if "App" in parameters:
        return one_line(parameters["App"], 40)
    if "Civitai resources" in parameters or "Civitai metadata" in parameters:
        return "Civitai"
    version = parameters.get("Version", "")
    for pattern, tool in _VERSIONS:
        if pattern.search(version):
            return tool
    return "Automatic1111"


def mode_of(parameters: dict[str, str]) -> Mode:
    """Inpainting leaves a photo's pixels outside its mask; everything else makes all of them.

    "Denoising strength" alone says image-to-image, or an enlargement of the tool's own image
    when "Hires" fields stand beside it; both are full-frame.
    """
    inpainting = ("Mask blur", "Inpaint area", "Masked area padding", "Masked content")
    if any(name in parameters for name in inpainting):
        return INPAINTING
    is_hires = any(name.startswith("Hires") for name in parameters)
    if "Denoising strength" in parameters and not is_hires:
        return IMAGE_TO_IMAGE
    return TEXT_TO_IMAGE
