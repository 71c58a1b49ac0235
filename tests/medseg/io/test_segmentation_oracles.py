"""DICOM segmentations of random label maps, as dciodvfy, dcmqi and highdicom see them.

`make test` takes 14 of the maps; MEDSEG_TEST_SCALE=full takes all 200.
"""

import os
import shutil

import numpy as np
import pytest
from support.segmentations import (
    SERIES,
    dciodvfy_errors,
    dcmqi_values,
    highdicom_values,
    positions_by_reference,
    random_map,
    segimage2itkimage,
)

from medseg.images import Image, ImageMetadata
from medseg.io.dicom import AlgorithmIdentity, read_segmentation, write_segmentation

SEEDS = range(200 if os.environ.get("MEDSEG_TEST_SCALE") == "full" else 2 * len(SERIES))
ALGORITHM = AlgorithmIdentity("ct-phantom-lesions", "1.0.0", "ab" * 32)
DCIODVFY = shutil.which("dciodvfy")
DCMQI = segimage2itkimage()


@pytest.mark.skipif(DCIODVFY is None or DCMQI is None, reason="dciodvfy or dcmqi is not on this machine")
@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_label_map_is_the_same_for_dcmqi_highdicom_and_medseg(seed, tmp_path):
    case = random_map(seed, tmp_path)
    path = tmp_path / "seg.dcm"
    write_segmentation(case.label_map, path, source=case.source, algorithm=ALGORITHM)

    assert dciodvfy_errors(path) == []
    numbers = np.array(case.label_map.labels.values[1:])
    expected = case.values[..., np.newaxis] == numbers
    np.testing.assert_array_equal(highdicom_values(path, case.source), expected)
    if SERIES[seed % len(SERIES)] != "tilted":  # dcmqi has no sheared volumes
        np.testing.assert_array_equal(
            dcmqi_values(path, case.source.grid, tmp_path / "dcmqi", program=DCMQI), case.values
        )

    ours = read_segmentation(path, source=case.source)
    np.testing.assert_array_equal(ours.array, case.values)
    assert ours.labels.names == case.label_map.labels.names
    found = np.argwhere(read_segmentation(path).array)
    assert len(found) == np.count_nonzero(case.values)


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_each_frame_lies_where_the_slice_lies_that_it_names(seed, tmp_path):
    case = random_map(seed, tmp_path)
    write_segmentation(case.label_map, tmp_path / "seg.dcm", source=case.source, keep_empty_frames=True)

    metadata, slices = case.source.metadata, case.source.spatial_shape[2]
    corners = case.source.affine.apply(np.array([[0, 0, k] for k in range(slices)])) * [-1, -1, 1]
    numbers = metadata.extra.get("frame_numbers") if SERIES[seed] == "enhanced" else [None] * slices
    found = positions_by_reference(tmp_path / "seg.dcm")

    assert set(found) == set(zip(metadata.instance_uids, numbers, strict=True))
    for key, corner in zip(zip(metadata.instance_uids, numbers, strict=True), corners, strict=True):
        np.testing.assert_allclose(found[key], [corner] * len(found[key]), atol=1e-3)


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_a_label_map_segmentation_reads_back_equal_in_highdicom(seed, tmp_path):
    # Debian's dciodvfy of 2022 predates this SOP class, so it cannot judge it.
    case = random_map(seed, tmp_path)
    path = tmp_path / "seg.dcm"
    write_segmentation(case.label_map, path, source=case.source, kind="labelmap")

    numbers = np.array(case.label_map.labels.values[1:])
    np.testing.assert_array_equal(highdicom_values(path, case.source), case.values[..., np.newaxis] == numbers)
    np.testing.assert_array_equal(read_segmentation(path, source=case.source).array, case.values)


@pytest.mark.parametrize("seed", [1, 5])
def test_probabilities_come_back_to_half_a_step(seed, tmp_path):
    case = random_map(seed, tmp_path)
    labels = case.label_map.labels
    raw = np.random.default_rng(seed).random((len(labels), *case.source.spatial_shape)).astype(np.float32)
    probabilities = Image(raw / raw.sum(axis=0), case.source.affine, "CXYZ", ImageMetadata(channel_names=labels.names))
    path = tmp_path / "seg.dcm"
    write_segmentation(case.label_map, path, source=case.source, kind="fractional", probabilities=probabilities)

    found = highdicom_values(path, case.source)
    np.testing.assert_allclose(np.moveaxis(found, -1, 0), probabilities.array[1:], atol=0.5 / 255 + 1e-6)
    if DCIODVFY is not None:
        assert dciodvfy_errors(path) == []
    ours = read_segmentation(path, source=case.source, threshold=0.2)
    best = probabilities.array[1:].max(axis=0)
    certain = np.abs(best - 0.2) > 0.5 / 255 + 1e-6
    np.testing.assert_array_equal((ours.array > 0)[certain], (best > 0.2)[certain])
