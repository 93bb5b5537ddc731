"""`scripts/bench diffusion`: a training step of our DDPM beside lucidrains'.

denoising-diffusion-pytorch's class-conditional U-Net at the width that comes nearest to our number
of parameters, the same batch of the same images, Adam, clipped gradients and a moving average of
the weights after every step, both. Ours is `Ddpm.fit` itself: the time of few steps is taken from
that of many, so that what happens once is not counted. Single precision, processor time.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
from bench_rounds import figure, rounds_of, spread

_FEW, _MANY = 2, 8


def bench_diffusion(side: int, batch: int, n_rounds: int) -> None:
    """Time a step of both, in turn."""
    import torch

    from madaudit.simulation.generators import Samples
    from madaudit.simulation.generators.ddpm import Ddpm

    torch.set_num_threads(1)
    values = np.random.default_rng(0).uniform(-1, 1, (512, 1, side, side)).astype(np.float32)
    samples = Samples(values, np.arange(512) % 10)
    family = Ddpm(batch=batch, bf16=False, device="cpu")
    network = Ddpm(steps=1, batch=2, bf16=False, device="cpu").fit(samples, seed=0).network
    n_ours = sum(weight.numel() for weight in network.parameters())
    width, n_theirs = _width_of(n_ours, family.multipliers)

    def ours(steps: int) -> float:
        began = time.process_time()
        Ddpm(steps=steps, batch=batch, bf16=False, device="cpu").fit(samples, seed=0)
        return time.process_time() - began

    def theirs() -> float:
        step = _their_step(width, family, samples, side)
        step()
        began = time.process_time()
        for _ in range(_MANY - _FEW):
            step()
        return (time.process_time() - began) / (_MANY - _FEW)

    timers = {"ours": lambda: (ours(_MANY) - ours(_FEW)) / (_MANY - _FEW), "theirs": theirs}
    seconds = dict(rounds_of(timers, n_rounds))
    ratios = [a / b for a, b in zip(seconds["theirs"], seconds["ours"], strict=True)]
    print(f"{side} × {side} px, batch {batch}, one thread; medians of {n_rounds}")
    for name, n in (("ours", n_ours), ("theirs", n_theirs)):
        print(
            f"  {name}: {n:,} parameters, {statistics.median(seconds[name]) * 1e3:.0f} ms a step"
        )
    figure(
        f"a training step of lucidrains' DDPM over ours, {side} × {side} px, batch {batch}, equal "
        f"parameters: {spread(ratios)} (aim 1)"
    )


def _width_of(n: int, multipliers: tuple[int, ...]) -> tuple[int, int]:
    """The width at which their U-Net comes nearest to n parameters, and how many it has."""
    sizes = {}
    for width in range(8, 65, 4):
        weights = _unet(width, multipliers).parameters()
        sizes[width] = sum(weight.numel() for weight in weights)
    nearest = min(sizes, key=lambda width: abs(sizes[width] - n))
    return nearest, sizes[nearest]


def _unet(width: int, multipliers: tuple[int, ...]):
    from denoising_diffusion_pytorch.classifier_free_guidance import Unet

    return Unet(dim=width, num_classes=10, cond_drop_prob=0.1, dim_mults=multipliers, channels=1)


def _their_step(width: int, family, samples, side: int):
    import torch
    from denoising_diffusion_pytorch.classifier_free_guidance import GaussianDiffusion

    network = _unet(width, family.multipliers)
    diffusion = GaussianDiffusion(network, image_size=side, timesteps=family.n_times)
    optimizer = torch.optim.Adam(network.parameters(), lr=family.learning_rate)
    averages = [weight.detach().clone() for weight in network.parameters()]
    values = torch.from_numpy((samples.values + 1) / 2)
    labels = torch.from_numpy(samples.labels)

    def step() -> None:
        chosen = torch.randint(len(values), (family.batch,))
        loss = diffusion(values[chosen], classes=labels[chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(averages, list(network.parameters()), 1.0 - family.decay)

    return step
