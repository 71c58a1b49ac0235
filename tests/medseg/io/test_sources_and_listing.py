import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from cases.dicom import SeriesCase
from cases.grids import volume
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG2MPML

from medseg.errors import ImageFormatError, InputError, LabelError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelKind, LabelMap, LabelTable
from medseg.io import (
    ImageSource,
    LabelSource,
    case_name,
    describe,
    list_inputs,
    read_image,
    write_image,
    write_label_map,
)

CELLS = LabelTable.from_names(["cell", "membrane"])
STACK = np.where(np.arange(4 * 6 * 8).reshape(4, 6, 8) % 5, 255, 0).astype(np.uint8)


@pytest.fixture
def stack(tmp_path):
    tifffile.imwrite(tmp_path / "labels.tif", STACK, photometric="minisblack")
    return tmp_path / "labels.tif"


def test_a_source_reads_its_slice(stack):
    image = ImageSource(stack, slice_index=2).read()
    assert image.axes == "CYX"
    np.testing.assert_array_equal(image.array[0], STACK[2])


def test_a_source_reads_all_without_a_slice(stack):
    assert ImageSource(stack).read().array.shape == (1, 4, 6, 8)


def test_a_source_hands_its_axes_on(stack):
    assert ImageSource(stack, axes="CYX").read().num_channels == 4


def test_values_are_mapped(stack):
    label_map = LabelSource(stack, CELLS, slice_index=1, value_map={0: 1, 255: 0}).read()
    np.testing.assert_array_equal(label_map.array, STACK[1] == 0)
    assert label_map.array.dtype == np.uint8
    assert label_map.labels == CELLS


def test_a_value_without_an_entry_in_the_map_is_named_with_its_file(stack):
    with pytest.raises(LabelError, match=r"labels\.tif: label values 255 are not in the value map \(0->1\)"):
        LabelSource(stack, CELLS, value_map={0: 1}).read()


def test_a_mapped_value_outside_the_table_is_refused(stack):
    with pytest.raises(LabelError, match=r"labels\.tif: label values 7 are not in the class table"):
        LabelSource(stack, CELLS, value_map={0: 1, 255: 7}).read()


def test_an_unmapped_value_outside_the_table_is_refused(stack):
    with pytest.raises(LabelError, match=r"labels\.tif: label values 255 are not in the class table"):
        LabelSource(stack, CELLS).read()


def test_instances_need_no_table(stack):
    label_map = LabelSource(stack, CELLS, kind=LabelKind.INSTANCES).read()
    assert label_map.kind is LabelKind.INSTANCES


def test_a_slice_of_a_volume_file_drops_the_world_axis_it_follows(tmp_path):
    grid = volume("RAS")
    array = np.arange(np.prod(grid.spatial_shape), dtype=np.int16).reshape(1, *grid.spatial_shape)
    write_image(Image(array, grid.affine, "CXYZ"), tmp_path / "a.nii")
    flat = ImageSource(tmp_path / "a.nii", slice_index=3).read()
    assert flat.axes == "CYZ"
    np.testing.assert_array_equal(flat.array, array[:, 3])
    assert flat.spacing_mm == pytest.approx(grid.spacing_mm[1:])


def test_a_slice_of_a_picture_is_refused(tmp_path):
    affine = Affine(np.eye(3), frame=WorldFrame.RAS)
    write_image(Image(np.zeros((1, 4, 5), np.uint8), affine, "CYX"), tmp_path / "a.png")
    with pytest.raises(InputError, match="expected a stack to take slice 0 from, got a 2-D image"):
        ImageSource(tmp_path / "a.png", slice_index=0).read()


@pytest.fixture
def cohort(tmp_path):
    """Two picture files, one volume, two series in folders, and things that are none of it."""
    root = tmp_path / "cohort"
    SeriesCase().write(root / "b_series")
    SeriesCase(series_uid="1.2.9").write(root / "deep" / "er" / "series", name="IM{k}")
    affine = Affine([[0, 1, 0], [1, 0, 0], [0, 0, 1]], frame=WorldFrame.RAS)
    picture = Image(np.zeros((1, 4, 5), np.uint8), affine, "CYX", ImageMetadata(spacing_is_known=False))
    write_image(picture, root / "c.png")
    write_image(picture, root / "A.TIF")
    grid = volume("LPS")
    write_label_map(LabelMap(np.zeros(grid.spatial_shape, np.uint8), grid.affine, "XYZ", CELLS), root / "a.nii.gz")
    (root / "notes.txt").write_text("hello")
    (root / ".hidden.png").write_bytes(b"x")
    (root / ".cache").mkdir()
    (root / ".cache" / "d.png").write_bytes(b"x")
    (root / "b_series" / "DICOMDIR").write_bytes(b"x")
    return root


