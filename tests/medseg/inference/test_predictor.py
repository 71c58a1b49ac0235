"""The label map lies on the image's own grid, whatever the network sees in between."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from medseg.config import TransformsConfig, WindowIntensity
from medseg.errors import Cancelled, GeometryError, ImageFormatError, InputError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Label, LabelTable
from medseg.inference import InputContract, label_entries
from medseg.inference.manifest import IntensityFingerprint

ORIENTATIONS = [
    (permutation, signs)
    for permutation in itertools.permutations(range(3))
    for signs in itertools.product((1.0, -1.0), repeat=3)
]


def oriented_affine(permutation, signs, *, spacing=(0.7, 1.3, 2.9), angle_degrees=0.0):
    """Array axis j runs along world axis `permutation[j]`, forwards or backwards, turned about z by the angle."""
    linear = np.zeros((3, 3))
    for axis, (world, sign) in enumerate(zip(permutation, signs, strict=True)):
        linear[world, axis] = sign * spacing[axis]
    turn = math.radians(angle_degrees)
    rotation = np.array([[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = rotation @ linear
    matrix[:3, 3] = (-40.0, 25.0, 11.0)
    return Affine(matrix, frame=WorldFrame.RAS)


def ct_transforms(**changes):
    settings = {"pipeline": "ct", "patch_size": (8, 8, 8), "intensity": WindowIntensity(lower=0.0, upper=1.0)}
    return TransformsConfig(**{**settings, "orientation": "LPS", **changes})


def uniform(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).random(shape).astype(np.float32)


class TestTwoDimensions:
    @pytest.mark.parametrize("shape", [(1, 1), (1, 37), (41, 1), (3, 5), (16, 16), (33, 47)])
    def test_a_threshold_network_gives_the_thresholded_image(self, make_predictor, make_image, shape):
        image = make_image(uniform(*shape))
        prediction = make_predictor().predict(image)
        assert np.array_equal(prediction.label_map.array, (image.array[0] > 0.5).astype(np.uint8))
        assert prediction.label_map.array.dtype == np.uint8
        assert prediction.label_map.affine == image.affine
        assert prediction.label_map.axes == "YX"
        assert prediction.label_map.labels.names == ("background", "bright")
        assert prediction.probabilities is None
        assert prediction.uncertainty is None

    def test_probabilities_are_the_softmax_of_the_logits(self, make_predictor, make_image):
        image = make_image(uniform(21, 18))
        prediction = make_predictor().predict(image, with_probabilities=True)
        # softmax of (-d, d) with d = x - 0.5 is 1 / (1 + exp(-2 d)) for class 1
        expected = 1.0 / (1.0 + np.exp(-2.0 * (image.array[0] - 0.5)))
        assert prediction.probabilities.array.shape == (2, 21, 18)
        assert np.allclose(prediction.probabilities.array[1], expected, atol=1e-5)
        assert np.allclose(prediction.probabilities.array.sum(0), 1.0, atol=1e-6)
        assert prediction.probabilities.axes == "CYX"
        assert prediction.probabilities.affine == image.affine
        assert prediction.probabilities.metadata.channel_names == ("background", "bright")

    def test_axes_in_another_order_than_in_training_come_back_in_their_own(self, make_predictor, make_image):
        class AboveLeft(nn.Module):
            """Class 1 where a pixel is brighter than its neighbour one row up (the first spatial axis, Y)."""

            def forward(self, images):
                difference = images - torch.roll(images, 1, dims=2)
                return torch.cat([-difference, difference], dim=1)

        rows = np.repeat(np.arange(12.0, dtype=np.float32)[:, None], 9, axis=1) / 12.0
        by_rows = make_predictor(network=AboveLeft()).predict(make_image(rows, axes="CYX"))
        transposed = make_image(
            np.ascontiguousarray(rows.T),
            axes="CXY",
            affine=Affine.from_spacing([1.0, 0.5], frame=WorldFrame.RAS, direction=np.eye(2)),
        )
        by_columns = make_predictor(network=AboveLeft()).predict(transposed)
        assert by_rows.label_map.array[1:].all()
        assert by_columns.label_map.axes == "XY"
        assert np.array_equal(by_columns.label_map.array, by_rows.label_map.array.T)

    def test_label_values_of_the_table_stand_in_the_map(self, make_predictor, make_image):
        table = LabelTable((Label(0, "background"), Label(300, "bright")))
        prediction = make_predictor(labels=label_entries(table)).predict(make_image(uniform(9, 9)))
        assert set(np.unique(prediction.label_map.array)) == {0, 300}
        prediction.label_map.check_values(name="result")

    @pytest.mark.parametrize("grid", [{"spacing_mm": (1.0, 1.0)}, {"magnification": 2.0}, {"magnification": 0.7}])
    def test_a_resampled_image_gives_its_mask_at_its_own_size(self, make_predictor, make_image, grid):
        transforms = TransformsConfig(
            pipeline="microscopy", patch_size=(16, 16), intensity=WindowIntensity(lower=0.0, upper=1.0), **grid
        )
        affine = Affine.from_spacing([0.4, 0.37], frame=WorldFrame.RAS)
        ramp = np.repeat(np.linspace(0.0, 1.0, 53, dtype=np.float32)[None, :], 31, axis=0)
        prediction = make_predictor(transforms=transforms).predict(make_image(ramp, affine=affine))
        assert prediction.label_map.affine == affine
        edges = np.argmax(prediction.label_map.array, axis=1)
        # 0.5 is crossed between columns 26 and 27 of 53; interpolation twice may move it by one column
        assert set(edges) <= {26, 27, 28}
        assert prediction.label_map.array[:, -1].all()
        assert not prediction.label_map.array[:, 0].any()


class TestVolumes:
    @pytest.mark.parametrize(("permutation", "signs"), ORIENTATIONS)
    def test_each_orientation_gives_the_thresholded_volume_exactly(
        self, make_predictor, make_image, permutation, signs
    ):
        image = make_image(uniform(7, 5, 9), affine=oriented_affine(permutation, signs))
        prediction = make_predictor(3, transforms=ct_transforms()).predict(image, with_probabilities=True)
        assert np.array_equal(prediction.label_map.array, image.array[0] > 0.5)
        assert np.array_equal(prediction.probabilities.array[1] > 0.5, image.array[0] > 0.5)
        assert prediction.label_map.affine == image.affine

    @pytest.mark.parametrize(("permutation", "signs"), ORIENTATIONS)
    def test_a_marked_voxel_keeps_its_place_in_the_world_through_resampling(
        self, make_predictor, make_image, permutation, signs
    ):
        shape, marked = (13, 11, 9), (8, 4, 3)
        affine = oriented_affine(permutation, signs, angle_degrees=20.0)
        array = np.zeros(shape, dtype=np.float32)
        array[tuple(slice(index - 1, index + 2) for index in marked)] = 1.0
        prediction = make_predictor(3, transforms=ct_transforms(spacing_mm=(0.7, 0.7, 0.7))).predict(
            make_image(array, affine=affine)
        )
        (found,) = prediction.objects
        off = np.array(found.centroid_voxel) - marked
        assert np.abs(off).max() < 0.5
        assert np.allclose(found.centroid_mm, affine.apply(found.centroid_voxel))
        assert np.linalg.norm(np.array(found.centroid_mm) - affine.apply(marked)) < 0.5 * 2.9

    @pytest.mark.parametrize("spacing", [(3.0, 3.0, 3.0), (0.5, 0.9, 4.0)])
    def test_voxels_beyond_the_last_centre_of_a_coarser_grid_get_a_class(self, make_predictor, make_image, spacing):
        image = make_image(np.ones((7, 8, 10), dtype=np.float32), affine=oriented_affine((0, 1, 2), (1.0, 1.0, 1.0)))
        prediction = make_predictor(3, transforms=ct_transforms(spacing_mm=spacing)).predict(image)
        assert (prediction.label_map.array == 1).all()

    def test_a_one_voxel_thin_volume_works(self, make_predictor, make_image):
        image = make_image(uniform(1, 12, 1))
        assert np.array_equal(make_predictor(3).predict(image).label_map.array, image.array[0] > 0.5)

    def test_a_volume_model_refuses_a_flat_image(self, make_predictor, make_image):
        with pytest.raises(GeometryError, match=r"a\.png: the model tiny takes volumes, the image has 2 spatial axes"):
            make_predictor(3).predict(make_image(uniform(8, 8), source="a.png"))


class TestSliceBySlice:
    @pytest.mark.parametrize(("axes", "z"), [("CZYX", 0), ("CXYZ", 2), ("CYZX", 1)])
    def test_a_flat_model_goes_along_z(self, make_predictor, make_image, axes, z):
        class BrighterThanMean(nn.Module):
            """Class 1 where a pixel is above the mean of all that the network sees."""

            def forward(self, images):
                difference = images - images.mean(dim=(2, 3), keepdim=True)
                return torch.cat([-difference, difference], dim=1)

        array = uniform(5, 6, 7) + np.arange((5, 6, 7)[z], dtype=np.float32).reshape(
            [-1 if axis == z else 1 for axis in range(3)]
        )
        array /= array.max()
        transforms = TransformsConfig(
            pipeline="microscopy", patch_size=(5, 5), intensity=WindowIntensity(lower=0.0, upper=1.0)
        )
        others = tuple(axis for axis in range(3) if axis != z)
        plane = tuple(array.shape[axis] for axis in others)
        # one tile holds a whole slice, so that the mean is that of the slice
        transforms = transforms.replace(patch_size=plane if axes.replace("Z", "") == "CYX" else plane[::-1])
        predictor = make_predictor(network=BrighterThanMean(), transforms=transforms)
        prediction = predictor.predict(make_image(array, axes=axes), with_probabilities=True)
        assert np.array_equal(prediction.label_map.array, array > array.mean(axis=others, keepdims=True))
        assert prediction.label_map.axes == axes[1:]
        assert prediction.probabilities.array.shape == (2, 5, 6, 7)
        assert np.array_equal(prediction.probabilities.array[1] > 0.5, prediction.label_map.array == 1)

    def test_progress_rises_over_all_slices_and_ends_at_one(self, make_predictor, make_image):
        seen: list[float] = []
        make_predictor().predict(make_image(uniform(4, 20, 20), axes="CZYX"), progress=seen.append)
        assert len(seen) == 4 * 4
        assert seen == sorted(seen)
        assert seen[-1] == 1.0

    def test_cancelling_stops_between_slices(self, make_predictor, make_image):
        predictor = make_predictor()
        with pytest.raises(Cancelled):
            predictor.predict(make_image(uniform(5, 8, 8), axes="CZYX"), cancelled=lambda: predictor.network.calls >= 2)
        assert predictor.network.calls == 2


class TestInputContract:
    def test_a_colour_picture_becomes_brightness_with_a_note(self, make_predictor, make_image):
        image = make_image(uniform(8, 8))
        red, green, blue = (uniform(8, 8) * part for part in (1.0, 0.9, 0.8))
        colour = image.replace(array=np.stack([red, green, blue]))
        prediction = make_predictor().predict(colour)
        assert np.array_equal(prediction.label_map.array, 0.299 * red + 0.587 * green + 0.114 * blue > 0.5)
        assert any("colour picture was turned into brightness" in note for note in prediction.label_map.metadata.notes)

    def test_stains_in_channels_are_not_mixed(self, make_predictor, make_image):
        image = make_image(uniform(8, 8), channel_names=("DAPI", "GFP", "RFP"), source="cells.tif")
        stained = image.replace(array=np.concatenate([image.array] * 3))
        with pytest.raises(
            InputError, match=r"cells\.tif: the model takes 1 channel\(s\) \(grey\), the image has 3 \(DAPI, GFP, RFP\)"
        ):
            make_predictor().predict(stained)

    def test_nan_is_refused(self, make_predictor, make_image):
        array = uniform(8, 8)
        array[2, 2] = np.nan
        with pytest.raises(ImageFormatError, match="finite"):
            make_predictor().predict(make_image(array))

    @pytest.mark.parametrize(
        ("contract", "metadata", "note"),
        [
            ({"spacing_range_mm": ((0.5, 0.6), (0.9, 1.1))}, {}, None),
            ({"spacing_range_mm": ((0.2, 0.3), (0.9, 1.1))}, {}, "the voxel size, 0.5 x 1 mm, is outside that of"),
            (
                {"spacing_range_mm": ((0.5, 0.6), (0.9, 1.1))},
                {"spacing_is_known": False},
                "the image states no voxel size",
            ),
            ({"modality": "CT"}, {"modality": "MR"}, "trained on CT images, this one is MR"),
            ({"modality": "CT"}, {"modality": "CT"}, None),
            (
                {"intensity": IntensityFingerprint(percentiles={"1": 100, "99": 900}, mean=500, std=50)},
                {},
                "lie outside those of the training images, 100 to 900",
            ),
        ],
    )
    def test_what_differs_from_training_is_noted(self, make_predictor, make_image, contract, metadata, note):
        predictor = make_predictor(input=InputContract(axes="CYX", channels=("grey",), **contract))
        notes = predictor.predict(make_image(uniform(8, 8), **metadata)).label_map.metadata.notes
        assert [note in text for text in notes] == ([True] if note else [])

    def test_a_constant_image_is_noted(self, make_predictor, make_image):
        prediction = make_predictor().predict(make_image(np.full((8, 8), 7, dtype=np.uint8)))
        assert any("all voxels have the value 7" in note for note in prediction.label_map.metadata.notes)

    def test_notes_of_the_reader_are_kept(self, make_predictor, make_image):
        prediction = make_predictor().predict(make_image(uniform(8, 8), notes=("read with care",)))
        assert prediction.label_map.metadata.notes == ("read with care",)
