"""Calibrations on disk: whole or refused, whoever wrote them."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from madaudit.commands.calibration_files import read_calibration, write_calibration
from madaudit.detectors.clip_probe import ClipProbe
from madaudit.detectors.probes.files import read_probe
from madaudit.encoders.weights import known_weights
from madaudit.errors import InputError
from tests.estimation.calibration_building import make_calibration


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_calibration(make_calibration(), str(tmp_path / "c"))
    return tmp_path / "c"


def _refused(place: Path, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        read_calibration(str(place))
    assert "\n" not in str(caught.value)


def test_what_was_written_is_read(place: Path) -> None:
    read, made = read_calibration(str(place)), make_calibration()
    assert read.to_dict() == made.to_dict()
    assert (read.arrays()["synthetic"] == made.arrays()["synthetic"]).all()


def test_it_is_two_small_files(place: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in place.iterdir()}
    assert sizes.keys() == {"calibration.json", "sketches.npz"}
    assert sum(sizes.values()) < 50_000


def test_writing_again_replaces_it(place: Path) -> None:
    other = make_calibration(seed=5)
    write_calibration(other, str(place))
    assert read_calibration(str(place)).fingerprint == other.fingerprint


def test_it_is_read_from_any_url() -> None:
    made = make_calibration()
    write_calibration(made, "memory://calibrations/one")
    assert read_calibration("memory://calibrations/one").fingerprint == made.fingerprint


def test_a_folder_without_one_names_the_command(tmp_path: Path) -> None:
    _refused(tmp_path, "calibration.json is missing; make one with: madaudit calibrate")


def test_counts_of_another_calibration_are_refused(place: Path, tmp_path: Path) -> None:
    write_calibration(make_calibration(seed=5), str(tmp_path / "other"))
    counts = (tmp_path / "other" / "sketches.npz").read_bytes()
    (place / "sketches.npz").write_bytes(counts)
    _refused(place, "its content is not what its fingerprint was taken of")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"a": NaN}', "[" * 100_000, '{"real": 3}', '{"version": 1}']
)
def test_what_is_no_json_object_of_a_calibration_is_refused(place: Path, text: str) -> None:
    (place / "calibration.json").write_text(text)
    _refused(place, "cannot use the calibration")


def test_an_infinite_number_in_the_json_is_refused(place: Path) -> None:
    path = place / "calibration.json"
    text = json.dumps({**json.loads(path.read_text()), "performance": {"x": 12345.5}})
    path.write_text(text.replace("12345.5", "1e999"))
    _refused(place, "cannot use the calibration")


def _npz(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return buffer.getvalue()


def _npy(array: np.ndarray, *, pickles: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=pickles)
    return buffer.getvalue()


_SOUND = _npy(np.zeros((2, 1027), dtype=np.int64))
_HOSTILE = {
    "no archive": b"PK\x03\x04 but nothing follows",
    "an empty archive": _npz(),
    "one side only": _npz(real=_SOUND),
    "another shape": _npz(real=_npy(np.zeros((3, 1027), dtype=np.int64)), synthetic=_SOUND),
    "another kind": _npz(real=_npy(np.zeros((2, 1027))), synthetic=_SOUND),
    "a pickle": _npz(real=_npy(np.array([{}], dtype=object), pickles=True), synthetic=_SOUND),
    "a forged length": _npz(real=_SOUND.replace(b"(2, 1027)", b"(9999999999, 1027)")),
    "a cut array": _npz(real=_SOUND[:-8], synthetic=_SOUND),
    "a longer array": _npz(real=_SOUND + bytes(8), synthetic=_SOUND),
    "a bomb": _npz(real=_SOUND + bytes(1 << 26), synthetic=_SOUND),
    "other counts": _npz(real=_SOUND, synthetic=_SOUND),
}


@pytest.mark.parametrize("data", _HOSTILE.values(), ids=_HOSTILE.keys())
def test_counts_of_a_stranger_are_refused(place: Path, data: bytes) -> None:
    (place / "sketches.npz").write_bytes(data)
    _refused(place, "calibrate again")


def test_a_file_beyond_the_limit_is_refused(place: Path) -> None:
    with open(place / "sketches.npz", "wb") as file:
        file.truncate(1 << 25)
    _refused(place, "more than 16777216 bytes")


def test_a_name_of_a_million_sources_costs_nothing(place: Path) -> None:
    path = place / "calibration.json"
    names = [str(number) for number in range(1_000_000)]
    path.write_text(json.dumps({**json.loads(path.read_text()), "real": names}))
    _refused(place, "1000000 sources are more than any calibration has")


# ---- the one that ships -------------------------------------------------------------------------


def test_the_default_is_small_and_says_where_its_samples_came_from() -> None:
    made = read_calibration("default")
    folder = resources.files("madaudit.commands").joinpath("default_calibration")
    assert sum(len(path.read_bytes()) for path in folder.iterdir()) < 200_000
    assert list(made.detectors) == ["clip_probe"]
    assert made.tier == "model"
    assert {source.name for source in made.sources} == {*made.real, *made.synthetic}
    assert all(source.licence for source in made.sources)
    assert made.n_generators >= 5


def test_no_image_that_taught_the_shipped_probe_is_counted_in_the_default() -> None:
    taught = read_probe("").provenance["fit"]["groups"]
    folders = {name.rpartition("/")[2] for name in taught}
    names = {source.name for source in read_calibration("default").sources}
    assert not {_FOLDERS_OF_SOURCES[name] for name in names} & folders


# Folder of the shared data that each source of the default comes from.
_FOLDERS_OF_SOURCES = {
    "cameras": "exif_samples",
    "imagenet": "imagenet_sample",
    "dalle3": "dalle3_hanisntsolo",
    "dalle-mini": "imagen_dmin",
    "glid3": "imagen_glid3",
    "ldm": "imagen_ldif",
    "stability-beta": "imagen_stab",
    "midjourney": "midjourney_v61",
    "flux": "pollinations_flux",
    "stylegan3": "stylegan3_ffhq",
}


def test_the_default_fits_the_probe_that_ships() -> None:
    # As detector_identities has it with the tower here, which the default tests do without.
    weights = known_weights()["clip-vit-b16-int8"]
    content = {
        "name": "clip_probe",
        "version": ClipProbe.version,
        "options": {},
        "probe": read_probe("").digest,
        "encoder": weights.sha256,
        "encoder_version": 1,
        "arithmetic": "onnxruntime",
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    identity = hashlib.sha256(text.encode()).hexdigest()
    assert read_calibration("default").detectors == {"clip_probe": identity}, (
        "the probe or its encoder changed: run scripts/make_default_calibration --write"
    )
