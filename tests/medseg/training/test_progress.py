import io

import pytest

from medseg.training.progress import (
    BarReporter,
    LineReporter,
    RemainingTime,
    SilentReporter,
    choose_reporter,
    describe_duration,
)


@pytest.mark.parametrize(
    ("seconds", "text"), [(45.2, "45 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (59.6, "1 min 0 s")]
)
def test_durations_are_said_with_two_units(seconds, text):
    assert describe_duration(seconds) == text


def test_remaining_time_is_that_of_the_steps_left_at_the_mean_speed(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("medseg.training.progress.time.monotonic", lambda: now[0])
    clock = RemainingTime(step=20, total_steps=100)
    assert clock.after(20) == "ETA unknown"
    now[0] = 110.0
    # 20 steps took 10 s, 60 are left.
    assert clock.after(40) == "ETA 30 s"


def test_without_a_terminal_each_epoch_is_a_plain_line_with_step_loss_rate_score_and_eta():
    stream = io.StringIO()
    reporter = choose_reporter(quiet=False, stream=stream)
    assert isinstance(reporter, LineReporter)
    reporter.begin(step=0, total_steps=100)
    reporter.on_step(1, loss=1.0, lr=0.1)
    reporter.on_epoch(50, loss=0.5, lr=0.001, scores={"mean_dice": 0.8, "dice/cell": 0.9}, is_best=True)
    reporter.end()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("step 50/100  loss 0.5000  lr 1.00e-03  mean_dice 0.8000 *  ETA ")


def test_on_a_terminal_a_bar_moves_and_epochs_stand_above_it():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    reporter = choose_reporter(quiet=False, stream=stream)
    assert isinstance(reporter, BarReporter)
    reporter.begin(step=0, total_steps=2)
    reporter.on_step(1, loss=1.0, lr=0.1)
    reporter.on_epoch(2, loss=0.5, lr=0.1, scores={"mean_dice": 0.8}, is_best=False)
    reporter.end()
    assert "step 2  loss 0.5000" in stream.getvalue()


def test_quiet_says_nothing():
    stream = io.StringIO()
    reporter = choose_reporter(quiet=True, stream=stream)
    assert isinstance(reporter, SilentReporter)
    reporter.say("hello")
    assert stream.getvalue() == ""
