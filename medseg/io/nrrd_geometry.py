"""Where an NRRD header places its voxels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.geometry import Affine, WorldFrame
from medseg.io.header_lines import NO_ORIENTATION, millimetres, numbers_in, refuse
from medseg.io.refusals import flag
from medseg.verdicts import Verdict

_TO_LPS = {
    "left-posterior-superior": (1.0, 1.0, 1.0),
    "lps": (1.0, 1.0, 1.0),
    "right-anterior-superior": (-1.0, -1.0, 1.0),
    "ras": (-1.0, -1.0, 1.0),
    "left-anterior-superior": (1.0, -1.0, 1.0),
    "las": (1.0, -1.0, 1.0),
}
"""Space -> signs that lead from it to LPS."""
_VECTOR = re.compile(r"none|\(([^()]*)\)", re.IGNORECASE)
_NOWHERE = "damaged-orientation"


@dataclass(frozen=True)
class NrrdPlacement:
    """What the header says of the place; as in `nifti_geometry.Placement`."""

    affine: Affine
    has_orientation: bool
    spacing_is_known: bool
    verdicts: tuple[Verdict, ...]


def place(fields: dict[str, str], *, axes: str, path: Path) -> NrrdPlacement:
    """Where the voxels lie: the space directions and origin, else the spacings alone.

    Raises:
        RefusedImageError: the header places them nowhere.
    """
    verdicts: list[Verdict] = []
    spatial = [index for index, letter in enumerate(axes) if letter != "C"]
    ndim = len(spatial)
    if "space directions" in fields:
        linear, origin = _in_space(fields, spatial, num_axes=len(axes), path=path)
        known = True
    else:
        linear, origin, known = _by_spacings(fields, spatial, num_axes=len(axes), path=path)
    space = fields.get("space", "").strip('" ').lower().removesuffix("-time")
    signs = _TO_LPS.get(space) if "space directions" in fields else None
    has_orientation = signs is not None and ndim == 3
    if ndim == 3 and not has_orientation:
        verdicts.append(flag(path, "no-orientation", NO_ORIENTATION))
    factor = _unit_factor(fields, spatial, path=path, verdicts=verdicts)
    matrix = np.eye(ndim + 1)
    matrix[:ndim, :ndim], matrix[:ndim, ndim] = linear * factor, origin * factor
    matrix = np.diag([*(signs or (1.0, 1.0, 1.0))[:ndim], 1.0]) @ matrix
    lengths = np.linalg.norm(linear, axis=0)
    if not np.isfinite(matrix).all() or not lengths.all() or abs(np.linalg.det(linear / lengths)) < 1e-6:
        refuse(path, _NOWHERE, "its header places the voxels nowhere (damaged space directions or origin)")
    affine = Affine(matrix, frame=WorldFrame.LPS).to_frame(WorldFrame.RAS)
    if not affine.is_orthogonal:
        verdicts.append(flag(path, "sheared-grid", "its voxels are not at right angles"))
    return NrrdPlacement(affine, has_orientation, known, tuple(verdicts))


def _in_space(
    fields: dict[str, str], spatial: list[int], *, num_axes: int, path: Path
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """((n, n) columns, (n,) origin) in the file's own space."""
    vectors = [match.group(1) for match in _VECTOR.finditer(fields["space directions"])]
    ndim = len(spatial)
    if len(vectors) != num_axes or any(vectors[index] is None for index in spatial):
        refuse(path, _NOWHERE, "expected a space direction for each axis in space")
    columns = [numbers_in(vectors[i].replace(",", " "), path=path, field="space directions") for i in spatial]
    origins = _VECTOR.findall(fields.get("space origin", ""))
    origin = numbers_in(origins[0].replace(",", " "), path=path, field="space origin") if origins else np.zeros(ndim)
    if any(column.size != ndim for column in (*columns, origin)):
        refuse(path, _NOWHERE, f"expected space directions and origin of {ndim} numbers each")
    return np.stack(columns, axis=1), origin


def _by_spacings(
    fields: dict[str, str], spatial: list[int], *, num_axes: int, path: Path
) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """((n, n) columns, (n,) origin, whether a voxel size is stated) from the fields of files without a space."""
    known = "spacings" in fields
    sizes = _per_axis(fields, "spacings", num_axes=num_axes, path=path)[spatial] if known else np.ones(len(spatial))
    if not (np.isfinite(sizes) & (sizes > 0)).all():
        shown = ", ".join(f"{size:g}" for size in sizes)
        refuse(path, "bad-voxel-size", f"expected a positive voxel size, got ({shown})")
    origin = np.zeros(len(spatial))
    if "axis mins" in fields:
        least = _per_axis(fields, "axis mins", num_axes=num_axes, path=path)[spatial]
        centerings = fields.get("centerings", "").lower().split()
        is_cell = [len(centerings) == num_axes and centerings[index] == "cell" for index in spatial]
        origin = np.nan_to_num(least + 0.5 * sizes * np.array(is_cell), nan=0.0)
    return np.diag(sizes), origin, known


def _per_axis(fields: dict[str, str], name: str, *, num_axes: int, path: Path) -> NDArray[np.float64]:
    values = numbers_in(fields[name], path=path, field=name)
    if values.size != num_axes:
        refuse(path, "damaged-header", f"expected {num_axes} numbers in the field {name}, got {values.size}")
    return values


def _unit_factor(fields: dict[str, str], spatial: list[int], *, path: Path, verdicts: list[Verdict]) -> float:
    text = fields.get("space units", "") if "space directions" in fields else ""
    units = {unit.strip().lower() for unit in re.findall(r'"([^"]*)"', text)} - {"", "???"}
    if len(units) > 1:
        refuse(path, "units", "expected one unit of length for all axes, got several")
    del spatial
    return millimetres(units.pop(), path=path, verdicts=verdicts) if units else 1.0
