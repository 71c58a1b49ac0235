"""`medseg predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medseg.errors import InputError

if TYPE_CHECKING:
    from medseg.images import Image
    from medseg.inference import Prediction


def predict(
    model: Annotated[str, typer.Argument(help="A model package or run folder, or the name of an installed model.")],
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT...", help="Image files, DICOM series folders, or folders of images.")
    ],
    output: Annotated[Path, typer.Option(help="Mask file, or a folder for several inputs.")],
    format_: Annotated[
        str | None, typer.Option("--format", help="Format of masks in a folder: nii.gz, nii, tif or png.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    axes: Annotated[str | None, typer.Option(help="Axes of a file that does not state them, ZYX for example.")] = None,
    series: Annotated[
        str | None, typer.Option(metavar="UID", help="Series to take from a folder with several DICOM series.")
    ] = None,
    probabilities: Annotated[
        Path | None, typer.Option(help="Also write the class probabilities to this file (one input only).")
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(help="Also draw the mask over the image as a PNG (one input only).")
    ] = None,
) -> None:
    """Segment images with a trained model; the mask lies on the input's own grid.

    Of a folder, its image files are taken, each an image of its own, or, where it holds none, its DICOM series.

    Example: [bold]medseg predict em-membranes slice.png --output mask.png[/bold]
    """
    from medseg.inference import load_model
    from medseg.io import read_image, write_image, write_label_map

    inputs = [source for entry in inputs for source in _images_of(entry)]
    targets = _targets(inputs, output, format_)
    _check_inputs_are_kept(inputs, [*targets, *filter(None, (probabilities, overlay))])
    if len(inputs) > 1 and (probabilities or overlay):
        message = f"--probabilities and --overlay take one input, got {len(inputs)}. Run them one by one."
        raise InputError(message)
    predictor = load_model(model, device=device)
    for source, target in zip(inputs, targets, strict=True):
        image = read_image(source, axes=axes, series_uid=series)
        prediction = _predict_with_progress(predictor, image, source, with_probabilities=probabilities is not None)
        write_label_map(prediction.label_map, target, source=image)
        if probabilities is not None and prediction.probabilities is not None:
            write_image(prediction.probabilities, probabilities)
        if overlay is not None:
            from medseg.reports import write_overlay

            write_overlay(overlay, image=image, reference=None, prediction=prediction.label_map, title=source.name)
        _print_result(target, prediction)
    typer.echo(predictor.manifest.notice, err=True)


def _predict_with_progress(predictor, image: Image, source: Path, *, with_probabilities: bool) -> Prediction:  # noqa: ANN001
    from medseg.cli.output import progress

    with progress(source.name) as update:
        return predictor.predict(image, with_probabilities=with_probabilities, progress=update)


def _print_result(target: Path, prediction: Prediction) -> None:
    classes = sorted({row.label for row in prediction.objects})
    counts = ", ".join(f"{sum(row.label == name for row in prediction.objects)} x {name}" for name in classes)
    print(f"{target}  ({counts or 'nothing found'})")
    for note in prediction.label_map.metadata.notes:
        typer.echo(f"note: {note}", err=True)


def _images_of(source: Path) -> list[Path]:
    """The images of an input: itself, or the image files of a folder that is more than one DICOM series."""
    from medseg.io import list_inputs

    if not source.is_dir():
        return [source]
    found = list_inputs(source)
    return found if any(path.is_file() for path in found) else [source]


def _targets(inputs: list[Path], output: Path, format_: str | None) -> list[Path]:
    """The mask file of each input."""
    from medseg.io import case_name
    from medseg.io.dispatch import reader_of
    from medseg.io.mask_format import MASK_FORMATS, check_mask_format, mask_format

    check_mask_format(format_)
    is_file_name = output.name.lower().endswith(tuple(f".{suffix}" for suffix in (*MASK_FORMATS, "tiff")))
    if is_file_name and not output.is_dir():
        if len(inputs) == 1:
            return [output]
        message = f"--output {output}: expected a folder for {len(inputs)} inputs, got the name of a mask file."
        raise InputError(message)
    if output.suffix and not output.is_dir() and len(inputs) == 1:
        message = f"--output {output}: masks are written as {', '.join(MASK_FORMATS)}. Choose one of these suffixes."
        raise InputError(message)
    names = [f"{case_name(path)}.{mask_format(format_, image_format=reader_of(path).format)}" for path in inputs]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        message = f"several inputs would be written as {output / doubled[0]}. Rename them or run them one by one."
        raise InputError(message)
    return [output / name for name in names]


def _check_inputs_are_kept(inputs: list[Path], targets: list[Path]) -> None:
    """Pass unless a result would be written over an image."""
    ours = {path.resolve() for path in inputs}
    for target in targets:
        if target.resolve() in ours:
            message = f"{target}: the result would be written over the image itself. Choose another --output."
            raise InputError(message)
