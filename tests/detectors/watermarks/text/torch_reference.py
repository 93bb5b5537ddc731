"""The marks as the public implementations define them, with torch, one token at a time.

Independent of madaudit: no line is shared with it. Run as a program it writes the golden values
that the tests without torch compare with:

    python -m tests.detectors.watermarks.text.torch_reference
"""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).with_name("golden.json")
KEY = 15485863
VOCABULARY = 50257
SIZES = (2, 3, 10, 1000, 50257)
SEEDS = (0, 1, 42, KEY * 11, 2**40 + 7, 2**64 - 3)
GREENLISTS = (
    *((name, 0.25) for name in ("lefthash", "selfhash", "minhash", "skipgram")),
    ("simple_1", 0.5),
    *(
        (f"ff-{function}-{width}-{salt}", 0.25)
        for function, width, salt in (
            ("multiplicative_prf", 3, False),
            ("additive_prf", 4, True),
            ("minfunc_prf", 3, False),
            ("simple_skip_prf", 5, False),
            ("anchored_skipgram_prf", 4, False),
            ("anchored_minhash_prf", 3, False),
            ("minskipgram_prf", 4, False),
            ("noncomm_prf", 3, True),
            ("position_prf", 3, False),
        )
    ),
)
TRANSFORMERS = (("lefthash", 1), ("lefthash", 2), ("selfhash", 1), ("selfhash", 4))


def tokens() -> np.ndarray:
    """300 tokens with zeros, repeated n-grams and repeated passages."""
    generator = np.random.RandomState(20261125)
    numbers = np.where(
        generator.random_sample(300) < 0.5,
        generator.randint(0, 12, 300),
        generator.randint(0, VOCABULARY, 300),
    )
    numbers[200:240] = numbers[100:140]
    return numbers.astype(np.int64)


class Reference:
    """lm-watermarking's lists, from its description."""

    def __init__(self) -> None:
        import torch

        self.torch = torch
        generator = torch.Generator().manual_seed(2971215073)
        self.table = torch.randperm(1_000_003, generator=generator)

    def hashed(self, numbers: Any) -> Any:
        return self.table[numbers % 1_000_003] + 1

    def seed(self, function: str, context: Any) -> int:
        hashed, key = self.hashed, KEY
        values = {
            "multiplicative_prf": lambda: key * context.prod().item(),
            "additive_prf": lambda: key * context.sum().item(),
            "minfunc_prf": lambda: key * context.min().item(),
            "simple_skip_prf": lambda: hashed(key * context[::2]).prod().item(),
            "skipgram_prf": lambda: hashed(key * context[0]).item(),
            "anchored_skipgram_prf": lambda: int(
                hashed(key * context[0]) * hashed(key * context[-1])
            ),
            "minhash_prf": lambda: hashed(key * context).min().item(),
            "anchored_minhash_prf": lambda: (
                (key * hashed(context) * hashed(context[-1])).min().item()
            ),
            "minskipgram_prf": lambda: min(
                (a * b).item() for a, b in combinations(hashed(key * context), 2)
            ),
            "position_prf": lambda: (
                (key * context * self.torch.arange(1, len(context) + 1)).sum().item()
            ),
            "noncomm_prf": lambda: int(self.noncommutative(context)),
        }
        return values[function]() % (2**64 - 1)

    def noncommutative(self, context: Any) -> int:
        state = self.torch.tensor(KEY)
        for entry in context:
            state = state * self.hashed(state * entry) % 2**32
        return state.item()

    def is_green(self, function: str, context: Any, token: int, gamma: float) -> bool:
        generator = self.torch.Generator().manual_seed(self.seed(function, context))
        order = self.torch.randperm(VOCABULARY, generator=generator)
        return token in order[: int(VOCABULARY * gamma)].tolist()

    def greens(self, name: str, gamma: float) -> list[int]:
        """0 or 1 for each n-gram of `tokens()`, in order."""
        function, width, salt = _scheme(name)
        numbers = self.torch.tensor(tokens())
        length = width + (not salt)
        return [
            int(
                self.is_green(
                    function,
                    numbers[at : at + width],
                    int(numbers[at + length - 1]),
                    gamma,
                )
            )
            for at in range(len(numbers) - length + 1)
        ]


