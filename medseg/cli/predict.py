"""`medseg predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medseg.errors import InputError

if TYPE_CHECKING:
    from medseg.images import Image
    from medseg.inference import Prediction

FORMATS = ("nii.gz", "nii", "tif", "png")


def predict(
    model: Annotated[str, typer.Argument(help="A model package or run folder, or the name of an installed model.")],
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Image files or DICOM series folders.")],
    output: Annotated[Path, typer.Option(help="Mask file, or a folder for several inputs.")],
    format_: Annotated[
        str | None, typer.Option("--format", help="Format of masks in a folder: nii.gz, nii, tif or png.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    axes: Annotated[str | None, typer.Option(help="Axes of a file that does not state them, ZYX for example.")] = None,
    probabilities: Annotated[
        Path | None, typer.Option(help="Also write the class probabilities to this file (one input only).")
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(help="Also draw the mask over the image as a PNG (one input only).")
    ] = None,
) -> None:
    """Segment images with a trained model; the mask lies on the input's own grid.

    Example: [bold]medseg predict em-membranes slice.png --output mask.png[/bold]
    """
    from medseg.inference import load_model
    from medseg.io import read_image, write_image, write_label_map

    targets = _targets(inputs, output, format_)
    if len(inputs) > 1 and (probabilities or overlay):
        message = f"--probabilities and --overlay take one input, got {len(inputs)}. Run them one by one."
        raise InputError(message)
    predictor = load_model(model, device=device)
    for source, target in zip(inputs, targets, strict=True):
        image = read_image(source, axes=axes)
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


def _targets(inputs: list[Path], output: Path, format_: str | None) -> list[Path]:
    """The mask file of each input."""
    if format_ is not None and format_ not in FORMATS:
        message = f"--format {format_}: expected one of {', '.join(FORMATS)}."
        raise InputError(message)
    is_folder = len(inputs) > 1 or output.is_dir() or not output.suffix
    if not is_folder:
        return [output]
    names = [f"{_stem(path)}.{format_ or _same_format(path)}" for path in inputs]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        message = f"several inputs would be written as {output / doubled[0]}. Rename them or run them one by one."
        raise InputError(message)
    return [output / name for name in names]


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rsplit(".", 1)[0] if path.is_file() else path.resolve().name


def _same_format(path: Path) -> str:
    suffixes = {".tif": "tif", ".tiff": "tif", ".png": "png", ".jpg": "png", ".jpeg": "png"}
    return suffixes.get(path.suffix.lower(), "nii.gz")
