"""The command `medseg`: its verbs, and what every verb does with an error."""

from __future__ import annotations

import inspect
import io
import sys
from collections.abc import Callable
from importlib.metadata import entry_points

import typer

from medseg import __version__
from medseg.cli.compare import compare
from medseg.cli.convert import convert
from medseg.cli.datasets import datasets
from medseg.cli.deidentify import deidentify
from medseg.cli.demo import demo
from medseg.cli.doctor import doctor
from medseg.cli.evaluate import evaluate
from medseg.cli.export import export
from medseg.cli.info import info
from medseg.cli.models import models
from medseg.cli.plan import plan
from medseg.cli.predict import predict
from medseg.cli.report import report
from medseg.cli.stopping import exit_code, stopped_by_signals
from medseg.cli.train import train
from medseg.errors import Cancelled, MedsegError
from medseg.printable import printable

VERBS = (
    demo,
    doctor,
    info,
    convert,
    datasets,
    models,
    plan,
    train,
    compare,
    predict,
    evaluate,
    report,
    export,
    deidentify,
)

EXIT_WRONG_INPUT = 2

_DESCRIPTION = """Segment cells and tumours in microscopy and CT: read, train, predict, evaluate, report.

Start with [bold]medseg demo[/bold], which shows the whole way on generated data.
Each verb has its own --help with an example. A research and workflow tool, not a medical device."""


def _build_app() -> typer.Typer:
    app = typer.Typer(
        name="medseg",
        help=_DESCRIPTION,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback()(_global_options)
    for verb in VERBS:
        app.command(help=_help_of(verb))(verb)
    for entry in sorted(entry_points(group="medseg.commands"), key=lambda entry: entry.name):
        verb = entry.load()
        app.command(entry.name, help=_help_of(verb))(verb)
    return app


def _help_of(verb: Callable[..., object]) -> str:
    """The docstring with each paragraph on one line: typer keeps line breaks, and terminals have other widths."""
    paragraphs = inspect.cleandoc(verb.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"medseg {__version__}")
        raise typer.Exit


def _global_options(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error, not only its line."),
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def main() -> None:
    """Run the command line.

    Exit 0 when done, 1 when a case failed, 2 when the input or the call is wrong, 130 or 143 when stopped.
    """
    debug = "--debug" in sys.argv
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name may hold bytes that are no text
        sys.stdout.reconfigure(errors="backslashreplace")
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        with stopped_by_signals():
            _build_app()(args=arguments)
    except Cancelled as error:
        print(f"medseg: {error}", file=sys.stderr)
        sys.exit(exit_code(error.signal_number))
    except MedsegError as error:
        if debug:
            raise
        print(f"medseg: {printable(str(error))}", file=sys.stderr)
        sys.exit(EXIT_WRONG_INPUT)
