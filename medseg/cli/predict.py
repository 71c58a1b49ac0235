"""`medseg predict`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
    from medseg.io.base import ReadRequest
    from medseg.io.time_series import SeriesHeader


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
    output: Annotated[
        Path,
        typer.Option(
            help="Mask file, or a folder for several inputs, or for the masks of a Cell Tracking Challenge sequence."
        ),
    ],
    format_: Annotated[
        str | None,
        typer.Option("--format", help="Format of masks in a folder: nii.gz, nii, tif, png, ome.zarr or dcm (SEG)."),
    ] = None,
    device: Device = "auto",
    axes: Annotated[
        str | None,
        typer.Option(help="Axes of a file that does not state them: ZYX for a stack of slices, TYX for a time series."),
    ] = None,
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
        Path | None,
        typer.Option(
            help="Also draw the mask over the image as a PNG (one input only); of a time series the frame with most "
            "pixels found."
        ),
    ] = None,
) -> None:
    """Segment images with a trained model; the mask lies on the input's own grid.

    Of a folder, each image file and each volume of a DICOM series is an image of its own. A time series (a file with an
    axis T, or the frames t000.tif, .. of the Cell Tracking Challenge) is predicted frame by frame; its masks are one
    result. Several models give the mean of their probabilities.

    Example: [bold]medseg predict em-membranes slice.png --output mask.png[/bold]

    Example: [bold]medseg predict ct-phantom-lesions CT_FOLDER --output mask.dcm[/bold]

    Example: [bold]medseg predict runs/nuclei-mask-rcnn nuclei.png --output mask.png --objects nuclei.csv[/bold]

    Example: [bold]medseg predict nuclei 01 --output 01_RES[/bold]

    Example: [bold]medseg predict runs/deconvnet,runs/fcn_8s slice.png --output mask.png[/bold]
    """
    from medseg.files import check_writable
    from medseg.inference import Ensemble, find_model, load_model
    from medseg.io.base import ReadRequest
    from medseg.io.read_frames import time_series_at

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
        request = ReadRequest(axes=axes, series_uid=source.series_uid, level=level, allow=frozenset(allow or ()))
        results = _Results(target, tables.get(source), probabilities, overlay)
        over_time = None if source.series_uid is not None else time_series_at(source.path, request)
        if over_time is None:
            _predict_image(predictor, source, results, request=request)
        else:
            _predict_series(predictor, over_time, results, request=request)
    for notice in dict.fromkeys(member.manifest.notice for member in members):
        typer.echo(notice, err=True)


@dataclass(frozen=True)
class _Results:
    """Where the results of one input go; None for those that are not wanted."""

    masks: Path
    objects: Path | None
    probabilities: Path | None
    overlay: Path | None


def _predict_image(
    predictor: Predictor | Ensemble, source: InputImage, results: _Results, *, request: ReadRequest
) -> None:
    from medseg.inference import write_objects
    from medseg.io import write_image, write_label_map
    from medseg.io.dispatch import check_label_target, read_with

    image = read_with(source.path, request)
    check_label_target(results.masks, source=image)
    wanted = results.probabilities
    prediction = _predict_with_progress(predictor, image, source.name, with_probabilities=wanted is not None)
    write_label_map(prediction.label_map, results.masks, source=image)
    if results.objects is not None:
        write_objects(prediction, results.objects, file_name=source.path.name)
    if wanted is not None and prediction.probabilities is not None:
        write_image(prediction.probabilities, wanted)
    if results.overlay is not None:
        from medseg.reports import write_overlay

        write_overlay(results.overlay, image=image, prediction=prediction.label_map, title=source.name)
    names = [row.label for row in prediction.objects]
    _print_result(results.masks, Counter(names), notes=prediction.label_map.metadata.notes)


def _predict_series(
    predictor: Predictor | Ensemble, series: SeriesHeader, results: _Results, *, request: ReadRequest
) -> None:
    from medseg.cli.output import progress
    from medseg.io import case_name
    from medseg.io.ctc_frames import FORMAT as CTC
    from medseg.jobs.predict_time_series import SeriesTargets, predict_time_series

    if results.probabilities is not None:
        message = (
            f"{series.path}: --probabilities takes one picture or volume, got {len(series.times.numbers)} points in "
            "time. Save the one that you need to a file of its own."
        )
        raise InputError(message)
    as_ctc = series.format == CTC and not _is_mask_file(results.masks)
    targets = SeriesTargets(results.masks, as_ctc=as_ctc, objects=results.objects, overlay=results.overlay)
    with progress(case_name(series.path), num_frames=len(series.times.numbers)) as update:
        summary = predict_time_series(predictor, series, targets, request=request, progress=update)
    _print_result(results.masks, summary.counts, notes=summary.notes, num_frames=summary.num_frames)


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


def _print_result(target: Path, counts: Mapping[str, int], *, notes: Iterable[str], num_frames: int = 0) -> None:
    found = ", ".join(f"{count} x {name}" for name, count in sorted(counts.items())) or "nothing found"
    print(f"{target}  ({f'{num_frames} frames, ' if num_frames else ''}{found})")
    for note in notes:
        typer.echo(f"note: {note}", err=True)


def _images_of(source: Path, *, series: str | None, allow: list[str]) -> list[InputImage]:
    from medseg.io import InputImage, links_out_of
    from medseg.io.volumes import list_images_and_sequences

    for link in links_out_of(source):
        typer.echo(f"note: {printable(link.sentence)}", err=True)

    return [InputImage(source, series)] if series is not None else list_images_and_sequences(source, allow=allow)


def _targets(images: list[InputImage], output: Path, format_: str | None) -> list[Path]:
    """The mask file of each image."""
    from medseg.io.mask_format import MASK_FORMATS, check_mask_format

    check_mask_format(format_)
    if _is_mask_file(output) and not (output.is_dir() and not output.name.lower().endswith(".zarr")):
        _check_one(images, output)
        return [output]
    if output.suffix and not output.is_dir() and len(images) == 1:
        message = f"--output {output}: masks are written as {', '.join(MASK_FORMATS)}. Choose one of these suffixes."
        raise InputError(message)
    if len(images) == 1 and images[0].is_sequence and format_ is None:
        return [output]
    names = [_mask_name(image, format_) for image in images]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        message = f"several inputs would be written as {output / doubled[0]}. Rename them or run them one by one."
        raise InputError(message)
    return [output / name for name in names]


def _is_mask_file(path: Path) -> bool:
    from medseg.io.mask_format import MASK_FORMATS

    return path.name.lower().endswith(tuple(f".{suffix}" for suffix in (*MASK_FORMATS, "tiff")))


def _mask_name(image: InputImage, format_: str | None) -> str:
    """What the mask of an image is called in a folder; of a sequence a folder as the challenge calls it."""
    from medseg.io.dispatch import reader_of
    from medseg.io.mask_format import mask_format

    if image.is_sequence and format_ is None:
        return f"{image.name}_RES"
    kind = reader_of(image.files[0] if image.is_sequence else image.path).format
    return f"{image.name}.{mask_format(format_, image_format=kind)}"


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
