"""The control of content: the evaluation's photos as autoencoders give them back.

The autoencoders are those that train_forensic made (four ways of going up); each photo goes
through one of them. What they give back shows the same things as the photo, so a detector that
tells it from the photo sees how it was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from evaluation_images import SIDE_PX, Picture, cached, jpeg_bytes, middle, through_img2dataset
from forensic_autoencoders import PLANS, Autoencoder, reconstruction
from PIL import Image


def make_reconstructions(
    data: Path, cache: Path, chosen: Sequence[Picture], models: Path
) -> dict[str, int]:
    """Write both variants of every photo that has room; photos by autoencoder."""
    torch.set_num_threads(1)
    known = {plan.name: _read(models, plan) for plan in PLANS}
    counts = dict.fromkeys(known, 0)
    for picture in chosen:
        if picture.is_synthetic:
            continue
        with Image.open(data / picture.path) as file:
            image = file.convert("RGB")
        if min(image.size) < SIDE_PX:
            continue
        name = list(known)[picture.number % len(known)]
        made = Image.fromarray(reconstruction(known[name], np.asarray(middle(image, SIDE_PX))))
        counts[name] += 1
        _write(cache, picture, "reconstructed", made, 90)
        again = through_img2dataset(made)
        _write(cache, picture, "reconstructed-img2dataset-1", again, 95)
    return counts


def _read(models: Path, plan: object) -> Autoencoder:
    model = Autoencoder(plan)
    state = torch.load(models / f"autoencoder_{plan.name}.pt", weights_only=True)
    model.load_state_dict(state["model"])
    return model.eval()


def _write(cache: Path, picture: Picture, variant: str, image: Image.Image, quality: int) -> None:
    place = cached(cache, picture, variant)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(jpeg_bytes(image, quality))
