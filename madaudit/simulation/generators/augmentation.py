"""Adaptive augmentation of what a discriminator sees, which small training sets need.

Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", arXiv:2006.06676:
each transformation is applied with probability p to real and generated images alike; p follows the
share of training images that the discriminator calls real (§3, r_t = E sign D, aim .6). Only
transformations that move pixels and scale their values are used; below p = .8 none of them leaks
into the generated images (§2.2).
"""

from __future__ import annotations

import torch
from torch import Tensor

AIM = 0.6
MOST = 0.8


class Augmentation:
    """Transformations with a probability that adapts.

    Attributes:
        p: of each transformation.
        images_to_full: images after which p could have gone from 0 to 1.
    """

    def __init__(self, images_to_full: int, random: torch.Generator) -> None:
        self.p = 0.0
        self.images_to_full = images_to_full
        self._random = random

    def adapt(self, logits_of_real: Tensor) -> None:
        """Move p by what the discriminator says of a batch of training images."""
        share = float(logits_of_real.detach().sign().mean())
        step = len(logits_of_real) / self.images_to_full
        self.p = min(max(self.p + (step if share > AIM else -step), 0.0), MOST)

    def __call__(self, images: Tensor) -> Tensor:
        """Images (n, channels, side, side), flipped, turned, moved, brightened with chance p."""
        if self.p == 0.0:
            return images
        n, _, side, _ = images.shape
        rows = torch.arange(side).expand(n, side)
        columns = rows
        columns = torch.where(self._chosen(n), side - 1 - columns, columns)
        turned = self._chosen(n)
        rows = torch.where(turned & self._coin(n), side - 1 - rows, rows)
        rows = torch.where(self._chosen(n), _reflected(rows + self._shift(n, side), side), rows)
        columns = torch.where(
            self._chosen(n), _reflected(columns + self._shift(n, side), side), columns
        )
        place = torch.arange(n)[:, None, None]
        # Indexing in the middle puts the channels last.
        moved = images.permute(0, 2, 3, 1)[place, rows[:, :, None], columns[:, None, :]]
        moved = moved.permute(0, 3, 1, 2)
        flipped = (turned & self._coin(n))[:, :, None, None].to(images.device)
        moved = torch.where(flipped, moved.transpose(2, 3), moved)
        bright = torch.where(self._chosen(n), 0.2 * self._normal(n), 0.0)
        strong = torch.where(self._chosen(n), torch.exp2(0.5 * self._normal(n)), 1.0)
        bright, strong = (one[:, :, None, None].to(images.device) for one in (bright, strong))
        return moved * strong + bright

    def _chosen(self, n: int) -> Tensor:
        return torch.rand((n, 1), generator=self._random) < self.p

    def _coin(self, n: int) -> Tensor:
        return torch.rand((n, 1), generator=self._random) < 0.5

    def _normal(self, n: int) -> Tensor:
        return torch.randn((n, 1), generator=self._random)

    def _shift(self, n: int, side: int) -> Tensor:
        reach = max(1, side // 8)
        return torch.randint(-reach, reach + 1, (n, 1), generator=self._random)


def _reflected(places: Tensor, side: int) -> Tensor:
    """Places beyond an edge come back from it."""
    places = places.abs()
    return torch.where(places > side - 1, 2 * (side - 1) - places, places)
