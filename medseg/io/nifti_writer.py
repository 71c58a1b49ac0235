"""NIfTI-1 files (NIfTI-2 where an axis is too long for it), written with nibabel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError, InputError
from medseg.geometry import Affine
from medseg.images import Image, ImageMetadata, LabelMap
from medseg.io.label_values import compact
from medseg.io.nifti import SIZE_UNKNOWN
from medseg.io.stored_order import in_order_of

_NARROWER = {np.dtype(np.int64): np.int32, np.dtype(np.uint64): np.uint32, np.dtype(np.float16): np.float32}
"""Types that many NIfTI programs cannot read, and what is written in their place where the values fit."""
_SFORM_CODE_SCANNER = 1
_QFORM_CODE_ALIGNED = 2


class NiftiWriter:
    """Writes .nii and .nii.gz with the axes in the order x, y(, z)(, channel), which viewers expect.

    Axes are permuted, never flipped. sform (code 1, scanner) and qform (code 2, where the grid has no shear) both hold
    the affine; the unit is mm. An image from a file without orientation is written without one.
    """

    format = "nifti"
    suffixes: tuple[str, ...] = (".nii", ".nii.gz")

    def write_image(self, image: Image, path: Path) -> None:
        """Write `image`; several channels become the fourth axis, read back with `axes="XYZC"`."""
        array, affine = _viewer_order(image.array, axes=image.axes[1:], affine=image.affine)
        array = array[0] if image.num_channels == 1 else np.moveaxis(array, 0, -1)
        if image.num_channels > 1 and array.ndim == 3:
            message = f"{path.name}: a NIfTI file holds 2-D images of one channel only. Write .tif instead."
            raise GeometryError(message)
        _save(_storable(array, name=path.name), affine=affine, metadata=image.metadata, path=path)

    def write_label_map(self, label_map: LabelMap, path: Path) -> None:
        """Write `label_map` in the smallest unsigned type."""
        array, affine = _viewer_order(compact(label_map.array), axes=label_map.axes, affine=label_map.affine)
        _save(_storable(array, name=path.name), affine=affine, metadata=label_map.metadata, path=path)


def _viewer_order(array: NDArray, *, axes: str, affine: Affine) -> tuple[NDArray, Affine]:
    return in_order_of(axes, array, affine=affine, stored_axes="XYZ"[: len(axes)])


def _storable(array: NDArray, *, name: str) -> NDArray:
    if array.dtype == np.bool_:
        return array.astype(np.uint8)
    target = _NARROWER.get(array.dtype)
    if target is None:
        return array
    narrow = array.astype(target)
    if not np.array_equal(narrow, array, equal_nan=array.dtype.kind == "f"):
        message = f"{name}: expected whole numbers of at most 32 bits, and some values are larger. Scale them first."
        raise InputError(message)
    return narrow


def _save(array: NDArray, *, affine: Affine, metadata: ImageMetadata, path: Path) -> None:
    import nibabel

    matrix = np.eye(4)
    keep = [0, 1, 3] if affine.ndim == 2 else [0, 1, 2, 3]
    matrix[np.ix_(keep, keep)] = affine.matrix
    nifti = nibabel.Nifti1Image(array, matrix, dtype=array.dtype)
    if max(array.shape) > np.iinfo(np.int16).max:
        nifti = nibabel.Nifti2Image(array, matrix, dtype=array.dtype)
    nifti.header.set_xyzt_units(xyz="mm", t="unknown")
    if not metadata.spacing_is_known:
        nifti.header["descrip"] = SIZE_UNKNOWN
    if _states_nothing(affine, metadata):
        nifti.set_sform(None, code=0)
        nifti.set_qform(None, code=0)
        nifti.header["pixdim"][1 : affine.ndim + 1] = affine.spacing_mm
        nifti.to_filename(path)
        return
    nifti.set_sform(matrix, code=_SFORM_CODE_SCANNER)
    if affine.is_orthogonal:
        nifti.set_qform(matrix, code=_QFORM_CODE_ALIGNED)
    else:
        nifti.set_qform(None, code=0)
    nifti.to_filename(path)


def _states_nothing(affine: Affine, metadata: ImageMetadata) -> bool:
    """Whether the image came from a file without an orientation and still lies where that was put.

    Its mask then states none either: programs that place such files by rules of their own place both alike.
    """
    if metadata.extra.get("has_orientation") is not False:
        return False
    return np.array_equal(affine.matrix, np.diag([*affine.spacing_mm, 1.0]))
