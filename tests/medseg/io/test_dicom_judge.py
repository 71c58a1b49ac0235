"""The judge's answers to single situations: what it splits, drops, fills, follows and says."""

import pickle

import numpy as np
import pytest
from support.dicom_defects import GEOMETRY, PIXELS, clean_files, write
from support.ramp import ORIENTATIONS, SeriesCase, enhanced, ramp_error, ramp_series, tilted

from medseg.images import straighten
from medseg.io import describe, list_inputs, read_image
from medseg.io.dicom.judge import judge_folder
from medseg.verdicts import Outcome, RefusedImageError

ROUNDING = 0.5 + 1e-3
SERIES = SeriesCase().series_uid
RAMP = np.array([3.0, 5.1, 7.7])


def folder_with(tmp_path, *defects, files=None):
    files = clean_files() if files is None else files
    for name in defects:
        ({**GEOMETRY, **PIXELS})[name](files)
    return write(files, tmp_path)


def codes(image):
    return [one.code for one in image.metadata.verdicts]


def refusal(folder, **options):
    with pytest.raises(RefusedImageError) as caught:
        read_image(folder, **options)
    return caught.value.verdicts[0]


def save_enhanced(folder, case, **options):
    folder.mkdir(parents=True, exist_ok=True)
    enhanced(case, **options).save_as(folder / "enhanced.dcm", enforce_file_format=True)
    return folder


@pytest.mark.parametrize(
    ("defect", "keys"),
    [
        ("two echoes", ("#echo-1", "#echo-2")),
        ("two phases", ("#time-1", "#time-2")),
        ("two acquisitions", ("#acquisition-1", "#acquisition-2")),
    ],
)
def test_volumes_in_one_series_are_split_and_each_is_true(tmp_path, defect, keys):
    folder = folder_with(tmp_path, defect)
    volumes = judge_folder(folder).volumes
    assert [one.key for one in volumes] == [SERIES + key for key in keys]
    assert {one.outcome for one in volumes} == {Outcome.SPLIT}
    assert refusal(folder).code == "several-volumes"
    assert refusal(folder, series_uid=SERIES).code == "several-volumes"
    first, second = (read_image(folder, series_uid=one.key) for one in volumes)
    assert ramp_error(first) <= ROUNDING
    assert ramp_error(second) <= ROUNDING
    assert second.metadata.extra["volume_key"] == SERIES + keys[1]
    assert set(first.metadata.instance_uids).isdisjoint(second.metadata.instance_uids)


def test_b_values_tell_volumes_apart(tmp_path):
    files = clean_files()
    for file in files:
        file.ds.DiffusionBValue = 0.0
    more = clean_files()
    for file in more:
        file.name = f"b{file.name}"
        file.ds.DiffusionBValue = 1000.0
        file.ds.SOPInstanceUID = file.ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.{file.k + 1}"
        file.ds.RescaleIntercept = "-1000"
    volumes = judge_folder(write(files + more, tmp_path)).volumes
    assert [one.key for one in volumes] == [f"{SERIES}#b-0", f"{SERIES}#b-1000"]


def test_passes_over_the_same_ground_are_not_woven_into_one_volume(tmp_path):
    def two_passes(ds, k):
        ds.AcquisitionNumber = 1 + k % 2

    SeriesCase(shape=(6, 5, 8)).write(tmp_path, change=two_passes)
    volumes = judge_folder(tmp_path).volumes
    assert [one.shape for one in volumes] == [(6, 5, 4), (6, 5, 4)]


def test_a_pass_for_each_table_position_is_one_volume(tmp_path):
    def step_and_shoot(ds, k):
        ds.AcquisitionNumber = 1 + k // 2

    SeriesCase(shape=(6, 5, 8)).write(tmp_path, change=step_and_shoot)
    assert ramp_error(read_image(tmp_path)) <= ROUNDING


