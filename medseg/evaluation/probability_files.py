"""The files of class probabilities that belong to the cases of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError
from medseg.evaluation.cases import CasePair, files_by_case, name_of
from medseg.evaluation.option_files import file_of_each
from medseg.geometry import check_same_grid
from medseg.images import LabelMap
from medseg.io import read_image

_NIFTI_SUFFIXES = (".nii", ".nii.gz")


def with_probabilities(pairs: Sequence[CasePair], source: Path) -> tuple[CasePair, ...]:
    """The pairs, each with the file of its probabilities; a single pair takes a single file whatever its name.

    Raises:
        InputError: no such path, one file for several cases, or a case without a file.
    """
    paths = file_of_each(
        pairs,
        source,
        option="--probabilities",
        remedy="Expected class probabilities of the predictions.",
        in_folder=partial(_files_of, source),
    )
    return tuple(replace(pair, probabilities=path) for pair, path in zip(pairs, paths, strict=True))


def _files_of(folder: Path, names: Sequence[str]) -> list[Path]:
    found = files_by_case(folder)
    missing = [name for name in names if name not in found]
    if missing:
        listed = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        message = (
            f"--probabilities {folder}: no probabilities of {listed}. "
            "Files are paired by name without suffix: predict or rename the missing ones."
        )
        raise InputError(message)
    return [found[name] for name in names]


def load_probabilities(
    path: Path, *, reference: LabelMap, reference_source: Path | LabelMap, numbers: tuple[int, ...] | None
) -> NDArray[np.floating]:
    """(K, *spatial) probabilities, checked to lie on the reference's grid.

    Args:
        path: file of one channel a class, as `medseg predict --probabilities` writes it.
        reference: the truth.
        reference_source: where it comes from, for the message.
        numbers: slices that are wanted of a stack, which need no more than to be there.

    Raises:
        ImageFormatError: the file cannot be read.
        GeometryError: another grid; probabilities are never resampled.
        InputError: fewer than two channels, or a slice is not there.
    """
    # A NIfTI file of four axes does not say that the fourth is of channels; here it can be nothing else.
    image = read_image(path, axes="XYZC" if path.name.lower().endswith(_NIFTI_SUFFIXES) else None)
    if image.num_channels < 2:
        message = (
            f"{path}: expected one channel a class, background included, got {image.num_channels} channel. "
            "Write them with medseg predict --probabilities."
        )
        raise InputError(message)
    if numbers is None:
        names = (name_of(reference_source, role="reference"), str(path))
        known = reference.metadata.spacing_is_known and image.metadata.spacing_is_known
        axes = (reference.axes, image.axes.removeprefix("C"))
        check_same_grid(reference.grid, image.grid, names=names, sizes_are_known=known, axes=axes)
    elif image.axes.find("Z") > 1:
        message = f"{path}: expected its slices along the first axis, got the axes {image.axes[1:]}. Write it as .tif."
        raise InputError(message)
    elif (beyond := max(numbers)) >= image.array.shape[1]:
        message = f"{path}: expected slices between 0 and {image.array.shape[1] - 1}, got {beyond}."
        raise InputError(message)
    return image.array
