"""Genuine files: every container-level mark that the data's list knows is found, and no other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from madaudit.detectors import DEFAULTS
from tests.detectors.image_building import detect, detect_pixels
from tests.detectors.shared_data import DATA, entries, evidence_of, look, needs_data, rows, rows_of

pytestmark = needs_data
_ROOT = Path(__file__).parents[3]

# An entry of the evidence column to the detector that must find it.
_MARKS = {
    r"a1111-text$": "a1111",
    r"a1111:parameters$": "a1111",
    r"comfyui:prompt$": "comfyui",
    r"comfyui:workflow$": "comfyui",
    r"comfyui-in-webp-exif$": "comfyui",
    r"c2pa$": "c2pa",
    r"c2pa-read-ok:": "c2pa",
    r"dst:": "c2pa",
    r"iptc-dst:(?!softwareImage)": "c2pa",  # strings inside the manifest
    r"iptc-dst:softwareImage": "iptc",
    r"xmp-dst:": "iptc",
    r"EXIF Software 'AI generated": "exif_software",
    r"EXIF MakerNote 'OpenAI--ImageGeneration'": "exif_software",
    r"UserComment-json-prompt$": "exif_software",
    r"invokeai:(Dream|sd-metadata|invokeai_metadata|invokeai_graph)$": "invokeai",
    r"novelai$": "novelai",
    r"comment-json$": "novelai",
    r"fooocus$": "fooocus",
    r"swarmui$": "swarmui",
    r"png:(Author|Description\(prompt, Job ID\))$": "midjourney",
}
# "parameters in another form than infotext": part of the path to the detector that reads it.
_OTHER_PARAMETERS = r"params-other$"
_READS_OTHER_PARAMETERS = {
    "ruined-fooocus": "fooocus",
    "fooocus1": "fooocus",
    "huggingface-space": "generator_settings",
    "swarmui": "swarmui",
}
# Marks of a later issue: no detector reads them yet.
_LATER = (r"dwtDct SDv1 bit-match ",)
# Kinds of metadata, sources and notes: nothing that proves anything.
_NO_MARKS = (
    r"str:",
    r"(exif|xmp|iptc-iim|jumbf)$",
    r"exif:Make=flux$",
    r"(txt2img|flux', Make 'Black Forest Labs')$",
    r"(claim_generator|dst)=",
    r"c2pa-read-error:",
    r"c2pa test fixture$",
    r"(cropped|test) fixture \(",
    r"IPTC Photo Metadata reference image",
    r"committed \d{4}-",
    r"(sample photo|Open Images|file name DALL-E|src/gallery.js|_data/gallery.yaml)",
    r".* (native size|SDXL size|by the site author)$",
    r"1408x768 or 1280x768 from SD 1.5",
)
_TOOLS = {
    "a1111": {
        "sd-webui": "Automatic1111",
        "AUTOMATIC1111": "Automatic1111",
        "automatic1111": "Automatic1111",
        "a1111-showcase": "Automatic1111",
        "text_after_idat": "Automatic1111",
        "forge-neo": "Forge Neo",
        "forge-classic": "Forge Classic",
        "reforge": "reForge",
        "sd-next": "SD.Next",
        "civitai": "Civitai",
        "a5af4555": "ComfyUI",
    },
    "comfyui": {"tensorart": "TensorArt", "swarmui": "SwarmUI", "": "ComfyUI"},
    "exif_software": {
        "flux-exif": "FLUX",
        "dalle2-openai": "OpenAI",
        "pollinations": "Pollinations",
    },
    "invokeai": {"": "InvokeAI"},
    "novelai": {"": "NovelAI"},
    "fooocus": {"": "Fooocus"},
    "swarmui": {"": "SwarmUI"},
    "midjourney": {"": "Midjourney"},
    "iptc": {"midjourney": "Midjourney", "iptc-reference": "Credit Line (ref2021.1)"},
}
# Neither a list entry nor obvious from the folder: the list has only "exif" for these.
_ONLY_EXIF = {
    "jpg__comfyui-saveimage-plus.jpg": ("comfyui", "ComfyUI"),
    "jpg__comfyui-save-image-extended.jpeg": ("comfyui", "ComfyUI"),
    "webp__comfyui-save-image-extended.webp": ("comfyui", "ComfyUI"),
    "jpg__civitai-hires.jpg": ("comfyui", "Civitai"),
    "jpg__civitai-upscale.jpg": ("comfyui", "Civitai"),
    "jpg__civitai.jpeg": ("exif_software", "Civitai"),
    "webp__novelai-curated.webp": ("novelai", "NovelAI"),
    "jpg__swarmui.jpg": ("swarmui", "SwarmUI"),
}


def _expected(row) -> set[str]:
    return {
        name
        for entry in entries(row)
        for pattern, name in _MARKS.items()
        if re.match(pattern, entry)
    }


def _marked(name: str) -> list:
    return [row for row in rows() if name in _expected(row)]


def _tool(name: str, path: str) -> str:
    return next(tool for part, tool in _TOOLS[name].items() if part in path)


def _plain(generator: str) -> str:
    """A claim generator as words, so that the two ways of writing one are equal."""
    return re.sub(r"[/_ ]+", " ", generator)


def test_every_entry_of_the_list_is_known_to_this_test():
    known = (*_MARKS, _OTHER_PARAMETERS, *_LATER, *_NO_MARKS)
    unknown = {
        entry
        for row in rows()
        for entry in entries(row)
        if not any(re.match(pattern, entry) for pattern in known)
    }
    assert unknown == set()


@pytest.mark.parametrize(
    ("name", "n_files"),
    [
        ("a1111", 27),
        ("comfyui", 21),
        ("c2pa", 25),
        ("exif_software", 64),
        ("fooocus", 1),
        ("invokeai", 4),
        ("iptc", 21),
        ("midjourney", 20),
        ("novelai", 3),
        ("swarmui", 1),
    ],
)
def test_every_mark_on_the_list_is_found_by_its_detector(name, n_files):
    marked = _marked(name)
    missed = [row["path"] for row in marked if evidence_of(row, name)[name].state != "present"]
    assert missed == []
    assert len(marked) == n_files


@pytest.mark.parametrize("name", _TOOLS)
def test_every_mark_is_given_to_its_tool(name):
    for row in _marked(name):
        detail = evidence_of(row, name)[name].detail
        assert (row["path"], detail.tool) == (row["path"], _tool(name, row["path"]))


def test_every_manifest_is_given_to_its_generator():
    for row in _marked("c2pa"):
        said = [entry for entry in entries(row) if entry.startswith("claim_generator=")]
        tool = evidence_of(row, "c2pa")["c2pa"].detail.tool
        for entry in said:
            first = _plain(entry.partition("=")[2]).split()[0]
            assert _plain(tool).split()[0] == first, row["path"]


@pytest.mark.parametrize("part", _ONLY_EXIF)
def test_marks_that_the_list_calls_exif_are_found(part):
    (row,) = [row for row in rows() if row["path"].endswith(part)]
    name, tool = _ONLY_EXIF[part]
    assert evidence_of(row, name)[name].detail.tool == tool


def test_parameters_of_another_form_than_infotext_are_read():
    marked = [row for row in rows() if any(re.match(_OTHER_PARAMETERS, e) for e in entries(row))]
    assert len(marked) == 4
    for row in marked:
        name = next(d for part, d in _READS_OTHER_PARAMETERS.items() if part in row["path"])
        assert evidence_of(row, name)[name].is_hit, row["path"]


def test_malformed_files_get_a_state_and_never_an_exception():
    malformed = rows_of("provenance/sd-parsers/tests__resources__bad_images")
    states = {
        row["path"].rpartition("__")[2]: {
            name: (detect_pixels if name == "stealth" else detect)(
                name, (DATA / row["path"]).read_bytes()
            ).state
            for name in (*DEFAULTS, "stealth")
        }
        for row in malformed
    }
    assert set(states["empty_file.png"].values()) == {"missing"}
    assert set(states["empty_image.png"].values()) == {"absent"}
    assert set(states["empty_image.jpg"].values()) == {"absent", "unobservable"}
    assert states["text_after_idat.png"]["a1111"] == "present"
    assert len(malformed) == 4


@pytest.mark.slow
def test_no_real_photo_hides_anything_in_its_pixels():
    real = [row for row in rows_of("real/") if row["format"] in ("png", "webp")]
    assert real
    for row in real:
        assert detect_pixels("stealth", (DATA / row["path"]).read_bytes()).state == "absent"


@pytest.mark.parametrize("mark", ["Valid", "Invalid"])
def test_signatures_are_judged_as_the_list_has_it(mark):
    pytest.importorskip("c2pa", reason="the extra madaudit[c2pa] is not installed")
    from madaudit.detectors.provenance.c2pa_validation import validate

    for row in rows():
        if f"c2pa-read-ok:{mark}" in entries(row):
            image = memoryview((DATA / row["path"]).read_bytes())
            kind = look(row).container.format
            assert (row["path"], validate(image, kind)) == (row["path"], mark.lower())


def test_a_mere_string_in_a_file_gives_no_hit():
    """The list's "str:" entries, in files without a mark that is read."""
    for row in rows_of("provenance/"):
        if "str:" in row["evidence"] and not _expected(row):
            assert not any(item.is_hit for item in evidence_of(row).values()), row["path"]


