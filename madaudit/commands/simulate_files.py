"""What `madaudit simulate gaussian|mixture -o FOLDER` leaves in its folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from madaudit.assessment import phase_of
from madaudit.commands.chart_files import phase_picture, series_of, write_charts
from madaudit.commands.loop_request import Known
from madaudit.reports import charts
from madaudit.types import Interval

if TYPE_CHECKING:
    from madaudit.simulation import LoopSpec


def write_simulation(content: dict[str, Any], spec: LoopSpec, folder: str) -> None:
    """trace.json with everything, trace.parquet with the rows, charts; each replaced in one step.

    Args:
        content: the simulation's JSON form.
        spec: its loop.
        folder: made where it is not there.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2)
    (target / "trace.json.part").write_text(text + "\n", encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(content["trace"]), target / "trace.parquet.part")
    for name in ("trace.json", "trace.parquet"):
        os.replace(target / f"{name}.part", target / name)
    _draw(content, spec, folder)


def _draw(content: dict[str, Any], spec: LoopSpec, folder: str) -> None:
    """Trajectories as SVG, and of a Gaussian loop the phase diagram with this loop on it."""
    drawn = {name: charts.draw_series(shown, name) for name, shown in series_of(content).items()}
    if content["family"] == "gaussian":
        n_synthetic = float(spec.at("n_synthetic", spec.generations))
        n = spec.real_alone() + n_synthetic
        share = n_synthetic / n
        phase = phase_of(Known(n, Interval(share, share, share, 1.0)), spec)
        drawn["phase"] = charts.draw_phase(phase_picture(phase), "phase")
    write_charts(drawn, folder)
