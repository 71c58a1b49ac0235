"""`medseg predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medseg.cli.options import Device, Level
from medseg.errors import InputError
from medseg.printable import printable

if TYPE_CHECKING:
    from medseg.images import Image
    from medseg.inference import Ensemble, Prediction, Predictor
    from medseg.io import InputImage


def predict(
    model: Annotated[
        str,
        typer.Argument(
            help="A model package or run folder, or the name of an installed model; several with commas between."
        ),
    ],
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT...", help="Image files, DICOM series folders, or folders of images.")
    ],
    output: Annotated[Path, typer.Option(help="Mask file, or a folder for several inputs.")],
    format_: Annotated[
        str | None,
        typer.Option("--format", help="Format of masks in a folder: nii.gz, nii, tif, png, ome.zarr or dcm (SEG)."),
    ] = None,
    device: Device = "auto",
    axes: Annotated[str | None, typer.Option(help="Axes of a file that does not state them, ZYX for example.")] = None,
    level: Level = 0,
    series: Annotated[
        str | None, typer.Option(metavar="UID", help="The one volume to take from a DICOM folder with several.")
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="Take images in spite of this refusal; may be repeated.")
    ] = None,
    probabilities: Annotated[
        Path | None, typer.Option(help="Also write the class probabilities to this file (one input only).")
    ] = None,
    objects: Annotated[
        Path | None,
        typer.Option(
            help="Also write the objects and, of models that give them, their scores: a table (.csv) or COCO's JSON "
            "(.json); for several inputs a folder of tables."
        ),
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(help="Also draw the mask over the image as a PNG (one input only).")
    ] = None,
) -> None:
    """Segment images with a trained model; the mask lies on the input's own grid.

    Of a folder, each image file and each volume of a DICOM series is an image of its own. Several models give the mean
    of their probabilities.

    Example: [bold]medseg predict em-membranes slice.png --output mask.png[/bold]

    Example: [bold]medseg predict ct-phantom-lesions CT_FOLDER --output mask.dcm[/bold]

    Example: [bold]medseg predict runs/nuclei-mask-rcnn nuclei.png --output mask.png --objects nuclei.csv[/bold]

    Example: [bold]medseg predict runs/deconvnet,runs/fcn_8s slice.png --output mask.png[/bold]
    """
    from medseg.files import check_writable
    from medseg.inference import Ensemble, find_model, load_model, write_objects
    from medseg.io import read_image, write_image, write_label_map

    folders = [find_model(name) for name in _model_names(model)]
    images = [image for entry in inputs for image in _images_of(entry, series=series, allow=allow or [])]
    targets = _targets(images, output, format_)
    tables = _object_files(images, objects)
    _check_inputs_are_kept(images, [*targets, *tables.values(), *filter(None, (probabilities, overlay))])
    if len(images) > 1 and (probabilities or overlay):
        message = f"--probabilities and --overlay take one input, got {len(images)}. Run them one by one."
        raise InputError(message)
    members = [load_model(folder, device=device) for folder in folders]
    predictor = members[0] if len(members) == 1 else Ensemble(members)
    check_writable(targets[0].parent)  # all targets lie in one folder
    for source, target in zip(images, targets, strict=True):
        image = read_image(source.path, axes=axes, series_uid=source.series_uid, level=level, allow=allow or ())
        prediction = _predict_with_progress(predictor, image, source.name, with_probabilities=probabilities is not None)
        write_label_map(prediction.label_map, target, source=image)
        if tables:
            write_objects(prediction, tables[source], file_name=source.path.name)
        if probabilities is not None and prediction.probabilities is not None:
            write_image(prediction.probabilities, probabilities)
        if overlay is not None:
            from medseg.reports import write_overlay

            write_overlay(overlay, image=image, reference=None, prediction=prediction.label_map, title=source.name)
        _print_result(target, prediction)
    for notice in dict.fromkeys(member.manifest.notice for member in members):
        typer.echo(notice, err=True)


def _model_names(text: str) -> list[str]:
    """The models that `text` names: one where there is such a path, else those between commas."""
    if Path(text).exists():
        return [text]
    return [name for name in (part.strip() for part in text.split(",")) if name] or [text]


def _predict_with_progress(
    predictor: Predictor | Ensemble, image: Image, name: str, *, with_probabilities: bool
) -> Prediction:
    from medseg.cli.output import progress

    with progress(name) as update:
        return predictor.predict(image, with_probabilities=with_probabilities, progress=update)


def _print_result(target: Path, prediction: Prediction) -> None:
    classes = sorted({row.label for row in prediction.objects})
    counts = ", ".join(f"{sum(row.label == name for row in prediction.objects)} x {name}" for name in classes)
    print(f"{target}  ({counts or 'nothing found'})")
    for note in prediction.label_map.metadata.notes:
        typer.echo(f"note: {note}", err=True)


def _images_of(source: Path, *, series: str | None, allow: list[str]) -> list[InputImage]:
    from medseg.io import InputImage, links_out_of, list_images

    for link in links_out_of(source):
        typer.echo(f"note: {printable(link.sentence)}", err=True)

    return [InputImage(source, series)] if series is not None else list_images(source, allow=allow)


def _targets(images: list[InputImage], output: Path, format_: str | None) -> list[Path]:
    """The mask file of each image."""
    from medseg.io.dispatch import reader_of
    from medseg.io.mask_format import MASK_FORMATS, check_mask_format, mask_format

    check_mask_format(format_)
    is_file_name = output.name.lower().endswith(tuple(f".{suffix}" for suffix in (*MASK_FORMATS, "tiff")))
    if is_file_name and not (output.is_dir() and not output.name.lower().endswith(".zarr")):
        _check_one(images, output)
        return [output]
    if output.suffix and not output.is_dir() and len(images) == 1:
        message = f"--output {output}: masks are written as {', '.join(MASK_FORMATS)}. Choose one of these suffixes."
        raise InputError(message)
    suffixes = [mask_format(format_, image_format=reader_of(image.path).format) for image in images]
    names = [f"{image.name}.{suffix}" for image, suffix in zip(images, suffixes, strict=True)]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        message = f"several inputs would be written as {output / doubled[0]}. Rename them or run them one by one."
        raise InputError(message)
    return [output / name for name in names]


def _object_files(images: list[InputImage], objects: Path | None) -> dict[InputImage, Path]:
    """The file with the objects of each image; none where they are not wanted."""
    from medseg.inference import check_object_file

    if objects is None:
        return {}
    if objects.is_dir() or not objects.suffix:
        return {image: objects / f"{image.name}.csv" for image in images}
    check_object_file(objects)
    if len(images) > 1:
        message = f"--objects {objects}: expected a folder for {len(images)} images, got a file name. Give a folder."
        raise InputError(message)
    return {images[0]: objects}


def _check_one(images: list[InputImage], output: Path) -> None:
    if len(images) == 1:
        return
    keys = [image.series_uid for image in images if image.series_uid is not None]
    way_out = f" Or choose one with --series: {', '.join(keys[:5])}." if keys else ""
    message = (
        f"--output {output}: expected a folder for {len(images)} images, got the name of a mask file. "
        f"Give a folder.{way_out}"
    )
    raise InputError(message)


def _check_inputs_are_kept(images: list[InputImage], targets: list[Path]) -> None:
    """Pass unless a result would be written over an image."""
    ours = {file.resolve() for image in images for file in (image.path, *image.files)}
    for target in targets:
        if target.resolve() in ours:
            message = f"{target}: the result would be written over the image itself. Choose another --output."
            raise InputError(message)
