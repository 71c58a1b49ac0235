"""The planes in which bodies are read, the head up as on film, and a 3-D view from the front."""

from __future__ import annotations

from typing import Any, NamedTuple


class _Plane(NamedTuple):
    order: tuple[int, int, int]
    """Of z, y and x: the one that is scrolled, the vertical and the horizontal one."""
    orientation: tuple[str, str]
    """Where the vertical and the horizontal axis grow."""


PLANES = {
    "Axial": _Plane((0, 1, 2), ("down", "right")),
    "Coronal": _Plane((1, 0, 2), ("up", "right")),
    "Sagittal": _Plane((2, 0, 1), ("up", "right")),
}
"""Name -> plane. In axial and coronal slices the patient's left is on the right, in sagittal ones the face looks to the
left."""

_TO_THE_BACK = (0.0, 1.0, 0.0)
_TO_THE_HEAD = (1.0, 0.0, 0.0)


def show_plane(viewer: Any, name: str) -> None:
    """Show the slices of a plane of the body, all of the slice in view."""
    plane = PLANES[name]
    _order(viewer, plane.order)
    viewer.dims.ndisplay = 2
    viewer.scene.camera.orientation2d = plane.orientation
    _fit(viewer)


def show_in_3d(viewer: Any) -> None:
    """Show the body from the front, the head up."""
    axial = PLANES["Axial"]
    _order(viewer, axial.order)
    viewer.scene.camera.orientation2d = axial.orientation
    viewer.dims.ndisplay = 3
    _fit(viewer)
    viewer.scene.camera.set_view_direction(_TO_THE_BACK, up_direction=_TO_THE_HEAD)


def plane_shown(viewer: Any) -> str | None:
    """Name of the plane that the viewer shows; None in 3-D and for other orders of the axes."""
    dims = viewer.dims
    if dims.ndisplay != 2 or dims.ndim < 3:
        return None
    order = tuple(axis - (dims.ndim - 3) for axis in dims.order[-3:])
    return next((name for name, plane in PLANES.items() if plane.order == order), None)


def _fit(viewer: Any) -> None:
    """All that is seen in view; layers that are hidden may lie elsewhere."""
    viewer.reset_view(layers=[layer for layer in viewer.layers if layer.visible] or None)


def _order(viewer: Any, order: tuple[int, int, int]) -> None:
    """The last three axes in an order, those before them (time for example) left in front."""
    before = viewer.dims.ndim - 3
    viewer.dims.order = (*range(before), *(before + axis for axis in order))
