"""The objects of a prediction as a file: a table, or COCO's JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from medseg.errors import InputError, LabelError
from medseg.files import write_text_atomically
from medseg.images import LabelKind, number_objects
from medseg.inference.objects_csv import objects_csv
from medseg.inference.predictor import Prediction
from medseg.io.coco import CocoImage, write_coco


def write_objects(prediction: Prediction, path: Path, *, file_name: str) -> None:
    """Write the objects of a prediction: a row each (.csv), or COCO's JSON with masks and, where known, scores (.json).

    Args:
        prediction: its objects.
        path: the file; its ending says which form.
        file_name: of the picture, which COCO's JSON names.

    Raises:
        InputError: another ending.
        LabelError: COCO's JSON is asked for, and this is no picture with objects of one class.
        StorageError: the file cannot be written.
    """
    check_object_file(path)
    _WRITERS[path.suffix.lower()](prediction, path, file_name)


def check_object_file(path: Path) -> None:
    """Pass when objects can be written under this name.

    Raises:
        InputError: another ending.
    """
    if path.suffix.lower() not in _WRITERS:
        message = f"{path}: objects are written as {' or '.join(_WRITERS)}. Choose one of these endings."
        raise InputError(message)


def _write_table(prediction: Prediction, path: Path, file_name: str) -> None:
    del file_name
    write_text_atomically(path, objects_csv(prediction.objects, ndim=prediction.label_map.affine.ndim))


def _write_coco(prediction: Prediction, path: Path, file_name: str) -> None:
    found = prediction.label_map
    if found.axes != "YX":
        message = f"{file_name}: COCO's JSON holds objects of pictures (axes YX), got axes {found.axes}. Write .csv."
        raise LabelError(message)
    objects = found.replace(array=number_objects(found).array, kind=LabelKind.INSTANCES)
    scores = {row.object_id: row.score for row in prediction.objects if row.score is not None}
    write_coco(path, [CocoImage(file_name, objects, scores)])


_WRITERS: Mapping[str, Callable[[Prediction, Path, str], None]] = {".csv": _write_table, ".json": _write_coco}
"""By ending."""
