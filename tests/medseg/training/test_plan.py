"""A recipe made from what a folder holds: what is measured, what the labels mean, and the rules."""

import math

import numpy as np
import pytest

from medseg.errors import ConfigError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, LabelKind, LabelMap, LabelTable
from medseg.training.data_facts import CaseFacts, _facts_of
from medseg.training.label_meaning import LabelMeaning, label_meaning
from medseg.training.plan import _GPU, _patch, make_plan

CLASSES = LabelMeaning(("background", "lesion"), objects=False, value_map=None, why="as was said")
OBJECTS = LabelMeaning(("background", "cell"), objects=True, value_map=None, why="as was said")


def facts(**changes):
    """A picture of 100 x 200 with 20 % labelled in one region."""
    values = {
        "shape": (100, 200),
        "spacing_mm": None,
        "is_patient": False,
        "modality": None,
        "least": 0.0,
        "zero_share": 0.0,
        "foreground_values": np.array([5.0]),
        "label_values": {0: 16_000, 1: 4_000},
        "parts": 1.0,
        "sides": (63.0,),
        "value_sides": (63.0,),
    }
    return CaseFacts(**{**values, **changes})


def volume(**changes):
    values = {
        "shape": (160, 160, 30),
        "spacing_mm": (1.0, 1.0, 4.0),
        "is_patient": True,
        "label_values": {0: 9995, 1: 5},
    }
    return facts(**{**values, **changes})


def settings_of(*cases, meaning=CLASSES):
    return make_plan(cases, meaning, name="mine", data={}).settings


def counting(count):
    """Values of a label file that counts its objects."""
    return dict.fromkeys(range(count + 1), 10)


def test_files_that_count_to_ends_of_their_own_hold_objects():
    found = label_meaning([facts(label_values=counting(12)), facts(label_values=counting(40))])
    assert (found.objects, found.labels) == (True, ("background", "object"))


def test_one_number_beside_the_background_is_a_class_with_a_map_where_it_is_not_one():
    found = label_meaning([facts(label_values={0: 5, 255: 5})], names=("background", "cell"))
    assert (found.objects, found.labels, found.value_map) == (False, ("background", "cell"), {0: 0, 255: 1})
    assert label_meaning([facts()]).value_map is None


def test_a_dozen_organs_that_every_file_has_are_classes():
    found = label_meaning([facts(label_values=counting(13)), facts(label_values=counting(13))])
    assert (found.objects, len(found.labels)) == (False, 14)


@pytest.mark.parametrize("objects", [True, False])
def test_what_may_be_either_is_asked_and_not_guessed(objects):
    # Organs of which some are missing, or cells that were followed over time: numbers with gaps.
    cases = [facts(label_values={0: 5, **dict.fromkeys(range(1, 30, 2), 5)}), facts(label_values=counting(11))]
    with pytest.raises(ConfigError, match="Say which: --classes or --objects"):
        label_meaning(cases)
    assert label_meaning(cases, objects=objects).objects is objects


def test_as_many_names_as_classes_are_expected():
    with pytest.raises(ConfigError, match="expected 2 names for label files with the values 0, 1, got 3"):
        label_meaning([facts()], names=("background", "a", "b"))


def test_volumes_are_brought_to_their_median_voxel_size():
    cases = [volume(spacing_mm=(size, size, 2.0)) for size in (0.8, 1.0, 1.4)]
    assert settings_of(*cases)["transforms"]["spacing_mm"] == [1.0, 1.0, 2.0]


def test_thick_slices_are_not_made_thicker_than_the_thin_ones_among_them():
    cases = [volume(spacing_mm=(1.0, 1.0, thick)) for thick in (4.0, 5.0, 6.0)]
    # nnU-Net: the 10th percentile along the coarse axis. Between 4 and 5 a fifth of the way: 4.2.
    assert settings_of(*cases)["transforms"]["spacing_mm"] == [1.0, 1.0, 4.2]


def test_pictures_without_a_voxel_size_are_left_on_their_grid():
    transforms = settings_of(facts(), facts(shape=(300, 300)))["transforms"]
    assert "spacing_mm" not in transforms
    assert "orientation" not in transforms


@pytest.mark.parametrize(
    ("changes", "pipeline"),
    [
        ({"modality": "CT"}, "ct"),
        ({"modality": "MR", "least": -1000.0}, "mr"),
        ({"least": -1000.0}, "ct"),
        ({"least": 0.0}, "mr"),
        ({"least": -1000.0, "is_patient": False}, "microscopy"),
    ],
)
def test_ct_is_what_says_so_or_has_values_of_air(changes, pipeline):
    assert settings_of(volume(**changes))["transforms"]["pipeline"] == pipeline


def test_the_window_of_ct_is_that_of_the_labelled_voxels():
    values = np.arange(1001.0)  # 0.5 % and 99.5 % of the way from 0 to 1000
    intensity = settings_of(volume(modality="CT", foreground_values=values))["transforms"]["intensity"]
    assert intensity == {"kind": "window", "lower": 5.0, "upper": 995.0}