def test_two_orientations_in_one_series_are_two_volumes(tmp_path):
    files = clean_files()
    for k, file in enumerate(clean_files("sagittal")):
        file.name = f"s{file.name}"
        file.ds.SOPInstanceUID = file.ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.{k + 1}"
        files.append(file)
    folder = write(files, tmp_path)
    volumes = judge_folder(folder).volumes
    assert len(volumes) == 2
    for one in volumes:
        assert ramp_error(read_image(folder, series_uid=one.key)) <= ROUNDING


@pytest.mark.parametrize("angle_deg", [-25.0, -3.0, 0.5, 20.0])
def test_a_tilted_series_gets_its_sheared_affine(tmp_path, angle_deg):
    tilted(angle_deg, shape=(6, 5, 7)).write(tmp_path)
    image = read_image(tmp_path)
    assert ramp_error(image) <= ROUNDING
    assert codes(image) == ["tilted"]
    step = image.affine.matrix[:3, 2]
    np.testing.assert_allclose(step, [0, 0, 2.5], atol=1e-6)  # the table moves along z, whatever the gantry does


def test_a_straightened_tilt_holds_the_ramp_wherever_the_scan_was(tmp_path):
    tilted(20.0, shape=(8, 9, 6)).write(tmp_path)
    image = read_image(tmp_path)
    straight = straighten(image)
    assert straight.affine.is_orthogonal
    assert straight.spatial_shape[2] == 6
    assert straight.spacing_mm == pytest.approx((0.8, 1.1, 2.5 * np.cos(np.deg2rad(20.0))))
    index = np.indices(straight.spatial_shape).reshape(3, -1).T
    world = straight.affine.apply(index)
    places = image.affine.apply_inverse(world)
    was_scanned = ((places > -1e-6) & (places < np.array(image.spatial_shape) - 1 + 1e-6)).all(axis=1)
    expected = (world * [-1, -1, 1]) @ RAMP
    assert np.abs(straight.array.reshape(-1) - expected)[was_scanned].max() <= ROUNDING
    # Every voxel of the scan lies within the new box.
    corners = straight.affine.apply_inverse(image.grid.corners_mm)
    assert corners.min() > -1e-6
    assert (corners < np.array(straight.spatial_shape) - 1 + 1e-6).all()


def test_an_upright_volume_is_straight_already(tmp_path):
    ramp_series("oblique").write(tmp_path)
    image = read_image(tmp_path)
    assert straighten(image) is image


def test_a_missing_slice_is_interpolated_where_it_is_allowed(tmp_path):
    folder = folder_with(tmp_path, "missing inner slice")
    assert refusal(folder).may_be_allowed
    image = read_image(folder, allow={"missing-slice"})
    assert image.spatial_shape == (6, 5, 6)
    assert ramp_error(image) <= 1.0  # between two values, each rounded, and rounded again
    assert {"missing-slice", "interpolated-slices"} <= set(codes(image))
    assert [bool(uid) for uid in image.metadata.instance_uids] == [True, True, True, False, True, True]
    assert image.metadata.extra["source_paths"][3] == ""
    whole = read_image(write(clean_files(), tmp_path / "whole"))
    np.testing.assert_array_equal(image.array[..., [0, 1, 2, 4, 5]], whole.array[..., [0, 1, 2, 4, 5]])


def test_uneven_slices_are_resampled_where_it_is_allowed(tmp_path):
    SeriesCase(shape=(6, 5, 5), offsets_mm=(0.0, 2.5, 5.9, 8.4, 10.9)).write(tmp_path)
    assert refusal(tmp_path).code == "uneven-spacing"
    image = read_image(tmp_path, allow={"uneven-spacing"})
    assert ramp_error(image) <= 1.0
    assert image.metadata.instance_uids[0].endswith(".1")
    assert image.metadata.instance_uids[-1].endswith(".5")


