"""Multi-frame DICOM: the functional groups of each frame against the world ramp, a real converter and highdicom."""

import nibabel
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, JPEGLSLossless, RLELossless
from support.ramp import ORIENTATIONS, enhanced, ramp_error, ramp_series

from medseg.io import read_image
from medseg.io.dicom.enhanced import slice_headers
from medseg.io.dicom.files import DicomFile
from medseg.io.dicom.header import read_header
from medseg.verdicts import RefusedImageError

CASE = {"shape": (32, 36, 5), "origin_lps_mm": (-20.0, 12.0, 11.5), "spacing_mm": (0.5, 0.6, 2.5)}


def saved(tmp_path, case, **options):
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "enhanced.dcm"
    enhanced(case, **options).save_as(path, enforce_file_format=True)
    return path


def headers(path):
    return slice_headers(DicomFile(path, read_header(path)))


def item(**elements):
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return Sequence([made])


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("order", [None, (3, 0, 4, 2, 1)])
def test_frames_are_placed_by_their_own_position(tmp_path, orientation, order):
    image = read_image(saved(tmp_path, ramp_series(orientation, **CASE), order=order))
    assert ramp_error(image) <= 0.5
    assert image.array.dtype == np.int16
    frames = np.arange(5) if order is None else np.argsort(order)
    along = image.metadata.extra["frame_numbers"]
    assert list(along) in ([*(frames + 1)], [*(frames + 1)][::-1])
    assert set(image.metadata.instance_uids) == {"1.2.826.0.1.3680043.8.498.1.1.900"}


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_frames_are_decoded_in_every_transfer_syntax(tmp_path, syntax):
    def change(ds):
        if syntax in {RLELossless, JPEGLSLossless}:
            ds.compress(syntax, generate_instance_uid=False)
            return
        ds.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            ds.PixelData = np.frombuffer(ds.PixelData, "<u2").byteswap().tobytes()
            ds.set_original_encoding(is_implicit_vr=False, is_little_endian=False, character_encoding="utf-8")

    image = read_image(saved(tmp_path, ramp_series("oblique", **CASE), order=(4, 1, 0, 2, 3), change=change))
    assert ramp_error(image) <= 0.5


def test_a_frame_overrules_what_all_share(tmp_path):
    def own_rescale(groups, k):
        groups.PixelValueTransformationSequence = item(RescaleSlope="2", RescaleIntercept=str(k), RescaleType="HU")

    path = saved(tmp_path, ramp_series(**CASE), change_frame=own_rescale)
    assert [(one.slope, one.intercept) for one in headers(path)] == [(2.0, float(k)) for k in range(5)]


def test_the_groups_of_a_frame_say_what_it_belongs_to(tmp_path):
    def describe(groups, k):
        content = groups.FrameContentSequence[0]
        content.StackID, content.InStackPositionNumber, content.TemporalPositionIndex = "left", k + 1, 3
        content.FrameAcquisitionNumber = 7
        groups.MREchoSequence = item(EffectiveEchoTime=12.5)
        direction = item(DiffusionGradientOrientation=[0.6, 0.0, 0.8])
        groups.MRDiffusionSequence = item(DiffusionBValue=1000.0, DiffusionGradientDirectionSequence=direction)
        groups.CTImageFrameTypeSequence = item(FrameType=["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"])
        groups.CardiacSynchronizationSequence = item(NominalCardiacTriggerDelayTime=250.0)

    one = headers(saved(tmp_path, ramp_series(**CASE), change_frame=describe))[1]
    assert (one.frame, one.number_of_frames) == (2, 5)
    assert (one.stack_id, one.in_stack_position, one.temporal_position) == ("left", 2, 3)
    assert (one.acquisition_number, one.echo_time, one.trigger_time) == (7, 12.5, 250.0)
    assert (one.b_value, one.diffusion_direction) == (1000.0, (0.6, 0.0, 0.8))
    assert one.is_localizer


def test_a_position_at_the_top_of_the_header_is_no_frames_own(tmp_path):
    def lose(groups, k):
        del groups.PlanePositionSequence

    def at_the_top(ds):
        ds.ImagePositionPatient = [0, 0, 0]

    path = saved(tmp_path, ramp_series(**CASE), change_frame=lose, change=at_the_top)
    with pytest.raises(RefusedImageError, match=r"frame 1: .*ImagePositionPatient.*\[no-position\]"):
        headers(path)


def test_the_refused_frame_is_named(tmp_path):
    def spoil(groups, k):
        if k == 3:
            groups.PlanePositionSequence[0].ImagePositionPatient = [0, 0]

    with pytest.raises(RefusedImageError, match=r"enhanced\.dcm: frame 4: .*\[bad-position\]"):
        headers(saved(tmp_path, ramp_series(**CASE), change_frame=spoil))


@pytest.mark.parametrize("stated", [4, 6])
def test_a_wrong_number_of_frames_is_refused(tmp_path, stated):
    path = saved(tmp_path, ramp_series(**CASE), change=lambda ds: setattr(ds, "NumberOfFrames", stated))
    with pytest.raises(RefusedImageError, match=rf"expected {stated} frames.* of 5 \[frame-count\]"):
        headers(path)


def test_pixels_for_fewer_frames_are_refused(tmp_path):
    def cut(ds):
        ds.PixelData = ds.PixelData[: -36 * 32 * 2]

    with pytest.raises(RefusedImageError, match=r"5 frames of 36 x 32 .*\[truncated\]"):
        headers(saved(tmp_path, ramp_series(**CASE), change=cut))


@pytest.mark.parametrize("modality", ["US", "CT"])
def test_frames_without_place_are_no_volume(tmp_path, modality):
    def flatten(ds):
        del ds.PerFrameFunctionalGroupsSequence, ds.SharedFunctionalGroupsSequence
        ds.Modality = modality

    with pytest.raises(RefusedImageError, match=r"5 frames that do not say where they lie.*\[no-frame-geometry\]"):
        headers(saved(tmp_path, ramp_series(**CASE), change=flatten))


REAL = {
    "philips_enhanced_anatomical": (),
    "philips_enhanced_fmri": ("#time-1", "#time-2", "#time-3", "#time-4"),
    "siemens_multiframe_anatomical": (),
}


@pytest.mark.real_data
@pytest.mark.parametrize("name", REAL)
def test_real_enhanced_mr_agrees_with_its_nifti(data_dir, name):
    """The NIfTI of a converter nobody here wrote: every voxel at the same place in the world with the same value."""
    folder = data_dir / "dicom" / "enhanced_multiframe" / name
    reference = nibabel.load(folder / "001_ground_truth.nii.gz")
    values = reference.get_fdata().reshape(*reference.shape[:3], -1)
    path = next((folder / "dicom").iterdir())
    uid = headers(path)[0].series_uid
    for number, mark in enumerate(REAL[name] or ("",)):
        image = read_image(path, series_uid=uid + mark)
        index = np.indices(image.spatial_shape).reshape(3, -1).T
        theirs = nibabel.affines.apply_affine(np.linalg.inv(reference.affine), image.affine.apply(index))
        nearest = np.rint(theirs).astype(int)
        assert np.abs(theirs - nearest).max() < 1e-3
        expected = values[(*nearest.T, number)]
        assert np.abs(image.array[0].reshape(-1) - expected).max() <= 1e-3
