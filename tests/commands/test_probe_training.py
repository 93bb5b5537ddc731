"""`calibrate --train-probe`: fitted on one half, bound to its encoder, judged on strangers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import madaudit
from madaudit.commands.calibrate import Calibrated
from madaudit.errors import OptionError
from tests.commands.known_building import known_folders
from tests.commands.test_calibrate import calibrated
from tests.detectors.probes.probe_building import TOWER, small_probe

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra onnx)")


def _trained(place: Path, folders: dict[str, Path], **options: Any) -> Calibrated:
    given = {"clip_probe": {"weights": str(TOWER)}}
    asked = {"detectors": None, "options": given, "train_probe": True, **options}
    return calibrated(place, folders, **asked)


@pytest.mark.slow
def test_the_probe_tells_what_its_features_tell_and_fits_a_scan_with_it(tmp_path: Path) -> None:
    folders = known_folders(tmp_path)
    result = _trained(tmp_path, folders)
    told = result.calibration.performance["clip_probe"]
    assert told["auc"]["point"] > 0.8
    assert told["leave_one_out"].keys() == {"gan", "diffusion", "flow"}
    probe = json.loads(Path(result.probe).read_text())
    assert probe["encoder"] == small_probe().encoder
    # The fitting half alone: 20 of 40 a source.
    assert set(probe["provenance"]["fit"]["groups"].values()) == {20}
    store = str(tmp_path / "store")
    madaudit.scan(
        str(folders["gan"]),
        store,
        detectors=["clip_probe"],
        options={"clip_probe": {"weights": str(TOWER), "probe": result.probe}},
        tier="model",
        engine="serial",
    )
    identities = json.loads((tmp_path / "store" / "manifest.json").read_text())["identities"]
    result.calibration.require_fits(identities)


@pytest.mark.slow
def test_what_was_scanned_is_kept_for_another_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = known_folders(tmp_path, n=30)
    first = _trained(tmp_path, folders)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("scanned again")

    monkeypatch.setattr("madaudit.scanning.shard_scan.prepare_batches", refuse)
    other = _trained(tmp_path, folders, seed=1)
    assert other.calibration.detectors != first.calibration.detectors


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"like": "store"}, "cannot train a probe --like a store"),
        ({"detectors": ["brightness"]}, "add clip_probe to --detectors"),
        (
            {"options": {"clip_probe": {"probe": "mine.json", "weights": str(TOWER)}}},
            "cannot train a probe over 'mine.json'",
        ),
    ],
)
def test_requests_that_contradict_each_other_are_refused(
    tmp_path: Path, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(OptionError, match=says):
        _trained(tmp_path, known_folders(tmp_path, n=12), **options)
