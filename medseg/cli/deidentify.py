"""`medseg deidentify`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medseg.errors import InputError

if TYPE_CHECKING:
    from medseg.io.dicom.deidentify import DeidentifiedFile, DeidentifiedFolder


def deidentify(
    source: Annotated[Path, typer.Argument(help="A DICOM file, or a folder with DICOM files at any depth.")],
    target: Annotated[Path, typer.Argument(help="New or empty folder for the de-identified copies.")],
    key_file: Annotated[
        Path, typer.Option(help="File with the secret key: the same key gives the same UIDs and Patient IDs.")
    ],
    make_key: Annotated[bool, typer.Option("--make-key", help="Make a new key first and write it to --key-file.")] = (
        False
    ),
    dates: Annotated[str, typer.Option(help="remove, or shift: back by the same days for all files of a patient.")] = (
        "remove"
    ),
    allow: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="burned-in: take images stated to show text.")
    ] = None,
    show_paths: Annotated[
        bool, typer.Option("--show-paths", help="Name files by their paths, which may hold names of patients.")
    ] = False,
) -> None:
    """Copy DICOM images without the identity of the patient (PS3.15 Annex E Basic Profile); pixels stay as they are.

    New names and UIDs are made from the key, so that series, segmentations and later files of a patient still find
    each other. Keep the key apart from the copies. Text inside the pixels is never removed: images that may show some
    are named. deidentification.json says what was done. Exit 1 when a file had to be left out.

    Example: [bold]medseg deidentify SCANS COPIES --key-file my.key --make-key[/bold]
    """
    from medseg.cli.output import progress
    from medseg.io.dicom.deidentify import PIXELS_NOTICE, deidentify_folder
    from medseg.io.dicom.pseudonyms import make_key as write_new_key
    from medseg.io.dicom.pseudonyms import read_key

    if key_file.resolve().is_relative_to(target.resolve()):
        message = f"--key-file {key_file}: the key must not lie with the de-identified files. Keep it elsewhere."
        raise InputError(message)
    if make_key:
        write_new_key(key_file)
    with progress("de-identify") as update:
        result = deidentify_folder(
            source, target, key=read_key(key_file), dates=dates, allow=allow or (), progress=update
        )
    _print_result(result, show_paths=show_paths)
    typer.echo(PIXELS_NOTICE, err=True)
    if result.failed:
        raise typer.Exit(1)


def _print_result(result: DeidentifiedFolder, *, show_paths: bool) -> None:
    left = len(result.files) - len(result.written)
    print(f"{len(result.written)} files de-identified, {left} left out, {result.others} others are no DICOM")
    causes = Counter((verdict.note, file.output is None) for file in result.files for verdict in file.verdicts)
    for (note, is_left_out), count in causes.items():
        print(f"  {count} x {note}{'' if is_left_out else ' - written'}")
    for file in result.files:
        if file.verdicts:
            typer.echo(f"{_name(file, show_paths=show_paths)}: {file.verdicts[0].note}", err=True)
    print(f"Look at {result.record}")


def _name(file: DeidentifiedFile, *, show_paths: bool) -> str:
    if show_paths:
        return str(file.source)
    return f"source {file.source_key}" if file.output is None else file.output.as_posix()
