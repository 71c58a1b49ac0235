"""What stands in a written DICOM segmentation, what is refused, and how others' segmentations are read."""

import copy
from contextlib import suppress

import numpy as np
import pytest
from cases.dicom import SeriesCase
from pydicom import dcmread
from support.ramp import enhanced, ramp_series, tilted

from medseg.errors import ImageFormatError, InputError, LabelError
from medseg.images import CodedConcept, Image, Label, LabelKind, LabelMap, LabelTable, crop
from medseg.io import read_image, read_label_map, write_image, write_label_map
from medseg.io.dicom import AlgorithmIdentity, read_segmentation, write_segmentation
from medseg.verdicts import RefusedImageError

KIDNEY = CodedConcept("64033007", "SCT", "Kidney")
LABELS = LabelTable(
    (
        Label(0, "background", "#000000"),
        Label(1, "left organ", "#2fb8ff", KIDNEY),
        Label(2, "liver lesion", "#ff4f5e"),
        Label(3, "Größe 腫瘍", "#12ab34"),
    )
)


@pytest.fixture
def source(tmp_path):
    ramp_series("oblique").write(tmp_path / "series")
    return read_image(tmp_path / "series")


def labelled(image, labels=LABELS):
    """Labels 1 and 2 in the middle slices; nothing in the first and last, and no 3."""
    array = np.zeros(image.spatial_shape, np.uint8)
    array[1:4, 1, 1] = 1
    array[0, 2:4, 2] = 2
    return LabelMap(array, image.affine, "XYZ", labels)


def written(tmp_path, source, **options):
    path = tmp_path / "seg.dcm"
    write_segmentation(labelled(source), path, source=source, **options)
    return path, dcmread(path)


def test_every_label_is_a_segment_even_where_none_was_found(tmp_path, source):
    path, dataset = written(tmp_path, source)

    assert [item.SegmentNumber for item in dataset.SegmentSequence] == [1, 2, 3]
    assert dataset.NumberOfFrames == 2
    assert read_segmentation(path).labels.names == LABELS.names


def test_codes_come_from_the_label_or_by_its_name_and_the_file_says_which(tmp_path, source):
    _, dataset = written(tmp_path, source)
    told, named, neither = dataset.SegmentSequence

    def code(items):
        return items[0].CodeValue, items[0].CodingSchemeDesignator, items[0].CodeMeaning

    assert code(told.SegmentedPropertyTypeCodeSequence) == ("64033007", "SCT", "Kidney")
    assert code(told.SegmentedPropertyCategoryCodeSequence) == ("91723000", "SCT", "Anatomical Structure")
    assert "SegmentDescription" not in told
    assert code(named.SegmentedPropertyTypeCodeSequence) == ("4147007", "SCT", "Mass")
    assert code(named.SegmentedPropertyCategoryCodeSequence)[0] == "49755003"
    assert code(neither.SegmentedPropertyTypeCodeSequence)[0] == "85756007"
    assert "defaults" in named.SegmentDescription
    assert "defaults" in neither.SegmentDescription


def test_the_model_its_version_and_its_weights_stand_in_every_segment(tmp_path, source):
    _, dataset = written(tmp_path, source, algorithm=AlgorithmIdentity("lesions", "1.2.0", "cd" * 32))

    for item in dataset.SegmentSequence:
        (algorithm,) = item.SegmentationAlgorithmIdentificationSequence
        assert item.SegmentAlgorithmType == "AUTOMATIC"
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("lesions", "1.2.0")
        assert str(algorithm.AlgorithmParameters) == f"weights_sha256={'cd' * 32}"
    assert dataset.ContentDescription == "Research use only"


def test_without_a_model_nothing_is_claimed_about_it(tmp_path, source):
    _, dataset = written(tmp_path, source)

    assert {item.SegmentAlgorithmName for item in dataset.SegmentSequence} == {"not stated"}
    assert not any("SegmentationAlgorithmIdentificationSequence" in item for item in dataset.SegmentSequence)


def test_the_model_that_a_prediction_names_is_taken_over(tmp_path, source):
    label_map = labelled(source)
    extra = {"model": "lesions", "weights_sha256": "ef" * 32}
    predicted = label_map.replace(metadata=copy.copy(label_map.metadata).__class__(extra=extra))
    write_segmentation(predicted, tmp_path / "seg.dcm", source=source)

    (algorithm,) = dcmread(tmp_path / "seg.dcm").SegmentSequence[0].SegmentationAlgorithmIdentificationSequence
    assert algorithm.AlgorithmName == "lesions"
    assert "ef" * 32 in str(algorithm.AlgorithmParameters)


