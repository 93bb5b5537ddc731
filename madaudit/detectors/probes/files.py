"""Probes from files: JSON of ours, and the published head of UniversalFakeDetect."""

from __future__ import annotations

import json
import zipfile
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from madaudit.detectors.probes.probe import Probe
from madaudit.encoders.crops import CropRule
from madaudit.errors import InputError
from madaudit.limits import MAX_JSON_BYTES, MAX_PROBE_HEAD_BYTES

#: The probe that comes with madaudit; docs/models/clip_probe.md is its card.
_OWN = "clip_probe.json"


def read_probe(path: str) -> Probe:
    """A probe from its JSON file; the one that comes with madaudit where no path is given.

    Raises:
        InputError: no such file, or no probe.
    """
    if not path:
        return _own_probe()
    file = _existing(path, MAX_JSON_BYTES)
    return _read_json(file, file.stat().st_mtime_ns)


@cache
def _own_probe() -> Probe:
    own = resources.files("madaudit.detectors.probes").joinpath(_OWN)
    return Probe.from_dict(json.loads(own.read_text("utf-8")))


@cache
def _read_json(path: Path, mtime_ns: int) -> Probe:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"cannot read probe {path}: not JSON ({error})") from error
    return Probe.from_dict(content)


def read_linear_head(path: str) -> Probe:
    """A published `torch.nn.Linear(d, 1)`, of any encoder and at torchvision's centre crop.

    `torch.save` writes a zip with one member of plain numbers for each tensor beside a pickle that
    names them. The pickle is left alone: one row of d weights and one bias are told apart by their
    lengths.

    Args:
        path: of a file such as UniversalFakeDetect's fc_weights.pth.

    Raises:
        InputError: no such file, or no linear head in it.
    """
    file = _existing(path, MAX_PROBE_HEAD_BYTES)
    return _read_head(file, file.stat().st_mtime_ns)


@cache
def _read_head(path: Path, mtime_ns: int) -> Probe:
    try:
        with zipfile.ZipFile(path) as archive:
            stores = {
                info.filename.rpartition("/")[2]: archive.read(info)
                for info in archive.infolist()
                if info.filename.rpartition("/")[0].endswith("/data")
                and info.file_size <= MAX_PROBE_HEAD_BYTES
            }
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"cannot read {path} as a linear head: {error}") from error
    sizes = {name: len(data) for name, data in stores.items()}
    if set(sizes) != {"0", "1"} or sizes["1"] != 4 or sizes["0"] < 8 or sizes["0"] % 4:
        raise InputError(
            f"cannot read {path} as a linear head: it holds numbers of {sizes} bytes; needed are "
            f"d weights and one bias in float32, as torch.save writes a torch.nn.Linear(d, 1)"
        )
    weights = np.frombuffer(stores["0"], dtype="<f4").astype(np.float64)
    (bias,) = np.frombuffer(stores["1"], dtype="<f4").tolist()
    return Probe(weights, bias, "", CropRule(1, grid_px=1), unit_length=False)


def _existing(path: str, most_bytes: int) -> Path:
    file = Path(path)
    if not file.is_file():
        raise InputError(f"cannot read {path!r}: no such file; give an existing one")
    if file.stat().st_size > most_bytes:
        raise InputError(
            f"cannot read {path!r}: {file.stat().st_size} bytes, a linear head has at most "
            f"{most_bytes}"
        )
    return file
