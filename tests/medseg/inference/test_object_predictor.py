"""Packages of networks that find objects: pictures of any size, stacks, full devices, what is not written of them."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from medseg.config import InferenceConfig, TransformsConfig, WindowIntensity
from medseg.errors import InputError, ModelPackageError
from medseg.images import LabelKind, LabelTable
from medseg.inference import Architecture, ObjectPredictor, export_onnx, label_entries, load_model, write_package
from medseg.models import DetectionNetwork, Detections, build_model

CPU = torch.device("cpu")
FULL = torch.device("meta")
"""Takes tensors and has no memory for their values."""
TABLE = LabelTable.from_names(["background", "dot", "slab"])


class Regions(DetectionNetwork):
    """Each bright region of a picture is an object; its score is its brightness, and large ones are slabs."""

    def __init__(self) -> None:
        super().__init__(in_channels=1, num_classes=3)
        self.sides = []

    def forward(self, images):
        if images.device != CPU:
            message = "MPS backend out of memory (MPS allocated: 18.04 GB, other allocations: 1.00 GB)."
            raise RuntimeError(message)
        return [self._of(picture[0].numpy()) for picture in images]

    def losses(self, images, targets):
        raise NotImplementedError

    def _of(self, picture):
        self.sides.append(picture.shape)
        numbers, _ = ndimage.label(picture > 0.2)
        boxes, classes, scores = [], [], []
        for number, (rows, columns) in enumerate(ndimage.find_objects(numbers), start=1):
            boxes.append([columns.start - 0.5, rows.start - 0.5, columns.stop - 0.5, rows.stop - 0.5])
            classes.append(1 + int((numbers == number).sum() > 500))
            scores.append(float(picture[numbers == number].max()))
        order = np.argsort(-np.array(scores)).tolist()
        return Detections(
            torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)[order],
            torch.tensor(classes, dtype=torch.int64)[order],
            torch.tensor(scores, dtype=torch.float32)[order],
            torch.ones(len(order), 28, 28),
        )


@pytest.fixture
def object_manifest(make_manifest):
    options = {"backbone": "resnet18", "width_factor": 0.125, "norm": "group"}
    return make_manifest(
        architecture=Architecture(name="mask_rcnn", options=options, in_channels=1, num_classes=3, spatial_dims=2),
        labels=label_entries(TABLE),
        inference=InferenceConfig.model_validate({"objects": {"tile_size": 96}, "overlap_fraction": 0.5}),
        transforms=TransformsConfig(
            pipeline="microscopy", patch_size=(64, 64), intensity=WindowIntensity(lower=0.0, upper=1.0)
        ),
    )


@pytest.fixture
def predictor(object_manifest):
    return ObjectPredictor(Regions(), manifest=object_manifest, device=CPU, precision="fp32")


def scattered(shape, *, count, seed=5):
    """Squares of 9 pixels' side at least 4 pixels apart, each as bright as its score, and their map."""
    rng = np.random.default_rng(seed)
    picture, numbers = np.zeros(shape, np.float32), np.zeros(shape, int)
    cells = [(row, column) for row in range(2, shape[0] - 11, 13) for column in range(2, shape[1] - 11, 13)]
    for number, place in enumerate(rng.permutation(len(cells))[:count], start=1):
        row, column = cells[place]
        picture[row : row + 9, column : column + 9] = 0.5 + 0.5 * number / (count + 1)
        numbers[row : row + 9, column : column + 9] = number
    return picture, numbers


def test_a_picture_of_many_tiles_has_each_object_once_with_its_own_score(predictor, make_image):
    picture, truth = scattered((400, 290), count=300)
    prediction = predictor.predict(make_image(picture))
    assert len(predictor.network.sides) > 20
    assert set(predictor.network.sides) == {(96, 96)}
    found = prediction.label_map
    assert (found.kind, found.array.max(), len(prediction.objects)) == (LabelKind.INSTANCES, 300, 300)
    pairs = np.unique(np.stack([truth.ravel(), found.array.ravel()]), axis=1)
    assert pairs.shape == (2, 301)  # background with background, each object with one
    of_found = dict(zip(pairs[1].tolist(), pairs[0].tolist(), strict=True))
    for row in prediction.objects:
        assert row.voxels == 81
        assert row.score == pytest.approx(0.5 + 0.5 * of_found[row.object_id] / 301)


