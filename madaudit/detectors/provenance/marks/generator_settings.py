"""Settings of programs that have no detector of their own: JSON, text chunks, XMP.

A signature is a place and names that must all be there. The list is data: add a line with its
source, and a genuine file to the tests where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from madaudit.detectors.base import FromSource, Look, MarkDetector
from madaudit.detectors.provenance.containers import Block
from madaudit.detectors.provenance.generation import (
    ENLARGEMENT,
    IMAGE_TO_IMAGE,
    INPAINTING,
    TEXT_TO_IMAGE,
    UNSTATED,
    Mode,
    generated,
)
from madaudit.detectors.provenance.json_text import read_object
from madaudit.detectors.provenance.xmp import XMP_BASIC, read_properties
from madaudit.types import Detail

_EXIF_IN_XMP = "http://ns.adobe.com/exif/1.0/"
_Values = Mapping[str, Any]


def _hf_space_model(values: _Values) -> Any:
    model = values.get("Model")
    return model.get("Model") if isinstance(model, dict) else model


def _mflux_mode(values: _Values) -> Mode:
    if values.get("masked_image_path"):
        return INPAINTING
    model = str(values.get("model")).lower()
    if "upscal" in model or "seedvr" in model:
        return ENLARGEMENT
    image = values.get("image_path") or values.get("image_paths")
    return IMAGE_TO_IMAGE if image else TEXT_TO_IMAGE


def _tensorart_model(values: _Values) -> Any:
    base = values.get("baseModel")
    return base.get("modelFileName") if isinstance(base, dict) else None


def _stability_matrix_mode(values: _Values) -> Mode:
    kind = str(values.get("ProjectType"))
    if kind == "Upscale":
        return ENLARGEMENT
    if kind == "Inpainting":
        return INPAINTING
    if kind.endswith("TextToImage"):
        return TEXT_TO_IMAGE
    return IMAGE_TO_IMAGE if "ImageToImage" in kind or "ImageEdit" in kind else UNSTATED


def _drawn_from(values: _Values) -> Mode:
    """Draw Things: a strength below 1 keeps something of an image."""
    strength = values.get("strength")
    if not isinstance(strength, int | float):
        return UNSTATED
    return IMAGE_TO_IMAGE if strength < 1 else TEXT_TO_IMAGE


class Signature(NamedTuple):
    """Names that a program writes.

    Attributes:
        tool: its name.
        names: of JSON values, or of text chunks, that must all be there.
        mode: reads from them how the image was made.
        model: reads the model's name, or the name of the value that holds it.
    """

    tool: str
    names: frozenset[str]
    mode: Callable[[_Values], Mode]
    model: Callable[[_Values], Any] | str = ""


def _image_to_image_if(name: str) -> Callable[[_Values], Mode]:
    return lambda values: IMAGE_TO_IMAGE if values.get(name) else TEXT_TO_IMAGE


_HF_SPACE = frozenset(
    {"prompt", "resolution", "guidance_scale", "num_inference_steps", "sampler", "use_upscaler"}
)
_DRAW_THINGS = Signature(
    "Draw Things", frozenset({"c", "uc", "sampler", "steps", "seed"}), _drawn_from, "model"
)
_EASY_DIFFUSION = Signature(
    "Easy Diffusion",
    frozenset({"use_stable_diffusion_model", "num_inference_steps", "seed"}),
    _image_to_image_if("prompt_strength"),
    "use_stable_diffusion_model",
)
_EASY_DIFFUSION_WORDS = Signature(
    "Easy Diffusion",
    frozenset({"Stable Diffusion model", "Guidance Scale", "Steps", "Seed"}),
    _image_to_image_if("Prompt Strength"),
    "Stable Diffusion model",
)
# JSON in the chunk "parameters" or in EXIF's UserComment.
IN_SETTINGS: tuple[Signature, ...] = (
    Signature("Hugging Face Space", _HF_SPACE, lambda _: TEXT_TO_IMAGE, _hf_space_model),
    Signature("mflux", frozenset({"mflux_version", "steps"}), _mflux_mode, "model"),
    _EASY_DIFFUSION,
    _EASY_DIFFUSION_WORDS,
    # Apple's writer turns EXIF into XMP for PNG alone, so a JPEG should have the JSON in EXIF; no
    # such file was seen, hence all of its seven names.
    _DRAW_THINGS._replace(names=_DRAW_THINGS.names | {"scale", "size"}),
)
# JSON in a text chunk of the program's own; its name first.
IN_OWN_CHUNK: dict[str, Signature] = {
    "generation_data": Signature(
        "TensorArt",
        frozenset({"prompt", "steps", "baseModel"}),
        lambda _: UNSTATED,
        _tensorart_model,
    ),
    "smproj": Signature("Stability Matrix", frozenset({"ProjectType"}), _stability_matrix_mode),
}
# Text chunks, one for each value.
AS_CHUNKS: tuple[Signature, ...] = (
    _EASY_DIFFUSION,
    _EASY_DIFFUSION_WORDS,
    Signature(
        "Sygil WebUI",
        frozenset({"SD:prompt", "SD:seed", "SD:steps", "SD:cfg_scale"}),
        _image_to_image_if("SD:denoising_strength"),
    ),
    Signature(
        "sd-scripts",
        frozenset({"prompt", "seed", "sampler", "steps", "scale"}),
        lambda _: UNSTATED,
    ),
)


@dataclass(frozen=True)
class GeneratorSettings(MarkDetector):
    """Hugging Face Spaces, TensorArt and others, told by the names of their settings."""

    name: ClassVar[str] = "generator_settings"
    version: ClassVar[int] = 1
    verified: ClassVar[str] = (
        "verified on one genuine file each of a Hugging Face Space and TensorArt; others from "
        "their source (docs/provenance.md)"
    )
    from_source: ClassVar[tuple[FromSource, ...]] = (
        FromSource(
            "Draw Things",
            "XMP exif:UserComment (PNG); EXIF UserComment by inference (JPEG)",
            "receyuki/stable-diffusion-prompt-reader, sd_prompt_reader/image_data_reader.py; "
            "enslo/sd-metadata, packages/core/src/parsers/draw-things.ts",
        ),
        FromSource(
            "Easy Diffusion",
            "PNG tEXt, EXIF UserComment",
            "easydiffusion/easydiffusion, ui/easydiffusion/utils/save_utils.py; "
            "easydiffusion/sdkit, sdkit/utils/file_utils.py",
        ),
        FromSource(
            "mflux", "EXIF UserComment", "filipstrand/mflux, src/mflux/utils/generated_image.py"
        ),
        FromSource(
            "sd-scripts", "PNG tEXt prompt, seed, …", "kohya-ss/sd-scripts, sdxl_gen_img.py"
        ),
        FromSource(
            "Stability Matrix",
            "PNG tEXt smproj",
            "LykosAI/StabilityMatrix, StabilityMatrix.Avalonia/Helpers/PngDataHelper.cs",
        ),
        FromSource("Sygil WebUI", "PNG tEXt SD:…", "Sygil-Dev/sygil-webui, scripts/webui.py"),
    )

    def examine(self, look: Look) -> Detail | None:
        for field, values in look.settings:
            for signature in IN_SETTINGS:
                if signature.names <= values.keys():
                    return _detail(signature, values, field)
        if "text" in look.kinds:
            found = _in_chunks(look.texts)
            if found is not None:
                return found
        return _drawn(look) if "xmp" in look.kinds else None


def _in_chunks(texts: Mapping[str, Block]) -> Detail | None:
    for signature in AS_CHUNKS:
        if signature.names <= texts.keys():
            values = {keyword: block.text for keyword, block in texts.items()}
            return _detail(signature, values, f"{texts[min(signature.names)].where} and others")
    for keyword, signature in IN_OWN_CHUNK.items():
        own = read_object(texts[keyword].text) if keyword in texts else None
        if own is not None and signature.names <= own.keys():
            return _detail(signature, own, texts[keyword].where)
    return None


def _drawn(look: Look) -> Detail | None:
    """Draw Things' mark: JSON in a property of its XMP."""
    for block in look.container.of_kind("xmp") if look.container else []:
        if b"Draw Things" not in block.data:
            continue
        properties = read_properties(block.data)
        comment = read_object(properties.get((_EXIF_IN_XMP, "UserComment"), ""))
        is_its_own = properties.get((XMP_BASIC, "CreatorTool"), "").startswith("Draw Things")
        if is_its_own and comment is not None and _DRAW_THINGS.names <= comment.keys():
            return _detail(_DRAW_THINGS, comment, f"{block.where} exif:UserComment")
    return None


def _detail(signature: Signature, values: _Values, field: str) -> Detail:
    model = signature.model
    name = values.get(model) if isinstance(model, str) else model(values)
    return generated(signature.tool, signature.mode(values), field, name)
