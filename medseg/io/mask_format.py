"""The format that a mask is written in."""

from __future__ import annotations

from medseg.errors import InputError

MASK_FORMATS = ("nii.gz", "nii", "tif", "png")
"""Formats that masks can be written in, by their suffix."""

_LIKE_THE_IMAGE = {"png": "png", "tiff": "tif"}


def mask_format(wanted: str | None, *, image_format: str) -> str:
    """The suffix, without its dot, of the mask of an image.

    Args:
        wanted: one of `MASK_FORMATS`; None is a format like the image's, NIfTI where it cannot be the same.
        image_format: `metadata.format` of the image.
    """
    return wanted if wanted is not None else _LIKE_THE_IMAGE.get(image_format, "nii.gz")


def check_mask_format(wanted: str | None) -> None:
    """Pass when masks can be written in this format, or none was asked for.

    Raises:
        InputError: they cannot.
    """
    if wanted is not None and wanted not in MASK_FORMATS:
        message = f"--format {wanted}: expected one of {', '.join(MASK_FORMATS)}."
        raise InputError(message)
