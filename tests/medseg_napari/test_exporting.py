"""What is exported: the command line's bytes where nobody edited, who made what, no identity where none belongs."""

import csv
import json
import zlib

import nibabel
import numpy as np
import pytest
from medseg_napari._sample_data import cells
from medseg_napari.exporting.export import ExportRequest, check_names, export, free_name, minted
from medseg_napari.exporting.formats import FORMATS, Choices
from medseg_napari.exporting.label_maps import class_map, labelled_objects, object_map
from medseg_napari.exporting.subject import ExportSubject, subject_of
from medseg_napari.jobs.worker_process import WorkerProcess
from medseg_napari.layers import Origin
from medseg_napari.layers.results import ResultNote
from medseg_napari.reviewing.source import ReviewSource
from medseg_napari.segmenting.run import RunRequest, run
from pydicom import dcmread
from support.segmentations import dciodvfy_errors
from typer.testing import CliRunner

from medseg.cli.main import _build_app
from medseg.datasets.phantoms import ct_phantom
from medseg.errors import InputError
from medseg.images import LabelTable
from medseg.inference import installed_models
from medseg.io import read_image, read_label_map, write_label_map
from medseg.io.dicom import read_rtstruct, read_segmentation, write_series

CT_MODEL = "ct-phantom-lesions"
CANARY, CANARY_ID, CANARY_FOLDER = "Kanarienvogel", "KV-4711", "Kanarienvogel-Tweety"
ALL_OF_VOLUMES = tuple(one.key for one in FORMATS if not (one.is_picture or one.is_of_times))


def never():
    return False


def nothing(_):
    return None


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """A generated CT as DICOM, whose patient and folder bear a name that must not travel."""
    folder = tmp_path_factory.mktemp("series") / CANARY_FOLDER
    image, _ = ct_phantom(
        np.random.default_rng(2), shape=(96, 96, 24), spacing_mm=(4.0, 4.0, 8.0), lesion_fraction=(8e-4, 1.6e-3)
    )
    write_series(image, folder, uid_seed=5, patient_id=CANARY_ID, patient_name=f"{CANARY}^Tweety")
    return folder


@pytest.fixture(scope="module")
def found(series):
    """Origin and result of the shipped model's run in the plugin."""
    origin = Origin(read_image(series), 0)
    return origin, run(RunRequest(installed_models()[CT_MODEL], origin, device="cpu"), nothing, never)


@pytest.fixture
def reviewed(found):
    """Origin, source and review of the result, as the window has them."""
    origin, result = found
    note = ResultNote(result.table, result.class_of, result.confidence, result.made_by, result.notes, result.label_map)
    spacing = origin.affine.spacing_mm
    image = origin.to_layer(origin.image.array[0])
    source = ReviewSource(np.array(result.numbers), spacing, image, "HU", note)
    return origin, source, source.review(editor="Jo")


def copied(reviewed, **choices):
    origin, source, review = reviewed
    return subject_of(f"CT of {CANARY_FOLDER}", origin, source, review=review, **choices)


def exported(reviewed, folder, *keys, choices=None, **left):
    request = ExportRequest(folder, "result", keys, choices or Choices())
    return export(request, lambda: copied(reviewed, **left), nothing, never)


@pytest.fixture(scope="module")
def from_command_line(series, tmp_path_factory):
    """The mask that `medseg predict` writes of the series."""
    path = tmp_path_factory.mktemp("cli") / "mask.nii.gz"
    command = ["predict", CT_MODEL, str(series), "--output", str(path), "--device", "cpu"]
    done = CliRunner().invoke(_build_app(), command)
    assert done.exit_code == 0, done.output
    return path


def test_what_nobody_edited_equals_the_command_lines_file_byte_for_byte(reviewed, from_command_line, tmp_path):
    exported(reviewed, tmp_path, "nifti", "seg")
    theirs, ours = nibabel.load(from_command_line), nibabel.load(tmp_path / "result.nii.gz")
    assert np.asarray(theirs.dataobj).any()
    assert np.asarray(ours.dataobj).tobytes() == np.asarray(theirs.dataobj).tobytes()
    assert ours.affine.tobytes() == theirs.affine.tobytes()
    # The whole file, but for the time and the name in the wrapping of gzip.
    packed = [path.read_bytes() for path in (from_command_line, tmp_path / "result.nii.gz")]
    assert zlib.decompress(packed[0], wbits=31) == zlib.decompress(packed[1], wbits=31)
    # What the command line writes for --output mask.dcm
    write_label_map(reviewed[1].note.label_map, tmp_path / "cli.dcm", source=reviewed[0].image)
    segs = [dcmread(tmp_path / name) for name in ("cli.dcm", "result-seg.dcm")]
    assert segs[0].PixelData == segs[1].PixelData
    places = [
        [frame.PlanePositionSequence[0].ImagePositionPatient for frame in one.PerFrameFunctionalGroupsSequence]
        for one in segs
    ]
    assert places[0] == places[1]


