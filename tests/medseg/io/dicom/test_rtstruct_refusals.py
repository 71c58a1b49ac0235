"""Structure sets of other makers, and all that can be wrong with them: read, flagged or refused with a reason."""

import shutil

import numpy as np
import pytest
from support.ramp import ramp_series, tilted
from support.structure_sets import contour, structure_set

from medseg.errors import ImageFormatError, InputError
from medseg.images import Image
from medseg.io import read_image
from medseg.io.dicom import list_rois, read_rtstruct
from medseg.verdicts import RefusedImageError

FRAME = "1.2.826.0.1.3680043.8.498.2"
"""Of the generated series."""
SERIES = "1.2.826.0.1.3680043.8.498.1.1"
COLUMNS, ROWS, SLICES = 12, 10, 5


@pytest.fixture(scope="module", params=["oblique", "tilted"])
def source(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    shape = (COLUMNS, ROWS, SLICES)
    case = tilted(12, shape=shape) if request.param == "tilted" else ramp_series("oblique", shape=shape)
    case.write(folder)
    return read_image(folder)


def _lps(source, points):
    return source.affine.apply(np.asarray(points, float)) * (-1, -1, 1)


def _box(source, k, low, high, **options):
    (x0, y0), (x1, y1) = low, high
    return contour(_lps(source, [(x0, y0, k), (x1, y0, k), (x1, y1, k), (x0, y1, k)]), **options)


def _read(source, tmp_path, contours, *, change=None, series_uid=SERIES, frame=FRAME, **options):
    rois = contours if isinstance(contours, dict) else {1: contours}
    path = structure_set(tmp_path / "rt.dcm", rois, frame_of_reference=frame, series_uid=series_uid, change=change)
    return read_rtstruct(path, source=source, **options)


def _codes(label_map):
    return {verdict.code for verdict in label_map.metadata.verdicts}


def _expected(*boxes):
    """(low, high, slice, value) boxes of voxels, both ends included."""
    values = np.zeros((COLUMNS, ROWS, SLICES), np.uint8)
    for (x0, y0), (x1, y1), k, value in boxes:
        values[x0 : x1 + 1, y0 : y1 + 1, k] = value
    return values


def test_a_contour_along_edges_and_one_through_centres_hold_the_same_voxels(source, tmp_path):
    expected = _expected(((2, 3), (6, 7), 2, 1))
    for grow in (0.5, 0.3, 0.0):
        back = _read(source, tmp_path, [_box(source, 2, (2 - grow, 3 - grow), (6 + grow, 7 + grow))])
        np.testing.assert_array_equal(back.array, expected)
        assert _codes(back) == set()


def test_a_contour_in_another_is_a_hole_with_a_flag_and_by_exclusive_or_without(source, tmp_path):
    expected = _expected(((1, 1), (8, 8), 1, 1), ((3, 3), (5, 5), 1, 0))
    for kind, codes in (("CLOSED_PLANAR", {"nested-contours"}), ("CLOSEDPLANAR_XOR", set())):
        outer = _box(source, 1, (0.5, 0.5), (8.5, 8.5), kind=kind)
        inner = _box(source, 1, (2.5, 2.5), (5.5, 5.5), kind=kind)
        back = _read(source, tmp_path, [outer, inner])
        np.testing.assert_array_equal(back.array, expected)
        assert _codes(back) == codes


def test_a_keyhole_of_another_maker_is_a_hole(source, tmp_path):
    # Outer outline from its corner, along a slanting channel over voxel centres to the hole, around it and back.
    points = [(0.5, 0.5), (8.5, 0.5), (8.5, 8.5), (0.5, 8.5), (0.5, 0.5)]
    points += [(2.5, 2.5), (2.5, 5.5), (5.5, 5.5), (5.5, 2.5), (2.5, 2.5)]
    back = _read(source, tmp_path, [contour(_lps(source, [(x, y, 3) for x, y in points]))])
    np.testing.assert_array_equal(back.array, _expected(((1, 1), (8, 8), 3, 1), ((3, 3), (5, 5), 3, 0)))


def test_contours_side_by_side_are_one_region(source, tmp_path):
    back = _read(source, tmp_path, [_box(source, 0, (0.5, 0.5), (3.5, 3.5)), _box(source, 0, (3.5, 0.5), (6.5, 3.5))])
    np.testing.assert_array_equal(back.array, _expected(((1, 1), (6, 3), 0, 1)))
    assert _codes(back) == set()


def test_contours_that_cross_are_refused_and_united_when_allowed(source, tmp_path):
    crossing = [_box(source, 0, (0.5, 0.5), (4.5, 4.5)), _box(source, 0, (2.5, 2.5), (6.5, 6.5))]
    with pytest.raises(RefusedImageError, match=r"cross or repeat each other, 1 pairs \(ROI 1\).*contours-crossing"):
        _read(source, tmp_path, crossing)
    back = _read(source, tmp_path, crossing, allow=["contours-crossing"])
    assert np.count_nonzero(back.array) == 16 + 16 - 4


def test_a_contour_that_stands_twice_counts_once_and_does_not_cancel_itself(source, tmp_path):
    twice = [_box(source, 2, (2.5, 2.5), (6.5, 6.5)) for _ in range(2)]
    back = _read(source, tmp_path, twice)
    assert np.count_nonzero(back.array) == 16
    assert _codes(back) == {"repeated-contours"}
    nearly = [twice[0], _box(source, 2, (2.4, 2.4), (6.6, 6.6))]
    with pytest.raises(RefusedImageError, match="contours-crossing"):
        _read(source, tmp_path, nearly)


@pytest.mark.parametrize(
    ("kind", "count", "code"),
    [
        ("POINT", 1, "point-contours"),
        ("OPEN_PLANAR", 4, "open-contours"),
        ("OPEN_NONPLANAR", 4, "open-contours"),
        ("CLOSED_PLANAR", 2, "degenerate-contours"),
        ("CLOSED_PLANAR", 1, "degenerate-contours"),
    ],
)
def test_contours_without_an_inside_are_left_out_with_a_flag(kind, count, code, source, tmp_path):
    points = _lps(source, [(1, 1, 1), (5, 1, 1), (5, 5, 1), (1, 5, 1)])[:count]
    back = _read(source, tmp_path, {1: [contour(points, kind=kind)], 2: [_box(source, 2, (2, 2), (3, 3))]})
    assert _codes(back) == {code}
    assert back.present_values() == (0, 2)
    assert back.labels.values == (0, 1, 2)


def test_contours_between_slices_are_refused_and_near_ones_flagged(source, tmp_path):
    with pytest.raises(RefusedImageError, match=r"got 1 between them \(ROI 1\) \[contours-between-slices\]"):
        _read(source, tmp_path, [_box(source, 2.5, (1, 1), (3, 3))], allow=["contours-between-slices"])
    back = _read(source, tmp_path, [_box(source, 2.2, (1, 1), (3, 3))])
    np.testing.assert_array_equal(back.array, _expected(((1, 1), (3, 3), 2, 1)))
    assert _codes(back) == {"contours-near-slices"}
    assert _codes(_read(source, tmp_path, [_box(source, 2.01, (1, 1), (3, 3))])) == set()


def test_contours_across_slices_are_refused(source, tmp_path):
    upright = contour(_lps(source, [(3, 1, 0.2), (3, 5, 0.2), (3, 5, 3.8), (3, 1, 3.8)]))
    flat = _box(source, 1, (1, 1), (3, 3))
    with pytest.raises(RefusedImageError, match=r"rises over 3\.6 slices \[contours-across-slices\]"):
        _read(source, tmp_path, [flat, _box(source, 2, (1, 1), (3, 3)), upright])


@pytest.mark.parametrize("k", [-1, SLICES, SLICES + 400])
def test_contours_before_or_after_the_image_are_refused(k, source, tmp_path):
    contours = [_box(source, k, (1, 1), (3, 3)), _box(source, 2, (1, 1), (3, 3))]
    with pytest.raises(
        RefusedImageError, match=r"1 before its first or after its last slice .*--allow contours-outside"
    ):
        _read(source, tmp_path, contours)
    back = _read(source, tmp_path, contours, allow=["contours-outside"])
    assert np.count_nonzero(back.array) == 9


def test_a_contour_that_leaves_the_picture_is_cut_off_with_a_flag(source, tmp_path):
    back = _read(source, tmp_path, [_box(source, 1, (-5, -0.5), (2, 3))])
    np.testing.assert_array_equal(back.array, _expected(((0, 0), (2, 3), 1, 1)))
    assert _codes(back) == {"contours-beyond-image"}


def test_slices_skipped_by_a_region_are_told(source, tmp_path):
    back = _read(source, tmp_path, [_box(source, k, (1, 1), (3, 3)) for k in (0, 2, 4)])
    assert _codes(back) == {"slices-without-contours"}
    assert "2 slices" in back.metadata.notes[0]


def test_regions_that_overlap_are_refused_unless_chosen_or_ranked(source, tmp_path):
    rois = {
        4: [_box(source, 1, (0.5, 0.5), (8.5, 8.5))],
        9: [_box(source, 1, (2.5, 2.5), (5.5, 5.5))],
    }
    with pytest.raises(RefusedImageError, match=r"regions overlap \(ROI 4 and 9\) \[overlapping-rois\].*priority="):
        _read(source, tmp_path, rois)
    body, inner = ((1, 1), (8, 8), 1, 4), ((3, 3), (5, 5), 1, 9)
    np.testing.assert_array_equal(_read(source, tmp_path, rois, rois=[9]).array, _expected(inner))
    np.testing.assert_array_equal(_read(source, tmp_path, rois, priority=[4]).array, _expected(body))
    ranked = _read(source, tmp_path, rois, priority=[9])
    np.testing.assert_array_equal(ranked.array, _expected(body, inner))
    assert ranked.metadata.notes == ("voxels in several regions, given to the one with priority: 9 [overlaps-decided]",)
    with pytest.raises(InputError, match=r"got 5\. It holds the numbers 4, 9"):
        _read(source, tmp_path, rois, rois=[5])


def test_another_frame_of_reference_is_refused(source, tmp_path):
    box = [_box(source, 1, (1, 1), (3, 3))]
    with pytest.raises(RefusedImageError, match="other-frame-of-reference") as caught:
        _read(source, tmp_path, box, frame="1.2.3", series_uid="1.2.4", allow=["other-frame-of-reference"])
    assert not caught.value.verdicts[0].may_be_allowed
    # A file that names this very series has at least the right images in mind: a person may decide.
    back = _read(source, tmp_path, box, frame="1.2.3", allow=["other-frame-of-reference"])
    assert np.count_nonzero(back.array) == 9


def test_a_missing_frame_of_reference_or_another_series_is_flagged(source, tmp_path):
    box = [_box(source, 1, (1, 1), (3, 3))]
    assert _codes(_read(source, tmp_path, box, frame="", series_uid=None)) == {"no-frame-of-reference"}
    assert _codes(_read(source, tmp_path, box, series_uid="1.2.4")) == {"other-series"}
    bare = Image(source.array, source.affine, source.axes)
    assert _codes(_read(bare, tmp_path, box)) == {"no-frame-of-reference"}


def test_a_contour_that_names_another_image_is_flagged_and_placed_by_its_coordinates(source, tmp_path):
    def naming(k):
        box = _box(source, 1, (1, 1), (3, 3))
        item = type(box)()
        item.ReferencedSOPInstanceUID = k if isinstance(k, str) else source.metadata.instance_uids[k]
        box.ContourImageSequence = [item]
        return [box]

    assert _codes(_read(source, tmp_path, naming(1))) == set()
    moved = _read(source, tmp_path, naming(3))
    assert _codes(moved) == {"other-image-named"}
    assert moved.array[..., 1].any()
    assert _codes(_read(source, tmp_path, naming("1.2.9"))) == {"unknown-image-named"}


def _set_first(keyword, value):
    def change(ds):
        setattr(ds.ROIContourSequence[0].ContourSequence[0], keyword, value)

    return change


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_set_first("NumberOfContourPoints", 7), "contour-length"),
        (_set_first("ContourGeometricType", "SPIRAL"), "unknown-contour-type"),
        (_set_first("ContourData", ["1", "2"]), "bad-contour"),
        (lambda ds: delattr(ds, "StructureSetROISequence"), "no-rois"),
        (lambda ds: delattr(ds, "ROIContourSequence"), "no-contours"),
        (lambda ds: setattr(ds.ROIContourSequence[0], "ReferencedROINumber", 5), "bad-rois"),
        (lambda ds: delattr(ds.StructureSetROISequence[0], "ROINumber"), "bad-rois"),
        (lambda ds: setattr(ds, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.481.5"), "no-structure-set"),
    ],
)
def test_damage_is_refused_without_a_word_of_the_header(change, code, source, tmp_path):
    with pytest.raises(RefusedImageError, match=rf"\[{code}\]") as caught:
        _read(source, tmp_path, [_box(source, 1, (1, 1), (3, 3))], change=change)
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize("word", [b"nan", b"inf", b"abc", b"1e9"])
def test_numbers_that_are_none_are_refused(word, source, tmp_path):
    path = structure_set(
        tmp_path / "rt.dcm", {1: [_box(source, 1, (1, 1), (3, 3))]}, frame_of_reference=FRAME, series_uid=SERIES
    )
    data = path.read_bytes()
    start = data.index(b"\x06\x30\x50\x00") + 8
    path.write_bytes(data[:start] + word + data[start + len(word) :])
    with pytest.raises(RefusedImageError) as caught:
        read_rtstruct(path, source=source)
    assert "CANARY" not in str(caught.value)
    assert str(path) in str(caught.value)


