"""The model card: what a person must know before using a model, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from medseg.inference.manifest import InputContract, PackageManifest
from medseg.transforms.object_rims import INTERIOR


def model_card(manifest: PackageManifest, *, pictures: Sequence[str] = ()) -> str:
    """The card of a model package, Markdown.

    Args:
        manifest: all facts come from it.
        pictures: file names beside the card.
    """
    sections = [
        _heading(manifest),
        _section("What it finds", _labels(manifest)),
        _section("What it needs", _input(manifest)),
        _section("What it was trained on", _training(manifest)),
        _section("How well it does", _scores(manifest)),
        _section("Pictures", [f"![Example {number}]({name})" for number, name in enumerate(pictures, start=1)]),
        _section("Limits", _limits(manifest)),
        _section("Use it", _usage(manifest)),
        _section("Licence", _licence(manifest)),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _heading(manifest: PackageManifest) -> str:
    return f"# {manifest.name}\n\n{manifest.description}\n\n**{manifest.notice}**"


def _section(title: str, lines: Iterable[str]) -> str:
    text = "\n".join(lines)
    return f"## {title}\n\n{text}" if text else ""


def _labels(manifest: PackageManifest) -> list[str]:
    rows = []
    for entry in manifest.labels[: len(manifest.answer_table)]:
        concept = (
            "" if entry.concept is None else f"{entry.concept.meaning} ({entry.concept.scheme} {entry.concept.value})"
        )
        rows.append(f"| {entry.value} | {entry.name} | {entry.colour} | {concept} |")
    table = ["| value | class | colour | coded meaning |", "|---|---|---|---|", *rows]
    if manifest.transforms.object_rims is None:
        return table
    name = manifest.labels[INTERIOR].name
    said = f"Masks hold a number for each {name}. The network tells their rims as well, which part those that touch."
    return [*table, "", said]


def _input(manifest: PackageManifest) -> list[str]:
    contract = manifest.input
    lines = [
        f"- Images of {contract.spatial_dims} spatial axes ({contract.axes}).",
        f"- Channels: {', '.join(contract.channels)}.",
        f"- Modality: {contract.modality or 'not stated'}.",
        f"- Voxel size of the training images: {_spacing(contract)}.",
    ]
    if manifest.transforms.spacing_mm is not None:
        size = " x ".join(f"{value:g}" for value in manifest.transforms.spacing_mm)
        lines.append(f"- Images are resampled to {size} mm; the result is brought back to the image's own grid.")
    if manifest.transforms.magnification != 1:
        lines.append(
            f"- Images are resampled to a grid {manifest.transforms.magnification:g} times as fine; the result is "
            "brought back to the image's own grid."
        )
    if contract.orientation is not None:
        lines.append(f"- Volumes are brought into the axis order {contract.orientation}, and back.")
    if contract.intensity is not None:
        spread = ", ".join(f"{percent} %: {value:g}" for percent, value in contract.intensity.percentiles.items())
        lines.append(
            f"- Values of the training images: mean {contract.intensity.mean:g}, standard deviation "
            f"{contract.intensity.std:g}" + (f"; percentiles {spread}." if spread else ".")
        )
    if contract.spatial_dims == 2:
        lines.append("- Stacks and volumes are segmented slice by slice along z.")
    return lines


def _spacing(contract: InputContract) -> str:
    if contract.spacing_range_mm is None:
        return "not stated"
    ranges = [(f"{low:.4g}", f"{high:.4g}") for low, high in contract.spacing_range_mm]
    return " x ".join(low if low == high else f"{low}-{high}" for low, high in ranges) + " mm"


def _training(manifest: PackageManifest) -> list[str]:
    record, architecture = manifest.training, manifest.architecture
    lines = [
        f"- Data: {record.dataset}, {record.cases} training cases.",
        f"- Terms of the data: {manifest.data_terms or 'not stated'}.",
        f"- Network: {architecture.name}, {architecture.spatial_dims}-D, {architecture.num_classes} classes.",
        f"- {record.steps} steps, seed {record.seed}, medseg {record.medseg_version}, torch {record.torch_version}"
        + (f", {record.date}." if record.date else "."),
    ]
    if record.recipe_sha256:
        lines.append(f"- Recipe SHA-256: `{record.recipe_sha256}`.")
    if record.pretrained_sha256:
        lines.append(f"- Started from published weights, SHA-256 `{record.pretrained_sha256}`.")
    if record.parent_sha256:
        lines.append(f"- Fine-tuned: started from the model {record.parent_name}, SHA-256 `{record.parent_sha256}`.")
    return lines


def _scores(manifest: PackageManifest) -> list[str]:
    scores, temperature = manifest.scores, manifest.inference.temperature
    calibration = (
        "Its probabilities are not calibrated."
        if temperature == 1
        else f"Its probabilities are calibrated on validation cases (temperature {temperature:.3g})."
    )
    if not scores.summary:
        return ["No scores are stored with this model.", calibration]
    rows = [
        f"| {name} | {'undefined' if value is None else f'{value:.4f}'} |" for name, value in scores.summary.items()
    ]
    return [
        f"Means over n = {scores.cases} validation case(s). The weights were not fitted to them, but they did choose",
        "the checkpoint, so expect a little less on new images.",
        "",
        "| score | value |",
        "|---|---|",
        *rows,
        "",
        calibration,
    ]


def _limits(manifest: PackageManifest) -> list[str]:
    general = (
        "Images unlike the training images (another stain, scanner, protocol, voxel size or species) may be segmented "
        "wrongly without any sign of it. Look at the result."
    )
    return [f"- {text}" for text in (*manifest.limits, general)]


def _usage(manifest: PackageManifest) -> list[str]:
    suffix = "png" if manifest.input.spatial_dims == 2 else "nii.gz"
    said = "FOLDER is the one with medseg.json in it."
    return ["```", f"medseg predict FOLDER image.{suffix} --output mask.{suffix}", "```", "", said]


def _licence(manifest: PackageManifest) -> list[str]:
    return [f"Weights: {manifest.licence}. SHA-256 `{manifest.weights_sha256}`."]
