"""`madaudit simulate`: the same numbers at the shell, in Python and in the files."""

from __future__ import annotations

import json
from typing import get_args
from xml.etree import ElementTree as ET

import pyarrow.parquet as pq
import pytest

import madaudit
from madaudit.commands import loop_options
from madaudit.errors import OptionError
from madaudit.simulation import LoopSpec, predict
from madaudit.simulation.loop import Loop, Pool
from tests.commands.invoking import invoke

_LOOP = ("gaussian", "--n-fresh", "100", "--n-synthetic", "100", "--bias", "0.9")


def test_json_is_the_prediction():
    shown = invoke("simulate", *_LOOP, "--json").json
    assert shown == predict(LoopSpec("fresh", n_fresh=100, n_synthetic=100, bias=0.9)).to_dict()
    assert set(shown["trace"][0]) >= {
        "generation",
        "w2_squared",
        "mean_error",
        "variance_ratio",
        "log_det_ratio",
    }


def test_the_table_ends_with_what_it_means():
    out = invoke("simulate", *_LOOP).out
    assert len([line for line in out.splitlines() if line.strip()[:1].isdigit()]) == 11
    assert "as good as 134.9 real samples alone: 1.349 times those in the loop" in out


def test_the_folder_holds_the_rows_and_everything(tmp_path):
    run = invoke("simulate", *_LOOP, "--json", "-o", tmp_path / "loop")
    assert json.loads((tmp_path / "loop" / "trace.json").read_text()) == run.json
    assert pq.read_table(tmp_path / "loop" / "trace.parquet").to_pylist() == run.json["trace"]
    assert sorted(path.name for path in (tmp_path / "loop").iterdir()) == [
        "distance.svg",
        "phase.svg",
        "trace.json",
        "trace.parquet",
        "variance.svg",
    ]


@pytest.mark.parametrize(
    ("words", "file", "says"),
    [
        (("gaussian", "--loop", "synthetic", "--n-synthetic", "20", "--monte-carlo", "50"),
         "distance", "95 % interval of the mean"),
        (("gaussian", "--loop", "augmentation", "--n-fixed", "30", "--n-synthetic", "20"),
         "phase", "share of this data set is between 40"),
        (("mixture", "--loop", "synthetic", "--n-synthetic", "100", "--monte-carlo", "20",
          "--generations", "4", "--seeds", "0,1"), "modes", "5 to 95 % of runs"),
    ],
    ids=["replicates", "phase", "mixture"],
)  # fmt: skip
def test_the_folder_holds_charts_that_say_what_they_show(tmp_path, words, file, says):
    invoke("simulate", *words, "--json", "-o", tmp_path / "loop")
    text = (tmp_path / "loop" / f"{file}.svg").read_text(encoding="utf-8")
    assert says in "".join(ET.fromstring(text).itertext())


def test_lists_with_commas_are_values_by_generation():
    words = ("--n-fresh", "9,8", "--n-synthetic", "1,2", "--bias", "1,.5", "--generations", "2")
    loop = invoke("simulate", "gaussian", *words, "--json").json["loop"]
    assert (loop["n_fresh"], loop["n_synthetic"], loop["bias"]) == ([9, 8], [1, 2], [1.0, 0.5])


def test_a_detector_may_come_late():
    """From generation 2 on it drops all synthetic samples, so the last models see real ones."""
    words = ("--n-fresh", "50", "--n-synthetic", "50", "--bias", ".5", "--generations", "3")
    shown = invoke("simulate", "gaussian", *words, "--filter-tpr", "0,1,1", "--json").json
    assert [f["tpr"] for f in shown["loop"]["filters"]] == [0.0, 1.0, 1.0]
    levels = [row["variance_ratio"] for row in shown["trace"]]
    assert levels[1] < 0.8
    assert levels[2] == pytest.approx(1.0)
    run = invoke("simulate", "gaussian", *words, "--filter-fpr", "0,1")
    assert (run.code, "filter_fpr has 2 values for 3 generations" in run.err) == (2, True)


def test_a_spectrum_sets_the_dimension():
    words = ("--n-fresh", "50", "--n-synthetic", "5", "--spectrum", "4,1,.1", "--json")
    loop = invoke("simulate", "gaussian", *words).json["loop"]
    assert (loop["dim"], loop["spectrum"]) == (3, [4.0, 1.0, 0.1])


def test_replicates_come_with_their_seed_and_error():
    shown = invoke("simulate", *_LOOP, "--monte-carlo", "50", "--seeds", "3,4", "--json").json
    assert (shown["method"], len(shown["trace"])) == ("monte carlo", 22)
    assert {row["seed"] for row in shown["trace"]} == {3, 4}
    assert all(row["w2_error"] > 0 for row in shown["trace"])


def test_a_mixture_loses_modes():
    words = ("--loop", "synthetic", "--n-synthetic", "100", "--monte-carlo", "20")
    shown = invoke("simulate", "mixture", *words, "--json").json
    assert shown["trace"][-1]["modes"] < shown["trace"][0]["modes"] <= 25
    assert "modes left" in invoke("simulate", "mixture", *words).out


def test_a_count_may_be_written_as_a_power():
    shown = invoke("simulate", "gaussian", "--n-fresh", "5e9", "--n-synthetic", "5e7", "--json")
    assert shown.json["loop"]["n_fresh"] == 5_000_000_000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gaussian"], "n_fresh is 0; the fresh loop needs it: give --n-fresh"),
        (["gaussian", "--n-fresh", "1.5"], "'1.5' is no integer"),
        (["gaussian", "--n-fresh", "many"], "'many' is no integer"),
        (
            ["gaussian", "--n-fresh", "5", "--bias", "2"],
            "bias is 2.0; it must be a number, 0 to 1",
        ),
        (["gaussian", "--n-fresh", "5", "--filter-tpr", "2"], "filter's tpr is 2.0"),
        (["gaussian", "--n-fresh", "5", "--data", "digits"], "--data is 'digits'"),
        (["mixture", "--n-fresh", "5", "--data", "digits"], "knows 'mixture25'"),
        (["mixture", "--n-fresh", "5", "--pool", "subsample"], "pool is 'subsample'"),
        (["gausian", "--n-fresh", "5"], "'gausian' is not one of"),
        (["gaussian", "--n-fresh", "5", "--monte-carlo", "1"], "monte_carlo is 1"),
    ],
)
def test_a_loop_that_cannot_be_is_refused_in_one_line(words, message):
    run = invoke("simulate", *words)
    assert (run.code, run.out) == (2, "")
    assert message in run.err
    assert "Traceback" not in run.err


def test_the_python_twin_refuses_an_unknown_family():
    with pytest.raises(OptionError, match="no family 'ddmp'"):
        madaudit.simulate("ddmp", n_fresh=5)


def test_the_flags_offer_what_loops_there_are():
    assert (get_args(Loop), get_args(Pool)) == (loop_options.LOOPS, loop_options.POOLS)
