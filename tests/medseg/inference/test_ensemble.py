"""The mean of several models' probabilities, by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from medseg.config import BoundaryClosing, InferenceConfig, LargestComponent
from medseg.errors import Cancelled, GeometryError, InputError
from medseg.images import LabelTable
from medseg.inference import Architecture, Ensemble, label_entries


class Constant(nn.Module):
    """The same probabilities at every voxel."""

    def __init__(self, *probabilities: float) -> None:
        super().__init__()
        self.logits = torch.tensor(probabilities).log()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        shape = (len(images), len(self.logits), *images.shape[2:])
        return self.logits.view(1, -1, *[1] * (images.ndim - 2)).expand(shape).clone()


THREE = {
    "labels": label_entries(LabelTable.from_names(["background", "cell", "edge"])),
    "architecture": Architecture(name="unet", in_channels=1, num_classes=3, spatial_dims=2),
}


def test_the_mean_of_three_models_decides(make_predictor, make_image):
    answers = [(0.5, 0.4, 0.1), (0.1, 0.5, 0.4), (0.6, 0.3, 0.1)]
    members = [make_predictor(network=Constant(*answer), **THREE) for answer in answers]
    prediction = Ensemble(members).predict(make_image(np.zeros((20, 33), np.float32)), with_probabilities=True)
    # By hand: (0.5 + 0.1 + 0.6) / 3 = 0.4, (0.4 + 0.5 + 0.3) / 3 = 0.4, 0.6 / 3 = 0.2.
    np.testing.assert_allclose(prediction.probabilities.array[:, 3, 4], (0.4, 0.4, 0.2), atol=1e-6)
    assert prediction.probabilities.metadata.channel_names == ("background", "cell", "edge")


def test_two_hesitant_models_outvote_none_but_a_sure_one_outweighs_them(make_predictor, make_image):
    members = [
        make_predictor(network=Constant(*answer), name=name)
        for name, answer in {"a": (0.55, 0.45), "b": (0.55, 0.45), "c": (0.1, 0.9)}.items()
    ]
    image = make_image(np.zeros((9, 9), np.float32))
    # Two of three say background; the mean, (0.4, 0.6), says bright.
    prediction = Ensemble(members).predict(image)
    assert prediction.label_map.array.tolist() == [[1] * 9] * 9
    assert prediction.probabilities is None
    (found,) = prediction.objects
    assert found.mean_probability == pytest.approx(0.6, abs=1e-6)
    assert prediction.label_map.metadata.extra["model"] == "a + b + c"


def test_members_may_see_the_image_in_tiles_and_axes_of_their_own(make_predictor, make_image, make_manifest):
    volume = np.random.default_rng(4).random((6, 9, 7)).astype(np.float32)
    image = make_image(volume)
    flat, solid = make_predictor(2), make_predictor(3)
    prediction = Ensemble([flat, solid]).predict(image, with_probabilities=True)
    # Both give class 1 the probability 1 / (1 + exp(-2 (x - 0.5))), one slice by slice, one as a volume.
    expected = 1 / (1 + np.exp(-2 * (volume - 0.5)))
    np.testing.assert_allclose(prediction.probabilities.array[1], expected, atol=1e-5)
    assert np.array_equal(prediction.label_map.array, (volume > 0.5).astype(np.uint8))
    assert prediction.label_map.affine == image.affine


def test_one_member_is_the_model_itself(make_predictor, make_image):
    image = make_image(np.random.default_rng(4).random((20, 31)).astype(np.float32))
    alone, whole = make_predictor(), Ensemble([make_predictor()])
    expected, prediction = (one.predict(image, with_probabilities=True) for one in (alone, whole))
    assert np.array_equal(prediction.label_map.array, expected.label_map.array)
    assert np.array_equal(prediction.probabilities.array, expected.probabilities.array)
    assert prediction.objects == expected.objects


def test_steps_that_all_declare_are_applied_to_the_mean(make_predictor, make_image):
    array = np.zeros((12, 12), np.float32)
    array[1:6, 1:6] = array[9, 9] = 1.0
    keeping = InferenceConfig(postprocessing=(LargestComponent(classes=(1,)),))
    same = Ensemble([make_predictor(inference=keeping), make_predictor(inference=keeping)])
    assert same.predict(make_image(array)).label_map.array.sum() == 25
    mixed = Ensemble([make_predictor(inference=keeping), make_predictor()]).predict(make_image(array))
    assert mixed.label_map.array.sum() == 26
    assert any("different steps" in note for note in mixed.label_map.metadata.notes)


def test_boundaries_are_closed_in_the_mean(make_predictor, make_image):
    array = np.zeros((31, 31), np.float32)
    array[:, 15] = 1.0
    array[14:17, 15] = 0.4  # a gap that a single model closes
    closing = InferenceConfig(close_boundaries=BoundaryClosing(smoothing_voxel=1.0, depth=0.05))
    alone = make_predictor(inference=closing).predict(make_image(array)).label_map.array
    both = Ensemble([make_predictor(inference=closing)] * 2).predict(make_image(array)).label_map.array
    assert alone[:, 15].all()
    assert np.array_equal(both, alone)


def test_models_of_other_classes_and_no_models_are_refused(make_predictor):
    other = label_entries(LabelTable.from_names(["background", "dark"]))
    with pytest.raises(InputError, match=r"a has background, bright; b has background, dark\. Take models"):
        Ensemble([make_predictor(name="a"), make_predictor(name="b", labels=other)])
    with pytest.raises(InputError, match="expected one model or more"):
        Ensemble([])


def test_an_image_that_one_member_cannot_take_is_refused(make_predictor, make_image):
    with pytest.raises(GeometryError, match="takes volumes"):
        Ensemble([make_predictor(2), make_predictor(3)]).predict(make_image(np.zeros((9, 9), np.float32)))


def test_progress_runs_once_from_0_to_1_and_it_can_be_cancelled(make_predictor, make_image):
    image, seen = make_image(np.zeros((40, 20), np.float32)), []
    both = Ensemble([make_predictor(), make_predictor()])
    both.predict(image, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert 0.5 in seen
    with pytest.raises(Cancelled):
        both.predict(image, cancelled=lambda: True)