def _scheme(name: str) -> tuple[str, int, bool]:
    if name.startswith("ff-"):
        _, function, width, salt = name.split("-")
        return function, int(width), salt == "True"
    return {
        "lefthash": ("additive_prf", 1, False),
        "simple_1": ("additive_prf", 1, False),
        "selfhash": ("anchored_minhash_prf", 4, True),
        "minhash": ("minhash_prf", 4, False),
        "skipgram": ("skipgram_prf", 5, False),
    }[name]


def permutations() -> list[dict[str, Any]]:
    import torch

    rows = []
    for n in SIZES:
        for seed in SEEDS:
            order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).numpy()
            rows.append({"n": n, "seed": seed, "head": order[:8].tolist(), "sum": _mixed(order)})
    return rows


def _mixed(order: np.ndarray) -> int:
    """A sum in which every place counts."""
    return int((order.astype(np.uint64) * np.arange(1, len(order) + 1, dtype=np.uint64)).sum())


def transformers_counts(scheme: str, width: int, *, ignore_repeated: bool) -> dict[str, Any]:
    """What transformers' own detector says of `tokens()`."""
    import torch
    from transformers import GPT2Config, WatermarkDetector, WatermarkingConfig

    detector = WatermarkDetector(
        model_config=GPT2Config(),
        device="cpu",
        watermarking_config=WatermarkingConfig(seeding_scheme=scheme, context_width=width),
        ignore_repeated_ngrams=ignore_repeated,
    )
    said = detector(torch.tensor(tokens())[None], return_dict=True)
    return {
        "scheme": f"transformers-{scheme}-{width}",
        "ignore_repeated": ignore_repeated,
        "n_scored": int(said.num_tokens_scored[0]),
        "n_green": int(said.num_green_tokens[0]),
        "z": float(said.z_score[0]),
    }


def synthid(eos: int) -> dict[str, Any]:
    """g-values and masks of transformers' processor, and the posterior of its detector."""
    import torch
    from transformers import BayesianDetectorConfig, BayesianDetectorModel
    from transformers.generation.logits_process import SynthIDTextWatermarkLogitsProcessor

    keys = [654, 400, 836, 123, 340, 443, 597, 160, 57]
    processor = SynthIDTextWatermarkLogitsProcessor(
        ngram_len=5,
        keys=keys,
        sampling_table_size=65536,
        sampling_table_seed=0,
        context_history_size=128,
        device="cpu",
    )
    numbers = torch.tensor(tokens())[None]
    g_values = processor.compute_g_values(numbers)
    mask = processor.compute_context_repetition_mask(numbers)
    until_eos = mask * processor.compute_eos_token_mask(numbers, eos)[:, 4:]
    model = BayesianDetectorModel(BayesianDetectorConfig(watermarking_depth=len(keys)))
    beta, delta = trained(len(keys))
    likelihood = model.likelihood_model_watermarked
    with torch.no_grad():
        likelihood.beta.copy_(torch.tensor(beta)[None, None])
        likelihood.delta.copy_(torch.tensor(delta)[None, None])
        posterior = model(g_values, mask)[0]
    return {
        "keys": keys,
        "eos": eos,
        "g_values": ["".join(map(str, row)) for row in g_values[0].tolist()],
        "mask": "".join(str(int(one)) for one in mask[0].tolist()),
        "mask_until_eos": "".join(str(int(one)) for one in until_eos[0].tolist()),
        "posterior": float(posterior[0]),
        "beta": beta.tolist(),
        "delta": delta.tolist(),
    }


def trained(depth: int) -> tuple[np.ndarray, np.ndarray]:
    """Parameters as training leaves them, but made up: no published ones can be had here."""
    generator = np.random.RandomState(7)
    beta = (-2.5 + generator.normal(size=depth)).astype(np.float32)
    return beta, (0.2 * generator.normal(size=(depth, depth))).astype(np.float32)


def golden(schemes: tuple[tuple[str, float], ...] = GREENLISTS) -> dict[str, Any]:
    reference = Reference()
    return {
        "permutations": permutations(),
        "green": {
            f"{name} {gamma}": "".join(map(str, reference.greens(name, gamma)))
            for name, gamma in schemes
        },
        "transformers": [
            transformers_counts(scheme, width, ignore_repeated=ignore)
            for scheme, width in TRANSFORMERS
            for ignore in (True, False)
        ],
        "synthid": synthid(eos=int(tokens()[180])),
    }


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(golden(), indent=1) + "\n", encoding="utf-8")