def test_inputs_are_image_files_and_series_folders_sorted(cohort):
    names = [path.relative_to(cohort).as_posix() for path in list_inputs(cohort)]
    assert names == ["A.TIF", "a.nii.gz", "b_series", "c.png", "deep/er/series"]


def test_each_listed_input_can_be_read(cohort):
    assert [read_image(path).affine.ndim for path in list_inputs(cohort)] == [2, 3, 3, 2, 3]


def test_a_file_is_its_own_list(cohort):
    assert list_inputs(cohort / "c.png") == [cohort / "c.png"]


def test_a_folder_without_inputs_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(InputError, match=r"expected image files or DICOM series, it holds none. Known: \.nii"):
        list_inputs(tmp_path)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        list_inputs(tmp_path / "nowhere")


def test_each_image_of_a_folder_is_described(cohort):
    found = {entry.path.name: entry for entry in describe(cohort)}
    assert {entry.verdict for entry in found.values()} == {"ok"}
    series = found["b_series"]
    assert (series.format, series.shape, series.axes, series.modality, series.dtype) == (
        "dicom", (1, 6, 5, 4), "CXYZ", "CT", "int16",
    )  # fmt: skip
    assert series.spacing_mm == pytest.approx((0.8, 1.1, 2.5))
    assert series.orientation == "LPS"
    assert series.series_uid == SeriesCase().series_uid
    assert (found["c.png"].spacing_mm, found["c.png"].orientation) == (None, None)
    assert found["a.nii.gz"].orientation == "LPS"


def test_the_good_and_the_bad_series_of_one_folder_get_their_own_verdicts(tmp_path):
    SeriesCase().write(tmp_path)
    SeriesCase(series_uid="1.2.9").write(tmp_path, name="other{k}.dcm", skip=(1,))
    good, bad = describe(tmp_path)
    assert (good.verdict, good.problem) == ("ok", "")
    assert (bad.verdict, bad.series_uid) == ("refused", "1.2.9")
    assert "slices are missing" in bad.problem


def test_a_broken_file_may_be_a_slice_of_any_series_beside_it(tmp_path):
    SeriesCase().write(tmp_path)
    SeriesCase(series_uid="1.2.9").write(tmp_path, name="other{k}.dcm")
    (tmp_path / "broken.dcm").write_text("hello")
    for description in describe(tmp_path):
        assert description.verdict == "refused"
        assert "broken.dcm: expected a DICOM file" in description.problem
        assert "--allow unreadable-file" in description.problem


def test_a_description_decodes_nothing(tmp_path):
    def film(ds, k):
        ds.file_meta.TransferSyntaxUID = MPEG2MPML  # which nothing here decodes
        ds.PixelData = encapsulate([b"\0" * 100])

    SeriesCase().write(tmp_path, change=film)
    assert describe(tmp_path)[0].verdict == "ok"
    with pytest.raises(ImageFormatError):
        read_image(tmp_path)


def test_a_broken_file_is_described_as_refused(tmp_path):
    (tmp_path / "a.png").write_text("hello")
    (tmp_path / "b.nii").write_bytes(b"")
    first, second = describe(tmp_path)
    assert (first.verdict, first.format) == ("refused", "png")
    assert "expected a PNG or JPEG image" in first.problem
    assert "zero bytes" in second.problem


def test_axes_that_do_not_fit_one_file_do_not_stop_the_others(cohort):
    verdicts = {entry.path.name: entry.verdict for entry in describe(cohort, axes="XYZ")}
    assert (verdicts["a.nii.gz"], verdicts["c.png"], verdicts["b_series"]) == ("ok", "refused", "ok")


def test_describing_nothing_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        describe(tmp_path / "nowhere")


def test_importing_io_loads_no_image_library():
    heavy = {"torch", "monai", "pydicom", "SimpleITK", "nibabel", "tifffile", "PIL"}
    code = f"import sys, medseg.io, medseg.io.monai, medseg.io.dicom; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.png", "a"),
        ("a.nii.gz", "a"),
        ("a.OME.TIF", "a"),
        ("scan.1.tif", "scan.1"),
        ("a.seg.nrrd", "a"),
        ("IM0001", "IM0001"),
    ],
)
def test_an_image_is_called_like_its_file_without_the_suffix(name, expected):
    assert case_name(Path(name)) == expected


def test_a_series_is_called_like_its_folder(tmp_path, monkeypatch):
    (tmp_path / "patient.1").mkdir()
    monkeypatch.chdir(tmp_path / "patient.1")
    assert case_name(tmp_path / "patient.1") == case_name(Path()) == "patient.1"
