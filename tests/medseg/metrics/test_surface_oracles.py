"""Surface scores against surface-distance, MONAI and SimpleITK, empty masks included."""

import json
import warnings
from itertools import product
from math import inf

import numpy as np
import pytest
import SimpleITK
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice
from scipy import ndimage

from medseg.metrics import (
    assd_mm,
    hausdorff_95_area_weighted_mm,
    hausdorff_95_directed_mm,
    hausdorff_mm,
    mean_distances_area_weighted_mm,
    nsd_area_weighted,
    nsd_voxel_count,
    surface_distances,
    surface_overlaps_area_weighted,
)
from medseg.metrics.surface_elements import element_sizes

TOLERANCE_MM = 1.0
SPACINGS = {(15, 14, 13): (3.0, 2.0, 1.0), (14, 15, 16): (0.7, 0.7, 5.0), (25, 30): (0.7, 2.0)}
KINDS = ("both", "missed", "false", "empty")
SITUATIONS = [(shape, kind, seed) for shape in SPACINGS for kind in KINDS for seed in range(3 if kind == "both" else 1)]


def pair(shape, kind, seed):
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(2, *shape)), (0, *[1 + 0.5 * seed] * len(shape)))
    reference = smooth[0] > 0.3 * smooth[0].std()
    prediction = smooth[0] + 0.5 * smooth[1] > 0.4 * smooth[0].std()
    return (reference & (kind in {"both", "missed"})), (prediction & (kind in {"both", "false"}))


@pytest.fixture
def peer(monkeypatch):
    """surface-distance, whose release still uses names that numpy and scipy dropped or are about to drop."""
    package = pytest.importorskip("surface_distance")
    monkeypatch.setattr(np, "Inf", inf, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield package


@pytest.mark.parametrize(("shape", "kind", "seed"), SITUATIONS)
def test_scores_by_area_are_those_of_surface_distance(peer, shape, kind, seed):
    reference, prediction = pair(shape, kind, seed)
    spacing_mm = SPACINGS[shape]
    ours = surface_distances(reference=reference, prediction=prediction, spacing_mm=spacing_mm)
    theirs = peer.compute_surface_distances(reference, prediction, spacing_mm)
    np.testing.assert_allclose(ours.reference_elements_mm, theirs["distances_gt_to_pred"], rtol=1e-12)
    np.testing.assert_allclose(ours.prediction_elements_mm, theirs["distances_pred_to_gt"], rtol=1e-12)
    assert ours.reference_element_sizes.sum() == pytest.approx(theirs["surfel_areas_gt"].sum())
    assert mean_distances_area_weighted_mm(ours) == pytest.approx(
        peer.compute_average_surface_distance(theirs), nan_ok=True
    )
    assert surface_overlaps_area_weighted(ours, tolerance_mm=TOLERANCE_MM) == pytest.approx(
        peer.compute_surface_overlap_at_tolerance(theirs, TOLERANCE_MM), nan_ok=True
    )
    assert nsd_area_weighted(ours, tolerance_mm=TOLERANCE_MM) == pytest.approx(
        peer.compute_surface_dice_at_tolerance(theirs, TOLERANCE_MM), nan_ok=True
    )
    hd95 = peer.compute_robust_hausdorff(theirs, 95)
    if kind == "empty":  # they answer inf for two empty masks; there is nothing to measure (docs/decisions/0003)
        assert hd95 == inf
        hd95 = float("nan")
    assert hausdorff_95_area_weighted_mm(ours) == pytest.approx(hd95, nan_ok=True)


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (3.0, 2.0, 1.0), (0.7, 0.7, 5.0), (1.0, 1.0), (0.7, 2.0)])
def test_each_neighbourhood_has_the_size_that_surface_distance_gives_it(peer, spacing_mm):
    tables = peer.lookup_tables
    table, kernel = {
        2: (tables.create_table_neighbour_code_to_contour_length, tables.ENCODE_NEIGHBOURHOOD_2D_KERNEL),
        3: (tables.create_table_neighbour_code_to_surface_area, tables.ENCODE_NEIGHBOURHOOD_3D_KERNEL),
    }[len(spacing_mm)]
    bits = [int(kernel[corner]) for corner in product((0, 1), repeat=len(spacing_mm))]
    theirs = [sum(bit for k, bit in enumerate(bits) if code >> k & 1) for code in range(1 << len(bits))]
    np.testing.assert_allclose(element_sizes(spacing_mm), np.asarray(table(spacing_mm))[theirs], rtol=1e-12)


