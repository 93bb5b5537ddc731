"""Loops of every family from end to end, in their smallest sizes."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from madaudit import simulate

pytestmark = [pytest.mark.torch, pytest.mark.slow]

SMALL = {
    "ddpm": {"steps": 20, "batch": 16, "width": 8, "multipliers": (1, 2), "n_draw_steps": 4},
    "flow": {"epochs": 2, "batch": 64, "hidden": 8},
    "stylegan": {"steps": 20, "batch": 8, "width": 16, "dim": 16},
    "wgan": {"steps": 10, "batch": 8, "width": 16, "n_critic": 2},
}
LOOP = {"loop": "augmentation", "n_fixed": 80, "n_synthetic": 80, "generations": 2, "n_eval": 60}


@pytest.fixture(autouse=True)
def _packages():
    for name in ("torch", "safetensors"):
        pytest.importorskip(name, reason=f"needs {name}: pip install 'madaudit[loops]'")


def _data(tmp_path, family):
    if family == "flow":
        return "rosenbrock"
    path = tmp_path / "data.npz"
    images = np.random.default_rng(0).integers(0, 256, (300, 8, 8), dtype=np.uint8)
    np.savez(path, x_train=images, y_train=np.arange(300) % 3)
    return str(path)


@pytest.mark.parametrize("family", SMALL)
def test_two_generations_are_trained_kept_and_measured(family, tmp_path):
    out = tmp_path / "loop"
    given = {**LOOP, "data": _data(tmp_path, family), "settings": SMALL[family], "out": str(out)}
    content = simulate(family, **given).to_dict()

    assert [row["generation"] for row in content["trace"]] == [0, 1, 2]
    assert all(np.isfinite(row["fid"]) and not row["diverged"] for row in content["trace"])
    assert pq.read_table(out / "trace.parquet").num_rows == 3
    assert simulate(family, **given).to_dict() == content, "a finished loop is read back"
    picture = out / "seed-0" / "generation-002" / "drawn.png"
    if family == "flow":
        assert not picture.exists()
    else:
        with Image.open(picture) as sheet:
            assert sheet.size == (256, 256)


@pytest.mark.parametrize("family", SMALL)
def test_the_knob_and_the_measured_bias_stand_in_the_row(family, tmp_path):
    bias = 1.0 if family == "wgan" else 0.5
    given = {**LOOP, "generations": 1, "data": _data(tmp_path, family)}
    content = simulate(family, **given, bias=bias, settings=SMALL[family]).to_dict()
    row = content["trace"][1]

    assert content["experiment"]["knob"]
    assert row["bias"] == bias
    assert (row["measured_bias"] is None) == (bias == 1.0)


def test_a_diverged_training_is_a_row_and_ends_the_seed(tmp_path):
    settings = {**SMALL["flow"], "learning_rate": 1e30}
    out = tmp_path / "loop"
    content = simulate("flow", **LOOP, seeds=(0, 1), settings=settings, out=str(out)).to_dict()

    assert [(row["seed"], row["diverged"]) for row in content["trace"]] == [(0, True), (1, True)]
    assert content["flags"] == [
        f"seed {seed}: training diverged in generation 0" for seed in (0, 1)
    ]
    kept = json.loads((out / "seed-1" / "generation-000" / "step.json").read_text())
    assert kept["has_diverged"]


def test_bfloat16_is_used_where_the_processor_has_it(tmp_path):
    import torch

    from madaudit.simulation.generators.torch_training import Device

    with Device("cpu", may_use_bf16=False).autocast():
        plain = torch.ones(2, 2) @ torch.ones(2, 2)
    with Device("cpu").autocast():
        narrow = torch.ones(2, 2) @ torch.ones(2, 2)
    told = getattr(torch.cpu, "get_capabilities", dict)()

    assert plain.dtype == torch.float32
    assert (narrow.dtype == torch.bfloat16) == bool(told.get("avx512_bf16"))
