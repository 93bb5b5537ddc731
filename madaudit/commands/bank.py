"""`madaudit bank`: build or enlarge a bank of known real and known synthetic images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from madaudit.commands.shell import common_options, guarded, print_json
from madaudit.errors import InputError, OptionError, RequestError
from madaudit.limits import DEFAULT_MAX_PIXELS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from madaudit.detectors.base import Pixels
    from madaudit.encoders.bank import Bank, Side
    from madaudit.encoders.space import FeatureSpace
    from madaudit.types import Sample

Action = Literal["build", "add"]
_ACTIONS: tuple[Action, ...] = get_args(Action)


@dataclass(frozen=True)
class BankSummary:
    """A bank that was written.

    Attributes:
        about: content of bank.json.
        n_unfit: samples passed over: broken, without an image, or too small for a crop.
    """

    about: dict[str, Any]
    n_unfit: int

    def to_dict(self) -> dict[str, Any]:
        return {**self.about, "unfit": self.n_unfit}


@dataclass(eq=False)
class _Gathered:
    """Features of one side on their way into a bank."""

    vectors: list[npt.NDArray[np.float32]] = field(default_factory=list)
    items: list[tuple[str, str, int, str]] = field(default_factory=list)
    sources: list[tuple[str, int]] = field(default_factory=list)


def bank(
    action: Action,
    out: str,
    *,
    synthetic: Sequence[str] = (),
    real: Sequence[str] = (),
    encoder: str = "clip-onnx",
    weights: str = "clip-vit-b16-int8",
    threads: int = 1,
) -> BankSummary:
    """Build a bank of known images, or add images to one.

    Args:
        action: "build" or "add".
        out: folder of the bank.
        synthetic: inputs as for scan, each `[GENERATOR=]INPUT`.
        real: inputs as for scan, each `[SOURCE=]INPUT`.
        encoder: name of an encoder; that of the bank when adding.
        weights: what the encoder takes.
        threads: of the encoder.

    Raises:
        OptionError: an unknown action, or nothing to add.
        InputError: an input does not exist, or no image of it can be encoded.
        RequestError: a bank is there already, or none to add to, or it is of other features.
        MissingExtraError: the encoder's package is not installed.
    """
    from madaudit.encoders.bank import SIDES, read_bank
    from madaudit.encoders.bank_writing import write_bank

    _require_action(action, out, synthetic, real)
    known = read_bank(out) if action == "add" else None
    space = _space(encoder, {"weights": weights, "threads": threads}, known, out)
    sources: list[dict[str, Any]] = [] if known is None else list(known.about["sources"])
    n_unfit = 0
    sides: dict[str, tuple[npt.NDArray[np.float32], pa.Table]] = {}
    for side, inputs in zip(SIDES, (real, synthetic), strict=True):
        gathered = _Gathered()
        n_unfit += sum(_gather(gathered, given, space) for given in inputs)
        sources += [{"name": name, "label": side, "n": n} for name, n in gathered.sources]
        sides[side] = _together(gathered, known, side, space)
    return BankSummary(write_bank(out, space, sides, sources), n_unfit)


def _require_action(action: str, out: str, synthetic: Sequence[str], real: Sequence[str]) -> None:
    from pathlib import Path

    if action not in _ACTIONS:
        raise OptionError(f"cannot {action!r} a bank; allowed: {', '.join(_ACTIONS)}")
    is_there = (Path(out) / "bank.json").exists()
    if action == "build":
        if not (synthetic and real):
            raise OptionError("a bank needs both sides; give --synthetic INPUT and --real INPUT")
        if is_there:
            raise RequestError(
                f"cannot build a bank at {out!r}: one is there; enlarge it with madaudit bank "
                f"add, or give another folder"
            )
    elif not (synthetic or real):
        raise OptionError("nothing to add; give --synthetic INPUT, --real INPUT or both")


def _space(encoder: str, options: dict[str, Any], known: Bank | None, out: str) -> FeatureSpace:
    """The space to encode in, checked to be that of the bank that is there."""
    from madaudit.encoders import build_encoder
    from madaudit.encoders.space import FeatureSpace

    space = FeatureSpace(build_encoder(encoder, options))
    if known is None:
        return space
    space = FeatureSpace(space.encoder, known.crops)
    if known.space != space.key:
        raise RequestError(
            f"cannot add to the bank {out!r}: its features are of {known.space[:12]}…, this "
            f"encoder gives {space.key[:12]}…; give the encoder and weights it was built with"
        )
    return space


def _named(given: str) -> tuple[str, str]:
    """Name and place of `NAME=PLACE`; a place alone is named by its last part."""
    from pathlib import Path

    name, equals, place = given.partition("=")
    if equals and name and "/" not in name and not Path(given).exists():
        return name, place
    return Path(given).name or given, given


def _gather(gathered: _Gathered, given: str, space: FeatureSpace) -> int:
    """Features of the images of one input; the number of samples that have none."""
    from madaudit.encoders.base import unit_length
    from madaudit.shards import load_reader
    from madaudit.shards.locate import locate

    name, place = _named(given)
    n_unfit, n_before = 0, len(gathered.items)
    for shard in locate([place]).shards:
        with load_reader(shard.reader).open(shard) as source:
            for sample in source.samples():
                found = _features(sample, space)
                if found is None:
                    n_unfit += 1
                    continue
                gathered.vectors.append(unit_length(found[None])[0])
                gathered.items.append((name, shard.name, sample.ordinal, sample.key))
    if len(gathered.items) == n_before:
        side = space.encoder.side_px
        raise InputError(
            f"cannot take known images from {place!r}: of {n_unfit} samples none can be encoded; "
            f"allowed: images of at least {side} × {side} pixels"
        )
    gathered.sources.append((name, len(gathered.items) - n_before))
    return n_unfit


def _features(sample: Sample, space: FeatureSpace) -> npt.NDArray[np.float32] | None:
    import numpy as np

    pixels = _pixels(sample)
    found = None if pixels is None else space.features(pixels)
    if found is None or not np.isfinite(found).all() or not found.any():
        return None
    return found


def _pixels(sample: Sample) -> Pixels | None:
    from madaudit.detectors.provenance.containers import parse
    from madaudit.scanning.decode import decode

    if sample.image is None:
        return None
    container = parse(sample.image)
    if container is None:
        return None
    raster = decode(sample.image, container, DEFAULT_MAX_PIXELS).raster
    return None if raster is None else raster.rgb


def _together(
    gathered: _Gathered, known: Bank | None, side: Side, space: FeatureSpace
) -> tuple[npt.NDArray[np.float32], pa.Table]:
    """What the bank held on a side, and what is new."""
    import numpy as np
    import pyarrow as pa

    from madaudit.encoders.bank import ITEMS

    dimension = space.encoder.dimension
    vectors = np.array(gathered.vectors, dtype=np.float32).reshape(-1, dimension)
    columns = list(zip(*gathered.items, strict=True)) or [()] * len(ITEMS)
    arrays = [pa.array(_clean(column), pa.string()) for column in columns[:2]]
    arrays += [pa.array(columns[2], pa.int64()), pa.array(_clean(columns[3]), pa.string())]
    arrays[0] = arrays[0].dictionary_encode()
    items = pa.Table.from_arrays(arrays, schema=ITEMS)
    if known is None:
        return vectors, items
    before = known.real if side == "real" else known.synthetic
    tables = pa.concat_tables([before.items.cast(ITEMS), items]).unify_dictionaries()
    return np.concatenate([before.vectors, vectors]), tables


def _clean(texts: Sequence[Any]) -> Iterator[str]:
    """Names as text that Parquet takes; half characters become question marks."""
    for text in texts:
        yield str(text).encode("utf-8", "replace").decode()


def _print(summary: BankSummary) -> None:
    from madaudit.reports.wording import visible

    about = summary.about
    for side in ("real", "synthetic"):
        own = about[side]
        how = "searched whole"
        if own["search"] != "exact":
            how = (
                f"searched by {own['n_probes']} of {own['n_cells']} cells, which find "
                f"{own['recall']:.3f} of the 10 nearest"
            )
        click.echo(f"{own['n']} {side} images, {how}")
    for source in about["sources"]:
        click.echo(f"  {source['label']} {visible(source['name'])}: {source['n']}")
    if summary.n_unfit:
        click.echo(f"  {summary.n_unfit} samples passed over: broken, too small or no image")
    click.echo(f"  intrinsic dimension {about['dimension']:.1f}; calibrate on other images")


@click.command("bank", no_args_is_help=True)
@click.argument("action", type=click.Choice(_ACTIONS))
@click.option("-o", "--out", required=True, metavar="DIR", help="Folder of the bank.")
@click.option(
    "--synthetic", multiple=True, metavar="[GENERATOR=]INPUT", help="Known synthetic images."
)
@click.option("--real", multiple=True, metavar="[SOURCE=]INPUT", help="Known real images.")
@click.option("--encoder", default="clip-onnx", show_default=True, help="Name of an encoder.")
@click.option(
    "--weights", default="clip-vit-b16-int8", show_default=True, help="What the encoder takes."
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Of it.")
@common_options
@guarded
def command(as_json: bool, quiet: bool, verbose: bool, **options: Any) -> int:
    """Build or enlarge a bank of known images for the detector `neighbours`.

    \b
      madaudit bank build -o bank --synthetic flux=made/ --real photos/
      madaudit bank add -o bank --synthetic sdxl=more/*.tar
      madaudit scan shards/ -o store --tier model --detectors neighbours \\
          --option neighbours.bank=bank
    """
    summary = bank(**options)
    if as_json:
        print_json(summary.to_dict())
    elif not quiet:
        _print(summary)
    return 0
