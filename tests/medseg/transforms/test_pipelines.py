import numpy as np
import pytest
import torch
from monai.data.meta_tensor import MetaTensor

from medseg.config import BorderWeights, PercentileIntensity, StandardIntensity, TransformsConfig, WindowIntensity
from medseg.errors import ConfigError, LabelError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, Label, LabelMap, LabelTable
from medseg.io.source import ImageSource, LabelSource
from medseg.transforms import PIPELINES, build_augmentation, build_preparation

TABLE = LabelTable((Label(0, "background"), Label(2, "organ")))


def oblique_affine(orientation="LIA", spacing=(0.8, 1.3, 2.5)):
    """Axes towards L, I, A, some degrees off the world's."""
    world = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
    direction = np.zeros((3, 3))
    for axis, letter in enumerate(orientation):
        row, sign = world[letter]
        direction[row, axis] = sign
    angle = np.radians(7)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return Affine.from_spacing(spacing, frame=WorldFrame.RAS, origin_mm=[5, -7, 11], direction=turn @ direction)


def marked_volume(affine):
    """A smooth body in air with a marked block; the block's centre is the place that must be kept."""
    rng = np.random.default_rng(0)
    array = np.full((41, 33, 29), -1000, dtype=np.int16)
    array[6:36, 5:28, 4:25] = rng.integers(-20, 20, (30, 23, 21))
    array[20:25, 12:17, 9:14] = 200
    label = np.zeros(array.shape, dtype=np.uint8)
    label[20:25, 12:17, 9:14] = 2
    image = Image(array[np.newaxis], affine, "CXYZ", ImageMetadata(source="scan.nii.gz"))
    return image, LabelMap(label, affine, "XYZ", TABLE), affine.apply([22, 14, 11])


def centre_mm(tensor, mask):
    indices = np.argwhere(mask).mean(axis=0)
    matrix = tensor.affine.numpy()
    return matrix[:3, :3] @ indices + matrix[:3, 3]


def ct(**changes):
    settings = {
        "pipeline": "ct",
        "patch_size": (16, 16, 16),
        "intensity": WindowIntensity(),
        "orientation": "RAS",
        "spacing_mm": (1.0, 1.0, 1.0),
        **changes,
    }
    return TransformsConfig(**settings)


def test_every_pipeline_scales_intensity():
    assert set(PIPELINES) == {"microscopy", "ct", "mr"}
    for name in PIPELINES:
        config = TransformsConfig(pipeline=name, patch_size=(4, 4), intensity=WindowIntensity(lower=0, upper=10))
        image = Image(np.full((1, 5, 6), 5.0), Affine.from_spacing([1, 1], frame=WorldFrame.RAS), "CYX")
        for training in (False, True):
            prepared = build_preparation(config, training=training)({"image": image})
            assert prepared["image"].tolist() == torch.full((1, 5, 6), 0.5).tolist()


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PIR"])
@pytest.mark.parametrize("training", [False, True])
def test_every_voxel_keeps_its_place_in_the_world(orientation, training):
    # Each channel holds one world coordinate: linear interpolation keeps it exactly, so each value says its place.
    affine = oblique_affine()
    _, label_map, place = marked_volume(affine)
    coordinates = np.moveaxis(affine.apply(np.moveaxis(np.indices(label_map.spatial_shape), 0, -1)), -1, 0)
    image = Image(coordinates.astype(np.float32), affine, "CXYZ")
    config = ct(orientation=orientation, intensity=WindowIntensity(lower=-128, upper=128))
    prepared = build_preparation(config, training=training)({"image": image, "label": label_map})
    tensor = prepared["image"]
    here = Affine(tensor.affine.numpy(), frame=WorldFrame.RAS)
    assert here.orientation == orientation
    assert tensor.meta["space"] == "RAS"
    expected = np.moveaxis(here.apply(np.moveaxis(np.indices(tensor.shape[1:]), 0, -1)), -1, 0)
    inner = (slice(None), slice(3, -3), slice(3, -3), slice(3, -3))
    np.testing.assert_allclose((tensor.numpy() * 256 - 128)[inner], expected[inner], atol=1e-3)
    # The label's block has its faces within half a new voxel of 1 mm.
    assert torch.equal(prepared["label"].affine, tensor.affine)
    np.testing.assert_allclose(centre_mm(prepared["label"], prepared["label"][0].numpy() > 0), place, atol=0.5)