def _with_undefined_lengths(dataset):
    for element in dataset:
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
                _with_undefined_lengths(item)


@pytest.mark.parametrize("change", [None, _with_undefined_lengths])
def test_a_file_cut_anywhere_is_refused(change, source, tmp_path):
    rois = {1: [_box(source, k, (1, 1), (3, 3)) for k in range(2)], 2: [_box(source, 3, (1, 1), (3, 3))], 3: []}
    path = structure_set(tmp_path / "rt.dcm", rois, frame_of_reference=FRAME, change=change)
    assert np.count_nonzero(read_rtstruct(path, source=source).array) == 27
    data = path.read_bytes()
    for length in range(len(data) - 1, 0, -11):
        path.write_bytes(data[:length])
        with pytest.raises(ImageFormatError, match=r"rt\.dcm"):
            read_rtstruct(path, source=source)


def test_a_region_that_the_contours_do_not_mention_is_flagged(source, tmp_path):
    rois = {1: [_box(source, 1, (1, 1), (3, 3))], 2: []}
    back = _read(source, tmp_path, rois, change=lambda ds: ds.ROIContourSequence.pop())
    assert _codes(back) == {"regions-without-contours"}
    assert back.labels.values == (0, 1, 2)


def test_regions_numbered_from_zero_are_numbered_anew_and_names_are_made_distinct(source, tmp_path):
    def same_name(ds):
        for item in ds.StructureSetROISequence:
            item.ROIName = "x"

    rois = {0: [_box(source, 1, (1, 1), (3, 3))], 1: [_box(source, 2, (1, 1), (3, 3))]}
    back = _read(source, tmp_path, rois, change=same_name)
    np.testing.assert_array_equal(back.array, _expected(((1, 1), (3, 3), 1, 1), ((1, 1), (3, 3), 2, 2)))
    assert back.labels.names == ("background", "x", "x (1)")
    assert _codes(back) == {"renumbered-rois"}


