"""De-identifying DICOM files: the basic profile of PS3.15 Annex E for all of a folder, with one map of UIDs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    PYDICOM_IMPLEMENTATION_UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from medseg import __version__
from medseg.errors import ImageFormatError, InputError
from medseg.files import atomic_path, write_text_atomically
from medseg.io.dicom.burned_in import burned_in_verdict
from medseg.io.dicom.candidates import candidates_in
from medseg.io.dicom.guarded import guarded_dcmread
from medseg.io.dicom.profile_actions import Changes, Dates, Rules, apply_profile
from medseg.io.dicom.pseudonyms import Pseudonyms
from medseg.io.foreign_errors import check_exists, translated_errors
from medseg.io.inside import is_inside
from medseg.verdicts import Outcome, RefusedImageError, Verdict, settled

RECORD_NAME = "deidentification.json"
PIXELS_NOTICE = (
    "Headers were de-identified; pixels were not examined. Text burned into images, and faces that can be made from "
    "head scans, may still identify a person. Look before you pass the files on."
)
_PROFILE = "PS3.15 Annex E Basic Profile (2024b)"
_BASIC = ("113100", "Basic Application Confidentiality Profile")
_SHIFTED = ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
NO_IMAGE_OBJECT = "no-image-object"
_IDENTITY_ELEMENTS = (
    *("PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName"),
    *("AccessionNumber", "ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName", "PatientBirthDate"),
)
_SHORTEST_WORD = 3
_SHORTEST_PART = 5
"""Letters from which on a word is looked for inside of other words too."""


@dataclass(frozen=True)
class DeidentifiedFile:
    """One file and what became of it.

    Attributes:
        source: where it lay. Not for the record: paths may hold names.
        source_key: what stands for its path in the record.
        output: path below the target folder; None where nothing was written.
        verdicts: why not, or what is doubtful.
        changes: what was done to its header.
    """

    source: Path
    source_key: str
    output: Path | None
    verdicts: tuple[Verdict, ...] = ()
    changes: Changes | None = None


@dataclass(frozen=True)
class DeidentifiedFolder:
    """The outcome of a folder.

    Attributes:
        files: one a DICOM file, in the order of their paths.
        others: number of files that are no DICOM, and of links that were not followed.
        record: the JSON file that says what was done.
    """

    files: tuple[DeidentifiedFile, ...]
    others: int
    record: Path

    @property
    def written(self) -> tuple[DeidentifiedFile, ...]:
        """Files that were written."""
        return tuple(file for file in self.files if file.output is not None)

    @property
    def failed(self) -> tuple[DeidentifiedFile, ...]:
        """Files that should have been written and were not; reports and the like, left out by design, are none."""
        return tuple(file for file in self.files if file.output is None and file.verdicts[0].code != NO_IMAGE_OBJECT)


def deidentify_folder(
    source: str | Path,
    target: str | Path,
    *,
    key: bytes,
    dates: Dates | str = Dates.REMOVE,
    allow: Collection[str] = (),
    progress: Callable[[float], None] | None = None,
) -> DeidentifiedFolder:
    """Write a de-identified copy of each DICOM image of `source` to `target`, named by its new UIDs.

    Images, segmentations, doses and structure sets are copied; reports, presentation states, documents and other
    objects without pixels are left out, as is what is damaged. Pixels stay byte for byte. The same key gives the same
    UIDs and Patient IDs, so that files of several runs find each other.

    Args:
        source: folder, searched to the bottom, or one file. Links that lead out of it are not followed.
        target: new or empty folder, outside of `source`.
        key: at least 16 secret bytes.
        dates: "remove", or "shift" to move the dates of each patient back by a number of days made from the key.
        allow: "burned-in" takes images whose pixels are stated to show text.
        progress: takes the finished fraction, 0 to 1.

    Raises:
        InputError: a missing source, a target that holds something or overlaps the source, a short key.
        StorageError: the disk is full or read-only.
    """
    root, out = Path(source), Path(target)
    settings = _Settings(Pseudonyms(key), _dates(dates), frozenset(allow))
    _check_folders(root, out)
    paths, others = _files_of(root)
    out.mkdir(parents=True, exist_ok=True)
    taken: set[Path] = set()
    files = []
    for count, path in enumerate(paths, start=1):
        relative = path.relative_to(root).as_posix() if root.is_dir() else path.name
        files.append(_one(path, out, settings, source_key=settings.pseudonyms.path(relative), taken=taken))
        if progress is not None:
            progress(count / len(paths))
    record = out / RECORD_NAME
    write_text_atomically(record, _record(files, others=others, dates=settings.dates))
    return DeidentifiedFolder(tuple(files), others, record)


def deidentify_dataset(dataset: FileDataset, *, pseudonyms: Pseudonyms, dates: Dates = Dates.REMOVE) -> Changes:
    """Change one dataset in place by the basic profile, and say in it what was done (PS3.15 E.1.1, PS3.3 C.12.1).

    PatientIdentityRemoved becomes NO where the pixels are stated or likely to show the patient's name.
    """
    suspect = burned_in_verdict(dataset, path=Path())
    patient = str(dataset.get("PatientID", "") or "").strip() or f"study {dataset.get('StudyInstanceUID', '')}"
    rules = Rules(
        pseudonyms=pseudonyms,
        patient=pseudonyms.patient(patient),
        shift_days=pseudonyms.days(patient) if dates is Dates.SHIFT else None,
        identity=_identity_in(dataset),
    )
    changes = apply_profile(dataset, rules)
    dataset.PatientID = dataset.PatientName = rules.patient
    _state_what_was_done(dataset, dates, is_clean=suspect is None)
    _renew_file_meta(dataset)
    return changes


@dataclass(frozen=True)
class _Settings:
    pseudonyms: Pseudonyms
    dates: Dates
    allow: frozenset[str]


def _dates(dates: Dates | str) -> Dates:
    try:
        return Dates(dates)
    except ValueError:
        message = f"dates: expected {' or '.join(Dates)}, got {dates!r}."
        raise InputError(message) from None


def _check_folders(source: Path, target: Path) -> None:
    check_exists(source)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        message = f"{target}: expected a new or empty folder for the de-identified files. Choose another."
        raise InputError(message)
    here, there = source.resolve(), target.resolve()
    if there.is_relative_to(here) or here.is_relative_to(there):
        message = f"{target}: the de-identified files must not lie with the originals. Choose a folder outside."
        raise InputError(message)


def _files_of(root: Path) -> tuple[tuple[Path, ...], int]:
    """The DICOM files in order, and the number of other entries."""
    if root.is_file():
        return (root,), 0
    with translated_errors(root, expected="a folder", remedy="Check its permissions."):
        found = candidates_in(root)
    damaged = [verdict.path for verdict in found.damaged]
    return tuple(sorted([*found.paths, *found.bare, *damaged])), len(found.left_out)


def _one(path: Path, out: Path, settings: _Settings, *, source_key: str, taken: set[Path]) -> DeidentifiedFile:
    try:
        dataset, changes, doubts = _changed(path, settings)
        output = _output_of(dataset)
        if output in taken:
            _leave(path, "same-uid", "another file of the folder has the same SOP Instance UID", "Keep one of them")
        _write(dataset, out / output, root=out)
    except RefusedImageError as error:
        return DeidentifiedFile(path, source_key, None, error.verdicts)
    except (ImageFormatError, InputError):  # its text is not handed on: other libraries quote values in theirs
        verdict = Verdict(Outcome.REFUSE, "damaged", path, "cannot be read as a DICOM file or not be written anew")
        return DeidentifiedFile(path, source_key, None, (verdict,))
    taken.add(output)
    return DeidentifiedFile(path, source_key, output, doubts, changes)


def _changed(path: Path, settings: _Settings) -> tuple[FileDataset, Changes, tuple[Verdict, ...]]:
    """The file's dataset after the profile, what was done to it, and what is doubtful about it.

    Raises:
        RefusedImageError: it is left out on purpose.
        ImageFormatError: it is damaged.
        InputError: it is not there any more, or may not be read.
    """
    with translated_errors(path, expected="a DICOM file", remedy="Copy it again."):
        dataset = guarded_dcmread(path, force=True)
        if not dataset:
            _leave(path, "damaged", "holds no DICOM elements", "Copy it again from its source")
        if not _is_kept_object(dataset):
            _leave(path, NO_IMAGE_OBJECT, "a DICOM object without pixels, left out", outcome=Outcome.FLAG)
        doubt = burned_in_verdict(dataset, path=path)
        doubts = settled([doubt], allow=settings.allow) if doubt else ()
        _add_missing_uids(dataset, path=path)
        changes = deidentify_dataset(dataset, pseudonyms=settings.pseudonyms, dates=settings.dates)
        return dataset, changes, doubts


def _leave(path: Path, code: str, cause: str, remedy: str = "", *, outcome: Outcome = Outcome.REFUSE) -> NoReturn:
    raise RefusedImageError([Verdict(outcome, code, path, cause, remedy)])


def _is_kept_object(dataset: Dataset) -> bool:
    return any(name in dataset for name in _PIXELS) or str(dataset.get("SOPClassUID", "")) == _STRUCTURE_SET


def _add_missing_uids(dataset: FileDataset, *, path: Path) -> None:
    """Give what other anonymisers emptied a UID again: an instance one of its own, a series one by its folder."""
    meta = getattr(dataset, "file_meta", Dataset())
    kind, instance = meta.get("MediaStorageSOPClassUID"), meta.get("MediaStorageSOPInstanceUID")
    if not (dataset.get("SOPClassUID") or kind):
        message = "no SOP Class UID"
        raise ImageFormatError(message)
    dataset.SOPClassUID = dataset.get("SOPClassUID") or kind
    if not dataset.get("SOPInstanceUID"):
        dataset.SOPInstanceUID = instance or f"content {hashlib.sha256(path.read_bytes()).hexdigest()}"
    if not dataset.get("SeriesInstanceUID"):
        dataset.SeriesInstanceUID = f"folder {path.parent}"
    if not dataset.get("StudyInstanceUID"):
        dataset.StudyInstanceUID = f"study of {dataset.SeriesInstanceUID}"


def _output_of(dataset: Dataset) -> Path:
    """Patient, series and instance, all of them minted here: nothing of the header goes into a name."""
    return Path(str(dataset.PatientID), str(dataset.SeriesInstanceUID), f"{dataset.SOPInstanceUID}.dcm")


def _write(dataset: FileDataset, path: Path, *, root: Path) -> None:
    with atomic_path(path) as temporary:
        if not is_inside(path.parent, root):  # somebody put a link there meanwhile
            message = f"{root}: a link inside it leads out of it. Choose another folder."
            raise InputError(message)
        with translated_errors(path, expected="a dataset that can be written", remedy="Check the source file."):
            dataset.save_as(temporary, enforce_file_format=True)


def _state_what_was_done(dataset: Dataset, dates: Dates, *, is_clean: bool) -> None:
    codes = [_BASIC, _SHIFTED] if dates is Dates.SHIFT else [_BASIC]
    dataset.PatientIdentityRemoved = "YES" if is_clean else "NO"
    dataset.DeidentificationMethod = [f"medseg {__version__}", _PROFILE, "pixels not examined"]
    dataset.DeidentificationMethodCodeSequence = [_code(*code) for code in codes]
    dataset.LongitudinalTemporalInformationModified = "MODIFIED" if dates is Dates.SHIFT else "REMOVED"


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def _renew_file_meta(dataset: FileDataset) -> None:
    """A new preamble and file meta information: the old ones may hold code, application entities and private text."""
    old = getattr(dataset, "file_meta", None) or FileMetaDataset()
    is_implicit, is_little = dataset.original_encoding
    guessed = ImplicitVRLittleEndian if is_implicit else ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = old.get("TransferSyntaxUID") or guessed
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    dataset.file_meta = meta
    dataset.preamble = b"\0" * 128


def _identity_in(dataset: Dataset) -> re.Pattern[str] | None:
    """What finds the words of the patient's name, IDs and staff, in lower-case text.

    Long words count wherever they stand, short ones only by themselves, since "lee" is part of "sleep".
    """
    words = {word for name in _IDENTITY_ELEMENTS for word in _words(dataset.get(name))}
    ordered = sorted(words, key=lambda word: (-len(word), word))
    long = [re.escape(word) for word in ordered if len(word) >= _SHORTEST_PART]
    short = [
        rf"(?<![^\W_]){re.escape(word)}(?![^\W_])" for word in ordered if _SHORTEST_WORD <= len(word) < _SHORTEST_PART
    ]
    return re.compile("|".join([*long, *short])) if long or short else None


def _words(value: object) -> Iterator[str]:
    yield from (word for word in re.split(r"[\s^=\\,;'\[\]]+", str(value or "").lower()) if word)


def _record(files: list[DeidentifiedFile], *, others: int, dates: Dates) -> str:
    """What was done, as JSON: no path and no value of the originals."""
    content = {
        "medseg_version": __version__,
        "profile": _PROFILE,
        "dates": str(dates),
        "notice": PIXELS_NOTICE,
        "written": sum(file.output is not None for file in files),
        "left_out": sum(file.output is None for file in files),
        "no_dicom_left_out": others,
        "files": [_entry(file) for file in files],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _entry(file: DeidentifiedFile) -> dict[str, object]:
    entry: dict[str, object] = {
        "source": file.source_key,
        "output": file.output.as_posix() if file.output else None,
        "verdicts": [verdict.note for verdict in file.verdicts],
    }
    if file.changes is not None:
        entry |= {done: sorted(keywords) for done, keywords in sorted(file.changes.done.items())}
        entry |= {"private_removed": file.changes.private, "unknown_removed": file.changes.unknown}
    return entry
