"""Where a NIfTI header places its voxels: sform, qform or neither, and what is doubtful about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medseg.geometry import Affine, WorldFrame
from medseg.io.nifti_header import NiftiHeader, refuse
from medseg.verdicts import Outcome, Verdict

_MM_PER_UNIT = {0: 1.0, 1: 1e3, 2: 1.0, 3: 1e-3}
_UNIT_NAMES = {1: "metres", 3: "microns"}
_LARGEST_KNOWN_CODE = 5
_PLACED_DIFFERENTLY = 0.1
"""Largest distance between the corners by sform and by qform that is still rounding, in voxels."""
_SIZE_DISAGREES = 0.01
_ODD_SPACING_MM = (1e-6, 100.0)
_LARGEST_QUATERNION = 1.01
_HALF_TURN = 3 * float(np.finfo(np.float32).eps)
"""Square of the unwritten first quaternion number below which it is the rounding of the other three."""
_RIGHT_ONE = "Find out which is right and set both to it"


@dataclass(frozen=True)
class Placement:
    """What the header says of the place.

    Attributes:
        affine: (4, 4) or, for pictures, (3, 3); RAS mm.
        has_orientation: False where only the voxel size is stated.
        verdicts: doubts and refusals.
    """

    affine: Affine
    has_orientation: bool
    verdicts: tuple[Verdict, ...]


def place(header: NiftiHeader, *, num_spatial: int) -> Placement:
    """Where the voxels lie.

    The sform counts where its code is above 0, else the qform where its code is, else the voxel size alone.

    Raises:
        RefusedImageError: the header places them nowhere, or in two places that are mirror images of each other.
    """
    judge = _Judge(header)
    matrix, has_orientation = _stored_matrix(header, judge, num_spatial=num_spatial)
    unit = int(header.fields["xyzt_units"]) & 0x07
    factor = _MM_PER_UNIT.get(unit, 1.0)
    if unit in _UNIT_NAMES:
        judge.flag("units", f"the file's lengths are in {_UNIT_NAMES[unit]} and were converted to mm")
    elif unit not in _MM_PER_UNIT:
        judge.flag("units", f"its unit of length has the unknown code {unit} and was taken as mm")
    matrix = np.diag([factor, factor, factor, 1.0]) @ matrix
    if num_spatial == 2:
        matrix = matrix[np.ix_([0, 1, 3], [0, 1, 3])]
    _check_volume(matrix, header)
    affine = Affine(matrix, frame=WorldFrame.RAS)
    if not affine.is_orthogonal:
        judge.flag("sheared-grid", "its voxels are not at right angles (a sheared sform)")
    if not all(_ODD_SPACING_MM[0] <= size <= _ODD_SPACING_MM[1] for size in affine.spacing_mm):
        shown = " x ".join(f"{size:g}" for size in affine.spacing_mm)
        judge.flag("odd-spacing", f"its voxels measure {shown} mm, which is more likely a wrong unit")
    return Placement(affine, has_orientation, tuple(judge.verdicts))


class _Judge:
    """Collects what is said about one header."""

    def __init__(self, header: NiftiHeader) -> None:
        self.path = header.path
        self.verdicts: list[Verdict] = []

    def flag(self, code: str, cause: str) -> None:
        self.verdicts.append(Verdict(Outcome.FLAG, code, self.path, cause))


def _stored_matrix(header: NiftiHeader, judge: _Judge, *, num_spatial: int) -> tuple[NDArray[np.float64], bool]:
    sizes = np.asarray(header.fields["pixdim"][1 : num_spatial + 1], dtype=np.float64)
    are_sizes = bool((np.isfinite(sizes) & (sizes > 0)).all())
    sform = _sform(header, judge)
    qform = _qform(header, judge, sizes=sizes) if are_sizes else None
    if sform is not None:
        if qform is not None:
            _compare(sform, qform, header, judge)
        elif are_sizes:
            _compare_sizes(sform, sizes, judge)
        else:
            judge.flag("bad-voxel-size", "its voxel size is not positive; the one in the sform was used")
        return sform, True
    if not are_sizes:
        shown = ", ".join(f"{size:g}" for size in sizes)
        refuse(header.path, "bad-voxel-size", f"expected a positive voxel size, got ({shown})")
    if qform is not None:
        return qform, True
    if max(int(header.fields["sform_code"]), int(header.fields["qform_code"])) > 0:
        refuse(header.path, "damaged-orientation", "its header places the voxels nowhere (damaged sform and qform)")
    judge.flag("no-orientation", "the file states no orientation; its axes were taken as right, anterior, superior")
    return np.diag([*sizes, *[1.0] * (3 - num_spatial), 1.0]), False


def _sform(header: NiftiHeader, judge: _Judge) -> NDArray[np.float64] | None:
    if not _is_stated(header, judge, name="sform"):
        return None
    matrix = np.eye(4)
    matrix[:3] = header.fields["srow"]
    if not _is_map(matrix):
        judge.flag("damaged-sform", "the file's sform is damaged and was left out")
        return None
    return matrix


def _qform(header: NiftiHeader, judge: _Judge, *, sizes: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The quaternion's rotation times the voxel size, the third axis mirrored where qfac is negative."""
    if not _is_stated(header, judge, name="qform"):
        return None
    fields = header.fields
    vector = np.asarray(fields["quatern"], dtype=np.float64)
    offset = np.asarray(fields["qoffset"], dtype=np.float64)
    qfac, square = float(fields["pixdim"][0]), float(vector @ vector)
    if not np.isfinite([*vector, *offset, qfac]).all() or square > _LARGEST_QUATERNION:
        judge.flag("damaged-qform", "the file's qform is damaged and was left out")
        return None
    is_half_turn = 1.0 - square < _HALF_TURN
    b, c, d = vector / np.sqrt(square) if is_half_turn else vector
    a = 0.0 if is_half_turn else np.sqrt(1.0 - square)
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    matrix = np.eye(4)
    scale = np.append(sizes, [1.0] * (3 - len(sizes)))
    matrix[:3, :3] = rotation * scale * np.array([1.0, 1.0, -1.0 if qfac < 0 else 1.0])
    matrix[:3, 3] = offset
    return matrix