def test_a_missing_file_is_an_input_error(source, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_rtstruct(tmp_path / "none.dcm", source=source)
    with pytest.raises(InputError, match="no such file"):
        list_rois(tmp_path / "none.dcm")


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "images", "refusal", "voxels"),
    [
        ("dicompyler/rtss.dcm", ["dicompyler/ct.0.dcm"], "contours-outside", {1: 40411}),
        ("rtutils_empty/dummy_rt.dcm", ["rtutils_mock/ct_1.dcm", "rtutils_mock/ct_2.dcm"], "contours-outside", None),
        (
            "rtutils_mock/invalid_reference_rt.dcm",
            ["rtutils_mock/ct_1.dcm", "rtutils_mock/ct_2.dcm"],
            "contours-outside",
            None,
        ),
        ("rtutils_mock/rt.dcm", ["rtutils_mock/ct_1.dcm", "rtutils_mock/ct_2.dcm"], "other-frame-of-reference", None),
        ("dicompyler/rtplan.dcm", ["dicompyler/ct.0.dcm"], "no-structure-set", None),
    ],
)
def test_real_structure_sets_without_all_their_images_say_so(name, images, refusal, voxels, data_dir, tmp_path):
    folder = data_dir / "dicom" / "rtstruct"
    for image in images:
        shutil.copy(folder / image, tmp_path)
    source = read_image(tmp_path)
    with pytest.raises(RefusedImageError, match=rf"\[{refusal}\]"):
        read_rtstruct(folder / name, source=source)
    if refusal == "no-structure-set":
        return
    allowed = read_rtstruct(folder / name, source=source, allow=[refusal])
    assert allowed.present_values()[1:]
    for value, count in (voxels or {}).items():
        assert abs(np.count_nonzero(allowed.array == value) - count) <= 0
