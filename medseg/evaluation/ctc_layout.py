"""Finding the files of a sequence in the Cell Tracking Challenge's folders.

A reference `01_GT` holds `SEG/man_seg000.tif` (3-D also slice by slice, `man_seg_000_012.tif`),
`TRA/man_track000.tif` and `TRA/man_track.txt`, any of them; a result `01_RES` holds `mask000.tif`, .. and
`res_track.txt`. As in the challenge's "Naming and file content conventions".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medseg.errors import InputError
from medseg.metrics.cell_tracks import Track

_SEGMENTATION = re.compile(r"man_seg_?(?P<frame>\d+)(_(?P<slice>\d+))?\.tiff?")
_MARKERS = re.compile(r"man_track(?P<frame>\d+)\.tiff?")
_MASK = re.compile(r"mask(?P<frame>\d+)\.tiff?")
_FOLDER = re.compile(r"(?P<sequence>\d+)_(GT|ST|RES)")

FrameSlice = tuple[int, int | None]
"""Frame, and slice along the first axis of a volume; None for the whole frame."""


@dataclass(frozen=True, eq=False)
class CtcSequence:
    """The files of one sequence.

    Attributes:
        sequence_id: "01".
        segmentation: frame and slice -> mask of the reference, for SEG; may cover few frames.
        markers: frame -> markers of the reference, for DET and TRA.
        masks: frame -> mask of the result.
        reference_tracks: man_track.txt; None where the reference has none.
        prediction_tracks: res_track.txt; None where the result has none.
    """

    sequence_id: str
    segmentation: Mapping[FrameSlice, Path]
    markers: Mapping[int, Path]
    masks: Mapping[int, Path]
    reference_tracks: Path | None = None
    prediction_tracks: Path | None = None


def find_sequences(*, reference: Path, prediction: Path) -> tuple[CtcSequence, ...]:
    """The sequences to score, by number.

    Args:
        reference: `01_GT`, or the folder of a data set with `01_GT`, `02_GT`, ..
        prediction: `01_RES`, another folder of masks, or the folder with `01_RES`, `02_RES`, ..

    Raises:
        InputError: a folder is missing or holds nothing of the layout, or a frame of the reference has no mask.
    """
    for folder in (reference, prediction):
        if not folder.is_dir():
            message = f"{folder}: no such folder. Expected the challenge's layout (01_GT with SEG or TRA; 01_RES)."
            raise InputError(message)
    if _is_reference(reference):
        found = _FOLDER.fullmatch(reference.resolve().name)
        sequence_id = found["sequence"] if found else reference.resolve().name
        inner = prediction / f"{sequence_id}_RES"
        return (_sequence(sequence_id, reference, inner if inner.is_dir() else prediction),)
    folders = sorted(path for path in reference.glob("*_GT") if _FOLDER.fullmatch(path.name) and _is_reference(path))
    if not folders:
        message = f"{reference}: expected SEG or TRA, or folders 01_GT with these, found neither. Give such a folder."
        raise InputError(message)
    sequence_ids = [path.name.removesuffix("_GT") for path in folders]
    if len(folders) == 1 and not (prediction / f"{sequence_ids[0]}_RES").is_dir():
        return (_sequence(sequence_ids[0], folders[0], prediction),)
    results = [prediction / f"{sequence_id}_RES" for sequence_id in sequence_ids]
    return tuple(_sequence(*parts) for parts in zip(sequence_ids, folders, results, strict=True))


def read_tracks(path: Path) -> tuple[Track, ...]:
    """The tracks of a file with lines "label begin end parent".

    Raises:
        InputError: it cannot be read, or a line is not four whole numbers.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path}: cannot be read as a track file ({error}). Expected lines of four whole numbers."
        raise InputError(message) from error
    tracks = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        if len(words) != 4 or not all(re.fullmatch(r"-?\d+", word) for word in words):
            message = (
                f"{path}: expected four whole numbers (label, first frame, last frame, parent) in line {number}, "
                f"got {line[:60]!r}. Correct the line."
            )
            raise InputError(message)
        tracks.append(Track(*(int(word) for word in words)))
    return tuple(tracks)


def _is_reference(folder: Path) -> bool:
    return (folder / "SEG").is_dir() or (folder / "TRA").is_dir()


def _sequence(sequence_id: str, reference: Path, prediction: Path) -> CtcSequence:
    segmentation = _files(reference / "SEG", _SEGMENTATION)
    markers = {frame: path for (frame, _), path in _files(reference / "TRA", _MARKERS).items()}
    masks = {frame: path for (frame, _), path in _files(prediction, _MASK).items()}
    if not segmentation and not markers:
        message = f"{reference}: expected SEG/man_seg000.tif or TRA/man_track000.tif, .., found none."
        raise InputError(message)
    missing = sorted({*markers, *(frame for frame, _ in segmentation)} - set(masks))
    if missing:
        shown = ", ".join(str(frame) for frame in missing[:5]) + (", .." if len(missing) > 5 else "")
        message = (
            f"{prediction}: expected mask000.tif, .. for each frame of the reference, got none for {len(missing)} "
            f"(frame {shown}). Write an empty mask where nothing was found."
        )
        raise InputError(message)
    return CtcSequence(
        sequence_id,
        segmentation,
        markers,
        masks,
        _existing(reference / "TRA" / "man_track.txt"),
        _existing(prediction / "res_track.txt"),
    )


def _files(folder: Path, pattern: re.Pattern[str]) -> dict[FrameSlice, Path]:
    """Files of a kind by frame and slice, in their order; none where the folder is missing."""
    found: dict[FrameSlice, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = pattern.fullmatch(path.name)
        if match is None:
            continue
        parts = match.groupdict()
        place = (int(parts["frame"]), None if parts.get("slice") is None else int(parts["slice"]))
        if place in found:
            message = f"{folder}: {found[place].name} and {path.name} are the same frame. Remove one."
            raise InputError(message)
        found[place] = path
    return dict(sorted(found.items(), key=lambda item: (item[0][0], item[0][1] is not None, item[0][1] or 0)))


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None
