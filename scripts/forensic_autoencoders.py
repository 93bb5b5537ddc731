"""Small autoencoders whose reconstructions are synthetic images of the very same content.

Each has stride-2 convolutions down and one of the four usual ways up, so what sets a
reconstruction apart from its photo is what the way up leaves behind. The loss adds the logarithm
of the spectrum to the absolute error, so that a blur alone does not tell them.
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

PATCH_PX = 64
BATCH = 4
SPECTRAL_WEIGHT = 0.05


class Plan(NamedTuple):
    """One autoencoder: its way up, how often it halves, its width and its latent channels."""

    up: str
    halvings: int
    width: int
    latents: int

    @property
    def name(self) -> str:
        return f"{self.up}_{2**self.halvings}"


PLANS = (
    Plan("transposed", 2, 24, 8),
    Plan("nearest", 2, 24, 8),
    Plan("shuffle", 2, 24, 8),
    Plan("bilinear", 3, 20, 16),
)


def _up(kind: str, channels: int, out: int) -> nn.Module:
    if kind == "transposed":
        return nn.ConvTranspose2d(channels, out, 4, 2, 1)
    if kind == "shuffle":
        return nn.Sequential(nn.Conv2d(channels, 4 * out, 3, padding=1), nn.PixelShuffle(2))
    scaled = nn.Upsample(scale_factor=2, mode=kind)
    return nn.Sequential(scaled, nn.Conv2d(channels, out, 3, padding=1))


class Autoencoder(nn.Module):
    """RGB in [0, 1], (n, 3, h, w) with h and w multiples of 2^halvings, to the same."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        widths = [plan.width * 2**level for level in range(plan.halvings + 1)]
        down: list[nn.Module] = [nn.Conv2d(3, widths[0], 3, padding=1), nn.SiLU()]
        for narrow, wide in pairwise(widths):
            down += [nn.Conv2d(narrow, wide, 3, 2, 1), nn.SiLU()]
        back: list[nn.Module] = [nn.Conv2d(plan.latents, widths[-1], 3, padding=1), nn.SiLU()]
        for wide, narrow in zip(widths[:0:-1], widths[-2::-1], strict=True):
            back += [_up(plan.up, wide, narrow), nn.SiLU()]
        self.encode = nn.Sequential(*down, nn.Conv2d(widths[-1], plan.latents, 3, padding=1))
        self.decode = nn.Sequential(*back, nn.Conv2d(widths[0], 3, 3, padding=1))

    def forward(self, images: Tensor) -> Tensor:
        return self.decode(self.encode(images - 0.5)) + 0.5


def _log_spectrum(images: Tensor) -> Tensor:
    return torch.log(torch.fft.rfft2(images, norm="ortho").abs() + 1e-2)


def _loss(made: Tensor, images: Tensor) -> Tensor:
    spectral = functional.l1_loss(_log_spectrum(made), _log_spectrum(images))
    return functional.l1_loss(made, images) + SPECTRAL_WEIGHT * spectral


def _patches(photos: list[np.ndarray], rng: np.random.Generator) -> Tensor:
    out = np.empty((BATCH, PATCH_PX, PATCH_PX, 3), np.float32)
    for patch in out:
        photo = photos[int(rng.integers(len(photos)))]
        top, left = (int(rng.integers(0, n - PATCH_PX + 1)) for n in photo.shape[:2])
        patch[:] = photo[top : top + PATCH_PX, left : left + PATCH_PX] / np.float32(255)
    return torch.from_numpy(out).permute(0, 3, 1, 2).contiguous()


def trained(plan: Plan, photos: list[np.ndarray], cache: Path, steps: int, seed: int) -> nn.Module:
    """The autoencoder after so many steps; goes on from what the cache has."""
    path = cache / f"autoencoder_{plan.name}.pt"
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Autoencoder(plan)
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3)
    done = 0
    if path.exists():
        state = torch.load(path, weights_only=True)
        done = state["done"]
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
    while done < steps:
        # Draws follow the step, so a run that was stopped goes on as if it had not been.
        images = _patches(photos, np.random.default_rng([seed, done]))
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * (1 - 0.95 * done / steps)
        optimiser.zero_grad()
        loss = _loss(model(images), images)
        loss.backward()
        optimiser.step()
        done += 1
        if done % 100 == 0 or done == steps:
            state = {
                "done": done,
                "model": model.state_dict(),
                "optimiser": optimiser.state_dict(),
            }
            torch.save(state, path.with_suffix(".tmp"))
            os.replace(path.with_suffix(".tmp"), path)
            print(
                f"{plan.name}: step {done} of {steps}, loss {float(loss.detach()):.4f}", flush=True
            )
    return model.eval()


def reconstruction(model: nn.Module, rgb: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) with sides that are multiples of 8, through the autoencoder."""
    images = torch.from_numpy(rgb.astype(np.float32) / 255).permute(2, 0, 1)[None]
    with torch.no_grad():
        made = model(images)[0].permute(1, 2, 0).clamp(0, 1).numpy()
    return np.rint(made * 255).astype(np.uint8)
