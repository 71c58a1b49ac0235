"""The format that a mask is written in."""

from __future__ import annotations

from medseg.errors import InputError

MASK_FORMATS = ("nii.gz", "nii", "tif", "png", "ome.zarr", "dcm")
"""Formats that masks can be written in, by their suffix; "dcm" is a DICOM segmentation, for DICOM images only."""

_LIKE_THE_IMAGE = {"png": "png", "tiff": "tif", "ome-zarr": "ome.zarr"}


def mask_format(wanted: str | None, *, image_format: str) -> str:
    """The suffix, without its dot, of the mask of an image.

    Args:
        wanted: one of `MASK_FORMATS`; None is a format like the image's, NIfTI where it cannot be the same.
        image_format: `metadata.format` of the image.

    Raises:
        InputError: a DICOM segmentation is wanted of an image that is not from DICOM.
    """
    if wanted == "dcm" and image_format != "dicom":
        message = (
            f"--format dcm: a DICOM segmentation belongs to a DICOM series, and the image is {image_format or 'none'}. "
            "Choose nii.gz for volumes, tif or png for pictures."
        )
        raise InputError(message)
    return wanted if wanted is not None else _LIKE_THE_IMAGE.get(image_format, "nii.gz")


def check_mask_format(wanted: str | None) -> None:
    """Pass when masks can be written in this format, or none was asked for.

    Raises:
        InputError: they cannot.
    """
    if wanted is not None and wanted not in MASK_FORMATS:
        message = f"--format {wanted}: expected one of {', '.join(MASK_FORMATS)}."
        raise InputError(message)
