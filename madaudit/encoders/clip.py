"""CLIP's image tower by open_clip: any of its models, with weights by path, name or tag.

Nothing is downloaded: weights named by a tag must lie in the Hub's cache already. Checkpoints are
read as numbers only (safetensors, or `torch.load` with `weights_only`), and strictly: a file that
leaves one weight to chance is refused.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from madaudit.encoders import hub
from madaudit.encoders.base import Encoder, Features
from madaudit.encoders.crops import Crop
from madaudit.encoders.pixels import CLIP_MEAN, CLIP_STD, clip_planes
from madaudit.encoders.weights import digest_of, find, known_weights
from madaudit.errors import MissingExtraError, OptionError, RequestError
from madaudit.registry import suggest

try:
    import open_clip
    import torch
except ImportError as error:
    raise MissingExtraError(
        "run a CLIP encoder", package="open_clip_torch", extra="clip"
    ) from error

PRECISIONS = ("auto", "fp32", "bf16")
# What Linux calls a processor that multiplies bfloat16 itself; elsewhere it is emulated, and slow.
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
_FORMS = (".safetensors", ".pt", ".pth", ".bin")


class _Tower(NamedTuple):
    """A tower ready to run.

    Attributes:
        module: from float (n, 3, side, side) to (n, d).
        mean, std: of its training pixels' channels, of 0 to 1.
        side_px: of its crops.
    """

    module: Any
    mean: tuple[float, ...]
    std: tuple[float, ...]
    side_px: int


@dataclass(frozen=True)
class Clip(Encoder):
    """An image tower of open_clip.

    Images go through one by one: a matrix product's last bits depend on how many rows it has, and
    on one thread a batch of eight is hardly faster (docs/performance.md).

    Attributes:
        model: open_clip's name of it, for example "ViT-B-32", or "local-dir:PATH" of a folder
            with open_clip_config.json and weights.
        weights: a checkpoint's path, a name that `madaudit weights` lists, or a tag of open_clip
            whose weights lie in the Hub's cache; left out for "local-dir:".
        precision: "bf16" or "fp32"; "auto" is bf16 where the processor multiplies such numbers.
        threads: of torch while it encodes.
    """

    model: str = "ViT-L-14-quickgelu"
    weights: str = "openai"
    precision: str = "auto"
    threads: int = 1

    name: ClassVar[str] = "clip"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise OptionError(
                f"encoder 'clip' has no precision {self.precision!r}"
                f"{suggest(self.precision, list(PRECISIONS))}"
            )
        _config(self.model)
        self._checkpoint()

    @property
    def digest(self) -> str:
        return digest_of(self._checkpoint())

    @property
    def arithmetic(self) -> str:
        return _chosen_precision() if self.precision == "auto" else self.precision

    @property
    def side_px(self) -> int:
        size = _config(self.model)["vision_cfg"].get("image_size", 224)
        return int(size[0] if isinstance(size, (list, tuple)) else size)

    @property
    def dimension(self) -> int:
        return int(_config(self.model)["embed_dim"])

    def load(self) -> None:
        self._tower()

    def project(self, crops: Sequence[Crop]) -> Features:
        tower = self._tower()
        dtype = torch.bfloat16 if self.arithmetic == "bf16" else torch.float32
        features = np.empty((len(crops), self.dimension), dtype=np.float32)
        with _threads(self.threads), torch.inference_mode():
            for row, crop in zip(features, crops, strict=True):
                planes = torch.from_numpy(clip_planes(crop, tower.mean, tower.std)).to(dtype)
                row[:] = tower.module(planes)[0].float().numpy()
        return features

    def _tower(self) -> _Tower:
        return _open_tower(self.model, self.weights, str(self._checkpoint()), self.arithmetic)

    @staticmethod
    def published(model: str, tag: str) -> hub.Published:
        """Where the weights of a tag are published; raises what `published` does."""
        return published(model, tag)

    def _checkpoint(self) -> Path:
        return find_checkpoint(self.model, self.weights)


def find_checkpoint(model: str, weights: str) -> Path:
    """The file with a model's weights; nothing is downloaded.

    Raises:
        RequestError: it is not here; the message names the command that gets it.
        OptionError: no such model or tag.
    """
    if model.startswith("local-dir:"):
        return _in_folder(Path(model.removeprefix("local-dir:")))
    path = Path(weights)
    if path.is_file() or path.suffix in _FORMS or weights in known_weights():
        found = find(weights)
        if found.suffix not in _FORMS:
            raise RequestError(
                f"cannot use {found} as weights of CLIP; allowed are {', '.join(_FORMS)} files"
            )
        return found
    if f"{model}:{weights}" in known_weights():
        return find(f"{model}:{weights}")
    tagged = published(model, weights)
    cached = hub.cached(tagged)
    if cached is None:
        raise RequestError(
            f"the weights {weights!r} of {model} are not in the Hub's cache; get them with: "
            f"madaudit weights fetch {model}:{weights}, or give a file's path"
        )
    return cached


def published(model: str, tag: str) -> hub.Published:
    """Where the weights of a tag are published.

    Raises:
        OptionError: no such model or tag, or one that belongs to another activation.
    """
    tags = open_clip.list_pretrained_tags_by_model(model)
    about = open_clip.get_pretrained_cfg(model, tag)
    if not about:
        raise OptionError(
            f"weights {tag!r} do not exist for {model}, neither as a file nor as a tag"
            f"{suggest(tag, list(tags))}"
        )
    wants_quick = bool(about.get("quick_gelu"))
    has_quick = bool((open_clip.get_model_config(model) or {}).get("quick_gelu"))
    if wants_quick != has_quick:
        other = f"{model}-quickgelu" if wants_quick else model.removesuffix("-quickgelu")
        raise OptionError(
            f"weights {tag!r} do not belong to {model}: they were trained with another "
            f"activation; give the model {other}"
        )
    repository, _, file = str(about.get("hf_hub") or "").rpartition("/")
    if not repository:
        raise OptionError(
            f"weights {tag!r} of {model} are not on the Hub; download them, and give their path"
        )
    return hub.Published(model, tag, repository, (file, *hub.FILES) if file else hub.FILES)


def _in_folder(folder: Path) -> Path:
    for form in _FORMS:
        for name in (f"open_clip_model{form}", f"open_clip_pytorch_model{form}"):
            if (folder / name).is_file():
                return folder / name
    raise RequestError(
        f"cannot find weights in {str(folder)!r}; needed is open_clip_model.safetensors beside "
        f"open_clip_config.json"
    )


@cache
def _config(model: str) -> dict[str, Any]:
    """The configuration of a model, by open_clip's name or from its folder.

    Raises:
        OptionError: no such model.
        RequestError: a folder without a configuration.
    """
    if model.startswith("hf-hub:"):
        raise OptionError(
            f"encoder 'clip' looks for no model in the net, {model!r} is one there: download it, "
            f"and give local-dir:PATH"
        )
    if model.startswith("local-dir:"):
        return hub.folder_config(Path(model.removeprefix("local-dir:")))
    config = open_clip.get_model_config(model)
    if config is None:
        near = suggest(model, open_clip.list_models()).rpartition(";")[2]
        raise OptionError(
            f"open_clip has no model {model!r};{near or ' see open_clip.list_models()'}"
        )
    return dict(config)


@cache
def _open_tower(model: str, weights: str, path: str, arithmetic: str) -> _Tower:
    """A tower with its weights, read once a process; detectors on one encoder share it.

    Raises:
        RequestError: the file does not hold this model's weights.
    """
    mean, std = _channels(model, weights)
    is_folder = model.startswith("local-dir:")
    try:
        with _quiet():
            whole = open_clip.create_model(
                model,
                pretrained=None if is_folder else path,
                precision="fp32",
                pretrained_text=False,
                require_pretrained=True,
                weights_only=True,
            )
    except Exception as error:
        raise RequestError(
            f"cannot use {path} as weights of {model}: open_clip says {str(error)[:300]!r}; give "
            f"the model that the file belongs to"
        ) from error
    tower = whole.visual.train(False)
    if arithmetic == "bf16":
        tower = tower.to(torch.bfloat16)
    side = tower.image_size
    return _Tower(tower, mean, std, int(side[0] if isinstance(side, (list, tuple)) else side))


def _channels(model: str, weights: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of the channels, as the weights' publisher trained with."""
    if model.startswith("local-dir:"):
        about = hub.folder_preprocessing(Path(model.removeprefix("local-dir:")))
    else:
        about = open_clip.get_pretrained_cfg(model, weights)
    return tuple(about.get("mean") or CLIP_MEAN), tuple(about.get("std") or CLIP_STD)


@contextmanager
def _quiet() -> Iterator[None]:
    """open_clip logs and warns of what is checked here."""
    logger = logging.getLogger()
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


@contextmanager
def _threads(n: int) -> Iterator[None]:
    """Run torch on n threads; its number belongs to whoever started the process."""
    before = torch.get_num_threads()
    if before == n:
        yield
        return
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def _chosen_precision() -> str:
    """bf16 where the processor multiplies it, as far as Linux tells; else fp32."""
    try:
        lines = Path("/proc/cpuinfo").read_text("ascii", "replace").splitlines()
    except OSError:
        return "fp32"
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return "bf16" if _BF16_FLAGS & set(flags.partition(":")[2].split()) else "fp32"