def test_a_gap_too_wide_to_fill_may_not_be_allowed(tmp_path):
    SeriesCase(shape=(4, 4, 4), origin_lps_mm=(0, 0, -100), offsets_mm=(0.0, 1.0, 2.0, 92.0)).write(tmp_path)
    assert not refusal(tmp_path).may_be_allowed
    assert refusal(tmp_path, allow={"missing-slice"}).code == "missing-slice"


def test_what_may_not_be_allowed_stays_refused(tmp_path):
    folder = folder_with(tmp_path, "another patient")
    assert refusal(folder, allow={"several-patients"}).code == "several-patients"


def test_fewer_slices_than_the_headers_speak_of_are_mentioned(tmp_path):
    def state(ds, k):
        ds.NumberOfSeriesRelatedInstances = 6

    SeriesCase(shape=(6, 5, 6)).write(tmp_path, change=state, skip=(5,))
    image = read_image(tmp_path)
    assert ramp_error(image) <= ROUNDING
    assert codes(image) == ["fewer-than-stated"]


def test_rounded_positions_are_taken_and_mentioned(tmp_path):
    # 0.004 mm of 2.5 mm: above a thousandth, below a hundredth.
    SeriesCase(shape=(6, 5, 5), offsets_mm=(0.0, 2.504, 5.0, 7.504, 10.0)).write(tmp_path)
    image = read_image(tmp_path)
    assert codes(image) == ["spacing-jitter"]
    assert ramp_error(image) <= 0.5 + 7.7 * 0.004


def test_a_single_slice_has_depth_one(tmp_path):
    SeriesCase(shape=(6, 5, 1)).write(tmp_path)
    image = read_image(tmp_path)
    assert image.array.shape == (1, 6, 5, 1)
    assert ramp_error(image) <= ROUNDING


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_frames_in_any_order_make_the_volume(tmp_path, orientation):
    case = ramp_series(orientation)
    image = read_image(save_enhanced(tmp_path, case, order=[2, 0, 3, 1]))
    assert ramp_error(image) <= ROUNDING
    assert image.metadata.instance_uids == (f"{case.series_uid}.900",) * 4
    assert sorted(image.metadata.extra["frame_numbers"]) == [1, 2, 3, 4]


def test_a_missing_frame_is_a_missing_slice(tmp_path):
    case = ramp_series(shape=(6, 5, 6))
    verdict = refusal(save_enhanced(tmp_path, case, order=[0, 1, 2, 4, 5]))
    assert verdict.code == "missing-slice"
    assert "enhanced.dcm frame 3 and enhanced.dcm frame 4" in verdict.cause


def test_stacks_of_one_file_are_volumes_of_their_own(tmp_path):
    def two_stacks(groups, k):
        groups.FrameContentSequence[0].StackID = "Doe^John" if k < 3 else "2"

    folder = save_enhanced(tmp_path, ramp_series(shape=(6, 5, 6)), change_frame=two_stacks)
    volumes = judge_folder(folder).volumes
    assert [one.key.partition("#")[2] for one in volumes] == ["stack-1", "stack-2"]
    for one in volumes:
        image = read_image(folder, series_uid=one.key)
        assert image.spatial_shape == (6, 5, 3)
        assert ramp_error(image) <= ROUNDING


def test_the_parts_of_a_series_in_sub_folders_are_one_volume_and_one_input(tmp_path):
    files = clean_files()
    for file in files[3:]:
        file.name = f"more/deeper/{file.name}"
    folder = write(files, tmp_path)
    assert ramp_error(read_image(folder)) <= ROUNDING
    assert list_inputs(folder) == [folder]


def test_patients_in_sub_folders_are_never_mixed(tmp_path):
    files = clean_files()
    others = clean_files(series_uid="1.2.840.99")
    for file in others:
        file.ds.PatientID = "another"
    for number, file in enumerate([*files, *others]):
        file.name = f"{number % 2}/{number}"
    folder = write(files + others, tmp_path)
    assert refusal(folder).code == "several-series"
    assert ramp_error(read_image(folder, series_uid="1.2.840.99")) <= ROUNDING