def test_a_mask_of_a_model_alone_is_automatic_and_names_its_weights(reviewed, tmp_path):
    exported(reviewed, tmp_path, "seg")
    dataset = dcmread(tmp_path / "result-seg.dcm")
    (segment,) = dataset.SegmentSequence
    assert (segment.SegmentAlgorithmType, segment.SegmentAlgorithmName) == ("AUTOMATIC", CT_MODEL)
    parameters = segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmParameters
    assert reviewed[1].note.made_by.sha256 in str(parameters)
    assert dataset.ContentCreatorName == ""
    assert dciodvfy_errors(tmp_path / "result-seg.dcm") == []


def test_rejected_objects_stay_out_unless_they_are_wanted(reviewed, tmp_path):
    review = reviewed[2]
    first, second = review.table.ids[:2]
    review.reject([first])
    without, with_all = class_map(copied(reviewed)), class_map(copied(reviewed, leave_out_rejected=False))
    inside = reviewed[0].from_layer(reviewed[1].labels)
    assert not without.array[inside == first].any()
    assert (without.array[inside == second] == 1).all()
    assert np.array_equal(with_all.array, reviewed[1].note.label_map.array)
    exported(reviewed, tmp_path, "seg")
    (segment,) = dcmread(tmp_path / "result-seg.dcm").SegmentSequence
    assert segment.SegmentAlgorithmType == "SEMIAUTOMATIC"  # what is left was chosen by a person
    assert "1 more left out" in segment.SegmentDescription


def test_each_object_in_the_segmentation_says_how_it_came_about(reviewed, tmp_path):
    review = reviewed[2]
    grown, accepted, untouched = review.table.ids[:3]
    review.grow(grown)
    review.accept([accepted])
    exported(reviewed, tmp_path, "sr", "rtstruct", choices=Choices(as_objects=True))
    seg, source = tmp_path / "result-objects-seg.dcm", reviewed[0].image
    dataset = dcmread(seg)
    segments = {item.SegmentLabel: item for item in dataset.SegmentSequence}
    types = {number: segments[f"lesion {number}"].SegmentAlgorithmType for number in (grown, accepted, untouched)}
    assert types == {grown: "SEMIAUTOMATIC", accepted: "AUTOMATIC", untouched: "AUTOMATIC"}
    assert "edits: grow" in segments[f"lesion {grown}"].SegmentDescription
    assert segments[f"lesion {accepted}"].SegmentDescription.startswith("Accepted by Jo")
    assert segments[f"lesion {grown}"].TrackingID == f"lesion {grown}"
    assert dataset.ContentCreatorName == "Jo"
    read = read_segmentation(seg, source=source)
    order = {label.name: label.value for label in read.labels}
    inside = reviewed[0].from_layer(reviewed[1].labels)
    assert np.array_equal(read.array == order[f"lesion {grown}"], inside == grown)
    for path in (seg, tmp_path / "result-measurements.dcm"):
        assert dciodvfy_errors(path) == []
    contours = read_rtstruct(tmp_path / "result-rtstruct.dcm", source=source)
    assert np.array_equal(contours.array > 0, inside > 0)
    trail = json.loads((tmp_path / "result-rtstruct.dcm.audit.json").read_text())
    assert trail["objects"][str(grown)]["edits"][0]["kind"] == "grow"


def test_a_reclassified_object_gets_the_value_of_its_class():
    table = LabelTable.from_names(("background", "nucleus", "debris"))
    image = cells()[0][1]["metadata"]["medseg"].image
    labels = np.zeros(image.spatial_shape, np.int32)
    labels[5:9, 5:9], labels[20:22, 30:35] = 3, 8
    source = ReviewSource(labels, (1.0, 1.0), None, "", ResultNote(table, {3: "nucleus", 8: "nucleus"}, {}))
    review = source.review(editor="Jo")
    review.reclassify([8], "debris")
    subject = subject_of("cells", Origin(image, 0), source, review=review)
    assert {
        (int(n), int(c)) for n, c in zip(object_map(subject).array.flat, class_map(subject).array.flat, strict=True)
    } == {
        (0, 0),
        (3, 1),
        (8, 2),
    }
    assert labelled_objects(subject).labels.names == ("background", "nucleus 3", "debris 8")


