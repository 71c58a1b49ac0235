"""Finding the images and label files of a folder that belong together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from medseg.errors import InputError

_ANY_SUFFIX = r"(?:\.nii\.gz|\.ome\.tiff?|\.[^./]+)"
"""What a final ".*" stands for: one suffix, or one of the double ones, so that `scan.1.tif` is the case `scan.1`."""


@dataclass(frozen=True)
class Pair:
    """An image file and its label file."""

    case_id: str
    image: Path
    label: Path


def find_pairs(root: Path, *, image_pattern: str, label_pattern: str) -> tuple[Pair, ...]:
    """The pairs under `root`, by the name that stands for {case} in both patterns, in the order of those names.

    Hidden files are left out. An image may be a folder (a DICOM series).

    Raises:
        InputError: no such folder, no image in it, two files for one case, or an image or label without its partner.
    """
    if not root.is_dir():
        message = f"{root}: no such folder. Expected one with images as {image_pattern} and labels as {label_pattern}."
        raise InputError(message)
    images = _files_by_case(root, image_pattern)
    labels = _files_by_case(root, label_pattern)
    # A wide pattern such as {case}.nii.gz may match the label files, too; those are no images.
    label_files = set(labels.values())
    images = {case: path for case, path in images.items() if path not in label_files}
    if not images:
        message = f"{root}: no image matches {image_pattern}. Put images there, or set data.options.image_pattern."
        raise InputError(message)
    _check_partners(root, images, labels, image_pattern=image_pattern, label_pattern=label_pattern)
    return tuple(Pair(case, images[case], labels[case]) for case in sorted(images))


def _check_partners(
    root: Path, images: dict[str, Path], labels: dict[str, Path], *, image_pattern: str, label_pattern: str
) -> None:
    lonely = [(images[case], "labels", label_pattern, case) for case in sorted(set(images) - set(labels))]
    lonely += [(labels[case], "image", image_pattern, case) for case in sorted(set(labels) - set(images))]
    if not lonely:
        return
    path, what, pattern, case = lonely[0]
    more = f" {len(lonely) - 1} more files lack a partner." if len(lonely) > 1 else ""
    wanted = root / pattern.replace("{case}", case)
    message = f"{path}: its {what}, expected as {wanted}, cannot be found. Add or remove one of the two.{more}"
    raise InputError(message)


def _files_by_case(root: Path, pattern: str) -> dict[str, Path]:
    expression = re.compile(_as_expression(pattern))
    found: dict[str, Path] = {}
    for path in sorted(root.glob(pattern.replace("{case}", "*"))):
        relative = path.relative_to(root).as_posix()
        match = expression.fullmatch(relative)
        if match is None or any(part.startswith(".") for part in path.relative_to(root).parts):
            continue
        case = match["case"]
        if case in found:
            message = f"{found[case]} and {path} are both case {case!r}. Remove one, or narrow {pattern}."
            raise InputError(message)
        found[case] = path
    return found


def _as_expression(pattern: str) -> str:
    """Regular expression of a pattern; its group `case` is what {case} stands for."""
    body, suffix = (pattern[:-2], _ANY_SUFFIX) if pattern.endswith(".*") else (pattern, "")
    pieces = re.split(r"(\{case\}|\*|\?)", body)
    special = {"{case}": "(?P<case>[^/]+?)", "*": "[^/]*", "?": "[^/]"}
    return "".join(special.get(piece, re.escape(piece)) for piece in pieces) + suffix