def _is_stated(header: NiftiHeader, judge: _Judge, *, name: str) -> bool:
    code = int(header.fields[f"{name}_code"])
    if not 0 <= code <= _LARGEST_KNOWN_CODE:
        follows = "it was used" if code > 0 else "it was left out"
        judge.flag(f"{name}-code", f"the {name} has the unknown code {code}; {follows}")
    return code > 0


def _is_map(matrix: NDArray[np.float64]) -> bool:
    if not np.isfinite(matrix).all():
        return False
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    return bool(lengths.all() and abs(np.linalg.det(matrix[:3, :3] / lengths)) > 1e-6)


def _compare(sform: NDArray[np.float64], qform: NDArray[np.float64], header: NiftiHeader, judge: _Judge) -> None:
    if np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0:
        cause = "its sform and qform are mirror images of each other, so that left and right cannot be told apart"
        refuse(header.path, "mirrored-forms", cause, _RIGHT_ONE)
    sizes = [*header.shape[:3], 1, 1][:3]
    corners = np.indices((2, 2, 2)).reshape(3, -1) * (np.array(sizes)[:, None] - 1)
    apart = (sform - qform)[:3] @ np.vstack([corners, np.ones(corners.shape[1])])
    voxel = np.linalg.norm(sform[:3, :3], axis=0).min()
    if float(np.linalg.norm(apart, axis=0).max()) > _PLACED_DIFFERENTLY * voxel:
        judge.flag("forms-disagree", "the file's sform and qform place it differently; the sform was used")


def _compare_sizes(sform: NDArray[np.float64], sizes: NDArray[np.float64], judge: _Judge) -> None:
    lengths = np.linalg.norm(sform[:3, : len(sizes)], axis=0)
    if (np.abs(lengths - sizes) > _SIZE_DISAGREES * lengths).any():
        judge.flag("sizes-disagree", "the voxel size in the header is not that of its sform; the sform was used")


def _check_volume(matrix: NDArray[np.float64], header: NiftiHeader) -> None:
    linear = matrix[:-1, :-1]
    lengths = np.linalg.norm(linear, axis=0)
    if not lengths.all() or abs(np.linalg.det(linear / lengths)) < 1e-6:
        refuse(header.path, "damaged-orientation", "its header places all voxels in one plane or line")
