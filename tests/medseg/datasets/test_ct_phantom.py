"""The generated CT: exact lesions, organs in their places with their densities, and the same for the same seed."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from medseg.datasets.phantoms import TISSUE_HU, Organ, ct_phantom
from medseg.datasets.phantoms.anatomy import draw_anatomy
from medseg.datasets.phantoms.canvas import Canvas
from medseg.datasets.phantoms.lesions import paint_lesions
from medseg.errors import InputError
from medseg.geometry import Affine, Grid, WorldFrame

_DIGEST = """
import hashlib, numpy as np
from medseg.datasets.phantoms import ct_phantom
image, labels = ct_phantom(np.random.default_rng(7), shape=(64, 64, 16), spacing_mm=(6, 6, 10), tilt_degrees=5)
print(hashlib.sha256(image.array.tobytes() + labels.array.tobytes() + image.affine.matrix.tobytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def patients():
    return [ct_phantom(np.random.default_rng(seed), organs=True) for seed in range(3)]


def _mean_hu(patient, organ, *, erosion=1):
    image, labels = patient
    mask = labels.array == organ
    if erosion:
        mask = ndimage.binary_erosion(mask, iterations=erosion)
    return float(image.array[0][mask].mean())


def _middle_mm(labels, organ):
    return labels.affine.apply(np.argwhere(labels.array == organ).mean(axis=0))


def test_same_seed_gives_the_same_bytes_in_another_process():
    image, labels = ct_phantom(np.random.default_rng(7), shape=(64, 64, 16), spacing_mm=(6, 6, 10), tilt_degrees=5)
    here = hashlib.sha256(image.array.tobytes() + labels.array.tobytes() + image.affine.matrix.tobytes()).hexdigest()
    there = subprocess.run([sys.executable, "-c", _DIGEST], capture_output=True, text=True, check=True).stdout.strip()
    assert here == there


def test_organs_have_their_nominal_values(patients):
    for patient in patients:
        for organ, tissue in ((Organ.LIVER, "liver"), (Organ.SPLEEN, "spleen"), (Organ.AORTA, "blood")):
            # Patients differ by 5 %, vessels brighten the liver a little.
            assert _mean_hu(patient, organ) == pytest.approx(TISSUE_HU[tissue], rel=0.10)
        assert -870 < _mean_hu(patient, Organ.LUNGS) < -740
        assert TISSUE_HU["kidney_medulla"] * 0.9 < _mean_hu(patient, Organ.KIDNEYS) < TISSUE_HU["kidney_cortex"] * 1.05
        assert TISSUE_HU["marrow"] < _mean_hu(patient, Organ.BONES, erosion=0) < TISSUE_HU["cortical_bone"]


def test_lesions_differ_from_their_organ(patients):
    for image, labels in patients:
        for lesion in labels.metadata.extra["lesions"]:
            at = np.rint(labels.affine.apply_inverse(lesion["centre_mm"])).astype(int)
            value = float(image.array[0][tuple(at)])
            background = TISSUE_HU["liver"] if lesion["organ"] == "liver" else TISSUE_HU["lung"]
            assert abs(value - lesion["mean_hu"]) < abs(value - background)


def test_organs_lie_where_they_belong(patients):
    for _, labels in patients:
        liver, spleen, heart = (_middle_mm(labels, organ) for organ in (Organ.LIVER, Organ.SPLEEN, Organ.HEART))
        lungs, kidneys, bones = (_middle_mm(labels, organ) for organ in (Organ.LUNGS, Organ.KIDNEYS, Organ.BONES))
        assert liver[0] > heart[0] > spleen[0]  # the liver on the patient's right, which is where x grows
        assert heart[2] > liver[2] > kidneys[2]
        assert lungs[2] > liver[2]
        assert kidneys[1] < liver[1]
        assert bones[1] < heart[1]


def test_lesion_voxels_fill_the_drawn_ellipsoids(patients):
    drawn = sum(lesion["volume_mm3"] for _, labels in patients for lesion in labels.metadata.extra["lesions"])
    counted = sum(float((labels.array == Organ.LESION).sum()) * 2.4 * 2.4 * 5.0 for _, labels in patients)
    assert counted == pytest.approx(drawn, rel=0.04)


def test_each_lesion_is_one_component_around_its_drawn_centre():
    _, labels = ct_phantom(np.random.default_rng(11), lesion_fraction=(8e-4, 8e-4))
    lesions = labels.metadata.extra["lesions"]
    pieces, count = ndimage.label(labels.array == 1, np.ones((3, 3, 3)))
    assert count == len(lesions)
    for lesion in lesions:
        at = labels.affine.apply_inverse(lesion["centre_mm"])
        piece = pieces[tuple(np.rint(at).astype(int))]
        assert piece > 0
        centroid = np.argwhere(pieces == piece).mean(axis=0)
        assert np.abs(centroid - at).max() < 0.35  # voxels


@pytest.mark.parametrize(("fraction", "tolerance"), [(1e-4, 0.2), (5e-4, 0.1)])
def test_lesions_fill_the_share_of_the_volume_that_was_asked_for(fraction, tolerance):
    small = {"shape": (96, 96, 40), "spacing_mm": (4.0, 4.0, 8.0)}
    shares = [
        (ct_phantom(np.random.default_rng(seed), lesion_fraction=(fraction, fraction), **small)[1].array == 1).mean()
        for seed in range(4)
    ]
    # 1e-4 are 37 voxels here, in several lesions: whole voxels cannot follow ellipsoids more closely.
    assert np.mean(shares) == pytest.approx(fraction, rel=tolerance)


def test_lesions_far_below_a_ten_thousandth_of_the_volume_still_exist():
    for seed in range(3):
        _, labels = ct_phantom(
            np.random.default_rng(seed), shape=(96, 96, 32), spacing_mm=(4, 4, 8), lesion_fraction=(1e-6, 1e-5)
        )
        assert 0 < (labels.array == 1).mean() < 1e-4
        pieces = ndimage.label(labels.array, np.ones((3, 3, 3)))[1]
        assert pieces == len(labels.metadata.extra["lesions"])


def test_lesions_lie_wholly_inside_the_organ():
    grid = Grid((60, 60, 30), Affine.from_spacing((2.0, 2.0, 4.0), frame=WorldFrame.RAS))
    world_to_patient = Affine(np.eye(4), frame=WorldFrame.RAS)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        canvas = Canvas(grid, world_to_patient=world_to_patient, background_hu=0.0)
        box, radius = canvas.ellipsoid((60.0, 60.0, 60.0), (50.0, 40.0, 45.0))
        canvas.paint(box, radius < 1.0, 108.0, Organ.LIVER)
        before = canvas.organs.copy()
        anatomy = draw_anatomy(rng, field_of_view_mm=402.4)
        lesions = paint_lesions(canvas, anatomy, rng, fraction=(5e-4, 2e-3))
        assert lesions
        assert all(lesion.organ == Organ.LIVER for lesion in lesions)
        assert set(np.unique(before[canvas.organs == Organ.LESION])) == {Organ.LIVER}


def test_an_ellipsoid_on_the_canvas_has_its_analytic_volume():
    grid = Grid((80, 80, 40), Affine.from_spacing((1.0, 1.0, 2.0), frame=WorldFrame.RAS))
    canvas = Canvas(grid, world_to_patient=Affine(np.eye(4), frame=WorldFrame.RAS), background_hu=0.0)
    turn = np.array([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    box, radius = canvas.ellipsoid((40.2, 39.7, 40.4), (30.0, 18.0, 22.0), turn)
    volume_mm3 = float((radius <= 1.0).sum()) * 2.0
    assert volume_mm3 == pytest.approx(4 / 3 * np.pi * 30 * 18 * 22, rel=0.005)
    long_way = np.argwhere(radius <= 1.0)
    reach = np.ptp(long_way, axis=0) + 1
    # Along x the turned ellipse reaches sqrt((30*0.6)^2 + (18*0.8)^2), along y sqrt((30*0.8)^2 + (18*0.6)^2).
    assert reach[0] == pytest.approx(2 * np.hypot(18.0, 14.4), abs=1.5)
    assert reach[1] == pytest.approx(2 * np.hypot(24.0, 10.8), abs=1.5)
    assert all(cut.start >= 0 for cut in box)


def test_axes_grow_to_the_left_back_and_head_and_air_surrounds_the_patient():
    image, labels = ct_phantom(np.random.default_rng(0), shape=(64, 64, 16), spacing_mm=(6.0, 6.0, 10.0))
    assert image.affine.orientation == "LPS"
    assert image.spacing_mm == pytest.approx((6.0, 6.0, 10.0))
    assert image.array.dtype == np.int16
    assert (image.array[0, 0, 0] == -1024).all()  # outside the scanner's circle
    assert np.median(image.array[0, 1:-1, 4, :]) < -950
    assert labels.grid.is_same_as(image.grid)


def test_a_tilted_volume_is_oblique_but_not_sheared_and_holds_the_same_anatomy():
    image, labels = ct_phantom(np.random.default_rng(3), tilt_degrees=12.0, organs=True)
    off_diagonal = np.abs(image.affine.direction - np.diag(np.diag(image.affine.direction)))
    assert off_diagonal.max() > 0.01
    assert image.affine.is_orthogonal
    assert np.linalg.det(image.affine.direction) == pytest.approx(1.0)
    assert _middle_mm(labels, Organ.LIVER)[0] > _middle_mm(labels, Organ.SPLEEN)[0]
    assert _mean_hu((image, labels), Organ.LIVER) == pytest.approx(TISSUE_HU["liver"], rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (32, 64, 16)}, r"at least \(48, 48, 8\) voxels, got \(32, 64, 16\)"),
        ({"spacing_mm": (1.0, 0.0, 1.0)}, "three spacings of 0.1 to 20 mm"),
        ({"lesion_fraction": (1e-3, 1e-4)}, "lesion fraction range within 0 to 2e-3"),
    ],
)
def test_impossible_volumes_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        ct_phantom(np.random.default_rng(0), **arguments)
