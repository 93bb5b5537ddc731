"""A small tower, a probe for it, and the published form of a linear head."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import numpy as np

from madaudit.detectors.probes.probe import Probe
from madaudit.encoders import build_encoder
from madaudit.encoders.crops import CENTRE, CropRule

TOWER = Path(__file__).parents[2] / "encoders" / "tower.onnx"


def small_probe(crops: CropRule = CENTRE) -> Probe:
    """For tower.onnx, whose 4 features come of the mean colour of 8 px squares."""
    digest = build_encoder("clip-onnx", {"weights": str(TOWER)}).digest
    return Probe(np.array([1.0, -2.0, 0.5, 3.0]), 0.25, digest, crops)


def write_probe(folder: Path, probe: Probe | None = None) -> dict[str, str]:
    """Write a probe; the options of clip_probe that take it with its tower."""
    path = folder / "probe.json"
    path.write_text(json.dumps((probe or small_probe()).to_dict()))
    return {"probe": str(path), "weights": str(TOWER)}


def write_head(path: Path, weights: list[float], bias: float) -> Path:
    """A torch.nn.Linear(d, 1) as torch.save writes it, the pickle's place left empty."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("fc_weights/data.pkl", b"")
        archive.writestr("fc_weights/data/0", struct.pack(f"<{len(weights)}f", *weights))
        archive.writestr("fc_weights/data/1", struct.pack("<f", bias))
        archive.writestr("fc_weights/version", b"3\n")
    return path
