"""A small class-conditional U-Net that predicts the noise in an image.

Ho et al. 2020 (arXiv:2006.11239, appendix B), reduced: residual blocks with group norm and SiLU,
the time added as scale and shift, attention on the coarsest level alone.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class UNet(nn.Module):
    """Predicts noise (n, channels, side, side) from a noisy image, its time and its class.

    Args:
        channels: of the image.
        width: channels of the finest level.
        multipliers: of the width, one per level; each level halves the side, rounded up.
        n_classes: the class `n_classes` means "no class".
    """

    def __init__(
        self, channels: int, width: int, multipliers: tuple[int, ...], n_classes: int
    ) -> None:
        super().__init__()
        embedded = 4 * width
        self.time = nn.Sequential(
            nn.Linear(width, embedded), nn.SiLU(), nn.Linear(embedded, embedded)
        )
        self.classes = nn.Embedding(n_classes + 1, embedded)
        self.enter = nn.Conv2d(channels, width, 3, padding=1)
        widths = [width * multiplier for multiplier in multipliers]
        self.down = nn.ModuleList()
        self.shrink = nn.ModuleList()
        at = width
        for level, wide in enumerate(widths):
            self.down.append(Residual(at, wide, embedded))
            is_last = level == len(widths) - 1
            self.shrink.append(
                nn.Identity() if is_last else nn.Conv2d(wide, wide, 3, stride=2, padding=1)
            )
            at = wide
        self.middle = nn.ModuleList(
            [Residual(at, at, embedded), Attention(at), Residual(at, at, embedded)]
        )
        self.up = nn.ModuleList()
        for wide in reversed(widths):
            self.up.append(Residual(at + wide, wide, embedded))
            at = wide
        self.leave = nn.Sequential(
            nn.GroupNorm(8, at), nn.SiLU(), nn.Conv2d(at, channels, 3, padding=1)
        )
        # A network that says nothing at first learns faster than one that guesses.
        nn.init.zeros_(self.leave[2].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.leave[2].bias)  # type: ignore[arg-type]
        self.width = width

    def forward(self, image: Tensor, time: Tensor, label: Tensor) -> Tensor:
        told = functional.silu(self.time(waves(time, self.width)) + self.classes(label))
        x = self.enter(image)
        skips = []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            x = block(x, told)
            skips.append(x)
            x = shrink(x)
        first, attention, second = self.middle
        x = second(attention(first(x, told)), told)
        for block in self.up:
            skip = skips.pop()
            if x.shape[-1] != skip.shape[-1]:
                x = functional.interpolate(x, size=skip.shape[-2:], mode="nearest")
            x = block(torch.cat([x, skip], dim=1), told)
        result: Tensor = self.leave(x)
        return result


class Residual(nn.Module):
    """Two convolutions around the embedded time and class, beside a way past them."""

    def __init__(self, n_in: int, n_out: int, embedded: int) -> None:
        super().__init__()
        self.before = nn.Sequential(
            nn.GroupNorm(8, n_in), nn.SiLU(), nn.Conv2d(n_in, n_out, 3, padding=1)
        )
        self.told = nn.Linear(embedded, 2 * n_out)
        self.norm = nn.GroupNorm(8, n_out)
        self.after = nn.Conv2d(n_out, n_out, 3, padding=1)
        self.past = nn.Conv2d(n_in, n_out, 1) if n_in != n_out else nn.Identity()

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        scale, shift = self.told(told)[:, :, None, None].chunk(2, dim=1)
        inner = self.norm(self.before(x)) * (1 + scale) + shift
        result: Tensor = self.past(x) + self.after(functional.silu(inner))
        return result


class Attention(nn.Module):
    """Every place of an image looks at every other, with four heads."""

    def __init__(self, width: int, n_heads: int = 4) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.ask = nn.Conv2d(width, 3 * width, 1)
        self.tell = nn.Conv2d(width, width, 1)
        self.n_heads = n_heads

    def forward(self, x: Tensor) -> Tensor:
        n, width, height, across = x.shape
        parts = self.ask(self.norm(x)).reshape(n, 3, self.n_heads, -1, height * across)
        query, key, value = parts.transpose(-1, -2).unbind(1)
        seen = functional.scaled_dot_product_attention(query, key, value)
        result: Tensor = x + self.tell(seen.transpose(-1, -2).reshape(n, width, height, across))
        return result


def waves(time: Tensor, width: int) -> Tensor:
    """Sines and cosines of a time (n,) at `width` / 2 frequencies each (n, width)."""
    exponents = torch.arange(width // 2, device=time.device, dtype=torch.float32)
    angles = time.float()[:, None] * torch.exp(-math.log(10_000.0) * 2 * exponents / width)
    return torch.cat([angles.sin(), angles.cos()], dim=1)
