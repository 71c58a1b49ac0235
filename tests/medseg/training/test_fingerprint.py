import numpy as np
import pytest

from medseg.errors import InputError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelMap, LabelTable
from medseg.training.fingerprint import input_contract, take_fingerprint

LABELS = LabelTable.from_names(["background", "lesion"])


def volume(values, *, spacing_mm=(1.0, 1.0, 3.0), modality="CT", known=True, channels=1):
    affine = Affine.from_spacing(spacing_mm, frame=WorldFrame.RAS)
    array = np.broadcast_to(
        np.asarray(values, dtype=np.int16).reshape(1, *np.shape(values)), (channels, *np.shape(values))
    )
    return Image(array, affine, "CXYZ", ImageMetadata(modality=modality, spacing_is_known=known))


def labels_like(image, array):
    return LabelMap(np.asarray(array, dtype=np.uint8), image.affine, "XYZ", LABELS)


def test_ranges_percentiles_and_class_shares_of_two_small_volumes_by_hand():
    first = volume(np.arange(8).reshape(2, 2, 2))
    second = volume(np.arange(8, 20).reshape(2, 2, 3), spacing_mm=(0.5, 1.0, 5.0))
    truth = np.zeros((2, 2, 2))
    truth[0, 0] = 1
    found = take_fingerprint(
        [(first, labels_like(first, truth)), (second, labels_like(second, np.zeros((2, 2, 3))))],
        labels=LABELS,
        orientation=None,
    )
    assert found.num_cases == 2
    assert found.smallest_shape == (2, 2, 2)
    assert found.largest_shape == (2, 2, 3)
    assert found.spacing_range_mm == ((0.5, 1.0), (1.0, 1.0), (3.0, 5.0))
    assert found.all_channels.mean == pytest.approx(9.5)
    assert found.all_channels.percentiles["50"] == pytest.approx(9.5)
    assert found.class_fractions == {"background": 18 / 20, "lesion": 2 / 20}
    assert found.modality == "CT"


def test_spacing_follows_the_axes_that_the_network_sees():
    # Array axes grow to R, A, S; the network sees S, R, A: its first spacing is that along z.
    found = take_fingerprint([(volume(np.zeros((2, 3, 4))), None)], labels=LABELS, orientation="SRA")
    assert found.smallest_shape == (4, 2, 3)
    assert found.spacing_range_mm == ((3.0, 3.0), (1.0, 1.0), (1.0, 1.0))


def test_one_image_without_a_voxel_size_leaves_the_range_unstated():
    cases = [(volume(np.zeros((2, 2, 2))), None), (volume(np.zeros((2, 2, 2)), known=False), None)]
    assert take_fingerprint(cases, labels=LABELS, orientation=None).spacing_range_mm is None


def test_mixed_modalities_are_stated_as_none():
    cases = [(volume(np.zeros((2, 2, 2)), modality=name), None) for name in ("CT", "MR")]
    assert take_fingerprint(cases, labels=LABELS, orientation=None).modality is None


def test_no_cases_are_refused():
    with pytest.raises(InputError, match="expected at least one training case, got none"):
        take_fingerprint([], labels=LABELS, orientation=None)


def test_the_contract_holds_axes_channels_and_intensities():
    found = take_fingerprint([(volume(np.full((2, 2, 2), 40), channels=2), None)], labels=LABELS, orientation="RAS")
    contract = input_contract(found, orientation="RAS")
    assert contract.axes == "CXYZ"
    assert contract.channels == ("channel_0", "channel_1")
    assert contract.orientation == "RAS"
    assert contract.intensity.mean == 40
    assert contract.intensity.std == 0
