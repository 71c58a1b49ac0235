"""The list of cases of a batch: what lies in the folder, under which name its results will stand."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from medseg.io import InputImage, case_name, list_images
from medseg.io.dicom.pseudonyms import Pseudonyms
from medseg.io.stored_files import stored_files
from medseg.printable import name_of_printables

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class CaseJob:
    """One case to be done.

    Attributes:
        case_id: name of its result folder, unique in the batch.
        source: image file, or folder of a DICOM volume.
        series_uid: key of the volume in that folder; None for other images.
        files: what the volume is read from; empty where that is `source` itself.
        allow: codes of refusals that the user overrules.
        is_concealed: whether names of files and folders, which may identify a patient, stay out of the results.
    """

    case_id: str
    source: Path
    series_uid: str | None = None
    files: tuple[Path, ...] = ()
    allow: tuple[str, ...] = ()
    is_concealed: bool = False

    @property
    def shown_source(self) -> str:
        """What the results say of the place of the image."""
        return self.case_id if self.is_concealed else str(self.source)

    def shown(self, text: str) -> str:
        """`text` without names of files and folders where these are concealed."""
        if not self.is_concealed:
            return text
        # Whole paths before names, and long names before those they may begin with.
        names = [*map(str, self.files), str(self.source), *(file.name for file in self.files), self.source.name]
        for name in sorted(filter(None, names), key=len, reverse=True):
            text = text.replace(name, self.case_id)
        return text

    @property
    def content_hash(self) -> str:
        """SHA-256 of what the image is read from, and of which volume it is."""
        if not self.files:
            return content_hash(self.source)
        parts = [self.series_uid or "", *(content_hash(file) for file in self.files)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def find_cases(folder: Path, *, allow: Collection[str] = (), key: bytes | None = None) -> tuple[CaseJob, ...]:
    """Cases of a folder at any depth, by ascending path: each image file and each DICOM volume.

    The name of a case is its path below the folder with the separators replaced; the suffix stays only where two files
    differ in nothing else. Volumes of one folder get eight digits more, made from their UIDs.

    Args:
        folder: image file, DICOM folder, or folder of either.
        allow: codes of refusals that the user overrules.
        key: secret key from which the cases get names that lead back to no path; None names them by their paths.

    Raises:
        InputError: the folder is missing or holds no image, or the key is too short.
    """
    images = list_images(folder, allow=allow)
    root = folder if folder.is_dir() else folder.parent
    short = [_case_name(image, root, keep_suffix=False) for image in images]
    doubled = {name for name, count in Counter(short).items() if count > 1}
    names = [
        _case_name(image, root, keep_suffix=True) if name in doubled else name
        for image, name in zip(images, short, strict=True)
    ]
    names = [_counted(name, names[:position]) for position, name in enumerate(names)]
    if key is not None:
        pseudonyms = Pseudonyms(key)
        names = [pseudonyms.path(name) for name in names]
    return tuple(
        CaseJob(
            name,
            image.path.resolve(),
            image.series_uid,
            tuple(file.resolve() for file in _files(image)),
            tuple(sorted(allow)),
            is_concealed=key is not None,
        )
        for name, image in zip(names, images, strict=True)
    )


def content_hash(source: Path) -> str:
    """SHA-256 of a file, or of the names and contents of all files of a folder."""
    digest = hashlib.sha256()
    files = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    for path in files:
        if path != source:
            digest.update(path.relative_to(source).as_posix().encode(errors="surrogateescape") + b"\0")
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def _files(image: InputImage) -> tuple[Path, ...]:
    """What the image is read from, where that is more than its path."""
    if image.files or image.path.is_dir():
        return image.files
    files = stored_files(image.path)
    return files if len(files) > 1 else ()


def _counted(name: str, earlier: Sequence[str]) -> str:
    """The name, or with a number where an earlier one differs in nothing but characters that do not print."""
    return f"{name}__{earlier.count(name) + 1}" if name in earlier else name


def _case_name(image: InputImage, root: Path, *, keep_suffix: bool) -> str:
    relative = image.path.relative_to(root)
    parts = list(relative.parts) or [image.path.resolve().name]
    if image.series_uid is None and not keep_suffix:
        parts[-1] = case_name(image.path)
    return name_of_printables("__".join(filter(None, (*parts, image.mark))))
