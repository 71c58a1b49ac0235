"""Which steps are chosen, where the gain of each can be counted by hand."""

import json

import numpy as np
import pytest

from medseg.config import FillHoles, LargestComponent, RemoveSmall
from medseg.errors import InputError
from medseg.jobs.train import train
from medseg.training.postprocessing_choice import choose_postprocessing, default_candidates

LARGEST = LargestComponent(classes=(1,))


def organ(*, at: int = 2) -> np.ndarray:
    reference = np.zeros((12, 12), dtype=np.uint8)
    reference[at : at + 4, at : at + 4] = 1
    return reference


def with_voxels(reference: np.ndarray, *places: tuple[int, int], value: int = 1) -> np.ndarray:
    prediction = reference.copy()
    for place in places:
        prediction[place] = value
    return prediction


def test_a_false_speck_calls_for_the_largest_component():
    cases = [(with_voxels(organ(), (9, 9), (9, 10)), organ()), (organ(), organ())]
    choice = choose_postprocessing(cases, num_classes=2)
    assert choice.steps == (LARGEST,)
    # Dice of the first case: 2 * 16 / (18 + 16).
    assert choice.dice_before == pytest.approx((32 / 34 + 1) / 2)
    assert choice.dice_after == 1.0


def test_two_true_regions_forbid_the_largest_component_but_not_the_size_filter():
    two = organ() | organ(at=7)
    choice = choose_postprocessing([(with_voxels(two, (0, 11)), two)], num_classes=2)
    assert choice.steps == (RemoveSmall(classes=(1,), min_voxels=8),)


def test_a_hole_is_filled_when_the_reference_has_none():
    choice = choose_postprocessing([(with_voxels(organ(), (3, 3), value=0), organ())], num_classes=2)
    assert choice.steps == (FillHoles(classes=(1,)),)


def test_what_is_perfect_is_left_alone():
    choice = choose_postprocessing([(organ(), organ())], num_classes=2)
    assert choice.steps == ()
    assert choice.dice_before == choice.dice_after == 1.0


def test_a_step_that_costs_a_class_is_refused_however_much_another_gains():
    reference = with_voxels(organ(), (10, 10), value=2)
    prediction = with_voxels(reference, (0, 8), (0, 9), (0, 10), (1, 8), (1, 9))
    together = LargestComponent(classes=(1, 2))
    assert choose_postprocessing([(prediction, reference)], num_classes=3, candidates=(together,)).steps == ()
    assert choose_postprocessing([(prediction, reference)], num_classes=3).steps[0] == LARGEST


def test_clearing_a_false_region_where_there_is_none_counts_as_right():
    empty = np.zeros((12, 12), dtype=np.uint8)
    cases = [(with_voxels(empty, (5, 5)), empty), (organ(), organ())]
    choice = choose_postprocessing(cases, num_classes=2)
    assert choice.steps == (RemoveSmall(classes=(1,), min_voxels=8),)
    assert (choice.dice_before, choice.dice_after) == (0.5, 1.0)


def test_the_order_of_the_cases_does_not_matter():
    two = organ() | organ(at=7)
    cases = [(with_voxels(organ(), (9, 9)), organ()), (with_voxels(two, (0, 11)), two), (organ(), organ(at=3))]
    assert choose_postprocessing(cases, num_classes=2) == choose_postprocessing(cases[::-1], num_classes=2)


def test_of_one_class_nothing_is_taken_together():
    assert default_candidates(2)[0] == LARGEST
    assert default_candidates(3)[0] == LargestComponent(classes=(1, 2))


def test_no_cases_are_refused():
    with pytest.raises(InputError, match="expected cases and a foreground class, got 0 cases"):
        choose_postprocessing([], num_classes=2)


def test_a_run_states_the_chosen_steps_in_its_package(tmp_path):
    overrides = (
        "data.options={size: 64, train_cases: 2, validation_cases: 1, test_cases: 0, mean_radius_voxel: 8}",
        "transforms.patch_size=[32, 32]",
        "model.options={width: 4, depth: 3}",
        "training={steps: 2, steps_per_epoch: 2, batch_size: 1, schedule: {warmup_steps: 0}}",
        "evaluation.choose_postprocessing=true",
    )
    run = train("phantom_cells", run_dir=tmp_path / "run", overrides=overrides, device="cpu", quiet=True)
    manifest = json.loads((run / "best" / "medseg.json").read_text())
    steps = manifest["inference"]["postprocessing"]
    told = [text for text in manifest["limits"] if "chosen on the 1 validation case(s)" in text]
    assert len(told) == bool(steps)
    for step in steps:
        assert step["kind"] in told[0]
