import pytest

from madaudit.commands.loop_progress import LoopProgress
from madaudit.simulation.trained_loop import Step


class _Clock:
    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = _Clock()
    monkeypatch.setattr("madaudit.commands.loop_progress.time", clock)
    return clock


def _step(generation):
    return Step(generation, 0, 10, 0, 1.0, {})


def test_time_left_is_told_by_what_was_trained_here(clock, capsys):
    with LoopProgress(5, is_quiet=False) as progress:
        progress.begin(0)
        # Found in the folder of a run that was killed: it took no time.
        progress.finish(_step(0))
        progress.show(1, 0.01)
        clock.now += 60
        progress.show(1, 0.5)

    # Half a generation a minute, 3.5 to go.
    assert "generation 1: 50% trained (1 of 5 generations done, about 7.0 min left)" in (
        capsys.readouterr().err
    )


def test_a_line_comes_at_most_every_quarter_of_a_minute(clock, capsys):
    with LoopProgress(2, is_quiet=False) as progress:
        for _ in range(100):
            clock.now += 1
            progress.show(0, 0.1)

    assert capsys.readouterr().err.count("trained") == 6


def test_quiet_says_nothing(clock, capsys):
    with LoopProgress(2, is_quiet=True) as progress:
        clock.now += 60
        progress.show(0, 0.5)

    assert capsys.readouterr().err == ""