def test_a_mere_string_changes_neither_tool_nor_detector():
    (row,) = [row for row in rows() if row["path"].endswith("krea2.png")]
    assert "str:OpenAI" in entries(row)
    hits = {name: item.detail.tool for name, item in evidence_of(row).items() if item.is_hit}
    assert hits == {"comfyui": "ComfyUI"}


def test_no_real_photo_is_a_hit():
    real = rows_of("real/")
    hits = [row["path"] for row in real if any(e.is_hit for e in evidence_of(row).values())]
    assert hits == []
    assert len(real) == 613


def test_the_opt_out_of_a_test_file_is_found_and_no_other():
    found = {
        row["path"]: said.detail.message
        for row in rows()
        if (said := evidence_of(row, "optout_training")["optout_training"]).state == "present"
    }
    assert found == {
        "provenance/c2pa-rs/cli__tests__fixtures__C_with_CAWG_data.jpg": (
            "ai_inference notAllowed; ai_generative_training notAllowed"
        )
    }


def test_every_real_photo_is_of_a_format_that_is_read():
    unread = [row["path"] for row in rows_of("real/") if not look(row).container.is_readable]
    assert unread == []


def test_controls_without_metadata_are_no_hit():
    for row in rows_of("provenance/sd-metadata/"):
        if re.search(r"__(empty|gimp)\.", row["path"]):
            states = {item.state for item in evidence_of(row).values()}
            assert states == {"absent"}, row["path"]


