"""The greenlist watermark of language models: more tokens than chance lie in lists a key draws.

The p-value holds for any text that was written without the key, and is exact (`windows=whole`) or
an upper bound (`windows=winmax`); several schemes, keys and gammas are charged for.

Trap: lists drawn on a GPU are other lists. Both public implementations draw them on the device
that the model runs on; this reproduces torch's CPU generator only, so text marked on a GPU is not
found unless its writer drew on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, ClassVar, NamedTuple

from madaudit.detectors.base import Batch, Detector, Kind, Look, LooksAt, Tier
from madaudit.detectors.watermarks.text import passages
from madaudit.detectors.watermarks.text.green_lists import GreenLists
from madaudit.detectors.watermarks.text.passages import Finding
from madaudit.detectors.watermarks.text.scoring import Scored, score
from madaudit.detectors.watermarks.text.seeding import PUBLIC_KEY, Scheme, Tokens, scheme_named
from madaudit.detectors.watermarks.text.tails import (
    green_tail,
    n_windows,
    winmax_tail,
)
from madaudit.errors import OptionError
from madaudit.limits import DEFAULT_MAX_TOKENS
from madaudit.types import Evidence

_WINDOWS = ("whole", "winmax")
_SHORTEST_WINDOW = 25


class Trial(NamedTuple):
    """One hypothesis about how a text was marked."""

    scheme: Scheme
    key: int
    lists: GreenLists

    def __str__(self) -> str:
        key = passages.key_name((self.key,), (PUBLIC_KEY,))
        return f"greenlist {self.scheme.name}, gamma {self.lists.gamma:g}, {key}"


@dataclass(frozen=True)
class Greenlist(Detector):
    """Tests documents and captions for a greenlist mark.

    Attributes:
        scheme: seeding schemes, separated by commas; see `text/seeding.py`.
        key: hash keys, separated by commas, or @FILE.
        gamma: shares of green tokens, separated by commas.
        vocabulary: tokens of the *model* (its logits), None for those of the tokenizer; models
            pad theirs, and another size gives other lists.
        tokenizer: path of the writer's tokenizer.
        windows: "whole" text, or the best window of it ("winmax"), for texts marked in part.
        legacy: green tokens are the last places of the permutation (lm-watermarking's
            `select_green_tokens=False`).
        threshold: largest p that is called present.
        max_tokens: of a longer text only so many tokens are scored.
    """

    scheme: str = "lefthash"
    key: int | str = PUBLIC_KEY
    gamma: float | str = 0.25
    vocabulary: int | None = None
    tokenizer: str | None = None
    windows: str = "whole"
    legacy: bool = False
    threshold: float = passages.DEFAULT_THRESHOLD
    max_tokens: int = DEFAULT_MAX_TOKENS

    name: ClassVar[str] = "greenlist"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "one-sided"
    tier: ClassVar[Tier] = "headers"
    looks_at: ClassVar[LooksAt] = "text"
    verified: ClassVar[str] = (
        "lists, counts and z equal to transformers 5.24 and to lm-watermarking's schemes on "
        "torch's CPU; unverified: text of a public service, and lists drawn on a GPU"
    )

    def __post_init__(self) -> None:
        passages.require_threshold(self.name, self.threshold, self.max_tokens)
        if self.windows not in _WINDOWS:
            raise OptionError(
                f"{self.name}.windows is {self.windows!r}; allowed: {' or '.join(_WINDOWS)}"
            )
        for scheme in self._schemes():
            scheme_named(scheme)
        passages.read_keys(f"{self.name}.key", self.key)
        for gamma in self._gammas():
            GreenLists(self.vocabulary or 1_000_000, gamma)

    def why_unavailable(self) -> str | None:
        return passages.why_no_tokenizer(self.name, self.tokenizer)

    def fingerprint(self) -> Mapping[str, Any]:
        tokenizer = passages.require_tokenizer(self.name, self.tokenizer)
        keys = passages.read_keys(f"{self.name}.key", self.key)
        return {"tokenizer_digest": tokenizer.digest, "key": passages.key_name(keys, ())}

    def detect(self, batch: Batch) -> list[Evidence]:
        return [self._evidence(look) for look in batch.looks]

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """Every combination of scheme, key and gamma.

        Raises:
            OptionError: there is no tokenizer to take the vocabulary from.
        """
        size = self.vocabulary or passages.require_tokenizer(self.name, self.tokenizer).size
        keys = passages.read_keys(f"{self.name}.key", self.key)
        return tuple(
            Trial(scheme_named(scheme), key, GreenLists(size, gamma, self.legacy))
            for scheme, key, gamma in product(self._schemes(), keys, self._gammas())
        )

    @cached_property
    def n_needed(self) -> int:
        """Fewest scored tokens at which a text all green could reach the threshold."""
        return min(self._needed(trial.lists.share) for trial in self.trials)

    def test(self, tokens: Tokens) -> Finding | None:
        """The best trial on one text; None where too few tokens can be scored.

        Args:
            tokens: int64 (n,), without special tokens.
        """
        findings = []
        for trial in self.trials:
            scored = score(tokens, trial.scheme, trial.key, trial.lists)
            if len(scored.green) >= self._needed(trial.lists.share):
                findings.append(self._finding(trial, scored))
        if not findings:
            return None
        best = min(findings, key=lambda finding: finding.p_value)
        return best._replace(
            p_value=min(1.0, best.p_value * len(self.trials)),
            hypotheses=sum(finding.hypotheses for finding in findings),
        )

    def _evidence(self, look: Look) -> Evidence:
        passage = passages.passage_of(look)
        if passage is None:
            return passages.no_text(look)
        tokenizer = passages.require_tokenizer(self.name, self.tokenizer)
        tokens = tokenizer.encode(passage.text, max_tokens=self.max_tokens)
        finding = self.test(tokens)
        if finding is None:
            return passages.too_short(passage, len(tokens), self.n_needed)
        return passages.judged(passage, finding, self.threshold)

    def _finding(self, trial: Trial, scored: Scored) -> Finding:
        n, share = len(scored.green), trial.lists.share
        n_green = int(scored.green.sum())
        if self.windows == "winmax":
            best = winmax_tail(scored.green, share, shortest=_SHORTEST_WINDOW)
            says = (
                f"{best.n_green} of the {best.length} scored tokens from {best.start} on are "
                f"green ({best.length * share:.1f} expected, {best.n_windows} windows tried)"
            )
            return Finding(best.p_value, best.n_windows, str(trial), says)
        p_value = green_tail(
            n_green,
            scored.list_sizes(),
            vocabulary=trial.lists.vocabulary,
            n_listed=trial.lists.n_green,
        )
        says = f"{n_green} of {n} scored tokens are green ({n * share:.1f} expected)"
        return Finding(p_value, 1, str(trial), says)

    def _needed(self, share: float) -> int:
        """Scored tokens at which share**n, charged for what is tried, is at most the threshold."""
        n = math.ceil(math.log(self.threshold / len(self.trials)) / math.log(share))
        while self.windows == "winmax" and (
            share**n * len(self.trials) * n_windows(n, _SHORTEST_WINDOW) > self.threshold
        ):
            n += 1
        return n

    def _schemes(self) -> list[str]:
        return [scheme.strip() for scheme in self.scheme.split(",")]

    def _gammas(self) -> list[float]:
        try:
            return [float(gamma) for gamma in str(self.gamma).split(",")]
        except ValueError as error:
            raise OptionError(
                f"{self.name}.gamma is {self.gamma!r}; allowed: numbers between 0 and 1, "
                "separated by commas"
            ) from error
