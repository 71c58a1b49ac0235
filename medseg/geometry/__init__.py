"""Where voxels lie in the world: frames, affines, grids, orientation, resampling and tiling."""

from medseg.geometry.affine import Affine
from medseg.geometry.frames import WorldFrame
from medseg.geometry.grid import GRID_TOLERANCE_MM, Grid, check_same_grid
from medseg.geometry.orientation import AxisReordering, reordering_to
from medseg.geometry.resampling import Interpolation, resample_array
from medseg.geometry.tiling import gaussian_window, tile_slices

__all__ = [
    "GRID_TOLERANCE_MM",
    "Affine",
    "AxisReordering",
    "Grid",
    "Interpolation",
    "WorldFrame",
    "check_same_grid",
    "gaussian_window",
    "reordering_to",
    "resample_array",
    "tile_slices",
]
