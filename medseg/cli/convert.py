"""`medseg convert`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medseg.cli.options import Level

if TYPE_CHECKING:
    from medseg.images import Image, LabelMap


def convert(
    path: Annotated[
        Path,
        typer.Argument(metavar="INPUT", help="DICOM folder, segmentation or structure set; NIfTI, TIFF, OME-Zarr, ..."),
    ],
    output: Annotated[Path, typer.Argument(help="Its suffix says the format: .nii.gz, .tif, .png, .ome.zarr, .dcm.")],
    labels: Annotated[bool, typer.Option("--labels", help="The input is a mask; keep its numbers.")] = False,
    source: Annotated[
        Path | None, typer.Option(help="DICOM series a mask belongs to; needed for .dcm and for structure sets.")
    ] = None,
    as_: Annotated[str, typer.Option("--as", help="What a mask in .dcm becomes: seg, rtstruct or sr.")] = "seg",
    series: Annotated[
        str | None, typer.Option(metavar="UID", help="Which volume of a DICOM folder; `medseg info` lists them.")
    ] = None,
    axes: Annotated[str | None, typer.Option(help="Axes of a file that does not state them, ZYX for example.")] = None,
    level: Level = 0,
    allow: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="Take an image in spite of this refusal; may be repeated.")
    ] = None,
    segment: Annotated[
        list[int] | None, typer.Option(metavar="NUMBER", help="Segment or region to read; may be repeated.")
    ] = None,
    straighten: Annotated[
        bool, typer.Option("--straighten", help="Resample a tilted volume onto a grid of right angles.")
    ] = False,
) -> None:
    """Convert an image or a mask to another format; every voxel keeps its place in the world.

    A mask becomes a DICOM segmentation (or structure set, or a measurement report with its segmentation beside it) of
    the series it belongs to.

    Example: [bold]medseg convert CT_FOLDER ct.nii.gz[/bold]

    Example: [bold]medseg convert mask.nii.gz mask.dcm --source CT_FOLDER[/bold]
    """
    from medseg.jobs.convert import ConvertOptions
    from medseg.jobs.convert import convert as convert_file

    options = ConvertOptions(
        labels=labels,
        source=source,
        axes=axes,
        series_uid=series,
        level=level,
        allow=tuple(allow or ()),
        dicom_object=as_,
        segments=tuple(segment or ()),
        straighten=straighten,
    )
    item = convert_file(path, output, options)
    print(f"{output}  ({_described(item)})")
    for note in item.metadata.notes:
        typer.echo(f"note: {note}", err=True)


def _described(item: Image | LabelMap) -> str:
    size = " x ".join(str(length) for length in item.spatial_shape)
    if not item.metadata.spacing_is_known:
        return f"{size} voxels, voxel size not stated"
    return f"{size} voxels of {' x '.join(f'{length:.4g}' for length in item.spacing_mm)} mm"
