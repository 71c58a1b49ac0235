"""The set of corrected images that a model learns from: copies without identity, and which of them judge."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from medseg.errors import InputError
from medseg.files import write_text_atomically
from medseg.images import Image, ImageMetadata, LabelMap
from medseg.images.slices import slice_of_volume
from medseg.io import write_image, write_label_map
from medseg_napari.learning.marks import image_mark

PATIENTS_FILE = "patients.csv"
_MANIFEST = "corrections.json"
_SCHEMA_VERSION = 1
_FOLDERS = ("images", "labels")
_JUDGES_ONE_IN = 4
_LEAST_GROUPS = 3


@dataclass(frozen=True)
class Correction:
    """One image of the set.

    Attributes:
        case: name of its two files, or of those of its slices without their number, from the image's voxels and places.
        group: mark of the patient or file that it is from.
        judges: whether it is held back to judge models instead of training them.
        objects: number of objects in its mask.
        model: name of the model whose answer was corrected; empty where there was none.
        model_sha256: of that model's weights.
        date: day on which it was added, "2026-11-21".
        slices: number of slices of a volume from which a 2-D model learns one by one; 0 where the image is taken whole.
    """

    case: str
    group: str
    judges: bool
    objects: int
    model: str
    model_sha256: str
    date: str
    slices: int = 0

    @property
    def files(self) -> tuple[str, ...]:
        """Names of its image files without folder and suffix; their masks are called the same."""
        return tuple(f"{self.case}-{index:04d}" for index in range(self.slices)) or (self.case,)


@dataclass(frozen=True, eq=False)
class CorrectedImage:
    """An image with its mask, on the way into the set.

    Attributes:
        image: as its reader gave it.
        label_map: its classes on the image's grid.
        objects: number of objects in it.
        slice_axis: spatial axis along which it is taken apart for a 2-D model; None where it is taken whole.
        model: name of the model whose answer was corrected.
        model_sha256: of its weights.
    """

    image: Image
    label_map: LabelMap
    objects: int
    slice_axis: int | None = None
    model: str = ""
    model_sha256: str = ""

    @property
    def slices(self) -> int:
        """Number of slices that it is taken apart into; 0 where it is taken whole."""
        return 0 if self.slice_axis is None else self.image.spatial_shape[self.slice_axis]

    def parts(self) -> Iterator[tuple[Image, LabelMap]]:
        """What a model is shown at a time: the whole, or slice after slice."""
        if self.slice_axis is None:
            yield self.image, self.label_map
            return
        for index in range(self.slices):
            mask = slice_of_volume(self.label_map, self.slice_axis, index)
            yield slice_of_volume(self.image, self.slice_axis, index), mask


class CorrectionSet:
    """The corrected images in a folder, laid out as `medseg train` takes it.

    Of the patients (or files) that images come from, the third is held back to judge, and then every fourth. Whoever
    was held back stays so while images of his are in the set, so that scores of one day compare with those of another.

    Args:
        folder: made when the first image is added.

    Raises:
        InputError: the list of the set is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._entries = {entry.case: entry for entry in _read(folder / _MANIFEST)}

    @property
    def entries(self) -> tuple[Correction, ...]:
        """The images, in the order in which they were added."""
        return tuple(self._entries.values())

    @property
    def training(self) -> tuple[str, ...]:
        """Cases that train: images, or slices of them."""
        return tuple(name for entry in self.entries if not entry.judges for name in entry.files)

    @property
    def judging(self) -> tuple[str, ...]:
        """Cases that are held back."""
        return tuple(name for entry in self.entries if entry.judges for name in entry.files)

    @property
    def headline(self) -> str:
        """What is in it: "12 images, 340 objects, 3 held back to judge"."""
        if not self._entries:
            return "No images yet."
        objects = sum(entry.objects for entry in self.entries)
        counted = f"{_counted(len(self._entries), 'image')}, {_counted(objects, 'object')}"
        return f"{counted}, {sum(entry.judges for entry in self.entries)} held back to judge"

    @property
    def lack(self) -> str:
        """What is missing before a model can learn from it, in a sentence; empty where nothing is."""
        groups = {entry.group for entry in self.entries}
        if len(groups) < _LEAST_GROUPS and len(self._entries) >= _LEAST_GROUPS:
            return (
                "These images come from too few patients or files: what a model learned from one part of a patient "
                "cannot be judged on another. Add images of others."
            )
        if sum(not entry.judges for entry in self.entries) < _LEAST_GROUPS - 1 or not self.judging:
            missing = max(1, _LEAST_GROUPS - len(groups))
            return (
                f"Two images to learn from and one to judge by are needed, of different patients or files: add "
                f"{missing} more. Parts of one image cannot judge each other."
            )
        return ""

    def add(self, corrected: CorrectedImage, *, group: str, date: str) -> Correction:
        """Add an image; the same image with another mask takes the place of what was there.

        Its copy says nothing of where it comes from but modality, unit and voxel size. Pixels are not searched for
        names that are written into them.

        Args:
            corrected: the image and its mask.
            group: see `group_mark`.
            date: day, "2026-11-21".

        Raises:
            InputError: the image differs from the others in channels or dimensions.
            StorageError: a file could not be written.
        """
        case = f"image-{image_mark(corrected.image)}"
        group = self._entries[case].group if case in self._entries else group
        entry = Correction(
            case=case,
            group=group,
            judges=self._is_held_back(group),
            objects=corrected.objects,
            model=corrected.model,
            model_sha256=corrected.model_sha256,
            date=date,
            slices=corrected.slices,
        )
        try:
            self._write_files(entry, corrected)
        except Exception:
            if case not in self._entries:
                self._delete_files(case)  # a file without its partner would stop every training on the set
            raise
        self._entries[case] = entry
        self._write()
        return entry

    def remove(self, cases: Iterable[str]) -> None:
        """Take images out of the set and delete their copies.

        Raises:
            StorageError: the list could not be written.
        """
        gone = tuple(cases)
        self._entries = {case: entry for case, entry in self._entries.items() if case not in gone}
        self._write()
        for case in gone:
            self._delete_files(case)

    def _delete_files(self, case: str) -> None:
        for path in (path for folder in _FOLDERS for path in (self.folder / folder).glob(f"{case}[-.]*")):
            path.unlink(missing_ok=True)

    def _is_held_back(self, group: str) -> bool:
        known = {entry.group: entry.judges for entry in self.entries}
        if group in known:
            return known[group]
        return sum(known.values()) < (len(known) + 2) // _JUDGES_ONE_IN

    def _write_files(self, entry: Correction, corrected: CorrectedImage) -> None:
        for folder in _FOLDERS:
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        for name, (part, label_map) in zip(entry.files, corrected.parts(), strict=True):
            image = _without_identity(part)
            suffix = ".nii.gz" if image.axes.endswith("XYZ") else ".tif"
            write_image(image, self.folder / "images" / f"{name}{suffix}")
            own = label_map.replace(metadata=image.metadata)
            write_label_map(own, self.folder / "labels" / f"{name}{suffix}", source=image)

    def _write(self) -> None:
        patients = io.StringIO()
        table = csv.writer(patients, lineterminator="\n")
        table.writerow(("case_id", "patient"))
        table.writerows((name, entry.group) for entry in self.entries for name in entry.files)
        write_text_atomically(self.folder / PATIENTS_FILE, patients.getvalue())
        content = {"schema_version": _SCHEMA_VERSION, "images": [asdict(entry) for entry in self.entries]}
        write_text_atomically(self.folder / _MANIFEST, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _without_identity(image: Image) -> Image:
    old = image.metadata
    kept = ImageMetadata(
        modality=old.modality,
        value_unit=old.value_unit,
        spacing_is_known=old.spacing_is_known,
        channel_names=old.channel_names,
    )
    return image.replace(metadata=kept)


def _read(path: Path) -> Sequence[Correction]:
    if not path.exists():
        return ()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [Correction(**entry) for entry in content["images"]]
    except (OSError, ValueError, TypeError, KeyError) as error:
        message = f"{path}: cannot be read as the list of corrected images. Restore it, or begin in another folder."
        raise InputError(message) from error


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
