"""The report's one walk over the rows: once a row, and the same however it is cut and shared."""

from __future__ import annotations

import os
import shutil
from collections import Counter

import numpy as np
import pytest

import madaudit
from madaudit.commands import report_rows
from madaudit.commands.calibration_files import write_calibration
from madaudit.commands.processes import in_order
from madaudit.commands.report import assemble
from madaudit.commands.report_draw import ScoredDraw
from madaudit.errors import StoreError
from madaudit.estimation.sketch import N_CELLS, places_of
from madaudit.scanning.store import Store
from tests.commands.scored_stores import Rows, calibration_of, draw_scores, write_store


@pytest.fixture
def scored(tmp_path):
    """A store of six shards with marks, sites and broken images; a calibration."""
    generator, shards = np.random.default_rng(3), {}
    for place in range(6):
        scores, is_synthetic = draw_scores(400, 0.1 * place, generator)
        marks = ["synthetic" if hit and k % 4 == 0 else None for k, hit in enumerate(is_synthetic)]
        urls = [f"https://{'abc'[k % 3]}.example/{k}" for k in range(400)]
        broken = np.arange(400) % 50 == 0
        shards[f"{place:05d}.tar"] = Rows(scores, marks, columns={"url": urls}, broken=broken)
    write_calibration(calibration_of(), str(tmp_path / "calibration"))
    return write_store(tmp_path, shards), str(tmp_path / "calibration")


@pytest.fixture
def walks(monkeypatch):
    """How often the rows of each shard are read for what they weigh."""
    found: Counter[str] = Counter()
    read = Store.row_batches

    def counted(self, shard, columns=None, **more):
        found[shard] += columns is None or "weight" in columns
        return read(self, shard, columns, **more)

    monkeypatch.setattr(Store, "row_batches", counted)
    return found


def told(scored, **options):
    store, calibration = scored
    return assemble(Store(store), calibration=calibration, by=["domain"], **options).to_dict()


def test_rows_are_walked_once_even_with_a_calibration(scored, walks):
    told(scored)
    assert set(walks.values()) == {1}
    assert len(walks) == 6


@pytest.mark.slow
def test_what_the_walk_counted_serves_the_next_estimate(scored, walks):
    store, calibration = scored
    twin = told(scored)
    known = madaudit.estimate(store, calibration=calibration, by=["domain"], posteriors=False)
    assert set(walks.values()) == {1}
    assert known.p.to_dict() == twin["p"]
    again = told(scored)
    assert again == twin


@pytest.mark.slow
def test_the_count_is_that_of_the_estimate_alone(scored):
    store, calibration = scored
    alone = madaudit.estimate(store, calibration=calibration, by=["domain"], posteriors=False)
    shutil.rmtree(f"{store}/combined")
    told(scored)
    after = madaudit.estimate(store, calibration=calibration, by=["domain"], posteriors=False)
    assert after.to_dict() == alone.to_dict()


@pytest.mark.slow
def test_how_the_walk_is_cut_changes_nothing(scored, monkeypatch):
    whole = told(scored)
    monkeypatch.setattr(report_rows, "_STRETCH_ROWS", 1)
    shutil.rmtree(f"{scored[0]}/combined")
    assert told(scored) == whole


@pytest.mark.slow
@pytest.mark.parametrize("calibrated", [False, True])
def test_two_processes_tell_what_one_does(scored, monkeypatch, calibrated):
    monkeypatch.setattr(report_rows, "_STRETCH_ROWS", 1)
    store, calibration = scored
    chosen = calibration if calibrated else None
    found = [
        report_rows.gather(Store(store), survey, asked, counts=True, workers=workers)
        for survey in [Store(store).survey()]
        for asked in [_wanted(chosen)]
        for workers in (1, 2)
    ]
    posterior = np.linspace(0, 1, N_CELLS)
    for name in ("tools", "validated", "models", "shards", "picks", "broken"):
        assert getattr(found[0], name) == getattr(found[1], name)
    assert found[0].domains.tallies() == found[1].domains.tallies()
    assert found[0].draw.picks(posterior) == found[1].draw.picks(posterior)
    assert [part.tallies.tolist() for part in found[0].parts] == [
        part.tallies.tolist() for part in found[1].parts
    ]


def _wanted(calibration):
    from madaudit.commands.calibration_files import read_calibration
    from madaudit.commands.combined import Wanted

    return Wanted(read_calibration(calibration) if calibration else None, ("domain",))


def _square(number):
    return number * number


def _die(number):
    os._exit(9)


@pytest.mark.slow
def test_results_come_in_the_order_of_their_tasks():
    assert list(in_order(_square, iter(range(20)), workers=2)) == [k * k for k in range(20)]
    assert list(in_order(_square, range(3), workers=1)) == [0, 1, 4]


@pytest.mark.slow
def test_a_process_that_is_killed_is_one_clear_error():
    with pytest.raises(StoreError, match="want of memory; give --workers 1"):
        list(in_order(_die, [1, 2, 3], workers=2))


class _FewRows:
    """Rows as the draw sees them."""

    def __init__(self, n):
        self.rows = self
        self.verdicts = np.full(n, 3, np.int8)
        self.masks = self
        self.broken = np.zeros(n, bool)
        self.observable, self.bare = np.ones(n, bool), np.zeros(n, bool)
        self._n = n

    def column(self, name):
        import pyarrow as pa

        assert name == "ordinal"
        return pa.array(np.arange(self._n))


def test_the_draw_keeps_what_a_look_at_all_samples_would_show(monkeypatch):
    """Against the plain way: rank every sample by its posterior, then take the first."""
    from madaudit.commands import report_draw
    from madaudit.commands.report_gallery import chances
    from madaudit.estimation.tally import NO_MARK

    monkeypatch.setattr(report_draw, "_WAITING", 500)
    generator = np.random.default_rng(0)
    posterior = np.clip(np.linspace(-0.2, 1.2, N_CELLS), 0, 1)
    draw, ranked = ScoredDraw(), []
    for shard in ("a", "b", "c"):
        rows = _FewRows(3000)
        rows.verdicts[:] = NO_MARK
        ratios = generator.normal(0, 6, 3000)
        later = ScoredDraw()
        later.offer(rows, shard, ratios)
        draw.merge(later)
        known, chance = posterior[places_of(ratios)], chances(rows, shard)
        openness = 1 - np.abs(2 * known - 1)
        ranked += [
            (1e-3 * c - o, shard, k)
            for k, (c, o) in enumerate(zip(chance, openness, strict=True))
            if o > 0.1
        ]
    shown = [(p.shard, p.ordinal) for p in draw.picks(posterior) if p.kind == "doubtful"]
    assert shown == [(shard, k) for _, shard, k in sorted(ranked)[:12]]
