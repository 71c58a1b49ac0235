"""The rules that the axes of images and label maps share."""

from __future__ import annotations

from medseg.errors import GeometryError
from medseg.geometry import Affine, WorldFrame


def check_axes(shape: tuple[int, ...], affine: Affine, axes: str, *, leading: str, name: str) -> None:
    """Pass when shape, affine and axis letters fit together.

    Args:
        shape: of the array, leading axes included.
        affine: of the spatial axes.
        axes: one letter an axis.
        leading: the letters that must stand in front, "C" or nothing; the others are distinct ones of X, Y, Z.
        name: what is checked, for the message.

    Raises:
        GeometryError: the numbers of axes differ, a letter is wrong, an axis is empty, or the affine is not RAS.
    """
    letters = axes[len(leading) :]
    are_spatial = set(letters) <= set("XYZ") and len(set(letters)) == len(letters)
    if not (axes.startswith(leading) and are_spatial and len(letters) == affine.ndim and len(axes) == len(shape)):
        channels = "channels first and " if leading else ""
        message = (
            f"{name}: expected {channels}{affine.ndim} spatial axes as in its affine, one letter of X, Y, Z for each, "
            f"got shape {shape} with axes {axes!r}."
        )
        raise GeometryError(message)
    if 0 in shape:
        message = f"{name}: expected at least one voxel along each axis, got shape {shape}."
        raise GeometryError(message)
    if affine.frame != WorldFrame.RAS:
        message = f"{name}: expected an affine in RAS, got {affine.frame}. Convert it with to_frame(WorldFrame.RAS)."
        raise GeometryError(message)
