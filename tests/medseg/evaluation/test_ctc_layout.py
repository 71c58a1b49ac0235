import numpy as np
import pytest
import tifffile

from medseg.errors import InputError
from medseg.evaluation.ctc_layout import find_sequences, read_tracks
from medseg.metrics import Track


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.zeros((4, 4), np.uint16))
    return path


@pytest.fixture
def data_set(tmp_path):
    """Two sequences: 01 with segmentation and markers, 02 with slices of volumes only."""
    for frame in (0, 1, 2):
        write(tmp_path / "01_GT" / "TRA" / f"man_track{frame:03d}.tif")
        write(tmp_path / "01_RES" / f"mask{frame:03d}.tif")
        write(tmp_path / "02_RES" / f"mask{frame:03d}.tif")
    (tmp_path / "01_GT" / "TRA" / "man_track.txt").write_text("1 0 2 0\n")
    (tmp_path / "01_RES" / "res_track.txt").write_text("1 0 2 0\n")
    write(tmp_path / "01_GT" / "SEG" / "man_seg002.tif")
    write(tmp_path / "02_GT" / "SEG" / "man_seg_001_012.tif")
    write(tmp_path / "02_GT" / "SEG" / "man_seg_001_004.tif")
    return tmp_path


def test_sequences_of_a_data_set_are_paired_by_number(data_set):
    first, second = find_sequences(reference=data_set, prediction=data_set)
    assert (first.sequence_id, second.sequence_id) == ("01", "02")
    assert list(first.segmentation) == [(2, None)]
    assert list(first.markers) == list(first.masks) == [0, 1, 2]
    assert first.reference_tracks == data_set / "01_GT" / "TRA" / "man_track.txt"
    assert first.prediction_tracks == data_set / "01_RES" / "res_track.txt"
    assert list(second.segmentation) == [(1, 4), (1, 12)]
    assert second.markers == {}
    assert second.reference_tracks is second.prediction_tracks is None


def test_a_reference_folder_takes_a_folder_of_masks_of_any_name(data_set):
    (data_set / "01_RES").rename(data_set / "masks of mine")
    (sequence,) = find_sequences(reference=data_set / "01_GT", prediction=data_set / "masks of mine")
    assert sequence.sequence_id == "01"
    assert len(sequence.masks) == 3


def test_other_files_of_the_challenge_are_passed_over(data_set):
    (data_set / "01_RES" / "SEG_log.txt").write_text("log")
    write(data_set / "01_RES" / "t000.tif")
    sequences = find_sequences(reference=data_set / "01_GT", prediction=data_set / "01_RES")
    assert list(sequences[0].masks) == [0, 1, 2]


def test_a_frame_without_a_mask_is_refused(data_set):
    (data_set / "01_RES" / "mask001.tif").unlink()
    with pytest.raises(InputError, match=r"got none for 1 \(frame 1\)\. Write an empty mask"):
        find_sequences(reference=data_set, prediction=data_set)


def test_two_files_of_one_frame_are_refused(data_set):
    write(data_set / "01_RES" / "mask1.tif")
    with pytest.raises(InputError, match=r"mask001\.tif and mask1\.tif are the same frame"):
        find_sequences(reference=data_set / "01_GT", prediction=data_set / "01_RES")


def test_folders_of_another_layout_are_refused(data_set, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        find_sequences(reference=tmp_path / "absent", prediction=data_set)
    with pytest.raises(InputError, match="expected SEG or TRA, or folders 01_GT"):
        find_sequences(reference=data_set / "01_RES", prediction=data_set)
    (tmp_path / "03_GT" / "SEG").mkdir(parents=True)
    with pytest.raises(InputError, match=r"expected SEG/man_seg000\.tif or TRA/man_track000\.tif"):
        find_sequences(reference=tmp_path / "03_GT", prediction=data_set / "01_RES")


def test_tracks_are_read_with_spaces_or_tabs(tmp_path):
    path = tmp_path / "res_track.txt"
    path.write_text("1 0 3 0\r\n2\t4\t5\t1\n\n")
    assert read_tracks(path) == (Track(1, 0, 3, 0), Track(2, 4, 5, 1))
    path.write_text("")
    assert read_tracks(path) == ()


@pytest.mark.parametrize("line", ["1 0 3", "1 0 3 0 0", "1 0 x 0", "1 0 3.5 0"])
def test_a_line_that_is_no_track_is_refused(tmp_path, line):
    path = tmp_path / "res_track.txt"
    path.write_text(f"1 0 3 0\n{line}\n")
    with pytest.raises(InputError, match=r"expected four whole numbers .* in line 2"):
        read_tracks(path)


def test_a_track_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "res_track.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read as a track file"):
        read_tracks(path)
