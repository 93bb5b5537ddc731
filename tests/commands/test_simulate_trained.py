import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from madaudit import simulate
from madaudit.cli import main
from madaudit.commands.loop_files import Folder
from madaudit.commands.simulate_trained import parse_settings
from madaudit.errors import OptionError, StoreError
from madaudit.simulation.trained_loop import Step

LOOP = {"loop": "fresh", "n_fresh": 60, "n_synthetic": 60, "generations": 3, "n_eval": 100}


@pytest.fixture(autouse=True)
def _safetensors():
    pytest.importorskip("safetensors", reason="needs safetensors: pip install 'madaudit[loops]'")


def test_the_trace_has_every_generation_of_every_seed(tmp_path):
    content = simulate("normal", **LOOP, seeds=(0, 1), out=str(tmp_path)).to_dict()

    assert [(r["seed"], r["generation"]) for r in content["trace"]] == [
        (seed, generation) for seed in (0, 1) for generation in range(4)
    ]
    assert {"fid", "precision", "recall", "w2_squared", "mean_error", "variance_ratio"} <= set(
        content["trace"][0]
    )
    assert content["metric_names"]["fid"] == "fid_identity_100"
    assert json.loads((tmp_path / "trace.json").read_text()) == content


def test_the_table_names_metrics_in_full(tmp_path):
    simulate("normal", **LOOP, out=str(tmp_path))

    assert "fid_identity_100" in pq.read_table(tmp_path / "trace.parquet").column_names


def test_a_killed_run_goes_on_to_the_same_numbers(tmp_path):
    whole = simulate("normal", **LOOP, bias=0.9, out=str(tmp_path / "whole")).to_dict()
    simulate("normal", **LOOP, bias=0.9, out=str(tmp_path / "cut"))
    # Killed while generation 2 was written: its model is there, its last file is not.
    (tmp_path / "cut/seed-0/generation-002/step.json").unlink()
    shutil.rmtree(tmp_path / "cut/seed-0/generation-003")

    assert simulate("normal", **LOOP, bias=0.9, out=str(tmp_path / "cut")).to_dict() == whole


def test_a_longer_loop_goes_on_from_a_shorter_one(tmp_path):
    simulate("normal", **LOOP, out=str(tmp_path))
    first = Folder(tmp_path / "seed-0").step(3)
    longer = simulate("normal", **{**LOOP, "generations": 5}, out=str(tmp_path)).to_dict()

    assert longer["trace"][3] == first.to_dict()
    assert len(longer["trace"]) == 6


def test_refuses_the_folder_of_another_loop(tmp_path):
    simulate("normal", **LOOP, out=str(tmp_path))

    with pytest.raises(StoreError, match="another loop was run there"):
        simulate("normal", **{**LOOP, "n_synthetic": 61}, out=str(tmp_path))


def test_images_are_measured_on_lenet_and_drawn(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (400, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", x_train=images, y_train=np.zeros(400, np.int64))
    options = {"data": str(tmp_path / "data.npz"), "out": str(tmp_path / "loop")}
    content = simulate("normal", **{**LOOP, "generations": 1}, **options).to_dict()

    assert content["metric_names"]["recall"] == "recall_lenet_100"
    assert (tmp_path / "loop/seed-0/generation-001/drawn.png").stat().st_size > 100


def test_the_command_prints_a_row_for_each_generation():
    arguments = (
        "simulate normal --n-fresh 60 --n-synthetic 60 --generations 2 --n-eval 50 -q --json"
    )
    result = CliRunner().invoke(main, arguments.split())

    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["trace"]) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_eval": 3}, "--n-eval is 3; it must be 10 or more"),
        ({"settings": {"stepz": 3}}, "has no option 'stepz'"),
        ({"side": 2, "data": "digits"}, "--side is 2"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        simulate("normal", **{**LOOP, **options})


def test_settings_are_values_of_json_or_text():
    assert parse_settings(["steps=30", "schedule=linear", "multipliers=[1,2]", "bf16=false"]) == {
        "steps": 30,
        "schedule": "linear",
        "multipliers": (1, 2),
        "bf16": False,
    }
    with pytest.raises(OptionError, match="NAME=VALUE"):
        parse_settings(["steps"])


def test_a_model_comes_back_with_its_numbers_however_they_lie_in_memory(tmp_path):
    step = Step(0, 0, 10, 0, 1.0, {"fid": 1.0})
    state = {
        "exchanged": np.arange(24.0, dtype=np.float32).reshape(2, 3, 2, 2).transpose(0, 2, 3, 1),
        "one": np.array([7], np.int64),
    }
    Folder(tmp_path).record(step, state, np.zeros((0, 2), np.float32))
    found = Folder(tmp_path).state(0)

    assert found.keys() == state.keys()
    for name, value in state.items():
        np.testing.assert_array_equal(found[name], value)
    assert Folder(tmp_path).step(0) == step


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("seed-0/generation-001/step.json", b"{"),
        ("seed-0/generation-001/step.json", b"[" * 100_000),
        ("seed-0/generation-001/step.json", b'{"generation": 1}'),
        ("seed-0/generation-001/step.json", b'{"generation": "many", "measures": 3}'),
        ("seed-0/generation-002/model.safetensors", b"\xff" * 40),
        ("experiment.json", b"[1]"),
    ],
)
def test_damage_in_the_folder_is_one_clear_error(tmp_path, name, content):
    simulate("normal", **LOOP, out=str(tmp_path))
    shutil.rmtree(tmp_path / "seed-0/generation-003")
    (tmp_path / name).write_bytes(content)

    with pytest.raises(StoreError, match=r"damaged .*run the same command again"):
        simulate("normal", **LOOP, out=str(tmp_path))


def test_a_model_of_another_kind_is_one_clear_error(tmp_path):
    from safetensors.numpy import save_file

    simulate("normal", **LOOP, out=str(tmp_path))
    shutil.rmtree(tmp_path / "seed-0/generation-003")
    file = tmp_path / "seed-0/generation-002/model.safetensors"
    for arrays in ({"mean": np.zeros(3)}, {"weights": np.zeros(3)}):
        save_file(arrays, file)
        with pytest.raises(StoreError, match="the model of generation 2: its arrays are not"):
            simulate("normal", **LOOP, out=str(tmp_path))
