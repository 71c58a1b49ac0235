"""Getting the ISBI 2012 stacks from their public copy.

The challenge's own server asks for an account. EMBL keeps a public copy, one HDF5 file, whose address and SHA-256
torch-em publishes (torch_em/data/datasets/electron_microscopy/isbi2012.py).
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.datasets.isbi2012_em import LABELS_FILE, NAME, VOLUME_FILE
from medseg.errors import DependencyError, ImageFormatError, InputError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata
from medseg.io import write_image

URL = "https://oc.embl.de/index.php/s/h0TkwqxU0PJDdMd/download"
SHA256 = "0e10fe909a1243084d91773470856993b7d40126a12e85f0f1345a7a9e512f29"

_BY_HAND = (
    f"Or get the training stacks of the challenge by hand (https://imagej.net/events/isbi-2012-segmentation-challenge) "
    f"and put them there as {VOLUME_FILE} and {LABELS_FILE}"
)


def fetch_isbi2012(root: Path, *, url: str = URL, sha256: str = SHA256) -> None:
    """Download the public copy into `root` and write its two stacks; do nothing where they lie already.

    Raises:
        DependencyError: h5py is missing.
        InputError: there is no network, or the file is not the expected one.
        ImageFormatError: the file holds something else than the two stacks.
        StorageError: the stacks cannot be written.
    """
    if (root / VOLUME_FILE).is_file() and (root / LABELS_FILE).is_file():
        return
    h5py = _require_h5py()
    import pooch

    try:
        path = Path(pooch.retrieve(url, known_hash=f"sha256:{sha256}", fname="isbi.h5", path=root))
    except (OSError, ValueError) as error:
        detail = " ".join(str(error).split())
        message = f"{NAME}: cannot download {url} to {root}: {detail}. {_BY_HAND}."
        raise InputError(message) from error
    _write_stacks(h5py, path, root)


def _require_h5py() -> Any:
    try:
        return importlib.import_module("h5py")
    except ImportError as error:
        message = f"{NAME}: h5py is not installed; the public copy is an HDF5 file. pip install h5py. {_BY_HAND}."
        raise DependencyError(message) from error


def _write_stacks(h5py: Any, path: Path, root: Path) -> None:
    try:
        with h5py.File(path, "r") as file:
            volume, membranes = np.asarray(file["raw"]), np.asarray(file["labels/membranes"])
    except (OSError, KeyError) as error:
        message = f"{path}: expected an HDF5 file with raw and labels/membranes: {error}. Delete it and fetch again."
        raise ImageFormatError(message) from error
    _write_stack(_as_challenge_coding(membranes, path), root / LABELS_FILE)
    _write_stack(volume.astype(np.uint8), root / VOLUME_FILE)


def _as_challenge_coding(membranes: NDArray[np.generic], path: Path) -> NDArray[np.uint8]:
    """Membranes 0 and cells 255, whatever two values the copy uses: cells are by far the larger part (78 %)."""
    values, counts = np.unique(membranes, return_counts=True)
    if values.size != 2 or counts.max() < 0.6 * membranes.size:
        message = f"{path}: expected two label values of which cells fill about 78 %, got {values[:5]}. Fetch again."
        raise ImageFormatError(message)
    return np.where(membranes == values[np.argmax(counts)], 255, 0).astype(np.uint8)


def _write_stack(stack: NDArray[np.uint8], path: Path) -> None:
    affine = Affine(_zyx_matrix(), frame=WorldFrame.RAS)
    metadata = ImageMetadata(spacing_is_known=False)
    write_image(Image(stack[np.newaxis], affine, "CZYX", metadata), path)


def _zyx_matrix() -> NDArray[np.float64]:
    """Unit steps of array axes z, y, x in the world's x, y, z."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.fliplr(np.eye(3))
    return matrix
