"""What is drawn in napari on a voxel lands on that voxel's millimetre in NIfTI, DICOM SEG and RTSTRUCT.

The files are read with nibabel, SimpleITK, highdicom and pydicom, and the true place comes from the series' own
numbers: nothing of medseg is asked where the marker lies.
"""

import highdicom
import nibabel
import numpy as np
import pytest
import SimpleITK
from medseg_napari._reader import get_reader
from medseg_napari.layers import image_layer, image_of, label_map_of
from medseg_napari.layers.patient_view import watch
from napari.components import ViewerModel
from pydicom import dcmread
from support.ramp import ramp_series, tilted

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelKind, LabelTable
from medseg.io import write_label_map
from medseg.io.dicom import write_rtstruct, write_segmentation

SHAPE = (11, 9, 6)
COLUMN, ROW, SLICE = 7, 2, 4
BRIGHTEST = 4095
AGREEMENT_MM = 1e-3
LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])
MARKER = LabelTable.from_names(("background", "marker"))


def _series(kind, folder):
    """A series with one brightest pixel, and the place of that pixel in LPS mm."""
    options = {"shape": SHAPE, "spacing_mm": (0.7129, 0.9371, 2.4713), "origin_lps_mm": (-23.4567, 18.8901, 31.6789)}
    case = tilted(17.3, **options) if kind == "tilted" else ramp_series(kind, **options)

    def mark(ds, k):
        if k == SLICE:
            pixels = np.frombuffer(ds.PixelData, "<u2").reshape(ds.Rows, ds.Columns).copy()
            assert pixels.max() < BRIGHTEST
            pixels[ROW, COLUMN] = BRIGHTEST
            ds.PixelData = pixels.tobytes()

    case.write(folder, change=mark)
    along_i, along_j = case.directions[:, 0] * case.spacing_mm[0], case.directions[:, 1] * case.spacing_mm[1]
    return case.position(SLICE) + COLUMN * along_i + ROW * along_j


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    watch(viewer)
    return viewer


def _drawn(viewer, folder):
    """The image, and a layer of napari's own button with the brightest voxel painted on."""
    ((data, settings, _),) = get_reader(str(folder))(str(folder))
    scan = viewer.add_image(data, **settings)
    viewer._new_labels()
    labels = viewer.layers[-1]
    labels.brush_size = 1
    (voxel,) = np.argwhere(np.asarray(scan.data) == np.asarray(scan.data).max())
    viewer.dims.set_point(range(3), scan.data_to_world(voxel))
    labels.paint(voxel, 1)
    assert np.count_nonzero(labels.data) == 1
    return scan, labels


def _in_nifti(path, *, is_at_right_angles):
    image = nibabel.load(path)
    (index,) = np.argwhere(np.asarray(image.dataobj))
    place = (image.affine[:3, :3] @ index + image.affine[:3, 3]) * LPS_TO_RAS
    if is_at_right_angles:  # ITK reads no others
        there = SimpleITK.ReadImage(path)
        (kji,) = np.argwhere(SimpleITK.GetArrayFromImage(there))
        by_itk = there.TransformIndexToPhysicalPoint([int(number) for number in kji[::-1]])
        assert place == pytest.approx(by_itk, abs=AGREEMENT_MM)
    return place


def _in_segmentation(path, *, is_at_right_angles):
    ds = dcmread(path)
    (frame,) = ds.PerFrameFunctionalGroupsSequence
    shared = ds.SharedFunctionalGroupsSequence[0]
    cosines = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float).reshape(2, 3)
    between_rows, between_columns = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    ((row, column),) = np.argwhere(ds.pixel_array.reshape(ds.Rows, ds.Columns))
    position = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
    place = position + column * between_columns * cosines[0] + row * between_rows * cosines[1]
    if is_at_right_angles:
        volume = highdicom.seg.segread(path).get_volume(combine_segments=True)
        (index,) = np.argwhere(volume.array)
        assert place == pytest.approx((volume.affine @ [*index, 1])[:3], abs=AGREEMENT_MM)
    return place


def _in_structure_set(path):
    (contour,) = dcmread(path).ROIContourSequence[0].ContourSequence
    return np.array(contour.ContourData, float).reshape(-1, 3).mean(axis=0)


@pytest.mark.parametrize("kind", ["axial", "sagittal", "coronal", "oblique", "tilted"])
def test_a_marker_drawn_in_napari_lies_at_its_millimetre_in_every_format(kind, viewer, tmp_path):
    place = _series(kind, tmp_path / "series")
    scan, labels = _drawn(viewer, tmp_path / "series")
    label_map, source = label_map_of(labels, kind=LabelKind.SEMANTIC, table=MARKER), image_of(scan)
    nifti, seg, rtstruct = (tmp_path / name for name in ("mask.nii.gz", "seg.dcm", "rtstruct.dcm"))
    write_label_map(label_map, nifti)
    write_segmentation(label_map, seg, source=source)
    write_rtstruct(label_map, rtstruct, source=source)
    is_at_right_angles = kind != "tilted"
    assert _in_nifti(nifti, is_at_right_angles=is_at_right_angles) == pytest.approx(place, abs=AGREEMENT_MM)
    assert _in_segmentation(seg, is_at_right_angles=is_at_right_angles) == pytest.approx(place, abs=AGREEMENT_MM)
    assert _in_structure_set(rtstruct) == pytest.approx(place, abs=AGREEMENT_MM)


def test_the_status_tells_the_same_millimetre(viewer, tmp_path):
    x, y, z = _series("oblique", tmp_path / "series")
    scan, labels = _drawn(viewer, tmp_path / "series")
    (voxel,) = np.argwhere(labels.data)
    letters = (("L" if x > 0 else "R"), ("P" if y > 0 else "A"), ("S" if z > 0 else "I"))
    expected = "  ".join(f"{letter} {abs(value):.1f}" for letter, value in zip(letters, (x, y, z), strict=True))
    for layer in (scan, labels):
        assert layer.get_status(layer.data_to_world(voxel), world=True)["coords"] == f"{expected} mm"


def _picture(value, *, spacing_um):
    step = spacing_um / 1000
    affine = Affine([[0, step, 0], [step, 0, 0], [0, 0, 1]], frame=WorldFrame.RAS)
    return Image(np.full((1, 5, 6), value, np.float32), affine, "CYX", ImageMetadata())


def test_new_labels_lie_on_the_image_that_napari_named_them_after_and_on_none_that_they_do_not_cover(viewer):
    pictures = [_picture(1, spacing_um=0.5), _picture(2, spacing_um=0.5), _picture(3, spacing_um=0.7)]
    for name, picture in zip("abc", pictures, strict=True):
        data, settings, _ = image_layer(picture, name=name)[0]
        viewer.add_image(data, **settings)
    viewer.layers.selection.active = viewer.layers["a"]
    viewer._new_labels()
    assert viewer.layers[-1].metadata["medseg"].image is pictures[0]
    elsewhere = viewer.add_labels(np.zeros((5, 6), int), scale=(0.5, 0.5), units=("um", "um"), translate=(9, 0))
    assert "medseg" not in elsewhere.metadata
    assert "medseg" not in viewer.add_labels(np.zeros((5, 6), int)).metadata
    topmost = viewer.add_labels(np.zeros((5, 6), int), scale=(0.5, 0.5), units=("um", "um"), name="drawn")
    assert topmost.metadata["medseg"].image is pictures[0]  # of the labels on a, the topmost that it covers