@pytest.mark.parametrize("orientation", ["RAS", "PIR"])
def test_cropping_keeps_the_marked_block_where_it_is(orientation):
    image, label_map, _ = marked_volume(oblique_affine())
    centres, shapes = [], []
    for training in (False, True):
        config = ct(orientation=orientation, crop_foreground=True)
        label = build_preparation(config, training=training)({"image": image, "label": label_map})["label"]
        centres.append(centre_mm(label, label[0].numpy() > 0))
        shapes.append(label.shape)
    assert shapes[0] != shapes[1]
    np.testing.assert_allclose(centres[0], centres[1], atol=1e-9)


def test_reordering_without_spacing_copies_values_exactly():
    image, label_map, place = marked_volume(oblique_affine())
    prepared = build_preparation(
        ct(spacing_mm=None, intensity=WindowIntensity(lower=-1000, upper=1000)), training=False
    )({"image": image, "label": label_map})
    expected = np.sort((image.array.astype(np.float32) + 1000) / 2000, axis=None)
    np.testing.assert_allclose(np.sort(prepared["image"].numpy(), axis=None), expected, atol=1e-6)
    np.testing.assert_allclose(centre_mm(prepared["label"], prepared["label"][0].numpy() > 0), place, atol=1e-9)


def test_spacing_is_given_in_the_order_of_the_orientation():
    image, _, _ = marked_volume(oblique_affine())
    prepared = build_preparation(ct(spacing_mm=(1.0, 2.0, 3.0)), training=False)({"image": image})
    matrix = prepared["image"].affine.numpy()
    np.testing.assert_allclose(np.linalg.norm(matrix[:3, :3], axis=0), [1, 2, 3])
    # 41 * 0.8 mm towards L, 29 * 2.5 mm towards A, 33 * 1.3 mm towards I.
    assert tuple(prepared["image"].shape) == (1, round(32.8), round(72.5 / 2), round(42.9 / 3))


def test_prepared_tensors_have_the_promised_types():
    image, label_map, _ = marked_volume(oblique_affine())
    prepared = build_preparation(ct(border_weights=BorderWeights(object_class=1)), training=True)(
        {"image": image, "label": label_map}
    )
    assert all(isinstance(prepared[key], MetaTensor) for key in ("image", "label", "weights"))
    assert prepared["image"].dtype == prepared["weights"].dtype == torch.float32
    assert prepared["label"].dtype == torch.uint8
    assert prepared["image"].shape == prepared["label"].shape == prepared["weights"].shape
    # The table's value 2 is its class number 1.
    assert prepared["label"].unique().tolist() == [0, 1]


def test_border_weights_are_for_training_only():
    image, label_map, _ = marked_volume(oblique_affine())
    prepared = build_preparation(ct(border_weights=BorderWeights()), training=False)(
        {"image": image, "label": label_map}
    )
    assert set(prepared) == {"image", "label"}


@pytest.mark.parametrize("intensity", [PercentileIntensity(), StandardIntensity()])
def test_values_at_a_place_are_the_same_in_training_and_inference_though_training_is_cropped(intensity):
    image, label_map, place = marked_volume(oblique_affine())
    values = []
    for training in (False, True):
        config = ct(pipeline="mr", intensity=intensity, crop_foreground=True)
        tensor = build_preparation(config, training=training)({"image": image, "label": label_map})["image"]
        voxel = np.rint(Affine(tensor.affine.numpy(), frame=WorldFrame.RAS).apply_inverse(place)).astype(int)
        values.append((tensor.shape, float(tensor[0, *voxel])))
    assert values[0][0] != values[1][0]
    assert values[0][1] == values[1][1]


