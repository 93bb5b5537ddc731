"""Reports of stores with graded scores: estimate, cut, mixture, strata and doubtful samples."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import madaudit
from madaudit.commands.calibration_files import write_calibration
from madaudit.commands.cluster_rows import write_clusters
from madaudit.commands.report_words import answer
from madaudit.scanning.store import Store
from madaudit.types import Interval
from tests.commands.invoking import invoke
from tests.commands.scored_stores import Rows, calibration_of, draw_scores, write_store
from tests.reports.test_schema import faults, report_schema

_SHARES = (0.05, 0.15, 0.3, 0.5)


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A store of four shards and two sites, 1 in 4 marked among the synthetic; a calibration."""
    folder = tmp_path_factory.mktemp("scored")
    generator, shards = np.random.default_rng(5), {}
    for place, share in enumerate(_SHARES):
        scores, is_synthetic = draw_scores(1500, share, generator)
        marks = [
            "synthetic" if hit and generator.random() < 0.25 else None for hit in is_synthetic
        ]
        urls = [f"https://{'ab'[k % 2]}.example/{k}" for k in range(1500)]
        shards[f"{place:05d}.tar"] = Rows(scores, marks, columns={"url": urls})
    write_calibration(
        calibration_of(least_detected=0.9, n_generators=20), str(folder / "calibration")
    )
    return write_store(folder, shards), str(folder / "calibration")


@pytest.fixture(scope="module")
def twin(scored):
    store, calibration = scored
    madaudit.report(store, calibration=calibration, by=["domain"], bias=0.9)
    return json.loads((Path(store) / "report/summary.json").read_text())


def test_the_headline_is_the_estimates(scored, twin):
    store, calibration = scored
    known = madaudit.estimate(store, calibration=calibration, by=["domain"])
    assert twin["p"] == known.p.to_dict()
    assert twin["tier"] == known.tier == "model_based"
    assert twin["answer"].startswith("The effective real fraction p of this data set is 7")
    assert twin["p"]["low"] <= 1 - np.mean(_SHARES) <= twin["p"]["high"]
    tiers = dict(twin["tiers"])
    assert tiers["model_based"]["low"] == pytest.approx(1 - twin["p"]["high"])
    assert tiers["closed"]["high"] < tiers["model_based"]["high"]


def test_the_twin_fulfils_the_published_schema(twin):
    schema = report_schema()
    assert list(faults(twin, schema, schema)) == []


def test_the_mixture_adds_up_to_the_samples_without_a_mark(twin):
    shown = twin["scores"][0]
    assert shown["detector"].startswith("combined score")
    n_unmarked = sum(row["n"] for row in twin["funnel"] if row["name"] == "nothing")
    assert sum(shown["counts"]) == pytest.approx(n_unmarked)
    assert sum(shown["real"]) + sum(shown["synthetic"]) == pytest.approx(n_unmarked, rel=1e-3)
    share = sum(shown["synthetic"]) / n_unmarked
    # Three quarters of the synthetic quarter are unmarked.
    assert share == pytest.approx(0.1875 / 0.9375, abs=0.03)


def test_the_cut_is_the_one_that_risk_gives(scored, twin):
    store, calibration = scored
    told = madaudit.risk(store, calibration=calibration, by=["domain"], bias=0.9)
    threshold = told.to_dict()["threshold"]
    cut = None if threshold == "do not filter" else threshold["cut"]
    assert twin["cut"]["cut"] == cut


def test_the_cut_is_known_and_what_it_costs(twin):
    assert twin["cut"]["action"] in ("cut", "do not filter", "no cut suffices")
    assert twin["cut"]["real_lost"]["level"] == 0.95
    curve = [row for row in twin["cuts"]["rows"] if row["cut"] is not None and row["cut"] < 1e6]
    assert len(curve) > 20
    assert [row["cut"] for row in curve] == sorted(row["cut"] for row in curve)
    lost = [row["real_lost"] for row in curve]
    assert lost == sorted(lost, reverse=True)


def test_strata_have_their_own_intervals_and_the_tail_names_them(twin):
    assert [row["name"] for row in twin["strata"]] == ["a.example", "b.example"]
    assert all(row["share"]["low"] > 0.05 for row in twin["strata"])
    assert twin["multiples"]["by"] == "domain"
    assert twin["risk"]["tail_possible"] == 1.0


def test_doubtful_samples_are_those_that_the_posterior_leaves_open(twin):
    doubtful = [hit["p_synthetic"] for hit in twin["hits"] if hit["kind"] == "doubtful"]
    kept = [hit["p_synthetic"] for hit in twin["hits"] if hit["kind"] == "kept"]
    assert len(doubtful) == len(kept) == 12
    assert all(abs(p - 0.5) < 0.1 for p in doubtful)
    assert all(p < 0.1 for p in kept)
    sure = [
        hit["p_synthetic"] for hit in twin["hits"] if hit["says"][0].startswith("no mark, but")
    ]
    assert len(sure) == 12
    assert min(sure) > 0.95
    assert len({hit["shard"] for hit in twin["hits"] if hit["kind"] == "doubtful"}) > 1


