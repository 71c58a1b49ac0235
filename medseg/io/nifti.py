"""NIfTI-1 and NIfTI-2 files, read and written with nibabel."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError, ImageFormatError, InputError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelMap
from medseg.io.base import ImageHeader, ReadRequest, check_axes_letters
from medseg.io.foreign_errors import translated_errors
from medseg.io.label_values import compact
from medseg.io.slices import slice_of
from medseg.io.stored_order import channels_first, in_order_of, native

_REMEDY = "Copy it again, or convert it anew from its source."
_MM_PER_UNIT = {"mm": 1.0, "unknown": 1.0, "micron": 1e-3, "meter": 1e3}
_LARGEST_EXACT_IN_FLOAT32 = 2**24
_NARROWER = {np.dtype(np.int64): np.int32, np.dtype(np.uint64): np.uint32, np.dtype(np.float16): np.float32}
"""Types that many NIfTI programs cannot read, and what is written in their place where the values fit."""
_SIZE_UNKNOWN = "voxel size unknown"
"""Description in the header of files written from images without one; NIfTI itself cannot say so."""
_CHUNK_BYTES = 2**20
_SFORM_CODE_SCANNER = 1
_QFORM_CODE_ALIGNED = 2


class NiftiReader:
    """Reads .nii and .nii.gz.

    The affine is the sform where its code is above 0, else the qform where its code is, else the voxel size alone,
    with a note that the file states no orientation. Values keep their stored type unless the file scales them; then
    they are float32 (float64 where float32 could not hold the stored numbers). A fourth axis is refused unless its
    length is 1 or `axes` names it C.
    """

    format = "nifti"
    suffixes: tuple[str, ...] = (".nii", ".nii.gz")

    def header(self, path: Path, request: ReadRequest) -> ImageHeader:
        """What the file says about its image, without reading the voxels."""
        with translated_errors(path, expected="a NIfTI image", remedy=_REMEDY):
            return _header(_load(path), path=path, request=request)[0]

    def read(self, path: Path, request: ReadRequest) -> Image:
        """The image."""
        with translated_errors(path, expected="a NIfTI image", remedy=_REMEDY):
            nifti = _load(path)
            header, axes = _header(nifti, path=path, request=request)
            array = _values(nifti, header.dtype, path=path).reshape(nifti.shape[: len(axes)])
        array, _ = channels_first(array, axes)
        image = Image(array, header.affine, axes=header.axes, metadata=header.metadata)
        return image if request.slice_index is None else slice_of(image, request.slice_index)


class NiftiWriter:
    """Writes .nii and .nii.gz with the axes in the order x, y(, z)(, channel), which viewers expect.

    Axes are permuted, never flipped. sform (code 1, scanner) and qform (code 2, where the grid has no shear) both hold
    the affine; the unit is mm.
    """

    format = "nifti"
    suffixes: tuple[str, ...] = NiftiReader.suffixes

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


def _load(path: Path) -> Any:
    import nibabel

    nifti: Any = nibabel.load(path, mmap=False)
    if not isinstance(nifti, nibabel.Nifti1Pair):
        message = f"{path}: expected a NIfTI image, got a {type(nifti).__name__}. Convert it to NIfTI first."
        raise ImageFormatError(message)
    return nifti


def _header(nifti: Any, *, path: Path, request: ReadRequest) -> tuple[ImageHeader, str]:
    """The header, and the axes of the stored array without trailing axes of length 1."""
    axes = _axes_of(nifti.shape, path=path, request=request)
    dtype = _dtype_read(nifti, path=path)
    affine, notes = _affine_of(nifti.header, path=path)
    if "Z" not in axes:
        affine = Affine(affine.matrix[np.ix_([0, 1, 3], [0, 1, 3])], frame=WorldFrame.RAS)
    known = bytes(nifti.header["descrip"].item()).decode("ascii", "replace") != _SIZE_UNKNOWN
    metadata = ImageMetadata(source=str(path), format="nifti", spacing_is_known=known, notes=tuple(notes))
    shape = nifti.shape[: len(axes)]
    spatial = tuple(int(size) for letter, size in zip(axes, shape, strict=True) if letter != "C")
    channels = int(shape[axes.index("C")]) if "C" in axes else 1
    return ImageHeader((channels, *spatial), "C" + axes.replace("C", ""), dtype, affine, metadata), axes


def _axes_of(shape: tuple[int, ...], *, path: Path, request: ReadRequest) -> str:
    if 0 in shape or len(shape) < 2:
        message = f"{path}: expected an image, got the shape {tuple(shape)}. The file's header is damaged."
        raise ImageFormatError(message)
    if request.axes is not None:
        axes = check_axes_letters(request.axes, ndim=len(shape), name=path)
        if not "XYZ".startswith(axes.replace("C", "")):
            message = f"{path}: a NIfTI file has its axes in the order X, Y, Z, got --axes {request.axes}. Give XYZC."
            raise InputError(message)
        return axes
    if any(size > 1 for size in shape[3:]):
        message = (
            f"{path}: expected three axes, got the shape {tuple(shape)}. Save one volume to a file, or "
            "give --axes XYZC if the fourth axis holds channels."
        )
        raise ImageFormatError(message)
    return "XYZ"[: min(len(shape), 3)]


def _dtype_read(nifti: Any, *, path: Path) -> np.dtype:
    stored = np.dtype(nifti.get_data_dtype())
    if stored.fields is not None or stored.kind not in "biuf":
        kind = "RGB colours" if stored.fields is not None else f"values of type {stored.name}"
        message = f"{path}: expected one real number a voxel, got {kind}. Export the measured values, not a picture."
        raise ImageFormatError(message)
    if not _is_scaled(nifti):
        return np.dtype(np.float64) if stored.itemsize > 8 else stored.newbyteorder("=")
    if stored.kind == "f":
        return np.dtype(np.float32 if stored.itemsize <= 4 else np.float64)
    return np.dtype(np.float32 if np.iinfo(stored).max <= _LARGEST_EXACT_IN_FLOAT32 else np.float64)


def _is_scaled(nifti: Any) -> bool:
    return (float(nifti.dataobj.slope), float(nifti.dataobj.inter)) != (1.0, 0.0)


def _values(nifti: Any, dtype: np.dtype, *, path: Path) -> NDArray:
    """Voxel values in `dtype`, scaled as the header says (by nibabel it would be in float64 and twice the memory)."""
    stored = _stored(nifti.dataobj, path=path)
    if not _is_scaled(nifti):
        return native(stored).astype(dtype, copy=False)
    values: NDArray = stored.astype(dtype)
    values *= dtype.type(nifti.dataobj.slope)
    values += dtype.type(nifti.dataobj.inter)
    return values


def _stored(proxy: Any, *, path: Path) -> NDArray:
    """The stored numbers, read to the end of the file: only there does gzip compare its checksum."""
    count = int(np.prod(proxy.shape, dtype=np.int64))
    wanted = count * proxy.dtype.itemsize
    is_packed = path.name.lower().endswith(".gz")
    if not is_packed and path.stat().st_size < proxy.offset + wanted:
        _refuse_short(path, has=path.stat().st_size - proxy.offset, wanted=wanted)
    flat = np.empty(count, dtype=proxy.dtype)
    rest: Any = memoryview(flat.view(np.uint8))  # type: ignore[arg-type]
    with gzip.open(path, "rb") if is_packed else path.open("rb") as stream:
        stream.seek(proxy.offset)
        while rest and (read := stream.readinto(rest)):
            rest = rest[read:]
        if rest:
            _refuse_short(path, has=wanted - len(rest), wanted=wanted)
        while is_packed and stream.read(_CHUNK_BYTES):
            pass
    return flat.reshape(proxy.shape, order="F")


def _refuse_short(path: Path, *, has: int, wanted: int) -> NoReturn:
    message = f"{path}: cut off: expected {wanted} bytes of voxels, got {max(has, 0)}. {_REMEDY}"
    raise ImageFormatError(message)


def _affine_of(header: Any, *, path: Path) -> tuple[Affine, list[str]]:
    notes: list[str] = []
    unit = header.get_xyzt_units()[0]
    factor = _MM_PER_UNIT[unit]
    if factor != 1.0:
        notes.append(f"the file's lengths are in {unit} and were converted to mm")
    matrix = _stored_matrix(header, path=path, notes=notes)
    scale = np.diag([factor, factor, factor, 1.0])
    try:
        return Affine(scale @ matrix, frame=WorldFrame.RAS), notes
    except GeometryError as error:
        message = f"{path}: its header places the voxels nowhere ({error}) Convert it anew from its source."
        raise ImageFormatError(message) from error


def _stored_matrix(header: Any, *, path: Path, notes: list[str]) -> NDArray[np.float64]:
    sform, qform = (_usable(header, name) for name in ("sform", "qform"))
    if sform is not None:
        if qform is not None and not np.allclose(sform, qform, rtol=0, atol=1e-2):
            notes.append("the file's sform and qform place it differently; the sform was used")
        return sform
    if int(header["sform_code"]) > 0:
        notes.append("the file's sform is damaged and was left out")
    if qform is not None:
        return qform
    notes.append("the file states no orientation; its axes were taken as right, anterior, superior")
    return np.diag([*_voxel_size(header, path=path), 1.0])


def _voxel_size(header: Any, *, path: Path) -> NDArray[np.float64]:
    """(3,) voxel size; from the header as it is in the file, since nibabel turns 0 into 1 when it loads one."""
    from nibabel.openers import ImageOpener

    with ImageOpener(str(path)) as stream:
        stored = type(header).from_fileobj(stream, check=False)
    ndim = min(len(header.get_data_shape()), 3)
    sizes = np.ones(3)
    sizes[:ndim] = stored["pixdim"][1 : ndim + 1]
    if not (np.isfinite(sizes) & (sizes > 0)).all():
        shown = ", ".join(f"{size:g}" for size in sizes)
        message = f"{path}: expected a positive voxel size, got ({shown}). Convert it anew from its source."
        raise ImageFormatError(message)
    return sizes


def _usable(header: Any, name: str) -> NDArray[np.float64] | None:
    """The sform or qform where its code is above 0 and it is a map that can be inverted."""
    if int(header[f"{name}_code"]) <= 0:
        return None
    matrix = np.asarray(header.get_sform() if name == "sform" else header.get_qform(), dtype=np.float64)
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) == 0:
        return None
    return matrix


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
        nifti.header["descrip"] = _SIZE_UNKNOWN
    nifti.set_sform(matrix, code=_SFORM_CODE_SCANNER)
    if affine.is_orthogonal:
        nifti.set_qform(matrix, code=_QFORM_CODE_ALIGNED)
    else:
        nifti.set_qform(None, code=0)
    nifti.to_filename(path)