def test_all_source_instances_are_named_once(tmp_path, source):
    _, dataset = written(tmp_path, source)

    named = [item.ReferencedSOPInstanceUID for item in dataset.SourceImageSequence]
    (series,) = dataset.ReferencedSeriesSequence
    assert sorted(named) == sorted(source.metadata.instance_uids)
    assert series.SeriesInstanceUID == source.metadata.extra["series_uid"]
    assert [item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence] == named


def test_of_patient_and_study_only_what_the_standard_demands_is_copied(tmp_path):
    def identify(ds, k):
        ds.SpecificCharacterSet = "ISO_IR 100"
        ds.PatientName, ds.PatientID, ds.PatientSex = "Müller^Canary", "CANARYID", "F"
        ds.PatientComments = ds.StudyDescription = ds.InstitutionName = ds.SeriesDescription = "SECRETCANARY"
        ds.OperatorsName = ds.OtherPatientNames = ds.RequestingPhysician = "SECRETCANARY"
        ds.PatientAddress = ds.PerformedProcedureStepDescription = "SECRETCANARY"

    SeriesCase().write(tmp_path / "series", change=identify)
    source = read_image(tmp_path / "series")
    path, dataset = written(tmp_path, source)

    assert (str(dataset.PatientName), dataset.PatientID, dataset.PatientSex) == ("Müller^Canary", "CANARYID", "F")
    assert b"SECR" not in path.read_bytes()
    assert dataset.SegmentSequence[2].SegmentLabel == "Größe 腫瘍"


def test_colours_and_concepts_come_back(tmp_path, source):
    path, _ = written(tmp_path, source)
    labels = {label.value: label for label in read_label_map(path).labels}

    assert [labels[value].colour for value in (1, 2, 3)] == ["#2fb8ff", "#ff4f5e", "#12ab34"]
    assert labels[1].concept == KIDNEY


def test_the_suffix_dcm_writes_a_segmentation_and_wants_its_source(tmp_path, source):
    label_map = labelled(source)
    write_label_map(label_map, tmp_path / "seg.dcm", source=source)

    back = read_segmentation(tmp_path / "seg.dcm", source=source)
    np.testing.assert_array_equal(back.array, label_map.array)
    with pytest.raises(InputError, match=r"names the series it belongs to\. Give its image"):
        write_label_map(label_map, tmp_path / "other.dcm")


def test_a_map_made_on_the_nifti_of_the_series_finds_the_series_again(tmp_path, source):
    write_image(source, tmp_path / "image.nii.gz")
    label_map = labelled(source)
    write_label_map(label_map.replace(affine=read_image(tmp_path / "image.nii.gz").affine), tmp_path / "mask.nii.gz")
    mask = read_label_map(tmp_path / "mask.nii.gz", labels=LABELS)
    write_label_map(mask, tmp_path / "seg.dcm", source=source)

    back = read_segmentation(tmp_path / "seg.dcm", source=source)
    np.testing.assert_array_equal(back.array, label_map.array)


def test_a_map_of_a_cropped_image_lands_in_its_place(tmp_path, source):
    whole = labelled(source)
    part = crop(whole, (0, 1, 1), (4, 4, 3))
    write_segmentation(part, tmp_path / "seg.dcm", source=crop(source, (0, 1, 1), (4, 4, 3)))

    np.testing.assert_array_equal(read_segmentation(tmp_path / "seg.dcm", source=source).array, whole.array)


def test_an_empty_map_is_written_with_its_segments(tmp_path, source):
    empty = labelled(source).replace(array=np.zeros(source.spatial_shape, np.uint8))
    write_segmentation(empty, tmp_path / "seg.dcm", source=source)

    back = read_label_map(tmp_path / "seg.dcm")
    assert not back.array.any()
    assert back.grid.is_same_as(source.grid)
    assert back.labels.names == LABELS.names


def test_objects_become_a_segment_each(tmp_path, source):
    array = np.zeros(source.spatial_shape, np.uint16)
    array[0, 0, 1], array[2, 3, 1], array[5, 4, 2] = 1, 7, 300
    labels = LabelTable.from_names(["background", "nodule"])
    label_map = LabelMap(array, source.affine, "XYZ", labels, kind=LabelKind.INSTANCES)
    write_segmentation(label_map, tmp_path / "bits.dcm", source=source)
    write_segmentation(label_map, tmp_path / "numbers.dcm", source=source, kind="labelmap")

    bits, numbers = (read_segmentation(tmp_path / name, source=source) for name in ("bits.dcm", "numbers.dcm"))
    assert bits.labels.names == ("background", "nodule 1", "nodule 7", "nodule 300")
    assert [int(bits.array[place]) for place in ((0, 0, 1), (2, 3, 1), (5, 4, 2))] == [1, 2, 3]
    np.testing.assert_array_equal(numbers.array, array)


