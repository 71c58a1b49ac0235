"""What is drawn in napari on a voxel lands on that voxel's millimetre in every kind of mask that holds a patient.

The files are read with nibabel, SimpleITK, highdicom, pydicom and by hand, and the true place comes from the series'
own numbers: nothing of medseg is asked where the marker lies.
"""

import re
import zlib

import highdicom
import nibabel
import numpy as np
import pytest
import SimpleITK
from medseg_napari._reader import get_reader
from medseg_napari.exporting.export import ExportRequest, export
from medseg_napari.exporting.prepared import prepared
from medseg_napari.layers import image_layer
from medseg_napari.layers.patient_view import watch
from napari.components import ViewerModel
from pydicom import dcmread
from support.ramp import ramp_series, tilted

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata

SHAPE = (11, 9, 6)
COLUMN, ROW, SLICE = 7, 2, 4
BRIGHTEST = 4095
AGREEMENT_MM = 1e-3
LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])


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
        assert place == pytest.approx(_by_itk(path), abs=AGREEMENT_MM)
    return place


def _by_itk(path):
    there = SimpleITK.ReadImage(path)
    (kji,) = np.argwhere(SimpleITK.GetArrayFromImage(there))
    return there.TransformIndexToPhysicalPoint([int(number) for number in kji[::-1]])


def _numbers(header, field):
    (line,) = re.findall(rf"^{field}[:=] ?(.*)$", header, re.MULTILINE)
    return np.array(re.findall(r"-?\d[\d.e+-]*", line), float)


def _marked(values):
    """Index (i, j, k) of the marker among the bytes of a mask, the first axis the fastest."""
    (kji,) = np.argwhere(np.frombuffer(values, np.uint8).reshape(SHAPE[::-1]))
    return kji[::-1]


def _in_nrrd(path, *, is_at_right_angles):
    header, packed = path.read_bytes().split(b"\n\n", 1)
    header = header.decode()
    assert "space: left-posterior-superior" in header
    index = _marked(zlib.decompress(packed, wbits=31))
    place = index @ _numbers(header, "space directions").reshape(3, 3) + _numbers(header, "space origin")
    if is_at_right_angles:
        assert place == pytest.approx(_by_itk(path), abs=AGREEMENT_MM)
    return place


def _in_metaimage(path, *, is_at_right_angles):
    header, packed = path.read_bytes().split(b"ElementDataFile = LOCAL\n", 1)
    header = header.decode().replace(" = ", "= ")
    index = _marked(zlib.decompress(packed))
    steps = index * _numbers(header, "ElementSpacing")
    place = steps @ _numbers(header, "TransformMatrix").reshape(3, 3) + _numbers(header, "Offset")
    if is_at_right_angles:
        assert place == pytest.approx(_by_itk(path), abs=AGREEMENT_MM)
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


READ = {
    "nifti": _in_nifti,
    "nrrd": _in_nrrd,
    "mha": _in_metaimage,
    "seg": _in_segmentation,
    "rtstruct": lambda path, **_: _in_structure_set(path),
}


@pytest.mark.parametrize("kind", ["axial", "sagittal", "coronal", "oblique", "tilted"])
def test_a_marker_drawn_in_napari_lies_at_its_millimetre_in_every_exported_mask(kind, viewer, tmp_path):
    place = _series(kind, tmp_path / "series")
    _, labels = _drawn(viewer, tmp_path / "series")
    request = ExportRequest(tmp_path / "out", "marker", tuple(READ))
    result = export(request, prepared(labels, viewer), lambda _: None, lambda: False)
    assert result.failures == ()
    for one in request.formats:
        (path,) = request.paths_of(one)
        found = READ[one.key](path, is_at_right_angles=kind != "tilted")
        assert found == pytest.approx(place, abs=AGREEMENT_MM), one.key


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
