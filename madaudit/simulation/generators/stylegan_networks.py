"""The networks of StyleGAN2, for small square images.

Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", arXiv:1912.04958: a
mapping network, modulated and demodulated convolutions (§2.2, eq. 1 and 3), noise inputs, skip
connections in the synthesis network and residual ones in the discriminator (§3.1, fig. 7),
equalised learning rates. Sides need not be powers of two: resampling is bilinear to given sizes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

_SLOPE = 0.2
# Mapping layers learn a hundred times more slowly than the rest (arXiv:1812.04948, appendix C).
_MAPPING_RATE = 0.01


def sides_of(side: int) -> list[int]:
    """Sides of an image's levels from coarse to fine: halved, rounded up, down to 4 or less."""
    n = max(1, math.ceil(math.log2(side / 4)))
    return [math.ceil(side / 2**level) for level in reversed(range(n + 1))]


class Dense(nn.Module):
    """A linear layer with equalised learning rate."""

    def __init__(self, n_in: int, n_out: int, *, rate: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) / rate)
        self.bias = nn.Parameter(torch.full((n_out,), bias / rate))
        self.gain, self.rate = rate / math.sqrt(n_in), rate

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight * self.gain, self.bias * self.rate)


class Convolution(nn.Module):
    """A 3 × 3 or 1 × 1 convolution with equalised learning rate."""

    def __init__(self, n_in: int, n_out: int, size: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in, size, size))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.gain, self.padding = 1 / math.sqrt(n_in * size**2), size // 2

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.weight * self.gain, self.bias, padding=self.padding)


class Modulated(nn.Module):
    """A convolution whose weights a style scales, brought back to unit variance unless told."""

    def __init__(self, n_in: int, n_out: int, style: int, size: int, *, demodulates: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in, size, size))
        self.style = Dense(style, n_in, bias=1.0)
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.gain, self.padding = 1 / math.sqrt(n_in * size**2), size // 2
        self.demodulates = demodulates

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        n, n_in, height, width = x.shape
        weight = (self.weight * self.gain)[None] * self.style(w)[:, None, :, None, None]
        if self.demodulates:
            weight = weight * torch.rsqrt(weight.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8)
        # One group of channels per sample makes one convolution of n different ones.
        grouped = functional.conv2d(
            x.reshape(1, n * n_in, height, width),
            weight.flatten(0, 1),
            padding=self.padding,
            groups=n,
        )
        return grouped.reshape(n, -1, height, width) + self.bias[None, :, None, None]


class Mapping(nn.Module):
    """Latent z to style w, both (n, dim)."""

    def __init__(self, dim: int, n_layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Dense(dim, dim, rate=_MAPPING_RATE) for _ in range(n_layers)])

    def forward(self, z: Tensor) -> Tensor:
        w = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)
        for layer in self.layers:
            w = _bent(layer(w))
        return w


class Synthesis(nn.Module):
    """Style (n, dim) and noise to images (n, channels, side, side)."""

    def __init__(self, dim: int, width: int, channels: int, side: int) -> None:
        super().__init__()
        self.sides = sides_of(side)
        widths = [2 * width] * (len(self.sides) - 1) + [width]
        self.start = nn.Parameter(torch.randn(1, widths[0], self.sides[0], self.sides[0]))
        self.bends = nn.ModuleList()
        self.colours = nn.ModuleList()
        self.strengths = nn.Parameter(torch.zeros(len(self.sides)))
        for level, wide in enumerate(widths):
            before = widths[max(level - 1, 0)]
            self.bends.append(Modulated(before, wide, dim, 3, demodulates=True))
            self.colours.append(Modulated(wide, channels, dim, 1, demodulates=False))

    def forward(self, w: Tensor, noise: list[Tensor]) -> Tensor:
        x = self.start.expand(len(w), -1, -1, -1)
        image = x.new_zeros((1, 1, 1, 1))
        for level, side in enumerate(self.sides):
            if level:
                x, image = _resized(x, side), _resized(image, side)
            x = _bent(self.bends[level](x, w) + self.strengths[level] * noise[level])
            image = image + self.colours[level](x, w)
        return image


class Shrinking(nn.Module):
    """Two convolutions to a smaller side, beside a way past them."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.first = Convolution(n_in, n_in)
        self.second = Convolution(n_in, n_out)
        self.past = Convolution(n_in, n_out, 1)

    def forward(self, x: Tensor, side: int) -> Tensor:
        inner = _bent(self.second(_resized(_bent(self.first(x)), side)))
        return (inner + self.past(_resized(x, side))) / math.sqrt(2)


class Discriminator(nn.Module):
    """Images to one logit each, higher for real."""

    def __init__(self, width: int, channels: int, side: int) -> None:
        super().__init__()
        sides = sides_of(side)[::-1]
        self.enter = Convolution(channels, width, 1)
        self.blocks = nn.ModuleList()
        at = width
        for _ in sides[1:]:
            self.blocks.append(Shrinking(at, 2 * width))
            at = 2 * width
        self.sides = sides[1:]
        self.look = Convolution(at + 1, at)
        self.judge = nn.Sequential(nn.Flatten(), Dense(at * sides[-1] ** 2, at))
        self.say = Dense(at, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = _bent(self.enter(x))
        for block, side in zip(self.blocks, self.sides, strict=True):
            x = block(x, side)
        # Spread within the batch, so that a maker of one image is seen (arXiv:1710.10196, §3).
        spread = (x.var(dim=0, correction=0) + 1e-8).sqrt().mean()
        x = torch.cat([x, spread.expand(len(x), 1, *x.shape[2:])], dim=1)
        result: Tensor = self.say(_bent(self.judge(_bent(self.look(x)))))[:, 0]
        return result


def noise_of(n: int, side: int, random: torch.Generator, device: torch.device) -> list[Tensor]:
    """Noise for every level of n images."""
    return [
        torch.randn((n, 1, level, level), generator=random).to(device) for level in sides_of(side)
    ]


def _bent(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, _SLOPE) * math.sqrt(2)


def _resized(x: Tensor, side: int) -> Tensor:
    return functional.interpolate(
        x, size=(side, side), mode="bilinear", align_corners=False, antialias=False
    )
