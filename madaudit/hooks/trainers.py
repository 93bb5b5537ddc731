"""Monitors where trainers take them: TensorBoard, Lightning and Hugging Face's Trainer.

Monitor(store, log=to_tensorboard(SummaryWriter("runs")))
lightning.Trainer(callbacks=[lightning_callback(monitor)])
transformers.Trainer(callbacks=[transformers_callback(monitor, stops=True)])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from madaudit.errors import RequestError
from madaudit.hooks.monitor import Monitor


def to_tensorboard(writer: Any) -> Callable[[Mapping[str, float], int], None]:
    """A log that writes scalars.

    Args:
        writer: a SummaryWriter, or what has its `add_scalar(tag, value, step)`.
    """

    def log(numbers: Mapping[str, float], step: int) -> None:
        for name, value in numbers.items():
            writer.add_scalar(name, value, step)

    return log


def lightning_callback(monitor: Monitor, *, stops: bool = False) -> Any:
    """A callback that steps the monitor after each training batch.

    Args:
        monitor: whose `tap` is in the data set; without a log of its own it uses the module's.
        stops: end training where a rule breaks.
    """
    try:
        from lightning.pytorch.callbacks import Callback  # noqa: PLC0415 — only this needs it
    except ImportError as error:
        raise RequestError("the package 'lightning' is not installed") from error

    class MonitorCallback(Callback):
        def on_train_batch_end(
            self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
        ) -> None:
            broken = monitor.step(trainer.global_step)
            if trainer.logger is not None and trainer.global_step % monitor.every == 0:
                trainer.logger.log_metrics(monitor.numbers(), step=trainer.global_step)
            trainer.should_stop = trainer.should_stop or bool(broken and stops)

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            monitor.check(trainer.global_step)

    return MonitorCallback()


def transformers_callback(monitor: Monitor, *, stops: bool = False) -> Any:
    """A callback that steps the monitor with Hugging Face's Trainer.

    Args:
        monitor: whose `tap` is in the data set.
        stops: end training where a rule breaks.
    """
    try:
        from transformers import TrainerCallback  # noqa: PLC0415 — only this needs it
    except ImportError as error:
        raise RequestError("the package 'transformers' is not installed") from error

    class MonitorCallback(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
            if monitor.step(state.global_step) and stops:
                control.should_training_stop = True
            return control

        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any
        ) -> None:
            if logs is not None:
                logs.update(monitor.numbers())

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            monitor.check(state.global_step)

    return MonitorCallback()