@pytest.mark.parametrize(
    ("folder", "name", "tool", "label", "n_files"),
    [
        ("dalle3_hanisntsolo", "c2pa", "ChatGPT", "synthetic", 26),
        ("midjourney_v61", "iptc", "Midjourney", "synthetic", 20),
        ("pollinations_flux", "exif_software", "Pollinations", "synthetic", 46),
    ],
)
def test_every_output_of_a_service_that_marks_is_found(folder, name, tool, label, n_files):
    found = [evidence_of(row, name)[name] for row in rows_of(f"synthetic/{folder}/")]
    assert len(found) == n_files
    assert {item.detail.label for item in found} == {label}
    assert {item.detail.tool.split()[0] for item in found} == {tool}


@pytest.mark.parametrize(
    ("part", "label"),
    [
        ("inpaint__inpaint_example.png", "composite"),
        ("img2img__img2img_workflow.png", "synthetic"),
        ("civitai-upscale.jpg", "composite"),
        ("ocsp.jpg", "composite"),
        ("splash-banner.png", "composite"),
        ("chatgpt-image2.png", "synthetic"),
        ("gemini_3.1pro.png", "synthetic"),
        ("openai-c2pa/alien.png", "synthetic"),
    ],
)
def test_labels_say_what_became_of_the_pixels(part, label):
    (row,) = [row for row in rows() if row["path"].endswith(part)]
    found = evidence_of(row, "c2pa", "comfyui").values()
    assert [item.detail.label for item in found if item.is_hit] == [label]


def test_containers_give_the_size_on_the_list():
    for row in rows():
        container = look(row).container
        if row["w"] not in ("", "0") and container is not None and container.is_readable:
            size = (str(container.width), str(container.height))
            assert (row["path"], *size) == (row["path"], row["w"], row["h"])


def test_a_genuine_remote_manifest_is_not_fetched():
    pytest.importorskip("cryptography", reason="the extra madaudit[demo] is not installed")
    from madaudit.detectors.provenance.c2pa_validation import validate
    from tests.detectors.signing import listening

    path = DATA / "provenance/c2pa-rs/sdk__tests__fixtures__libpng-test_with_url.png"
    image = path.read_bytes()
    assert b"http://localhost:5000/" in image
    try:
        with listening(5000) as listener:
            assert validate(memoryview(image), "png") == "invalid"
            assert not listener.called()
    except OSError:
        pytest.skip("port 5000, which the file names, is taken")


@pytest.mark.slow
def test_the_table_in_the_docs_is_up_to_date():
    command = [sys.executable, str(_ROOT / "scripts" / "provenance_table"), "--data", str(DATA)]
    made = subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout
    assert made == (_ROOT / "docs" / "provenance.md").read_text(encoding="utf-8")
