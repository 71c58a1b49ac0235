"""`medseg export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[str, typer.Argument(help="A model package or run folder, or the name of an installed model.")],
    output: Annotated[Path, typer.Option(help="ONNX file to write.")],
) -> None:
    """Write the network of a trained model as an ONNX file, for programs without PyTorch.

    The file takes one tile of one size. Its metadata says how images are prepared and what the classes are. Its answer
    is compared with the model's on a random tile before it is kept.

    Example: [bold]medseg export em-membranes --output em.onnx[/bold]
    """
    from medseg.inference import export_onnx

    written = export_onnx(model, output)
    size = " x ".join(str(side) for side in written.tile_size)
    print(f"{written.path}  (one tile of {size} voxels)")
    if written.difference is None:
        typer.echo("note: ONNX Runtime is not installed, so the file was not compared with the model", err=True)
    else:
        print(f"Differs from the model by at most {written.difference:.2g} on a random tile.")