def test_one_phase_of_a_multi_frame_file_names_its_own_frames(tmp_path):
    case = SeriesCase()
    folder = tmp_path / "series"
    folder.mkdir()

    def phase(groups, k):
        number = seen.setdefault(k, 0) + 1
        seen[k] = number
        groups.FrameContentSequence[0].TemporalPositionIndex = number

    seen = {}
    order = [0, 1, 2, 3, 3, 2, 1, 0]
    enhanced(case, order=order, change_frame=phase).save_as(folder / "all.dcm", enforce_file_format=True)
    with pytest.raises(ImageFormatError) as refused:
        read_image(folder)
    keys = sorted(word.strip(",;:.()") for word in str(refused.value).split() if "#" in word)
    source = read_image(folder, series_uid=keys[1])
    path, dataset = written(tmp_path, source)

    frames = [
        frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        for frame in dataset.PerFrameFunctionalGroupsSequence
    ]
    assert sorted(frames) == [6, 7]
    assert len(dataset.SourceImageSequence) == 1
    np.testing.assert_array_equal(read_segmentation(path, source=source).array, labelled(source).array)


def test_a_map_between_the_voxels_of_the_series_is_refused(tmp_path, source):
    label_map = labelled(source)
    matrix = np.array(label_map.affine.matrix)
    matrix[:3, 3] += 0.3
    moved = label_map.replace(affine=type(label_map.affine)(matrix, frame=label_map.affine.frame))

    with pytest.raises(RefusedImageError, match=r"mm beside them \[other-grid\]\. Bring it onto the grid"):
        write_segmentation(moved, tmp_path / "seg.dcm", source=source)
    assert not (tmp_path / "seg.dcm").exists()


def test_labels_outside_the_series_are_refused(tmp_path, source):
    label_map = labelled(source)
    matrix = np.array(label_map.affine.matrix)
    matrix[:3, 3] += matrix[:3, 2] * 2
    moved = label_map.replace(affine=type(label_map.affine)(matrix, frame=label_map.affine.frame))

    with pytest.raises(RefusedImageError, match="labels-outside-source"):
        write_segmentation(moved, tmp_path / "seg.dcm", source=source)


def test_a_source_that_is_no_dicom_is_refused(tmp_path, source):
    plain = Image(source.array, source.affine, "CXYZ")
    with pytest.raises(InputError, match="expected an image read from a DICOM series"):
        write_segmentation(labelled(source), tmp_path / "seg.dcm", source=plain)


@pytest.mark.parametrize(
    ("keyword", "code"),
    [("FrameOfReferenceUID", "no-frame-of-reference"), ("StudyInstanceUID", "no-study-uid")],
)
def test_a_series_without_the_uids_that_must_be_repeated_is_refused(keyword, code, tmp_path):
    SeriesCase().write(tmp_path / "series", change=lambda ds, k: setattr(ds, keyword, ""))
    source = read_image(tmp_path / "series")
    with pytest.raises(RefusedImageError, match=rf"must repeat, and there is none \[{code}\]"):
        written(tmp_path, source)


def test_a_fractional_segmentation_wants_probabilities(tmp_path, source):
    with pytest.raises(InputError, match="holds probabilities of classes, got only a label map"):
        written(tmp_path, source, kind="fractional")


def test_a_map_without_foreground_labels_is_refused(tmp_path, source):
    label_map = LabelMap(np.zeros(source.spatial_shape, np.uint8), source.affine, "XYZ", LabelTable.from_names(["b"]))
    with pytest.raises(LabelError, match="holds 1 to 65535 segments"):
        write_segmentation(label_map, tmp_path / "seg.dcm", source=source)


def spoiled(tmp_path, source, change, **options):
    path, dataset = written(tmp_path, source, **options)
    change(dataset)
    dataset.save_as(path)
    return path


