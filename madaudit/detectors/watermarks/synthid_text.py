"""The SynthID-Text watermark: g-values that are 1 more often than a coin's.

The p-value holds for any text that was written without the keys: equal cells of the hash table
are one coin, so the sum's distribution is exact for that table's share of ones.

Trap: this finds text marked with the published code and keys that are known. Google's services
mark with other keys and another hash, so their text is not found; nor is text whose table was
drawn on a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from madaudit.detectors.base import Batch, Detector, Kind, Look, LooksAt, Tier
from madaudit.detectors.watermarks.text import g_values, passages
from madaudit.detectors.watermarks.text.bayes import Parameters, load_parameters
from madaudit.detectors.watermarks.text.g_values import PUBLIC_KEYS, Hashing
from madaudit.detectors.watermarks.text.passages import Finding
from madaudit.detectors.watermarks.text.seeding import Tokens
from madaudit.detectors.watermarks.text.tails import SMALLEST_P, weighted_coins_tail
from madaudit.errors import OptionError
from madaudit.limits import DEFAULT_MAX_TOKENS
from madaudit.types import Evidence

_STATISTICS = ("weighted", "mean", "bayesian")
# One n-gram of 30 bits all 1 would reach 1e-6; no marked text looks like that.
_FEWEST_NGRAMS = 10


@dataclass(frozen=True)
class SynthIDText(Detector):
    """Tests documents and captions for SynthID-Text.

    Attributes:
        keys: one for each layer, separated by commas, or @FILE; "public" for those that
            synthid-text ships.
        ngram_len, table_size, table_seed, context_history, hashing: the writer's configuration;
            see `text/g_values.py`.
        statistic: "weighted" mean, "mean", or "bayesian" with trained parameters.
        parameters: path of the trained parameters, safetensors or npz.
        eos: number of the token that ends a text, behind which nothing is scored.
        tokenizer: path of the writer's tokenizer.
        threshold: largest p that is called present.
        max_tokens: of a longer text only so many tokens are scored.
    """

    keys: int | str = "public"
    ngram_len: int = 5
    table_size: int = 65536
    table_seed: int = 0
    context_history: int = 1024
    hashing: str = "table"
    statistic: str = "weighted"
    parameters: str | None = None
    eos: int | None = None
    tokenizer: str | None = None
    threshold: float = passages.DEFAULT_THRESHOLD
    max_tokens: int = DEFAULT_MAX_TOKENS

    name: ClassVar[str] = "synthid_text"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "one-sided"
    tier: ClassVar[Tier] = "headers"
    looks_at: ClassVar[LooksAt] = "text"
    verified: ClassVar[str] = (
        "g-values, masks and posterior equal to transformers 5.24 and synthid-text 0.2.1 on the "
        "CPU; unverified: published parameters of the Bayesian detector, and Google's services"
    )

    def __post_init__(self) -> None:
        passages.require_threshold(self.name, self.threshold, self.max_tokens)
        if self.statistic not in _STATISTICS:
            raise OptionError(
                f"{self.name}.statistic is {self.statistic!r}; allowed: {', '.join(_STATISTICS)}"
            )
        self._build_hashing()

    def why_unavailable(self) -> str | None:
        if self.statistic == "bayesian":
            if self.parameters is None:
                return (
                    "the Bayesian statistic needs trained parameters: --option "
                    f"{self.name}.parameters=FILE; without any, use {self.name}.statistic=weighted"
                )
            try:
                trained = load_parameters(self.parameters)
            except OptionError as error:
                return str(error)
            depth = len(self._build_hashing().keys)
            if len(trained.beta) != depth:
                return f"the parameters are for {len(trained.beta)} keys, {depth} are given"
        return passages.why_no_tokenizer(self.name, self.tokenizer)

    def fingerprint(self) -> Mapping[str, Any]:
        tokenizer = passages.require_tokenizer(self.name, self.tokenizer)
        trained = load_parameters(self.parameters) if self.parameters else None
        return {
            "tokenizer_digest": tokenizer.digest,
            "keys": passages.key_name(self._build_hashing().keys, ()),
            "parameters_digest": trained and trained.digest,
        }

    def detect(self, batch: Batch) -> list[Evidence]:
        return [self._evidence(look) for look in batch.looks]

    def test(self, tokens: Tokens) -> Finding | None:
        """The p-value of one text; None where too few n-grams can be scored.

        Args:
            tokens: int64 (n,), without special tokens.
        """
        if len(tokens) < self._setting.ngram_len:
            return None
        mask = self._setting.unmasked(tokens, self.eos)
        if int(mask.sum()) < self.n_needed:
            return None
        cells = self._setting.cells(tokens)[mask]
        bits = self._setting.bits(cells)
        p_value = self._p_value(cells, bits)
        key = passages.key_name(self._setting.keys, PUBLIC_KEYS)
        return Finding(
            p_value,
            1,
            f"SynthID-Text {self.statistic}, {self.hashing} hashing, {key}",
            f"mean g-value {float(bits.mean()):.3f} over {len(bits)} scored tokens "
            f"({self._setting.share:.3f} expected)",
        )

    @cached_property
    def n_needed(self) -> int:
        """Fewest n-grams at which g-values that are all 1 could reach the threshold, or 10."""
        depth = len(self._setting.keys)
        n = math.ceil(math.log(self.threshold) / math.log(self._setting.share) / depth)
        return max(_FEWEST_NGRAMS, n)

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

    def _p_value(self, cells: npt.NDArray[np.int64], bits: npt.NDArray[np.uint8]) -> float:
        """Of g-values (n, depth) in their cells (n, depth)."""
        share = self._setting.share
        unique, first, place = np.unique(cells, return_index=True, return_inverse=True)
        if self.statistic == "bayesian":
            is_new = np.zeros(cells.size, dtype=bool)
            is_new[first] = True
            ratio = self._trained.log_ratio(bits, is_new.reshape(cells.shape), share)
            return max(SMALLEST_P, math.exp(-max(0.0, min(ratio, 700.0))))
        depth = cells.shape[1]
        weights = np.ones(depth, dtype=np.int64)
        if self.statistic == "weighted":
            weights = g_values.whole_weights(depth)
        each = np.broadcast_to(weights, cells.shape)
        of_cell = np.zeros(len(unique), dtype=np.int64)
        np.add.at(of_cell, place.reshape(-1), each.reshape(-1))
        values, counts = np.unique(of_cell, return_counts=True)
        return weighted_coins_tail(int((each * bits).sum()), values, counts, share=share)

    @cached_property
    def _setting(self) -> Hashing:
        return self._build_hashing()

    @cached_property
    def _trained(self) -> Parameters:
        if self.parameters is None:
            raise OptionError(f"detector {self.name!r} {self.why_unavailable()}")
        return load_parameters(self.parameters)

    def _build_hashing(self) -> Hashing:
        keys: tuple[int, ...] = PUBLIC_KEYS
        if self.keys != "public":
            keys = passages.read_keys(f"{self.name}.keys", self.keys)
        return Hashing(
            keys,
            self.ngram_len,
            self.table_size,
            self.table_seed,
            self.context_history,
            self.hashing,
        )
