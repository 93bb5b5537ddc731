"""The "infotext" that Automatic1111's web UI invented and its forks and imitators write.

A prompt, perhaps "Negative prompt: …", and a last line of "Name: value" pairs that begins with
"Steps: ". Source: AUTOMATIC1111/stable-diffusion-webui, modules/infotext_utils.py
(parse_generation_parameters), whose rule is the same: the last line is the parameters.
"""

from __future__ import annotations

import re

from madaudit.limits import MAX_INFOTEXT_CHARS

_STEPS = re.compile(r"(?:^|\n)Steps: \d+, ")
# Names are bounded: unbounded, a run of spaces costs the cube of its length.
_PAIR = re.compile(r'([\w \-/]{1,64}):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_REQUIRED = ("Sampler", "CFG scale", "Seed")


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