def test_the_command_that_repeats_the_report_names_the_calibration(scored):
    store, calibration = scored
    run = invoke(
        "report", store, "--calibration", calibration, "--by", "domain", "--bias", "0.9",
        "--format", "json", "--json",
    )  # fmt: skip
    assert run.code == 0
    twin = json.loads((Path(store) / "report/summary.json").read_text())
    command = twin["method"]["command"].split("\n")[1]
    assert command == f"madaudit report STORE --calibration {calibration} --by domain --bias 0.9"


def test_a_calibration_that_is_not_there_is_one_clear_line(scored, tmp_path):
    run = invoke("report", scored[0], "--calibration", tmp_path / "none")
    assert (run.code, run.out) == (2, "")
    assert run.err.count("\n") == 1


def test_check_and_diff_take_the_calibration(scored, tmp_path):
    store, calibration = scored
    path = tmp_path / "policy.yaml"
    path.write_text("version: 1\nrules: {max_prevalence: 0.5, min_effective_real: 0.9}\n")
    checked = madaudit.check(store, policy=str(path), calibration=calibration)
    assert [rule.rule for rule in checked.broken] == ["min_effective_real"]
    generator = np.random.default_rng(6)
    scores, _ = draw_scores(3000, 0.6, generator)
    other = write_store(tmp_path, {"x.tar": Rows(scores)})
    found = madaudit.diff(store, other, calibration=calibration)
    (p,) = [item for item in found.differences if item.name == "effective real fraction p"]
    assert p.change.high < 0
    assert p.adjusted < 0.05
    assert "effective real fraction p" in found.says


# --- copies, and what people saw ------------------------------------------------------------


@pytest.mark.slow
def test_copies_are_told_apart_from_p(scored, tmp_path):
    generator = np.random.default_rng(7)
    scores, is_synthetic = draw_scores(400, 0.3, generator)
    clusters = np.repeat(np.arange(400), np.where(is_synthetic, 5, 1))
    store = write_store(tmp_path, {"a.tar": Rows(scores[clusters])})
    about = {
        "scan": Store(store).manifest()["fingerprint"], "method": {"radius": 3},
        "largest": [
            {"size": 5, "n_shards": 1, "shard": "a.tar", "ordinal": 7, "key": "k7"}, {"size": "x"},
        ],
    }  # fmt: skip
    write_clusters(Store(store), [("a.tar", np.arange(len(clusters)), clusters)], about)
    madaudit.report(store, calibration=scored[1], format=["html", "json", "markdown", "card"])
    twin = json.loads((Path(store) / "report/summary.json").read_text())
    known = madaudit.estimate(store, calibration=scored[1], posteriors=False)
    assert twin["copies"]["p"] == known.p_distinct.to_dict()
    assert twin["copies"]["n_clusters"] == 400
    sizes = np.bincount(clusters)
    expected = len(clusters) ** 2 / (sizes.astype(float) ** 2).sum()
    assert twin["copies"]["n_effective"] == pytest.approx(expected)
    assert [row["key"] for row in twin["copies"]["largest"]] == ["k7"]
    # Synthetic samples are copied more, so without copies more of the data set is real.
    assert twin["copies"]["p"]["low"] > twin["p"]["low"]
    for name in ("index.html", "summary.md"):
        text = (Path(store) / "report" / name).read_text().replace("\\", "")
        assert "p_distinct" in text
    assert list(faults(twin, report_schema(), report_schema())) == []


def test_what_people_saw_leads_and_is_told(scored, tmp_path):
    store, _ = scored
    path = tmp_path / "labels.csv"
    answers = [("real", "synthetic", "real", "undecided")[k % 4] for k in range(200)]
    rows = [f"{k % 4:05d}.tar,{k},{answer}" for k, answer in enumerate(answers)]
    path.write_text("\n".join(["shard,ordinal,label", *rows]))
    run = invoke("report", store, "--labels", path, "--format", "html,json,markdown", "--json")
    assert run.code == 0
    twin = json.loads((Path(store) / "report/summary.json").read_text())
    known = madaudit.estimate(store, labels=str(path))
    assert twin["tier"] == "adjudicated"
    assert twin["p"] == known.p.to_dict()
    assert twin["labels"]["n"] == 200
    assert twin["labels"]["answers"] == {"real": 100, "synthetic": 50, "undecided": 50}
    low, high = (twin["labels"]["undecided"][end] for end in ("low", "high"))
    assert low <= twin["labels"]["share"]["low"] < twin["labels"]["share"]["high"] <= high
    assert f"--labels {path}" in twin["method"]["command"]
    assert (
        "200 samples of a random draw were labelled"
        in (Path(store) / "report/index.html").read_text()
    )


@pytest.mark.parametrize(
    ("low", "said"),
    [(0.0, "from above yet (level 0.95, detectable tier"), (0.25, "yet; it is at least 25")],
)
def test_an_open_upper_end_is_never_told_as_100_percent(low, said):
    p = Interval(low, None, 1.0, 0.95)
    text = answer(Interval(0.0, None, 1.0, 0.95), p, "detectable", is_sampled=False)
    assert text.startswith("Nothing bounds the effective real fraction p")
    assert said in text
    assert "100" not in text