def test_frames_may_come_in_any_order(tmp_path, source):
    def reverse(dataset):
        frames = list(dataset.PerFrameFunctionalGroupsSequence)
        rows, columns, count = dataset.Rows, dataset.Columns, dataset.NumberOfFrames
        bits = np.unpackbits(np.frombuffer(dataset.PixelData, np.uint8), bitorder="little")
        pixels = bits[: rows * columns * count].reshape(count, -1)[::-1]
        packed = np.packbits(pixels.ravel(), bitorder="little").tobytes()
        dataset.PixelData = packed + b"\0" * (len(packed) % 2)
        dataset.PerFrameFunctionalGroupsSequence = frames[::-1]

    path = spoiled(tmp_path, source, reverse, keep_empty_frames=True)
    np.testing.assert_array_equal(read_label_map(path).array, labelled(source).array)


def test_overlapping_segments_are_refused_unless_chosen(tmp_path, source):
    def overlap(dataset):
        first, second = dataset.PerFrameFunctionalGroupsSequence
        second.PlanePositionSequence = first.PlanePositionSequence
        dataset.PixelData = b"\xff" * len(dataset.PixelData)

    path = spoiled(tmp_path, source, overlap)
    with pytest.raises(RefusedImageError, match=r"segments overlap \(1 and 2\) \[overlapping-segments\]"):
        read_label_map(path)
    chosen = read_segmentation(path, segments=[2])
    assert set(np.unique(chosen.array)) == {2}
    assert chosen.labels.values == (0, 2)


CHANGES = {
    "truncated": (lambda ds: setattr(ds, "PixelData", b"\0\0"), r"cut short \[truncated\]"),
    "no position": (
        lambda ds: delattr(ds.PerFrameFunctionalGroupsSequence[0], "PlanePositionSequence"),
        "no-position",
    ),
    "uneven": (
        lambda ds: setattr(
            ds.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0], "ImagePositionPatient", [1, 2, 3]
        ),
        "uneven-slices",
    ),
    "far away": (
        lambda ds: setattr(
            ds.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0], "ImagePositionPatient", [0, 0, 1e15]
        ),
        "uneven-slices|over-budget",
    ),
    "frames": (
        lambda ds: setattr(ds, "NumberOfFrames", 7),
        r"expected 7 frames, got .* 2 \[frame-count\]",
    ),
    "stranger": (
        lambda ds: setattr(
            ds.PerFrameFunctionalGroupsSequence[0].SegmentIdentificationSequence[0], "ReferencedSegmentNumber", 9
        ),
        "undescribed-segment",
    ),
    "slide": (lambda ds: setattr(ds, "TotalPixelMatrixRows", 9), "slide-coordinates"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_cannot_be_placed_is_refused_with_its_reason(name, tmp_path, source):
    change, message = CHANGES[name]
    path = spoiled(tmp_path, source, change)
    with pytest.raises(RefusedImageError, match=message):
        read_label_map(path)


def test_another_frame_of_reference_than_the_sources_is_refused(tmp_path, source):
    path = spoiled(tmp_path, source, lambda ds: setattr(ds, "FrameOfReferenceUID", "1.2.3"))
    with pytest.raises(RefusedImageError, match="other-frame-of-reference"):
        read_segmentation(path, source=source)


def test_two_leaning_slices_of_a_tilted_gantry_are_no_contradiction(tmp_path):
    tilted(20.0, shape=(6, 5, 4)).write(tmp_path / "series")
    source = read_image(tmp_path / "series")
    path, _ = written(tmp_path, source)

    back = read_label_map(path)
    np.testing.assert_array_equal(back.array, labelled(source).array[..., 1:3])
    np.testing.assert_allclose(back.affine.apply([0, 0, 0]), source.affine.apply([0, 0, 1]), atol=1e-3)
    np.testing.assert_allclose(back.affine.linear, source.affine.linear, atol=1e-3)


def test_an_unstated_distance_of_slices_is_flagged(tmp_path, source):
    def forget(dataset):
        del dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices

    label_map = read_label_map(spoiled(tmp_path, source, forget))
    assert [verdict.code for verdict in label_map.metadata.verdicts] == ["slice-distance"]


def test_damaged_files_raise_medseg_errors_only(tmp_path, source):
    path, _ = written(tmp_path, source)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        spoilt = bytearray(whole[: rng.integers(200, len(whole))] if rng.random() < 0.3 else whole)
        for place in rng.integers(132, len(spoilt), size=8):
            spoilt[place] = rng.integers(256)
        path.write_bytes(bytes(spoilt))
        # Anything else that it raises ends the test.
        with suppress(ImageFormatError, InputError, LabelError):
            read_segmentation(path)
