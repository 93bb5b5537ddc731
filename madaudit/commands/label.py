"""`madaudit label`: a page on which people label samples, and the way back."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import click
import numpy as np

from madaudit.commands.shell import common_options, guarded, print_json
from madaudit.errors import InputError, OptionError
from madaudit.limits import MAX_PAGE_ITEMS

Action = Literal["draw", "read"]
_ACTIONS: tuple[Action, ...] = get_args(Action)


@dataclass(frozen=True)
class Labelling:
    """What was drawn, or read back; `to_dict` is the --json output.

    Attributes:
        action: "draw" or "read".
        draw: name of the draw.
        output: the page, or the labels file.
        n: samples drawn, or labels read.
        checks: blind checks drawn, or answered.
        counts: what the labels say.
        wrong: wrong answers to blind checks by truth.
        needed: labels in all for the width asked for; None where none was.
        notes: what a reader must know.
    """

    action: Action
    draw: str
    output: str
    n: int
    checks: int
    counts: Mapping[str, int] = field(default_factory=dict)
    wrong: Mapping[str, int] = field(default_factory=dict)
    needed: int | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "counts": dict(self.counts), "wrong": dict(self.wrong),
                "notes": list(self.notes)}  # fmt: skip


def label(
    action: Action,
    store: str,
    files: Sequence[str] = (),
    *,
    n: int = 300,
    output: str | None = None,
    calibration: str | None = None,
    check_real: str | None = None,
    check_synthetic: str | None = None,
    check_share: float = 0.15,
    captions: bool = False,
    side: int = 512,
    seed: int = 0,
    until_width: float | None = None,
    level: float = 0.95,
) -> Labelling:
    """Draw samples for people to label, or read back what they said.

    Args:
        action: "draw" writes a page, "read" takes its exports back.
        store: folder or URL of the store.
        files: exports of the page, when reading; of one person each.
        n: samples to draw; blind checks come on top.
        output: the page, or the labels file; the latter lies in the store where left out.
        calibration: by whose scores to draw; None for a simple random sample.
        check_real: folder of images known to be real, for blind checks.
        check_synthetic: the same of synthetic ones.
        check_share: checks for each sample drawn.
        captions: show captions, which checks do not have.
        side: longest side of the pictures in pixels.
        seed: of the draw.
        until_width: also tell how many labels an interval that narrow needs, when reading.
        level: of that interval.

    Raises:
        StoreError: no store, or none of its shards is finished.
        InputError: the inputs have moved, or an export is of another draw.
        OptionError: an option that does not fit.
    """
    if action not in _ACTIONS:
        raise OptionError(f"cannot {action!r} labels; allowed: {', '.join(_ACTIONS)}")
    if action == "read":
        return _read(store, files, output, until_width=until_width, level=level)
    if files or until_width is not None:
        raise OptionError("label draw takes no files and no --until-width; label read does")
    if output is None:
        raise OptionError("cannot draw without a place for the page; give -o FILE.html")
    if not 0 < n <= MAX_PAGE_ITEMS:
        raise OptionError(f"-n is {n}; a page holds 1 to {MAX_PAGE_ITEMS} samples")
    if not 0.0 <= check_share <= 1.0 or not 64 <= side <= 4096:
        raise OptionError(
            f"--check-share is {check_share} and --side {side}; allowed are 0 to 1 and 64 to 4096"
        )
    from madaudit.commands.label_draw import DrawRequest

    folders = {"real": check_real, "synthetic": check_synthetic}
    checks = {truth: folder for truth, folder in folders.items() if folder}
    return _draw(
        store,
        calibration,
        DrawRequest(n, side, seed, checks, check_share, captions),
        output,
        level=level,
    )


def _draw(
    store: str, calibration: str | None, wanted: Any, output: str, *, level: float
) -> Labelling:
    from madaudit.commands.calibration_files import read_calibration
    from madaudit.commands.estimate import require_finished
    from madaudit.commands.label_draw import draw_labels
    from madaudit.commands.store_tiers import Request, settings_of
    from madaudit.reports.label_page import render_label_page
    from madaudit.scanning.store import Store

    opened = Store(store.rstrip("/"))
    survey = opened.survey()
    require_finished(opened, survey)
    ruler = None
    if calibration is not None:
        ruler = read_calibration(calibration)
        ruler.require_fits(survey.manifest["identities"])
    fit = Request(settings_of(ruler, level), "real", survey.is_sampled)
    drawn = draw_labels(opened, survey, ruler, fit, wanted)
    draw = drawn.key["draw"]
    opened.write_json(f"labels/{draw}/key.json", drawn.key)
    _write(output, render_label_page(draw, drawn.items))
    notes = []
    if len(wanted.checks) < 2:
        notes.append(
            "no blind checks of both classes: labellers' mistakes cannot be allowed for; give "
            "--check-real DIR and --check-synthetic DIR"
        )
    if ruler is None:
        notes.append("a simple random sample; with --calibration fewer labels do as much")
    if drawn.n_unreadable:
        notes.append(f"{drawn.n_unreadable} drawn samples could not be decoded and were replaced")
    if wanted.shows_captions and wanted.checks:
        notes.append("checks have no caption, so a labeller can tell them from samples")
    return Labelling("draw", draw, output, drawn.n_drawn, drawn.n_checks, notes=tuple(notes))


def _read(
    store: str,
    exports: Sequence[str],
    output: str | None,
    *,
    until_width: float | None,
    level: float,
) -> Labelling:
    from madaudit.commands.label_files import UNDECIDED
    from madaudit.commands.label_read import join_answers
    from madaudit.scanning.store import Store

    if not exports:
        raise OptionError("cannot read labels without the page's export; give its FILE")
    opened = Store(store.rstrip("/"))
    opened.manifest()
    found, notes = join_answers(opened, exports)
    place = output or f"{opened.url}/labels/{found.draw}/labels.json"
    if output is None:
        opened.write_json(f"labels/{found.draw}/labels.json", found.to_dict())
    else:
        import json

        _write(output, json.dumps(found.to_dict(), indent=1).encode())
    decided = {truth: sum(said.values()) - said.get(UNDECIDED, 0)
               for truth, said in found.checks.items()}  # fmt: skip
    wrong = {truth: n - found.checks[truth].get(truth, 0) for truth, n in decided.items()}
    needed = None if until_width is None else _needed(found, until_width, level)
    return Labelling(
        "read",
        found.draw,
        place,
        len(found.labels),
        sum(decided.values()),
        dict(sorted(Counter(one.label for one in found.labels).items())),
        wrong,
        needed,
        notes,
    )


def _needed(found: Any, width: float, level: float) -> int:
    from madaudit.commands.label_files import counted_by_bin
    from madaudit.estimation import labels_needed

    bins = np.array([one.bin for one in found.labels], dtype=np.int64)
    target = np.array([one.weight for one in found.design.bins])
    real, synthetic, _ = counted_by_bin(found.labels, bins, len(target), "real")
    return labels_needed(real, synthetic, target, width, level=level)


def _write(path: str, data: bytes) -> None:
    """A file that is whole or not there."""
    part = f"{path}.part"
    try:
        with open(part, "wb") as file:
            file.write(data)
        os.replace(part, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error}") from error


def _print(result: Labelling) -> None:
    if result.action == "draw":
        click.echo(
            f"{result.n} samples and {result.checks} blind checks in {result.output}; open it in "
            f"a browser, label by keyboard, export, then: madaudit label read STORE FILE"
        )
    else:
        said = ", ".join(f"{n} {name}" for name, n in result.counts.items())
        click.echo(f"{result.n} labels ({said}) in {result.output}")
        if result.checks:
            wrong = ", ".join(f"{n} of the {name} ones" for name, n in result.wrong.items())
            click.echo(f"  {result.checks} blind checks answered, wrong: {wrong}")
        if result.needed is not None:
            more = max(result.needed - result.n, 0)
            click.echo(f"  about {result.needed} labels are needed in all: {more} more")
        click.echo(f"next: madaudit estimate STORE --labels {result.output}")
    for note in result.notes:
        click.echo(f"  note: {note}")


@click.command("label", no_args_is_help=True)
@click.argument("action", type=click.Choice(_ACTIONS))
@click.argument("store", metavar="STORE")
@click.argument("files", metavar="FILE…", nargs=-1)
@click.option("-n", "n", type=int, default=300, show_default=True, help="Samples to draw.")
@click.option("-o", "--output", metavar="FILE", help="The page, or the labels file.")
@click.option("--calibration", metavar="DIR", help="Draw by its scores: a folder, or default.")
@click.option("--check-real", metavar="DIR", help="Images known to be real, for blind checks.")
@click.option("--check-synthetic", metavar="DIR", help="Images known to be synthetic, likewise.")
@click.option("--check-share", type=float, default=0.15, show_default=True,
              help="Checks for each sample drawn.")  # fmt: skip
@click.option("--captions", is_flag=True, help="Show captions.")
@click.option("--side", type=int, default=512, show_default=True, help="Of pictures, pixels.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draw.")
@click.option("--until-width", type=float, metavar="W",
              help="Tell how many labels an interval of that width needs.")  # fmt: skip
@click.option("--level", type=float, default=0.95, show_default=True, help="Of that interval.")
@common_options
@guarded
def command(
    action: Action,
    store: str,
    files: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> int:
    """Draw samples for people to label on one offline page, and read their labels back.

    \b
      madaudit label draw store -n 300 -o page.html --calibration default
      madaudit label read store labels-….json --until-width 0.01
    """
    result = label(action, store, files, **options)
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        _print(result)
    return 0
