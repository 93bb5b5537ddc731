"""The monitor inside real trainers."""

from __future__ import annotations

import pytest

from madaudit.assessment.policy import Policy
from madaudit.hooks import Monitor
from madaudit.hooks.monitor import MonitorOptions
from madaudit.hooks.trainers import lightning_callback, to_tensorboard, transformers_callback
from tests.commands.store_building import generated, make_store, photo

torch = pytest.importorskip("torch", reason="torch is not installed: the trainers need it")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("default")]


@pytest.fixture
def store(tmp_path):
    return make_store(tmp_path, a=[(generated if i % 2 else photo)(i) for i in range(16)])


class Rows(torch.utils.data.Dataset):
    """Sixteen samples that tell the monitor of themselves as they are read."""

    def __init__(self, monitor):
        self._monitor = monitor

    def __len__(self):
        return 16

    def __getitem__(self, index):
        self._monitor.tap({"__key__": f"{index:09d}", "__url__": "a.tar"})
        return {"x": torch.ones(1), "labels": torch.ones(1)}


def test_tensorboard_gets_scalars_by_its_own_interface(store, tmp_path):
    tensorboard = pytest.importorskip(
        "torch.utils.tensorboard",
        reason="torch.utils.tensorboard is not installed: it writes here",
    )
    events = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="it reads here"
    )
    with tensorboard.SummaryWriter(str(tmp_path / "runs")) as writer:
        monitor = Monitor(store, log=to_tensorboard(writer))
        monitor.observe_rows(range(16))
        monitor.step(100)
    found = events.EventAccumulator(str(tmp_path / "runs")).Reload()
    (event,) = found.Scalars("madaudit/marked")
    assert (event.step, event.value) == (100, 8.0)


def test_lightning_stops_where_a_rule_breaks(store, tmp_path):
    lightning = pytest.importorskip(
        "lightning", reason="lightning is not installed: the callback is tested in it"
    )
    monitor = Monitor(
        store,
        policy=Policy(rules={"max_floor": 0.0}),
        alarm=lambda broken, step: None,
        options=MonitorOptions(every=1),
    )

    class Model(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def training_step(self, batch, index):
            return self.layer(batch["x"]).sum()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.01)

    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=str(tmp_path),
        callbacks=[lightning_callback(monitor, stops=True)],
    )
    trainer.fit(Model(), torch.utils.data.DataLoader(Rows(monitor), batch_size=2))
    assert trainer.global_step < 8
    assert monitor.readings()[""].marked >= 1


def test_hugging_faces_trainer_logs_and_stops(store, tmp_path):
    transformers = pytest.importorskip(
        "transformers", reason="transformers is not installed: the callback is tested in it"
    )
    pytest.importorskip("accelerate", reason="accelerate is not installed: its Trainer needs it")
    monitor = Monitor(
        store,
        policy=Policy(rules={"max_floor": 0.3}),
        alarm=lambda broken, step: None,
        options=MonitorOptions(every=1),
    )

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def forward(self, x, labels=None):
            return {"loss": (self.layer(x) - labels).square().mean()}

    logged = []

    class Logger(transformers.TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            logged.append(dict(logs))

    trainer = transformers.Trainer(
        model=Model(),
        args=transformers.TrainingArguments(
            output_dir=str(tmp_path),
            per_device_train_batch_size=2,
            num_train_epochs=5,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
        ),
        train_dataset=Rows(monitor),
        callbacks=[transformers_callback(monitor, stops=True), Logger()],
    )
    trainer.train()
    assert trainer.state.global_step < 40
    assert logged[0]["madaudit/marked"] >= 1
