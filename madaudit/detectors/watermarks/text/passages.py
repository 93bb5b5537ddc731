"""The text of a sample, the options that text checks share, and the evidence they give.

Invariants: a document's mark says that the sample is synthetic; a caption's mark says that of the
caption, not of the image that it belongs to, so it carries no label and is no hit.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import NamedTuple

from madaudit.detectors.base import Look
from madaudit.detectors.watermarks.text.tokens import WHAT_TO_GIVE, Tokenizer, load_tokenizer
from madaudit.errors import MadauditError, OptionError
from madaudit.types import MISSING, Detail, Evidence, Label

# A largest p-value that holds at web scale; docs/text-watermarks.md.
DEFAULT_THRESHOLD = 1e-6


class Passage(NamedTuple):
    """Text to look at.

    Attributes:
        text: as the data set has it.
        field: "document" or "caption".
        label: what a mark in it says of the sample.
    """

    text: str
    field: str
    label: Label | None


class Finding(NamedTuple):
    """What a statistical check found in one passage.

    Attributes:
        p_value: charged for all hypotheses.
        hypotheses: how many were tried.
        message: scheme and key that answered best.
        says: the counts, without the p-value.
    """

    p_value: float
    hypotheses: int
    message: str
    says: str


def passage_of(look: Look) -> Passage | None:
    """The sample's document, else its caption, else None."""
    if look.sample.text is not None:
        return Passage(look.sample.text, "document", "synthetic")
    if look.sample.sidecar.caption is not None:
        return Passage(look.sample.sidecar.caption, "caption", None)
    return None


def no_text(look: Look) -> Evidence:
    """Of a sample without text: missing where the sample is broken, else unobservable."""
    if look.otherwise.state == "missing":
        return MISSING
    return Evidence("unobservable", detail=Detail("the sample holds neither text nor a caption"))


def too_short(passage: Passage, n_tokens: int, n_needed: int) -> Evidence:
    """Of a text in which even a perfect mark could not reach the threshold."""
    says = (
        f"too short: the {passage.field} has {n_tokens} tokens; with fewer than {n_needed} "
        "different ones to score no text could reach the threshold"
    )
    return Evidence("unobservable", detail=Detail(says, field=passage.field))


def judged(passage: Passage, finding: Finding, threshold: float) -> Evidence:
    """Present where p is at most the threshold, else absent; p on both."""
    is_present = finding.p_value <= threshold
    detail = Detail(
        says=f"{finding.says} in the {passage.field}: p = {finding.p_value:.2g}",
        label=passage.label if is_present else None,
        tool="unnamed" if is_present else None,
        field=passage.field,
        message=finding.message,
        p_value=finding.p_value,
        hypotheses=finding.hypotheses,
    )
    score = -math.log10(finding.p_value)
    return Evidence("present" if is_present else "absent", max(score, 0.0), detail)


def require_threshold(name: str, threshold: float, max_tokens: int) -> None:
    """Refuse thresholds and limits that make no sense."""
    if not (isinstance(threshold, float | int) and 0 < threshold < 1):
        raise OptionError(f"{name}.threshold is {threshold}; it must lie between 0 and 1")
    if not (isinstance(max_tokens, int) and max_tokens >= 1):
        raise OptionError(f"{name}.max_tokens is {max_tokens}; it must be at least 1")


def read_keys(option: str, given: int | str) -> tuple[int, ...]:
    """Whole numbers, separated by commas, or `@FILE` with such numbers or one a line.

    A key in a file stays out of the store, which keeps options as they were typed.

    Raises:
        OptionError: not whole numbers from 1 to 2**63 − 1.
    """
    text = str(given)
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise OptionError(f"cannot read {option} {given!r}: {error}") from error
    words = text.replace(",", " ").split()
    keys = [int(word) for word in words if word.isascii() and word.isdecimal()]
    if not words or len(keys) != len(words) or not all(0 < key < 2**63 for key in keys):
        raise OptionError(
            f"cannot read {option}: {one_of(given)}; allowed: whole numbers from 1 to 2**63 − 1, "
            "separated by commas, or @FILE with them"
        )
    return tuple(keys)


def one_of(given: int | str) -> str:
    """An option as it may be shown: the content of a key file is not."""
    return f"what {given!r} holds" if str(given).startswith("@") else repr(given)


def key_name(keys: tuple[int, ...], public: tuple[int, ...]) -> str:
    """A name for a key; who can guess the key can check it against this, nobody can read it."""
    if keys == public:
        return "public key"
    digest = hashlib.sha256(",".join(map(str, keys)).encode()).hexdigest()
    return f"key sha256:{digest[:8]}"


def why_no_tokenizer(name: str, path: str | None) -> str | None:
    """Why there is no tokenizer and what to do, or None where there is one."""
    if path is None:
        return (
            "needs the tokenizer of the model whose mark is looked for: "
            f"--option {name}.tokenizer=PATH with {WHAT_TO_GIVE}"
        )
    try:
        load_tokenizer(path)
    except MadauditError as error:
        return str(error)
    return None


def require_tokenizer(name: str, path: str | None) -> Tokenizer:
    """The tokenizer.

    Raises:
        OptionError: none is given, or it cannot be read.
    """
    why = why_no_tokenizer(name, path)
    if why is not None or path is None:
        raise OptionError(f"detector {name!r} {why}")
    return load_tokenizer(path)
