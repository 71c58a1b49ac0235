"""`medseg batch`, contributed to the command line through the entry-point group `medseg.commands`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def batch(
    inputs: Annotated[Path, typer.Argument(metavar="INPUT", help="Folder of images or DICOM series, at any depth.")],
    model: Annotated[str, typer.Option(help="A model package or run folder, or the name of an installed model.")],
    output: Annotated[Path, typer.Option(help="Folder for the results, one folder a case.")],
    workers: Annotated[int, typer.Option(min=1, help="Processes on this machine.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a running Dask scheduler to use, not processes of this machine.")
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", help="nii.gz, nii, tif, png, ome.zarr or dcm (SEG); else like the input."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    allow: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="Take images in spite of this refusal; may be repeated.")
    ] = None,
    deidentify: Annotated[
        bool,
        typer.Option("--deidentify", help="Name cases by numbers made from --key-file; show no path."),
    ] = False,
    key_file: Annotated[
        Path | None, typer.Option(help="Secret key for --deidentify; made where the file does not exist yet.")
    ] = None,
    max_read_seconds: Annotated[
        float | None,
        typer.Option(min=1.0, help="Give up an image whose reading takes longer (else 300), and go on with the next."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep what is done and unchanged; do the rest.")] = False,
) -> None:
    """Segment a whole folder, overnight if need be; one bad case never stops the others.

    Each image file and each volume of a DICOM series is a case. A case gets a folder with its mask, objects.csv and
    case.json. ledger.jsonl records every finished case, so that a batch that was stopped goes on with --resume. Exit 1
    when some cases failed: summary.csv says which and why.

    With --deidentify the results name no path; which case is which stands beside the key, in KEY_FILE.cases.csv. The
    images themselves may still show text.

    Example: [bold]medseg batch scans/ --model em-membranes --output masks/ --workers 2[/bold]
    """
    from medseg.io.isolated import DEFAULT_SECONDS
    from medseg_workflows.cluster import ClusterPlan
    from medseg_workflows.concealment import key_of, write_case_list
    from medseg_workflows.run import BatchPlan, run_batch

    key = key_of(key_file, output=output, is_wanted=deidentify)
    if key is not None and key_file is not None:
        write_case_list(key_file, inputs, key=key, allow=allow or ())
    plan = BatchPlan(
        inputs=inputs,
        model=model,
        output=output,
        mask_format=format_,
        device=device,
        resume=resume,
        allow=tuple(allow or ()),
        key=key,
        max_read_seconds=DEFAULT_SECONDS if max_read_seconds is None else max_read_seconds,
        cluster=ClusterPlan(workers=workers, scheduler=scheduler),
    )
    summary = run_batch(plan)
    print(summary.table())
    print(f"Look at {output / 'report.html'}")
    if summary.failed:
        raise typer.Exit(1)
