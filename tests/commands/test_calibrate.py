"""Known samples to a calibration: what it counts, what it leaves out, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import madaudit
from madaudit.commands.calibrate import Calibrated
from madaudit.commands.calibration_files import read_calibration
from madaudit.errors import InputError, OptionError
from tests.commands.invoking import invoke
from tests.commands.known_building import (
    _fakes,
    as_bytes,
    grey_image,
    known_folders,
    marked_png,
    write_images,
    write_tar,
)

pytestmark = pytest.mark.usefixtures("_fakes")
__all__ = ["_fakes"]


def calibrated(place: Path, folders: dict[str, Path], **options: Any) -> Calibrated:
    real = [f"{name}={path}" for name, path in folders.items() if name in ("camera", "scans")]
    synthetic = [f"{n}={path}" for n, path in folders.items() if n not in ("camera", "scans")]
    given = {"detectors": ["brightness"], "engine": "serial", **options}
    return madaudit.calibrate(str(place / "cal"), real=real, synthetic=synthetic, **given)


def test_it_writes_what_it_returns(tmp_path: Path) -> None:
    result = calibrated(tmp_path, known_folders(tmp_path))
    read = read_calibration(str(tmp_path / "cal"))
    assert read.to_dict() == result.calibration.to_dict()
    assert list(read.real) == ["camera", "scans"]
    assert list(read.synthetic) == ["gan", "diffusion", "flow"]
    told = read.performance["brightness"]
    assert told["auc"]["low"] < 0.93 < told["auc"]["high"]  # Φ(30 / (14 √2)) = .935
    assert told["tpr"].keys() == {"0.05", "0.01"}
    assert told["leave_one_out"].keys() == {"gan", "diffusion", "flow"}
    assert read.n_generators == 3
    assert read.least_detected > 0.6


def test_half_of_each_source_is_counted_and_none_twice(tmp_path: Path) -> None:
    made = calibrated(tmp_path, known_folders(tmp_path)).calibration
    assert {sketch.n for sketch in (*made.real.values(), *made.synthetic.values())} == {20}
    assert {source.n for source in made.sources} == {40}


@pytest.mark.slow
def test_it_fits_the_store_that_it_was_made_like(tmp_path: Path) -> None:
    folders = known_folders(tmp_path)
    store = str(tmp_path / "store")
    options = {"brightness": {"scale": 4.0}}
    madaudit.scan(
        str(folders["gan"]),
        store,
        detectors=["iptc", "brightness"],
        options=options,
        tier="pixels",
        engine="serial",
    )
    made = calibrated(tmp_path, folders, detectors=None, like=store).calibration
    identities = json.loads((tmp_path / "store" / "manifest.json").read_text())["identities"]
    made.require_fits(identities)
    with pytest.raises(InputError, match="of identity"):
        calibrated(tmp_path, folders).calibration.require_fits(identities)


@pytest.mark.slow
def test_another_seed_halves_otherwise_and_the_same_seed_alike(tmp_path: Path) -> None:
    folders = known_folders(tmp_path)
    first, again, other = (
        calibrated(tmp_path, folders, seed=seed).calibration for seed in (0, 0, 1)
    )
    assert first.fingerprint == again.fingerprint != other.fingerprint


@pytest.mark.slow
def test_what_is_scanned_already_is_not_scanned_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = known_folders(tmp_path)
    first = calibrated(tmp_path, folders, pipeline="img2dataset")
    (tmp_path / "cal" / "calibration.json").unlink()

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr("madaudit.scanning.shard_scan.prepare_batches", refuse)
    monkeypatch.setattr("madaudit.commands.calibration_pipelines._write", refuse)
    again = calibrated(tmp_path, folders, pipeline="img2dataset")
    assert again.calibration.fingerprint == first.calibration.fingerprint


@pytest.mark.slow
def test_a_pipeline_changes_the_pixels_that_are_scored(tmp_path: Path) -> None:
    folders = known_folders(tmp_path, n=30)
    shutil.rmtree(folders["scans"])
    # Wide images: img2dataset borders them with white, so that they become brighter.
    random = np.random.default_rng(9)
    folders["scans"].mkdir()
    for number in range(30):
        wide = grey_image(random, 110.0).resize((96, 24))
        (folders["scans"] / f"{number}.png").write_bytes(as_bytes(wide, "PNG"))
    plain = calibrated(tmp_path, folders).calibration
    piped = calibrated(tmp_path, folders, pipeline="img2dataset").calibration
    assert piped.pipeline == "img2dataset"
    tar = next((tmp_path / "cal" / "processed" / "img2dataset").glob("real-scans-*/*.tar"))
    scanned = madaudit.scan(str(tar), str(tmp_path / "s"), engine="serial")
    assert scanned.rows == 30
    assert piped.performance["brightness"]["auc"]["point"] < 0.75
    assert plain.performance["brightness"]["auc"]["point"] > 0.85


@pytest.mark.slow
def test_samples_with_a_mark_are_in_no_sketch_unless_the_pipeline_took_it(tmp_path: Path) -> None:
    folders = known_folders(tmp_path)
    random = np.random.default_rng(5)
    for number in range(10):
        (folders["gan"] / f"marked{number}.png").write_bytes(marked_png(random))
    plain, piped = (
        calibrated(tmp_path, folders, pipeline=pipeline).calibration
        for pipeline in ("none", "jpeg-95")
    )
    assert plain.synthetic["gan"].n == 20
    assert "10 marked" in next(s.note for s in plain.sources if s.name == "gan")
    assert piped.synthetic["gan"].n == 25


@pytest.mark.slow
@pytest.mark.parametrize("pipeline", ["none", "img2dataset"])
def test_broken_images_are_counted(tmp_path: Path, pipeline: str) -> None:
    folders = known_folders(tmp_path)
    whole = (folders["camera"] / "0000.jpg").read_bytes()
    (folders["camera"] / "0000.jpg").write_bytes(whole[: len(whole) // 3])
    (folders["camera"] / "0001.jpg").write_bytes(b"no image at all")
    result = calibrated(tmp_path, folders, pipeline=pipeline)
    assert sum(result.broken["camera"].values()) == 2
    assert result.calibration.sources[0].n == 38
    assert "not_an_image" in result.calibration.sources[0].note


@pytest.mark.slow
@pytest.mark.parametrize("pipeline", ["none", "datacomp"])
def test_a_cut_shard_is_counted_as_far_as_it_goes_and_said(tmp_path: Path, pipeline: str) -> None:
    folders = known_folders(tmp_path)
    tar = write_tar(tmp_path / "more.tar", 110.0, 30, seed=7)
    tar.write_bytes(tar.read_bytes()[: tar.stat().st_size // 2])
    result = calibrated(tmp_path, {**folders, "camera": tar}, pipeline=pipeline)
    assert not result.is_complete
    assert result.problems[0]["source"] == "camera"
    assert 10 < result.calibration.sources[0].n < 20


@pytest.mark.slow
def test_a_picture_given_twice_counts_once_and_one_of_both_labels_never(tmp_path: Path) -> None:
    folders = known_folders(tmp_path)
    shutil.copy(folders["camera"] / "0000.jpg", folders["camera"] / "again.jpg")
    shutil.copy(folders["scans"] / "0003.jpg", folders["gan"] / "both.jpg")
    sources = {one.name: one for one in calibrated(tmp_path, folders).calibration.sources}
    assert (sources["camera"].n, sources["camera"].note) == (40, "1 repeated")
    assert (sources["scans"].n, sources["scans"].note) == (39, "1 of both labels")
    assert sources["gan"].n == 40


@pytest.mark.slow
def test_images_that_cannot_be_judged_count_as_missing(tmp_path: Path) -> None:
    folders = known_folders(tmp_path)
    random = np.random.default_rng(3)
    for number in range(12):
        tiny = Image.fromarray(random.integers(0, 255, (4, 4, 3), dtype=np.uint8))
        (folders["camera"] / f"tiny{number}.png").write_bytes(as_bytes(tiny, "PNG"))
    made = calibrated(tmp_path, folders).calibration
    assert 3 <= made.real["camera"].missing <= 9
    assert made.performance["brightness"]["missing_real"] == 12


@pytest.mark.slow
def test_several_detectors_are_combined(tmp_path: Path) -> None:
    folders = known_folders(tmp_path)
    made = calibrated(tmp_path, folders, detectors=["contrast", "brightness"]).calibration
    assert list(made.detectors) == ["contrast", "brightness"]
    told = made.performance
    assert told["contrast"]["auc"]["point"] < 0.75
    assert told["combination"]["auc"]["point"] > 0.8
    assert told["combination"]["reliability"]["cost"] < 0.9
    assert told["combination"]["false_alarms"].keys() == {"camera", "scans"}


def test_the_shell_prints_one_object_with_what_the_interface_names(tmp_path: Path) -> None:
    folders = known_folders(tmp_path)
    words = ["--real", folders["camera"], "--real", f"scans={folders['scans']}"]
    for name in ("gan", "diffusion", "flow"):
        words += ["--synthetic", f"{name}={folders[name]}"]
    words += ["--detectors", "brightness", "--engine", "serial", "--licence", "camera=CC0"]
    words += ["--option", "brightness.scale=4"]
    run = invoke("calibrate", "-o", tmp_path / "cal", *words, "--json")
    assert run.code == 0
    told = run.json["detectors"]["brightness"]
    assert told["auc"]["point"] > 0.8
    assert told["tpr"]["0.05"]["level"] == 0.95
    assert told["leave_one_out"]["gan"]["auc"]["point"] > 0.8
    assert run.json["sources"][0]["licence"] == "CC0"
    again = invoke("calibrate", "-o", tmp_path / "cal", *words)
    assert again.code == 0
    assert "brightness: AUC 0.9" in again.out
    assert "least detected of a generator left out" in again.out


def test_a_source_is_called_by_its_place_unless_named(tmp_path: Path) -> None:
    folders = known_folders(tmp_path)
    tar = write_tar(tmp_path / "dalle.v3.tar", 140.0, 30, seed=8)
    result = madaudit.calibrate(
        str(tmp_path / "cal"),
        real=[str(folders["camera"]), f"camera={folders['scans']}"],
        synthetic=[str(tar), str(folders["gan"])],
        detectors=["brightness"],
        engine="serial",
    )
    assert list(result.calibration.real) == ["camera"]
    assert result.calibration.sources[0].n == 80
    assert list(result.calibration.synthetic) == ["dalle", "gan"]


# ---- wrong requests -----------------------------------------------------------------------------


def _refused(place: Path, error: type[Exception], says: str, **options: Any) -> None:
    folders = known_folders(place)
    with pytest.raises(error, match=says):
        calibrated(place, folders, **options)
    assert not (place / "cal" / "calibration.json").exists()


def test_an_unknown_pipeline_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    _refused(tmp_path, OptionError, "did you mean 'img2dataset'", pipeline="img2datasets")


def test_a_one_sided_detector_is_refused(tmp_path: Path) -> None:
    _refused(tmp_path, OptionError, "'iptc': it is one-sided", detectors=["iptc"])


def test_a_rate_that_these_samples_cannot_show_is_refused(tmp_path: Path) -> None:
    _refused(tmp_path, OptionError, "from 80 real samples; needed are 30000", fpr=[0.001])


def test_a_licence_of_an_unknown_source_is_refused(tmp_path: Path) -> None:
    _refused(tmp_path, InputError, "no such source", licences={"foto": "CC0"})


def test_too_few_samples_are_refused(tmp_path: Path) -> None:
    folders = {
        "camera": write_images(tmp_path / "r", 110.0, 40, seed=0),
        "gan": write_images(tmp_path / "g", 140.0, 15, seed=1),
    }
    with pytest.raises(InputError, match="synthetic samples in one half have a score, needed"):
        calibrated(tmp_path, folders)


def test_one_name_under_both_labels_is_refused(tmp_path: Path) -> None:
    folders = known_folders(tmp_path)
    place = str(folders["camera"])
    with pytest.raises(InputError, match="given as real and as synthetic"):
        madaudit.calibrate(str(tmp_path / "cal"), real=[place], synthetic=[place])


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    folders = known_folders(tmp_path)
    store = str(tmp_path / "store")
    madaudit.scan(
        str(folders["gan"]), store, detectors=["brightness"], tier="pixels", engine="serial"
    )
    path = tmp_path / "store" / "manifest.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "identities": {"brightness": "0" * 64}}))
    with pytest.raises(InputError, match="gives other scores of 'brightness'"):
        calibrated(tmp_path, folders, detectors=None, like=store)