def test_two_axes_are_resampled_too():
    affine = Affine.from_spacing([0.5, 0.25], frame=WorldFrame.RAS)
    image = Image(np.ones((2, 10, 12), np.uint8), affine, "CYX")
    config = TransformsConfig(
        pipeline="microscopy", patch_size=(4, 4), intensity=WindowIntensity(lower=0, upper=2), spacing_mm=(0.5, 0.5)
    )
    prepared = build_preparation(config, training=False, num_channels=2)({"image": image})["image"]
    assert tuple(prepared.shape) == (2, 10, 6)
    assert (prepared == 0.5).all()
    # The outer faces stay, so the first column's centre moves by half of 0.25 mm.
    np.testing.assert_allclose(prepared.affine.numpy(), [[0.5, 0, 0], [0, 0.5, 0.125], [0, 0, 1]])


def test_a_magnified_image_has_its_values_scaled_on_the_finer_grid():
    image = Image(np.ones((1, 5, 6), np.uint8), Affine.from_spacing([1.0, 1.0], frame=WorldFrame.RAS), "CYX")
    config = TransformsConfig(
        pipeline="microscopy", patch_size=(4, 4), intensity=WindowIntensity(lower=0, upper=2), magnification=2
    )
    prepared = build_preparation(config, training=False)({"image": image})["image"]
    assert tuple(prepared.shape) == (1, 10, 12)
    assert (prepared == 0.5).all()
    np.testing.assert_allclose(prepared.affine.numpy(), [[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])


def test_volumes_are_not_magnified():
    with pytest.raises(ConfigError, match=r"transforms.magnification: images of the ct .* Give spacing_mm"):
        build_preparation(ct(spacing_mm=None, magnification=2), training=True)


def test_note_about_a_constant_image_reaches_the_tensor():
    affine = Affine.from_spacing([1.0, 1.0], frame=WorldFrame.RAS)
    config = TransformsConfig(pipeline="microscopy", patch_size=(4, 4), intensity=PercentileIntensity())
    prepared = build_preparation(config, training=False)({"image": Image(np.full((1, 5, 5), 9), affine, "CYX")})
    assert not prepared["image"].any()
    assert prepared["image"].meta["notes"] == ("channel 0 has the value 9 everywhere; there is nothing to segment.",)


def test_errors_come_through_as_one_of_ours():
    image, label_map, _ = marked_volume(oblique_affine())
    strange = label_map.replace(array=label_map.array + 1)
    with pytest.raises(LabelError, match="the label map: label values 1, 3 are not in the class table"):
        build_preparation(ct(), training=True)({"image": image, "label": strange})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"orientation": "RAS"}, "transforms.orientation: the microscopy pipeline has no anatomical axes"),
        ({"crop_foreground": True}, "transforms.crop_foreground: the microscopy pipeline has no air around a body"),
    ],
)
def test_settings_that_a_pipeline_does_not_have_are_refused(changes, message):
    config = TransformsConfig(pipeline="microscopy", patch_size=(4, 4, 4), intensity=WindowIntensity(), **changes)
    with pytest.raises(ConfigError, match=message):
        build_preparation(config, training=True)


@pytest.mark.real_data
def test_slice_of_the_em_stack_becomes_a_patch_with_its_membranes(data_dir):
    folder = data_dir / "isbi2012"
    table = LabelTable.from_names(["cell", "membrane"])
    config = TransformsConfig(
        pipeline="microscopy", patch_size=(256, 256), intensity=PercentileIntensity(), border_weights=BorderWeights()
    )
    prepared = build_preparation(config, training=True, num_channels=1)(
        {
            "image": ImageSource(folder / "train-volume.tif", axes="ZYX", slice_index=3),
            "label": LabelSource(
                folder / "train-labels.tif", labels=table, axes="ZYX", slice_index=3, value_map={0: 1, 255: 0}
            ),
        }
    )
    assert tuple(prepared["image"].shape) == (1, 512, 512)
    augmentation = build_augmentation(config)
    augmentation.set_random_state(seed=0)
    patch = augmentation(prepared)
    # Membranes are darker than cells, also after bending: the labels have followed.
    dark, bright = (float(patch["image"][0][patch["label"] == index].mean()) for index in (1, 0))
    assert dark < bright - 0.1
    # And they are where the weight map is heavy.
    heavy, light = (float(patch["weights"][patch["label"] == index].mean()) for index in (1, 0))
    assert heavy > 2 * light