def test_rare_structures_are_drawn_more_often_and_those_everywhere_not_at_all():
    def share(labelled):
        case = facts(label_values={0: 10_000 - labelled, 1: labelled})
        return settings_of(case)["transforms"]["foreground_fraction"]

    assert (share(5), share(500), share(5_000)) == (0.67, 0.33, 0.0)


@pytest.mark.parametrize("name", ["left kidney", "kidney_L", "Right-Lung"])
def test_nothing_is_mirrored_where_a_class_has_a_side(name):
    sided = LabelMeaning(("background", name), objects=False, value_map=None, why="as was said")
    assert settings_of(volume(), meaning=sided)["transforms"]["augmentation"]["flip_probability"] == 0
    for other in ("lesion", "liver", "cell"):
        plain = LabelMeaning(("background", other), objects=False, value_map=None, why="as was said")
        assert "flip_probability" not in settings_of(volume(), meaning=plain)["transforms"]["augmentation"]


def test_objects_are_learned_by_their_rims_and_small_ones_on_a_finer_grid():
    large = settings_of(facts(), meaning=OBJECTS)
    assert large["transforms"]["object_rims"] == {"width_voxel": 1}
    assert "magnification" not in large["transforms"]
    assert (large["evaluation"]["task"], large["training"]["monitor"]) == ("instances", "object_f1")
    small = settings_of(facts(value_sides=(5.0, 6.0)), meaning=OBJECTS)["transforms"]
    assert small["magnification"] == 2
    # Twice as many pixels along each axis: 200 x 400, cut to 65,536 pixels.
    assert small["patch_size"][0] > large["transforms"]["patch_size"][0] == 96


def test_what_is_half_as_large_as_the_smallest_objects_is_none():
    sizes = {0: 9000, **{number: 100 + number for number in range(1, 102)}}  # 101 to 201: a hundredth of the way is 102
    inference = settings_of(facts(label_values=sizes), meaning=OBJECTS)["inference"]
    assert inference["rims"] == {"min_seed_voxels": 25, "min_voxels": 51}


def test_stacks_are_not_turned_out_of_their_slices():
    augmentation = settings_of(facts(shape=(64, 64, 64)))["transforms"]["augmentation"]
    assert augmentation == {"rotate90_probability": 0.0}
    assert settings_of(facts())["transforms"]["augmentation"]["rotate_degrees"] == 180


def test_several_small_regions_in_volumes_are_counted_as_lesions():
    assert settings_of(volume(sides=(4.0, 5.0)))["evaluation"]["task"] == "lesions"
    assert settings_of(volume(sides=(4.0,)))["evaluation"]["task"] == "semantic"
    assert settings_of(facts(sides=(4.0, 5.0), label_values={0: 9995, 1: 5}))["evaluation"]["task"] == "semantic"


def test_patches_have_the_proportions_of_space_and_fit_the_budget_and_the_strides():
    size, strides = _patch((512, 512, 80), (0.8, 0.8, 5.0), _GPU[3])
    # A cube in mm would be 0.8 / 5 as high in voxels as wide: 6.25 times as many pixels as slices.
    assert size[0] == size[1]
    assert 5 < size[0] / size[2] < 8
    assert 0.7 < math.prod(size) / 128**3 < 1.4
    assert all(size[axis] % math.prod(one[axis] for one in strides) == 0 for axis in range(3))
    # In the plane first: 0.8 -> 1.6 -> 3.2 mm, which 5 mm is no longer twice as coarse as.
    assert [one[2] for one in strides[:3]] == [1, 1, 2]


def test_small_images_get_small_patches_and_more_of_them():
    planned = settings_of(facts(shape=(64, 64)))
    assert planned["transforms"]["patch_size"] == [64, 64]
    assert planned["training"]["batch_size"] == 16


def test_each_reason_stands_beside_a_setting():
    plan = make_plan([volume(modality="CT")], CLASSES, name="mine", data={})
    for path in plan.reasons:
        found = plan.settings
        for key in path.split("."):
            found = found[key]


def test_numbers_of_objects_may_be_as_large_as_they_like():
    affine = Affine.from_spacing((1.0, 1.0), frame=WorldFrame.RAS)
    labels = np.zeros((20, 30), np.uint32)
    labels[2:6, 2:11] = 4_000_000_000  # 4 x 9: as large as a square of 6
    labels[10:14, 2:6] = 7
    found = _facts_of(
        Image(np.ones((1, 20, 30), np.float32), affine, "CYX"),
        LabelMap(labels, affine, "YX", LabelTable.from_names(["background", "cell"]), LabelKind.INSTANCES),
    )
    assert found.value_sides == pytest.approx((4, 6))
    assert found.label_values == {0: 600 - 52, 7: 16, 4_000_000_000: 36}
    assert found.parts == 1
