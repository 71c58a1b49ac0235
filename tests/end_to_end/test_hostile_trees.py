"""Names, links and directories made to lead astray: nothing is read outside the input or written outside the output."""

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from cases.dicom import SeriesCase, ramp_error
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

import medseg
from medseg.cli.main import main
from medseg.files import write_text_atomically
from medseg.geometry import Affine, WorldFrame
from medseg.io import list_inputs, read_image, write_image
from medseg.io.dicom.deidentify import deidentify_folder

pytestmark = [  # pydicom objects to what is wrong here on purpose
    pytest.mark.filterwarnings("ignore:Invalid value for VR"),
    pytest.mark.filterwarnings("ignore:The value length"),
]
KEY = bytes(32)
NAMES = [
    "plain.dcm", "noextension", "with space", " leading", "trailing ", "dots..dcm", "x...dcm", "a..b", "-rf",
    "--output", "-", "~", "~root", "$HOME", "$(id)", "`id`", "%00", "%2e%2e%2f", "a;b", "a|b", "a&b", "a>b", "a<b",
    "a*b", "a?b", "[a]", "{a}",
    "a'b", 'a"b', "a\\b", "x\\..\\..\\x.dcm", "C:\\x.dcm", "C:x", "con", "NUL", "aux.dcm", "line\nbreak",
    "tab\tname", "escape\x1b[31m", "bell\x07", "umlaut-äöü", "combining-a\u0308", "日本語",
    "right-to-left-\u202egnp.dcm",
    "zero\u200bwidth", "emoji-\U0001f9e0", "n" * 255, "é" * 127, os.fsdecode(b"latin1-\xe4.dcm"), "__", "#1", "@x",
    "=1+1", "%s%n", "{0.__class__}",
]  # fmt: skip
"""Names of slices: for shells, for Windows, for terminals, for templates, and bytes that are no UTF-8."""
_WATCHED = {"open", "os.listdir", "os.scandir", "os.remove", "os.rename", "os.mkdir", "os.symlink", "os.truncate"}
_RECORDING: list[list[str]] = []


def _watch(event, arguments):
    if _RECORDING and event in _WATCHED:
        _RECORDING[-1].extend(os.fsdecode(one) for one in arguments if isinstance(one, str | bytes))


sys.addaudithook(_watch)  # it cannot be taken away again, only left idle


@contextlib.contextmanager
def untouched(outside):
    """Fails where the block opens, lists or changes something in `outside`."""
    _RECORDING.append([])
    try:
        yield
    finally:
        paths = _RECORDING.pop()
    assert [path for path in paths if Path(os.path.realpath(path)).is_relative_to(outside)] == []


def picture(folder):
    """Everything below a folder: names, link targets, contents, permissions and times of change."""
    return {
        os.fsencode(path.relative_to(folder)): (
            str(path.readlink()) if path.is_symlink() else "",
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else "",
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
        )
        for path in folder.rglob("*")
    }


@pytest.fixture
def outside(tmp_path):
    """A series that nobody asked for."""
    place = tmp_path / "outside"
    SeriesCase(series_uid="1.2.826.0.1.3680043.8.498.66").write(place)
    (place / "secret.nii").write_bytes(b"secret")
    return place


@pytest.fixture
def tree(tmp_path, outside):
    """A series with hostile names, and every kind of link and directory entry that leads to `outside`."""
    inputs = tmp_path / "inputs"
    SeriesCase(shape=(6, 5, len(NAMES))).write(inputs, name=lambda k: NAMES[k])
    (inputs / "link.dcm").symlink_to(outside / "000.dcm")
    (inputs / "relative.dcm").symlink_to("../outside/001.dcm")
    (inputs / "folder").symlink_to(outside)
    (inputs / "chain.dcm").symlink_to("link.dcm")
    (inputs / "image.nii").symlink_to(outside / "secret.nii")
    (inputs / "loop.dcm").symlink_to("loop.dcm")
    (inputs / "round").symlink_to(inputs)
    (inputs / "nowhere.dcm").symlink_to(tmp_path / "missing.dcm")
    (inputs / "root").symlink_to("/")
    os.mkfifo(inputs / "pipe.dcm")
    _write_directory(inputs / "DICOMDIR", ["..", "outside", "000.dcm"])
    _write_directory(inputs / "sub" / "dicomdir", ["", "etc", "passwd"])
    return inputs


