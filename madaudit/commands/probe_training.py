"""`calibrate --train-probe`: a linear probe fitted on the known samples themselves.

The samples are scanned with a probe of zeros, which only has their features kept; so what was
scanned serves every later fit. The probe is fitted on the fitting half alone, and calibrated by
what probes say of samples that they were not fitted on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from madaudit.commands.known_rows import StoredSource
from madaudit.detectors.probes.fitting import fit_probe
from madaudit.detectors.probes.probe import Probe
from madaudit.encoders import build_encoder
from madaudit.errors import InputError, OptionError
from madaudit.estimation.known_samples import KnownSamples
from madaudit.scanning.embedding_files import read_embeddings
from madaudit.scanning.store import Store
from madaudit.shards import files

#: The detector that is trained.
TRAINED = "clip_probe"
#: The trained probe and the one of zeros, in the calibration's folder.
PROBE_FILE, _ZEROS_FILE = "probe.json", "untrained_probe.json"

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def untrained_options(
    folder: str, options: Mapping[str, Mapping[str, Any]] | None
) -> dict[str, Mapping[str, Any]]:
    """The scan's options with a probe of zeros for the encoder that they name.

    Args:
        folder: of the calibration, on a local disk.
        options: detector to its options; those of clip_probe say which encoder.

    Raises:
        OptionError: a probe is given although one is to be trained, or the folder is a URL.
        RequestError: the encoder's weights are not here.
        MissingExtraError: a package that the encoder needs is not installed.
    """
    given = dict((options or {}).get(TRAINED, {}))
    if given.get("probe"):
        raise OptionError(
            f"cannot train a probe over {given['probe']!r}; leave --option {TRAINED}.probe out, "
            f"or --train-probe"
        )
    if not files.is_local(folder):
        raise OptionError(f"cannot train a probe into {folder}; give -o a folder on this machine")
    taken = {"weights": given.get("weights", "clip-vit-b16-int8"), "threads": 1}
    if given.get("model"):
        taken["model"] = given["model"]
    encoder = build_encoder(given.get("encoder", "clip-onnx"), taken)
    zeros = Probe(np.zeros(encoder.dimension), 0.0, encoder.digest)
    path = _write(zeros, folder, _ZEROS_FILE)
    return {**(options or {}), TRAINED: {**given, "probe": path}}


def _write(probe: Probe, folder: str, name: str) -> str:
    """Write a probe unless the same stands there; its path."""
    path = Path(files.local_path(folder)) / name
    text = json.dumps(probe.to_dict(), indent=1)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{name}.{os.getpid()}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    return str(path)


@dataclass(frozen=True, eq=False)
class ProbeTrainer:
    """Fits probes on rows of the known samples; a `Trainer` of estimation.

    Attributes:
        features: (n, d) float32, NaN where an image has none.
        is_synthetic: labels (n,).
        groups: source of each sample (n,).
        encoder: SHA-256 of the encoder's weights.
    """

    features: npt.NDArray[np.float32]
    is_synthetic: Mask
    groups: Sequence[str]
    encoder: str

    def fit(self, rows: Mask) -> Probe:
        """The probe of these samples; classes and sources weigh alike."""
        used = np.flatnonzero(rows & self.has_features)
        return fit_probe(
            self.features[used],
            self.is_synthetic[used],
            [self.groups[row] for row in used.tolist()],
            encoder=self.encoder,
        )

    def __call__(self, rows: Mask) -> Floats:
        """Scores of all samples by the probe of some."""
        scores = np.full(len(self.features), np.nan)
        seen = self.has_features
        scores[seen] = self.fit(rows).scores(self.features[seen])
        return scores

    @property
    def has_features(self) -> Mask:
        return np.asarray(~np.isnan(self.features[:, 0]))

    def write(self, rows: Mask, folder: str, **provenance: Any) -> str:
        """Fit on some samples and write the probe into the calibration's folder; its path."""
        return _write(self.fit(rows).with_provenance(**provenance), folder, PROBE_FILE)


def read_trainer(
    folder: str, known: KnownSamples, stores: Sequence[Store], stored: Sequence[StoredSource]
) -> ProbeTrainer:
    """The trainer of what was scanned with the probe of zeros.

    Args:
        folder: of the calibration.
        known: all samples, in the order of `stored`.
        stores: of the sources, in that order.
        stored: their rows.

    Raises:
        StoreError: embeddings cannot be read.
        InputError: no image has features.
    """
    zeros = Path(files.local_path(folder)) / _ZEROS_FILE
    probe = Probe.from_dict(json.loads(zeros.read_text("utf-8")))
    parts = [
        _features(store, source, len(probe.weights))
        for store, source in zip(stores, stored, strict=True)
    ]
    features = np.concatenate(parts)
    if np.isnan(features).all():
        raise InputError(
            "cannot train a probe: no known sample has features; images must have room for one "
            "square of the encoder's side (224 pixels for CLIP)"
        )
    groups = [known.sources[place].name for place in known.source.tolist()]
    return ProbeTrainer(features, known.is_synthetic, groups, probe.encoder)


def _features(store: Store, source: StoredSource, dimension: int) -> npt.NDArray[np.float32]:
    """Features of a source's rows (n, d), NaN where a row has none."""
    features = np.full((len(source.places), dimension), np.nan, dtype=np.float32)
    for place, shard in enumerate(source.shards):
        kept = read_embeddings(store, shard)
        if kept is None:
            continue
        rows = np.flatnonzero(source.places[:, 0] == place)
        at = np.searchsorted(kept.ordinals, source.places[rows, 1])
        at = np.minimum(at, len(kept.ordinals) - 1)
        found = kept.ordinals[at] == source.places[rows, 1]
        features[rows[found]] = kept.features[at[found]]
    return features
