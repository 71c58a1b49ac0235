"""File > Save: labels and images on the grid of the file that they came from.

napari calls writers at the window and waits for their paths, so the writing itself goes on beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medseg_napari.exporting.formats import Format
    from medseg_napari.exporting.subject import ExportSubject

_MASK_SUFFIXES = (".nii.gz", ".nii", ".ome.tif", ".ome.tiff", ".tif", ".tiff", ".ome.zarr", ".png", ".nrrd", ".mha")
_DICOM_SUFFIXES = (".dcm",)
_SAVING = "Saving {} ..."


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Paths of the mask of a labels layer and of the audit trail beside it; ".dcm" is a DICOM segmentation."""
    is_dicom = path.lower().endswith(_DICOM_SUFFIXES)
    return _write_mask("seg" if is_dicom else "nifti", path, data, attributes)


def write_contours(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Paths of the DICOM contours of a labels layer and of the audit trail beside them."""
    return _write_mask("rtstruct", path, data, attributes)


def write_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Path of the image of a layer, one channel of what it was read from."""
    from medseg.io import write_image as write
    from medseg_napari.jobs.waiting import result_of
    from medseg_napari.layers import origin_of

    final = _named(path, _MASK_SUFFIXES)
    layer = _layer_of(data, attributes, kind="image")
    origin = origin_of(layer)
    image = origin.image
    if not getattr(layer, "rgb", False):
        channel = origin.channel or 0
        metadata = replace(image.metadata, channel_names=image.metadata.channel_names[channel : channel + 1])
        image = image.replace(array=origin.from_layer(data)[None], metadata=metadata)
    result_of(lambda: write(image, final), text=_SAVING.format(final.name))
    return [str(final)]


def _write_mask(key: str, path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    from medseg_napari.jobs.waiting import result_of

    one = _format(key)
    final = _named(path, _DICOM_SUFFIXES if one.is_dicom else _MASK_SUFFIXES)
    subject = _subject(data, attributes)
    trail = result_of(lambda: _written(one, final, subject()), text=_SAVING.format(final.name))
    return [str(final), str(trail)]


def _written(one: Format, final: Path, subject: ExportSubject) -> Path:
    """Path of the audit trail, once it and the mask are written."""
    from medseg_napari.exporting.formats import Choices
    from medseg_napari.exporting.trail import write_trail

    one.write(subject, (final,), Choices())
    return write_trail(subject, final, one=one, choices=Choices())


def _format(key: str) -> Format:
    from medseg_napari.exporting.formats import FORMATS

    return next(one for one in FORMATS if one.key == key)


def _subject(data: Any, attributes: dict[str, Any]) -> Callable[[], ExportSubject]:
    from medseg_napari.exporting.prepared import prepared

    layer = _layer_of(data, attributes, kind="labels")
    return prepared(layer, _layers_beside(layer))


def _layer_of(data: Any, attributes: dict[str, Any], *, kind: str) -> Any:
    """The layer itself where a viewer shows it, since its review hangs on it; else one like it."""
    import napari
    from napari.layers import Layer

    viewer = napari.current_viewer()
    shown = [] if viewer is None else [layer for layer in viewer.layers if layer.data is data]
    named = [layer for layer in shown if layer.name == attributes.get("name")]
    return named[0] if named else Layer.create(data, attributes, kind)


def _layers_beside(layer: Any) -> Any:
    import napari
    from napari.components import ViewerModel

    viewer = napari.current_viewer()
    return viewer if viewer is not None and layer in viewer.layers else ViewerModel()


def _named(path: str, suffixes: tuple[str, ...]) -> Path:
    """The path with the first of the suffixes where it has none of them."""
    return Path(path if path.lower().endswith(suffixes) else f"{path}{suffixes[0]}")