def test_edits_after_the_copy_do_not_reach_the_files(reviewed):
    subject = copied(reviewed)
    before = subject.source.labels.copy()
    reviewed[2].delete(reviewed[2].table.ids)
    assert np.array_equal(subject.source.labels, before)
    assert not reviewed[1].labels.any()
    assert isinstance(subject, ExportSubject)


def test_every_kind_of_file_of_a_volume_is_written_and_masks_have_their_trail(reviewed, tmp_path):
    result = exported(reviewed, tmp_path, *ALL_OF_VOLUMES)
    assert result.failures == ()
    assert set(result.paths) == set(tmp_path.iterdir())
    expected = class_map(copied(reviewed)).array
    for name in ("result.nii.gz", "result.ome.tif", "result.ome.zarr"):
        values = read_label_map(tmp_path / name).array
        assert sorted(np.unique(values)) == [0, 1]
        assert values.sum() == expected.sum()
        assert (tmp_path / f"{name}.audit.json").is_file()


def test_the_report_says_what_it_is_for_and_nothing_of_the_patient(reviewed, tmp_path):
    exported(reviewed, tmp_path, "html", "pdf", "csv", "nifti")
    page = (tmp_path / "result-report.html").read_text()
    assert "Research use only" in page
    assert reviewed[1].note.made_by.sha256 in page
    pdf = (tmp_path / "result-report.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    streams = b"".join(_unpacked(pdf))
    for name in tmp_path.iterdir():
        content = name.read_bytes()
        for canary in (CANARY, CANARY_ID, CANARY_FOLDER):
            assert canary.encode() not in content, name
            assert canary.encode() not in streams
    exported(reviewed, tmp_path / "named", "html", choices=Choices(with_title=True))
    assert CANARY in (tmp_path / "named" / "result-report.html").read_text()  # asked for, it is there


def _unpacked(pdf):
    for part in pdf.split(b"stream\n")[1:]:
        try:
            yield zlib.decompressobj().decompress(part.lstrip(b"\r\n"))
        except zlib.error:
            continue


def test_the_table_has_a_line_an_object_with_units_in_its_heads(reviewed, tmp_path):
    exported(reviewed, tmp_path, "csv")
    with (tmp_path / "result-objects.csv").open() as file:
        rows = {int(row["object"]): row for row in csv.DictReader(file)}
    origin, source, review = reviewed
    assert sorted(rows) == list(review.table.ids)
    number = review.table.ids[0]
    mask = origin.from_layer(source.labels) == number
    volume = mask.sum() * 4.0 * 4.0 * 8.0 / 1000
    assert float(rows[number]["volume_ml"]) == pytest.approx(volume, rel=1e-5)
    centre = np.argwhere(mask).mean(axis=0)
    assert [float(rows[number][f"centre_index_{axis}"]) for axis in "xyz"] == pytest.approx(centre, rel=1e-4)
    lps = np.array([-1, -1, 1]) * np.asarray(origin.image.affine.apply(centre))
    stated = [float(rows[number][f"centre_{axis}_lps_mm"]) for axis in "xyz"]
    assert stated == pytest.approx(lps, rel=1e-4, abs=1e-3)
    assert rows[number]["how"] == "AUTOMATIC"


def test_nothing_is_written_over_and_a_free_name_is_found(reviewed, tmp_path):
    exported(reviewed, tmp_path, "csv")
    before = (tmp_path / "result-objects.csv").read_bytes()
    with pytest.raises(InputError, match="a file of this name is there already"):
        exported(reviewed, tmp_path, "csv", "html")
    assert [path.name for path in tmp_path.iterdir()] == ["result-objects.csv"]
    assert (tmp_path / "result-objects.csv").read_bytes() == before
    assert free_name(tmp_path, "result", ["csv"]) == "result-2"
    assert free_name(tmp_path, "result", ["html"]) == "result"


def test_a_name_is_minted_from_the_title_of_the_layer():
    assert minted("CT, series 3, 120 slices") == "CT-series-3-120-slices"
    assert minted("../../etc/passwd") == "etc-passwd"
    assert minted("Zellen µm [Probe].tif") == "Zellen-µm-Probe-.tif"


def test_what_an_image_does_not_allow_is_said(reviewed):
    picture = Origin(cells()[0][1]["metadata"]["medseg"].image, 0)
    obstacles = {one.key: one.obstacle(picture) for one in FORMATS}
    assert obstacles["seg"] == obstacles["rtstruct"] == "needs a DICOM series"
    assert obstacles["png"] == ""
    assert "single pictures" in {one.key: one.obstacle(reviewed[0]) for one in FORMATS}["png"]


def test_a_kind_that_cannot_be_written_does_not_hold_up_the_others(reviewed, tmp_path):
    review = reviewed[2]
    review.delete(review.table.ids)
    result = exported(reviewed, tmp_path, "sr", "csv")
    assert [path.name for path in result.paths] == ["result-objects.csv"]
    ((title, error),) = result.failures
    assert "SEG + SR" in title
    assert "at least one object" in str(error)


@pytest.mark.parametrize("is_rejected", [True, False])
def test_objects_that_are_all_rejected_or_gone_are_refused_where_a_file_needs_one(is_rejected, reviewed, tmp_path):
    review = reviewed[2]
    (review.reject if is_rejected else review.delete)(review.table.ids)
    keys = ("seg", "sr", "rtstruct", "nifti", "csv", "html")
    result = exported(reviewed, tmp_path, *keys, choices=Choices(as_objects=True))
    cause = f"all {len(review.table.ids)} were rejected" if is_rejected else "the mask is empty"
    assert len(result.failures) == 3
    assert all(cause in str(error) and "NIfTI" in str(error) for _, error in result.failures)
    assert result.left_out == len(review.table.ids)
    assert read_label_map(tmp_path / "result.nii.gz").array.max() == 0
    said = f"{len(review.table.ids)}, left out" if is_rejected else "none"
    assert said in (tmp_path / "result-report.html").read_text()


def test_dicom_objects_are_written_in_a_process_that_ends_with_the_export(reviewed, tmp_path, monkeypatch):
    asked = []
    call = WorkerProcess.call

    def watched(worker, function, key, *arguments):
        asked.append((worker, key))
        return call(worker, function, key, *arguments)

    monkeypatch.setattr(WorkerProcess, "call", watched)
    exported(reviewed, tmp_path, "nifti", "seg", "rtstruct")
    (first, _), (second, _) = asked
    assert [key for _, key in asked] == ["seg", "rtstruct"]
    assert first is second
    assert first._child is None
    assert (tmp_path / "result-rtstruct.dcm").is_file()


def test_what_nobody_foresaw_holds_up_no_other_kind_of_file(reviewed, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError

    monkeypatch.setattr("medseg_napari.exporting.report.write_report", fail)
    result = exported(reviewed, tmp_path, "html", "csv")
    assert [(title, type(error)) for title, error in result.failures] == [("Report as a page (.html)", RuntimeError)]
    assert [path.name for path in result.paths] == ["result-objects.csv"]


@pytest.mark.parametrize("name", ["Läsion 3 (CT)", "a", "mask_2.v1"])
def test_names_with_umlauts_and_spaces_are_taken(name, reviewed, tmp_path):
    folder = tmp_path / "Größe und Ort"
    result = export(ExportRequest(folder, name, ("csv", "nifti")), lambda: copied(reviewed), nothing, never)
    assert {path.name for path in result.paths} == {
        f"{name}-objects.csv",
        f"{name}.nii.gz",
        f"{name}.nii.gz.audit.json",
    }


@pytest.mark.parametrize(
    "name", ["", " a", "a ", "a.", "../a", "a/b", "a\\b", "a:b", "CON", "nul.txt", "x" * 201, "ä" * 101]
)
def test_names_that_some_system_does_not_take_are_refused(name, tmp_path):
    with pytest.raises(InputError, match=r"expected a name of up to 200 bytes"):
        check_names(ExportRequest(tmp_path, name, ("csv",)))


def test_a_report_of_cells_is_in_micrometres_and_one_of_nothing_says_so(tmp_path):
    (_, settings, _), (labels, _, _) = cells()
    origin = settings["metadata"]["medseg"]
    note = ResultNote(LabelTable.from_names(("background", "cell")), {}, {})
    labels = np.where(labels <= 6, labels, 0)
    source = ReviewSource(labels.copy(), origin.affine.spacing_mm, origin.image.array[0], "", note)
    request = ExportRequest(tmp_path, "cells", ("html", "pdf", "csv", "png"))
    result = export(request, lambda: subject_of("cells", origin, source), nothing, never)
    assert result.failures == ()
    head = (tmp_path / "cells-objects.csv").read_text().splitlines()[0]
    assert "area_um2" in head
    assert "lps" not in head
    assert np.array_equal(read_label_map(tmp_path / "cells.png").array, labels)  # drawn by nobody: numbers are kept
    source.labels[...] = 0
    request = ExportRequest(tmp_path, "nothing", ("html", "pdf", "csv", "png"))
    assert export(request, lambda: subject_of("cells", origin, source), nothing, never).failures == ()
    assert 'Objects</div><div class="card-value">0<' in (tmp_path / "nothing-report.html").read_text()