def test_an_object_larger_than_a_tile_is_one_and_has_its_class(predictor, make_image):
    picture = np.zeros((300, 300), np.float32)
    picture[20:280, 100:160] = 0.9
    picture[5:14, 5:14] = 0.8
    rows = predictor.predict(make_image(picture)).objects
    assert sorted((row.label, row.voxels, round(row.score, 4)) for row in rows) == [
        ("dot", 81, 0.8),
        ("slab", 260 * 60, 0.9),
    ]


def test_slices_of_a_stack_have_objects_of_their_own_under_numbers_of_their_own(predictor, make_image):
    stack = np.zeros((4, 70, 80), np.float32)
    stack[0, 10:20, 10:20] = 0.9
    stack[2, 10:20, 10:20] = 0.8
    stack[2, 40:50, 30:40] = 0.7
    prediction = predictor.predict(make_image(stack, axes="CZYX"))
    assert [(row.object_id, row.box_start, round(row.score, 4)) for row in prediction.objects] == [
        (1, (0, 10, 10), 0.9),
        (2, (2, 10, 10), 0.8),
        (3, (2, 40, 30), 0.7),
    ]
    assert prediction.label_map.array.shape == stack.shape


def test_a_picture_without_objects_and_one_smaller_than_the_network_takes(predictor, make_image):
    assert predictor.predict(make_image(np.zeros((120, 120), np.float32))).objects == ()
    small = np.zeros((20, 30), np.float32)
    small[5:14, 6:15] = 0.9
    (row,) = predictor.predict(make_image(small)).objects
    assert (row.voxels, row.box_start, row.box_stop) == (81, (5, 6), (14, 15))


def test_a_full_device_gives_the_answer_of_the_cpu_and_says_so(predictor, make_image):
    image = make_image(scattered((200, 200), count=40)[0])
    plain = predictor.predict(image)
    predictor.device = FULL
    for _ in range(2):  # the device is tried again for the next image
        prediction = predictor.predict(image)
        assert np.array_equal(prediction.label_map.array, plain.label_map.array)
        assert prediction.objects == plain.objects
        assert prediction.fallbacks == (
            "the device meta ran out of memory; what was kept in reserve was given back.",
            "the device meta ran out of memory again; the rest was computed on the CPU.",
        )
        assert set(prediction.fallbacks) <= set(prediction.label_map.metadata.notes)
    assert plain.fallbacks == ()


def test_probabilities_of_classes_are_refused_in_one_line(predictor, make_image):
    with pytest.raises(InputError, match=r"^model tiny: finds single objects and has no class probabilities"):
        predictor.predict(make_image(np.zeros((70, 70), np.float32)), with_probabilities=True)


def test_an_answer_of_no_number_is_refused(predictor, make_image, monkeypatch):
    image = np.zeros((70, 70), np.float32)
    image[5:14, 5:14] = 0.9
    monkeypatch.setattr(Regions, "_of", lambda self, picture: _not_a_number())
    with pytest.raises(ModelPackageError, match="answered with NaN"):
        predictor.predict(make_image(image))


def _not_a_number():
    return Detections(torch.full((1, 4), np.nan), torch.ones(1).long(), torch.ones(1), torch.ones(1, 28, 28))


def test_a_package_is_no_monai_bundle_and_is_not_exported(object_manifest, tmp_path):
    network = build_model(
        "mask_rcnn",
        in_channels=1,
        num_classes=3,
        generator=torch.Generator().manual_seed(0),
        **object_manifest.architecture.options,
    )
    folder = write_package(tmp_path / "tiny", network=network, manifest=object_manifest)
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == [
        "docs/README.md",
        "medseg.json",
        "models/model.safetensors",
    ]
    assert isinstance(load_model(folder, device="cpu"), ObjectPredictor)
    with pytest.raises(InputError) as refused:
        export_onnx(folder, tmp_path / "tiny.onnx")
    assert str(refused.value) == (
        "model tiny: finds single objects, and an ONNX file of medseg answers with class scores of pixels. "
        "Use the model package with PyTorch."
    )
    assert not (tmp_path / "tiny.onnx").exists()