def test_a_localizer_in_a_series_of_its_own_is_not_in_the_way(tmp_path):
    def scout(ds, k):
        ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    files = folder_with(tmp_path)
    SeriesCase(series_uid="1.2.840.5", shape=(6, 5, 2)).write(files, change=scout, name="scout{k}.dcm")
    assert ramp_error(read_image(files)) <= ROUNDING
    assert "localizer" in codes(read_image(files, series_uid="1.2.840.5"))


def test_links_out_of_the_folder_are_not_followed(tmp_path):
    folder = write(clean_files(), tmp_path / "series")
    outside = tmp_path / "outside.dcm"
    (folder / "005.dcm").rename(outside)
    (folder / "005.dcm").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "nowhere.dcm").symlink_to("nowhere.dcm")
    (folder / "twice.dcm").symlink_to(folder / "001.dcm")
    image = read_image(folder)
    assert image.spatial_shape == (6, 5, 5)
    assert ramp_error(image) <= ROUNDING
    assert {"link-outside", "link-to-folder", "broken-link"} <= set(codes(image))
    assert read_image(folder, allow={"link-outside"}).spatial_shape == (6, 5, 6)


@pytest.mark.parametrize("name", ["Schädel ßø 頭", "x" * 250, "no suffix", "1.2.840.113619", "-rf", "a b.DCM"])
def test_names_of_any_kind_are_read(tmp_path, name):
    files = clean_files()
    files[2].name = name
    assert ramp_error(read_image(write(files, tmp_path))) <= ROUNDING


def test_a_bare_file_without_suffix_is_read(tmp_path):
    files = clean_files()
    GEOMETRY["no preamble"](files)
    for file in files:
        file.name = f"IM{file.k}"
    image = read_image(write(files, tmp_path))
    assert image.spatial_shape == (6, 5, 6)
    assert ramp_error(image) <= ROUNDING


def test_copies_in_another_transfer_syntax_are_copies(tmp_path):
    files = clean_files()
    twin = clean_files()[1]
    twin.k, twin.name = 3, "twin.dcm"
    PIXELS["one compressed"]([twin])
    assert twin.ds.file_meta.TransferSyntaxUID.is_compressed
    image = read_image(write([*files, twin], tmp_path))
    assert ramp_error(image) <= ROUNDING
    assert codes(image) == ["duplicate-slice"]


def test_an_empty_folder_says_so(tmp_path):
    verdict = refusal(tmp_path)
    assert verdict.code == "no-images"
    assert verdict.path == tmp_path
    assert judge_folder(tmp_path).volumes == ()


def test_each_volume_is_described_with_its_verdicts(tmp_path):
    folder = folder_with(tmp_path, "two echoes", "tilt")
    found = describe(folder)
    assert [one.series_uid for one in found] == [f"{SERIES}#echo-1", f"{SERIES}#echo-2"]
    for one in found:
        assert {"several-volumes", "tilted"} <= {verdict.code for verdict in one.verdicts}
    refused = describe(_gap(tmp_path / "gap"))[0]
    assert (refused.verdict, refused.verdicts[0].code) == ("refused", "missing-slice")


def _gap(folder):
    files = clean_files()
    GEOMETRY["missing inner slice"](files)
    return write(files, folder)


def test_what_is_known_of_the_slices_travels_to_other_processes(tmp_path):
    metadata = read_image(folder_with(tmp_path, "tilt")).metadata
    again = pickle.loads(pickle.dumps(metadata))
    assert again == metadata
    assert again.extra["study_uid"] == "1.2.826.0.1.3680043.8.498.1"
    assert [path.rpartition("/")[2] for path in again.extra["source_paths"]] == [f"{k:03d}.dcm" for k in range(6)]
