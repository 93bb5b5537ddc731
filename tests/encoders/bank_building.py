"""A small bank of noise, on the tower that lies beside the encoders' tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

import madaudit

TOWER = str(Path(__file__).with_name("tower.onnx"))
SIDE_PX = 16


def write_images(folder: Path, n: int, *, seed: int, tint: tuple[int, int, int]) -> str:
    """Pictures of one tint, more or less."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(n):
        noise = rng.integers(-30, 31, 3)
        pixels = np.clip(np.array(tint) + noise, 0, 255).astype(np.uint8)
        image = Image.fromarray(np.broadcast_to(pixels, (SIDE_PX, SIDE_PX, 3)).copy())
        image.save(folder / f"{number:03d}.png")
    return str(folder)


def small_bank(folder: Path, n: int = 12) -> dict[str, str]:
    """A bank of reddish synthetic and bluish real pictures; the options that use it."""
    red = write_images(folder / "red", n, seed=0, tint=(200, 90, 60))
    blue = write_images(folder / "blue", n, seed=1, tint=(60, 90, 200))
    out = str(folder / "bank")
    madaudit.bank("build", out, synthetic=[f"painter={red}"], real=[blue], weights=TOWER)
    return {"bank": out, "weights": TOWER}
