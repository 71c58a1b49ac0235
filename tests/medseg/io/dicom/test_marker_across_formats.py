"""One voxel's place in the world, as each format states it: within 1e-3 mm everywhere.

The files are read with nibabel and pydicom, not with medseg, and LPS is turned into RAS by hand.
"""

import nibabel
import numpy as np
import pytest
from pydicom import dcmread
from support.ramp import ORIENTATIONS, enhanced, ramp_series, tilted

from medseg.geometry import reordering_to
from medseg.images import LabelMap, LabelTable
from medseg.io import read_image, write_label_map
from medseg.io.dicom import read_rtstruct, read_segmentation, write_rtstruct, write_segmentation

SHAPE = (11, 9, 6)
MARKER = (7, 2, 4)
AGREEMENT_MM = 1e-3
LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])


def _series(kind, folder):
    """The source and the true place (RAS mm) of column 7 and row 2 of slice 4, from the case's own numbers."""
    spacing = {"shape": SHAPE, "spacing_mm": (0.7129, 0.9371, 2.4713), "origin_lps_mm": (-23.4567, 18.8901, 31.6789)}
    if kind == "tilted":
        case = tilted(17.3, **spacing)
    elif kind == "enhanced":
        case = ramp_series("oblique", **spacing)
    else:
        case = ramp_series(kind, **spacing)
    if kind == "enhanced":
        folder.mkdir()
        enhanced(case, order=[3, 0, 5, 1, 4, 2]).save_as(folder / "all.dcm", enforce_file_format=True)
    else:
        case.write(folder)
    along_i, along_j = case.directions[:, 0] * case.spacing_mm[0], case.directions[:, 1] * case.spacing_mm[1]
    place = case.position(MARKER[2]) + MARKER[0] * along_i + MARKER[1] * along_j
    return read_image(folder), place * LPS_TO_RAS


def _in_nifti(path):
    image = nibabel.load(path)
    (index,) = np.argwhere(np.asarray(image.dataobj))
    return image.affine[:3, :3] @ index + image.affine[:3, 3]


def _in_segmentation(path):
    ds = dcmread(path)
    (frame,) = ds.PerFrameFunctionalGroupsSequence
    shared = ds.SharedFunctionalGroupsSequence[0]
    cosines = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float).reshape(2, 3)
    between_rows, between_columns = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    ((row, column),) = np.argwhere(ds.pixel_array.reshape(ds.Rows, ds.Columns))
    position = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
    return (position + column * between_columns * cosines[0] + row * between_rows * cosines[1]) * LPS_TO_RAS


def _in_structure_set(path):
    (contour,) = dcmread(path).ROIContourSequence[0].ContourSequence
    points = np.array(contour.ContourData, float).reshape(-1, 3)
    assert len(points) == 4
    return points.mean(axis=0) * LPS_TO_RAS


@pytest.mark.parametrize("order", [None, "RAS", "IPR"])
@pytest.mark.parametrize("kind", [*ORIENTATIONS, "tilted", "enhanced"])
def test_a_marker_lies_at_one_place_in_mask_nifti_segmentation_and_structure_set(kind, order, tmp_path):
    source, place = _series(kind, tmp_path / "series")
    values = np.zeros(SHAPE, np.uint8)
    values[MARKER] = 1
    table = LabelTable.from_names(["background", "marker"])
    label_map = LabelMap(values, source.affine, axes="XYZ", labels=table)
    if order is not None:
        reordering = reordering_to(source.affine, order)
        affine = reordering.apply_to_grid(source.grid).affine
        letters = "".join("XYZ"[axis] for axis in reordering.permutation)
        label_map = label_map.replace(array=reordering.apply(values), affine=affine, axes=letters)
    seg, rtstruct, nifti = (tmp_path / name for name in ("seg.dcm", "rtstruct.dcm", "mask.nii.gz"))
    write_segmentation(label_map, seg, source=source)
    write_rtstruct(label_map, rtstruct, source=source)

    places = {
        "mask": label_map.affine.apply(np.argwhere(label_map.array)[0]),
        "segmentation": _in_segmentation(seg),
        "structure set": _in_structure_set(rtstruct),
    }
    for name, back in (
        ("segmentation read back", read_segmentation(seg, source=source)),
        ("structure set read back", read_rtstruct(rtstruct, source=source)),
    ):
        (index,) = np.argwhere(back.array)
        places[name] = back.affine.apply(index)
    write_label_map(label_map, nifti)
    places["nifti"] = _in_nifti(nifti)

    for name, found in places.items():
        assert np.linalg.norm(found - place) < AGREEMENT_MM, name
