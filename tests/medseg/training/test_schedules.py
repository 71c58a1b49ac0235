import math

import pytest

from medseg.config.recipe import ScheduleConfig
from medseg.training.schedules import lr_factor


def factors(total_steps, **settings):
    schedule = ScheduleConfig(**settings)
    return [lr_factor(step, schedule=schedule, total_steps=total_steps) for step in range(total_steps)]


def test_warm_up_of_four_steps_rises_by_quarters_and_constant_stays_at_one():
    assert factors(7, name="constant", warmup_steps=4) == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0]


def test_cosine_is_one_half_and_the_final_fraction_at_start_middle_and_end():
    # 5 steps without warm-up: cos(pi * {0, 1/4, 1/2, 3/4, 1}), scaled to 0.2..1.
    root = math.sqrt(0.5)
    expected = [1.0, 0.2 + 0.8 * (1 + root) / 2, 0.6, 0.2 + 0.8 * (1 - root) / 2, 0.2]
    assert factors(5, name="cosine", warmup_steps=0, final_lr_fraction=0.2) == pytest.approx(expected)


def test_poly_of_power_two_falls_as_the_square_of_what_remains():
    expected = [0.5, 1.0, 1.0, (3 / 4) ** 2, (2 / 4) ** 2, (1 / 4) ** 2, 0.0]
    found = factors(7, name="poly", warmup_steps=2, final_lr_fraction=0.0, power=2.0)
    assert found == pytest.approx(expected)


def test_a_run_shorter_than_its_warm_up_only_rises():
    assert factors(2, name="cosine", warmup_steps=4) == [0.25, 0.5]


def test_steps_past_the_end_keep_the_final_fraction():
    schedule = ScheduleConfig(name="poly", warmup_steps=0, final_lr_fraction=0.1)
    assert lr_factor(50, schedule=schedule, total_steps=10) == pytest.approx(0.1)


def test_a_run_that_ends_right_after_the_warm_up_is_at_full_rate():
    assert factors(3, name="cosine", warmup_steps=2)[-1] == 1.0
