"""Where voxels lie in the world: frames, affines, grids, orientation, resampling and tiling."""

from medseg.geometry.affine import Affine
from medseg.geometry.frames import WorldFrame
from medseg.geometry.grid import GRID_TOLERANCE_MM, Grid, check_same_grid

__all__ = ["GRID_TOLERANCE_MM", "Affine", "Grid", "WorldFrame", "check_same_grid"]