@pytest.mark.filterwarnings(
    "ignore:the ground truth of class:UserWarning",
    "ignore:the prediction of class:UserWarning",
    "ignore:.*always_return_as_numpy:FutureWarning",  # MONAI's own call
)
@pytest.mark.parametrize(("shape", "kind", "seed"), SITUATIONS)
def test_scores_by_voxels_are_those_of_monai(shape, kind, seed):
    reference, prediction = pair(shape, kind, seed)
    spacing_mm = SPACINGS[shape]
    ours = surface_distances(reference=reference, prediction=prediction, spacing_mm=spacing_mm)
    both = [torch.from_numpy(mask[np.newaxis, np.newaxis]) for mask in (prediction, reference)]
    options = {"include_background": True, "spacing": spacing_mm}
    theirs = {
        "hd": float(compute_hausdorff_distance(*both, **options)),
        "hd95": float(compute_hausdorff_distance(*both, percentile=95, **options)),
        "assd": float(compute_average_surface_distance(*both, symmetric=True, **options)),
        "nsd": float(compute_surface_dice(*both, class_thresholds=[TOLERANCE_MM], **options)),
    }
    assert nsd_voxel_count(ours, tolerance_mm=TOLERANCE_MM) == pytest.approx(theirs["nsd"], nan_ok=True, rel=1e-6)
    if kind == "both":
        assert hausdorff_mm(ours) == pytest.approx(theirs["hd"], rel=1e-6)
        assert hausdorff_95_directed_mm(ours) == pytest.approx(theirs["hd95"], rel=1e-6)
        assert assd_mm(ours) == pytest.approx(theirs["assd"], rel=1e-6)
        return
    # Of a missed or false object MONAI says nan or inf by function; here it is inf in all, and nan of two empty masks.
    expected = float("nan") if kind == "empty" else inf
    for name, score in (("hd", hausdorff_mm), ("hd95", hausdorff_95_directed_mm), ("assd", assd_mm)):
        assert score(ours) == pytest.approx(expected, nan_ok=True)
        assert not np.isfinite(theirs[name])


@pytest.mark.parametrize(("shape", "seed"), list(product(SPACINGS, range(3))))
def test_the_largest_distance_is_that_of_simpleitk_between_the_contours(shape, seed):
    # SimpleITK measures from all voxels of a mask, its inside too, so it is given the contours. Padded, for it draws
    # no contour along the rim of an image.
    reference, prediction = (np.pad(mask, 1) for mask in pair(shape, "both", seed))
    spacing_mm = SPACINGS[shape]
    contours = []
    for mask in (reference, prediction):
        image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
        image.SetSpacing(spacing_mm[::-1])
        contours.append(SimpleITK.LabelContour(image, False))
    measure = SimpleITK.HausdorffDistanceImageFilter()
    measure.Execute(*contours)
    ours = surface_distances(reference=reference, prediction=prediction, spacing_mm=spacing_mm)
    assert hausdorff_mm(ours) == pytest.approx(measure.GetHausdorffDistance(), rel=1e-6)


@pytest.mark.real_data
def test_the_published_cases_of_surface_distance_come_out(data_dir):
    entry = json.loads((data_dir / "references" / "expected_values_dev.json").read_text())
    voxels, planes = entry["surface_distance_deepmind"]["cases"]
    reference, prediction = np.zeros((2, *voxels["shape"]), dtype=bool)
    reference[50, 60, 70] = prediction[50, 60, 72] = True
    check(voxels, reference, prediction, rel=1e-9)
    reference, prediction = np.zeros((2, *planes["shape"]), dtype=bool)
    reference[:50] = prediction[:51] = True
    check(planes, reference, prediction, rel=0, abs=5e-4)


def check(case, reference, prediction, **closeness):
    ours = surface_distances(reference=reference, prediction=prediction, spacing_mm=case["spacing_mm"])
    assert mean_distances_area_weighted_mm(ours) == pytest.approx(case["ASD"], **closeness)
    assert hausdorff_mm(ours) == case["HD100"]
    assert hausdorff_95_area_weighted_mm(ours) == case["HD95"]
    overlaps = surface_overlaps_area_weighted(ours, tolerance_mm=1.0)
    assert overlaps == pytest.approx(case["surface_overlap_1mm"], **closeness)
    assert nsd_area_weighted(ours, tolerance_mm=1.0) == pytest.approx(case["surface_dice_1mm"], **closeness)
