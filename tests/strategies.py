"""Hypothesis strategies: affines, grids, images, label maps and tilings as wild as real files bring them."""

import numpy as np
from cases.grids import ORIENTATIONS, directions_of, rotation
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medseg.geometry import Affine, Grid, WorldFrame
from medseg.images import Image, ImageMetadata, LabelKind, LabelMap, LabelTable

FINEST_MM, COARSEST_MM = 4e-6, 12.0
"""From an electron microscope's pixel to a thick CT slice."""


def orientations():
    """One of the 48 anatomical axis codes."""
    return st.sampled_from(ORIENTATIONS)


def spacings_mm(ndim=3):
    """Voxel sizes, anisotropic up to 1 : 20, at any scale."""
    relative = st.tuples(*[st.floats(1.0, 20.0) for _ in range(ndim)])
    scale = st.one_of(st.just(0.5), st.floats(FINEST_MM, COARSEST_MM / 20))
    return st.builds(lambda parts, unit: tuple(part * unit for part in parts), relative, scale)


@st.composite
def directions(draw, ndim=3, *, is_oblique=None):
    """(n, n) unit columns at right angles, left-handed ones included; `is_oblique` None draws both kinds."""
    turned = draw(st.booleans()) if is_oblique is None else is_oblique
    angle = st.floats(-30.0, 30.0) if turned else st.just(0.0)
    if ndim == 3:
        return rotation(draw(angle), draw(angle), draw(angle)) @ directions_of(draw(orientations()))
    signs = np.diag(draw(st.tuples(*[st.sampled_from([1.0, -1.0])] * 2)))
    straight = signs[:, ::-1] if draw(st.booleans()) else signs
    return rotation(0, 0, draw(angle))[:2, :2] @ straight


@st.composite
def affines(draw, ndim=3, *, is_oblique=None, frame=WorldFrame.RAS):
    """Affines with any orientation, anisotropic voxels, and an origin up to half a metre away."""
    spacing = draw(spacings_mm(ndim))
    far = 500.0 * min(1.0, min(spacing) / 0.1)  # a microscope's stage does not travel half a metre
    origin = draw(st.tuples(*[st.floats(-far, far)] * ndim))
    direction = draw(directions(ndim, is_oblique=is_oblique))
    return Affine.from_spacing(spacing, frame=frame, origin_mm=origin, direction=direction)


@st.composite
def grids(draw, ndim=None, *, is_oblique=None, max_side=7, frame=WorldFrame.RAS):
    """Grids of two or three axes, axes of one voxel included."""
    axes = draw(st.sampled_from([2, 3])) if ndim is None else ndim
    shape = draw(st.tuples(*[st.integers(1, max_side)] * axes))
    return Grid(shape, draw(affines(axes, is_oblique=is_oblique, frame=frame)))


def letters(ndim):
    """Axis letters in the orders that files have."""
    return st.sampled_from(["XYZ", "ZYX"] if ndim == 3 else ["YX", "XY"])


@st.composite
def images(draw, ndim=None, *, is_oblique=None, max_side=7, max_channels=3):
    """Images of the types that files bring, 3-D ones with a UID for each slice."""
    grid = draw(grids(ndim, is_oblique=is_oblique, max_side=max_side))
    channels = draw(st.integers(1, max_channels))
    dtype = draw(st.sampled_from([np.uint8, np.int16, np.uint16, np.float32, np.float64]))
    array = draw(hnp.arrays(dtype, (channels, *grid.spatial_shape), elements=st.integers(0, 200)))
    uids = tuple(f"1.2.{k}" for k in range(grid.spatial_shape[-1])) if grid.ndim == 3 else ()
    return Image(array, grid.affine, "C" + draw(letters(grid.ndim)), ImageMetadata(instance_uids=uids))


@st.composite
def label_maps(draw, ndim=None, *, is_oblique=None, max_side=7):
    """Semantic label maps of three classes and instance maps with large numbers."""
    grid = draw(grids(ndim, is_oblique=is_oblique, max_side=max_side))
    kind = draw(st.sampled_from(LabelKind))
    dtype, largest = (np.uint8, 2) if kind is LabelKind.SEMANTIC else (np.int32, 2**31 - 1)
    array = draw(hnp.arrays(dtype, grid.spatial_shape, elements=st.integers(0, largest)))
    labels = LabelTable.from_names(["background", "organ", "lesion"])
    return LabelMap(array, grid.affine, draw(letters(grid.ndim)), labels, kind)


@st.composite
def voxels_of(draw, shape):
    """Index of one voxel."""
    return tuple(draw(st.integers(0, size - 1)) for size in shape)


@st.composite
def tilings(draw, max_side=40):
    """(spatial_shape, tile_size, overlap_fraction): odd sizes, and tiles that are larger than the image."""
    ndim = draw(st.sampled_from([2, 3]))
    side = max_side if ndim == 2 else max_side // 2
    shape = draw(st.tuples(*[st.integers(1, side)] * ndim))
    tile = draw(st.tuples(*[st.integers(1, side + 5)] * ndim))
    return shape, tile, draw(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9]))