def _write_directory(path, parts):
    """A DICOMDIR whose one record refers to a file elsewhere (CVE-2026-32711)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MediaStorageDirectoryStorage, "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    directory = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    record = Dataset()
    record.DirectoryRecordType, record.ReferencedFileID = "IMAGE", [part or "x" for part in parts]
    record["ReferencedFileID"].value = parts
    directory.DirectoryRecordSequence = [record]
    path.parent.mkdir(exist_ok=True)
    directory.save_as(path, enforce_file_format=True)


@pytest.fixture
def command(monkeypatch, capfd):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["medseg", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            main()
        printed = capfd.readouterr()
        return int(stop.value.code or 0), printed.out + printed.err

    return run


def test_there_are_fifty_hostile_names_and_the_audit_sees_an_opened_file(outside):
    assert len(set(NAMES)) >= 50
    with pytest.raises(AssertionError), untouched(outside):
        (outside / "000.dcm").read_bytes()


def test_a_series_with_hostile_names_and_links_is_read_right_and_nothing_else_is_opened(tree, outside):
    before = picture(tree.parent)
    with untouched(outside):
        image = read_image(tree)
    assert image.spatial_shape == (6, 5, len(NAMES))
    assert ramp_error(image) <= 0.5
    assert any("link" in note for note in image.metadata.notes)
    assert picture(tree.parent) == before


def test_a_listing_follows_no_link_out_of_its_folder(tree, outside):
    with untouched(outside):
        found = list_inputs(tree)
    assert tree / "image.nii" not in found
    assert found == [tree]


def test_info_opens_nothing_outside_and_names_the_links(tree, outside, command):
    with untouched(outside):
        code, printed = command("info", tree)
    assert code == 0
    assert "link-outside" in printed
    assert "\x1b" not in printed


def test_deidentified_copies_of_hostile_names_stay_in_the_target(tree, outside, tmp_path):
    before = picture(tmp_path)
    with untouched(outside):
        result = deidentify_folder(tree, tmp_path / "copies", key=KEY)
    assert len(result.written) == len(NAMES)
    after = {name: kept for name, kept in picture(tmp_path).items() if not name.startswith(b"copies")}
    assert after == before
    copies = [path for path in (tmp_path / "copies").rglob("*") if path.is_file()]
    allowed = set("0123456789abcdefABCDEFP./")
    names = {str(path.relative_to(tmp_path / "copies")) for path in copies} - {"deidentification.json"}
    assert set("".join(names).replace("dcm", "")) <= allowed


RAW_NAMES = [
    b"latin1-\xe4.png", b"line\nbreak.png", b"line\x01break.png", b"escape\x1b[31m.png", b"-rf.png", b"=1+1.png",
    "right\u202egnp.png".encode(), b"n" * 251 + b".png", b"<b>.png",
]  # fmt: skip


@pytest.fixture
def pictures(tmp_path):
    """PNG files whose names are not what a terminal, JSON or HTML would like."""
    (tmp_path / "pictures").mkdir()
    write_image(_image(2), tmp_path / "one.png")
    for name in RAW_NAMES:
        (tmp_path / "pictures" / os.fsdecode(name)).write_bytes((tmp_path / "one.png").read_bytes())
    return tmp_path / "pictures"


def test_hostile_names_print_as_plain_lines(pictures, command):
    code, printed = command("info", pictures)
    assert code == 0
    assert f"{len(RAW_NAMES)} images, {len(RAW_NAMES)} ok" in printed
    assert all(line.isprintable() for line in printed.splitlines())
    assert len(printed.strip().splitlines()) == len(RAW_NAMES) + 3
    code, printed = command("info", pictures, "--json")
    assert len(json.loads(printed)) == len(RAW_NAMES)
    code, printed = command("info", pictures / "no\nsuch\x1b[2J.png")
    assert code == 2
    assert len(printed.strip().splitlines()) == 1
    assert printed.strip().isprintable()


def test_cases_of_a_batch_have_plain_names_each_its_own(pictures, tmp_path):
    from medseg_workflows.ledger import DONE, CaseRecord, append_record, read_records
    from medseg_workflows.manifest import find_cases

    jobs = find_cases(pictures)
    names = [job.case_id for job in jobs]
    assert len(set(names)) == len(RAW_NAMES)
    assert all(name.isprintable() and "/" not in name and name not in {".", ".."} for name in names)
    for job in jobs:
        append_record(tmp_path / "ledger.jsonl", CaseRecord(job.case_id, str(job.source), "", DONE))
    kept = read_records(tmp_path / "ledger.jsonl")
    assert [kept[job.case_id].source for job in jobs] == [str(job.source) for job in jobs]
    write_text_atomically(tmp_path / "summary.csv", "\n".join(str(job.source) for job in jobs))


TAGS = ["../../up", "/etc/passwd", "a\0b", "a\nb", "..", ".", "", "~", "x" * 60, "CON", "a/b\\c", "C:\\x", "\x1b[2J"]


@pytest.mark.parametrize("text", TAGS)
def test_tags_never_become_names_of_files(tmp_path, text):
    def change(ds, k):
        ds.PatientID = ds.PatientName = ds.StudyID = ds.SeriesDescription = text.replace("\\", "/")

    SeriesCase(shape=(6, 5, 2)).write(tmp_path / "in", change=change)
    before = picture(tmp_path)
    result = deidentify_folder(tmp_path / "in", tmp_path / "out", key=KEY)
    assert len(result.written) == 2
    assert {name: kept for name, kept in picture(tmp_path).items() if not name.startswith(b"out")} == before
    assert {len(file.output.parts) for file in result.written} == {3}


WRITERS = {
    "mask.nii.gz": lambda path: write_image(_image(3), path),
    "mask.tif": lambda path: write_image(_image(2), path),
    "mask.png": lambda path: write_image(_image(2), path),
    "report.html": lambda path: write_text_atomically(path, "text"),
}


def _image(ndim):
    axes = "CXYZ" if ndim == 3 else "CYX"
    matrix = np.eye(4) if ndim == 3 else np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])
    return medseg.Image(np.ones((1,) + (4,) * ndim, np.uint8), Affine(matrix, frame=WorldFrame.RAS), axes)


@pytest.mark.parametrize("name", WRITERS)
def test_an_output_that_is_a_link_is_replaced_and_not_followed(tmp_path, name):
    kept = tmp_path / "kept.txt"
    kept.write_text("kept")
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / name
    target.symlink_to(kept)
    WRITERS[name](target)
    assert kept.read_text() == "kept"
    assert target.is_file()
    assert not target.is_symlink()


def test_a_ledger_that_is_a_link_is_refused(tmp_path):
    from medseg_workflows.ledger import DONE, CaseRecord, append_record

    kept = tmp_path / "kept.txt"
    kept.write_text("kept")
    (tmp_path / "ledger.jsonl").symlink_to(kept)
    with pytest.raises(medseg.errors.StorageError, match="link"):
        append_record(tmp_path / "ledger.jsonl", CaseRecord("a", "b", "", DONE))
    assert kept.read_text() == "kept"


def test_a_target_that_links_back_to_the_originals_is_refused(tmp_path):
    SeriesCase(shape=(6, 5, 2)).write(tmp_path / "in")
    (tmp_path / "target").symlink_to(tmp_path / "in" / "new")
    with pytest.raises(medseg.errors.InputError, match="must not lie with the originals"):
        deidentify_folder(tmp_path / "in", tmp_path / "target", key=KEY)


def test_the_key_is_private_and_never_overwritten_or_put_with_the_copies(tmp_path, command):
    SeriesCase(shape=(6, 5, 2)).write(tmp_path / "in")
    key = tmp_path / "key"
    words = ("deidentify", tmp_path / "in", tmp_path / "out", "--key-file")
    assert command(*words, tmp_path / "out" / "key", "--make-key")[0] == 2
    assert command(*words, key)[0] == 2
    assert command(*words, key, "--make-key")[0] == 0
    assert key.stat().st_mode & 0o077 == 0
    content = key.read_text()
    code, printed = command("deidentify", tmp_path / "in", tmp_path / "again", "--key-file", key, "--make-key")
    assert code == 2
    assert "this one exists" in printed
    assert key.read_text() == content
    assert content.strip() not in "".join(p.read_text("latin1") for p in (tmp_path / "out").rglob("*") if p.is_file())
