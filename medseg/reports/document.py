"""One self-contained HTML page: no script, no font, no picture and no style sheet from elsewhere."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image as PillowImage

from medseg.errors import InputError
from medseg.reports.style import STYLE

DISCLAIMER = "Research use only; not a medical device."

_LARGEST_UNTOUCHED_BYTES = 120_000
"""A PNG up to this size is embedded as it is; a larger one is packed anew, so that pages stay easy to send."""
_WEBP_QUALITY = 84


@dataclass(frozen=True)
class Card:
    """A number that a reader looks for first.

    Attributes:
        label: what it is.
        value: the number as text.
        note: a few words below it.
    """

    label: str
    value: str
    note: str = ""


@dataclass
class Document:
    """A page that grows section by section.

    Attributes:
        title: heading of the page.
        subtitle: line below it.
        kicker: short line above it.
    """

    title: str
    subtitle: str = ""
    kicker: str = "medseg"
    _parts: list[str] = field(default_factory=list)

    def add_section(self, heading: str, *content: str, lead: str = "") -> None:
        """Append a section of ready HTML.

        Args:
            heading: plain text.
            content: pieces of HTML.
            lead: plain sentence below the heading.
        """
        intro = f'<p class="lead">{escape(lead)}</p>' if lead else ""
        self._parts.append(f"<section><h2>{escape(heading)}</h2>{intro}{''.join(content)}</section>")

    def add(self, content: str) -> None:
        """Append ready HTML without a heading."""
        self._parts.append(content)

    def to_html(self) -> str:
        """The whole page."""
        subtitle = f'<p class="subtitle">{escape(self.subtitle)}</p>' if self.subtitle else ""
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n'
            f"<title>{escape(self.title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
            f'<header><p class="kicker">{escape(self.kicker)}</p><h1>{escape(self.title)}</h1>{subtitle}</header>\n'
            + "\n".join(self._parts)
            + f"\n<footer>{escape(DISCLAIMER)}</footer>\n</main>\n</body>\n</html>\n"
        )


def escape(text: object) -> str:
    """`text` with everything HTML would read as markup made harmless."""
    return html.escape(str(text), quote=True)


def cards(entries: Iterable[Card]) -> str:
    """A row of cards."""
    boxes = "".join(
        f'<div class="card"><div class="card-label">{escape(entry.label)}</div>'
        f'<div class="card-value">{escape(entry.value)}</div>'
        f'<div class="card-note">{escape(entry.note)}</div></div>'
        for entry in entries
    )
    return f'<div class="cards">{boxes}</div>'


def notice(text: str) -> str:
    """A sentence about something that is missing or needs attention."""
    return f'<p class="notice">{escape(text)}</p>'


def fold(summary: str, content: str) -> str:
    """Content that opens when its summary is pressed."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def preformatted(text: str) -> str:
    """Text in its own line breaks."""
    return f"<pre>{escape(text)}</pre>"


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """A list of names and values."""
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs)
    return f'<dl class="facts">{rows}</dl>'


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, numeric_from: int = 1) -> str:
    """A table of plain text; columns from `numeric_from` on are set to the right."""

    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(
            f'<{tag} class="number">{escape(cell)}</{tag}>'
            if column >= numeric_from
            else f"<{tag}>{escape(cell)}</{tag}>"
            for column, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table><thead><tr>{cells(headings, "th")}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def picture(path: Path, *, alt: str, caption: str = "", width: int | None = None) -> str:
    """A figure with the picture inside the page.

    Args:
        path: PNG, JPEG or WebP.
        alt: what it shows, for those who cannot see it.
        caption: line below it.
        width: largest width in pixels to keep; absent keeps all.

    Raises:
        InputError: the file is no picture that can be read.
    """
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure><img src="{data_uri(path, width=width)}" alt="{escape(alt)}" loading="lazy">{below}</figure>'


def data_uri(path: Path, *, width: int | None = None) -> str:
    """The picture as a `data:` address; large ones are packed as WebP.

    Raises:
        InputError: the file is no picture that can be read.
    """
    try:
        content = path.read_bytes()
        with PillowImage.open(io.BytesIO(content)) as image:
            too_wide = width is not None and image.width > width
            if len(content) <= _LARGEST_UNTOUCHED_BYTES and not too_wide and image.format in {"PNG", "JPEG", "WEBP"}:
                return f"data:image/{image.format.lower()};base64,{_base64(content)}"
            packed = image.convert("RGB")
    except (OSError, ValueError) as error:
        message = f"{path}: expected a picture (PNG), it cannot be read ({error})."
        raise InputError(message) from error
    if width is not None and packed.width > width:
        packed = packed.resize((width, round(packed.height * width / packed.width)), PillowImage.Resampling.LANCZOS)
    stream = io.BytesIO()
    packed.save(stream, format="WEBP", quality=_WEBP_QUALITY, method=4)
    return f"data:image/webp;base64,{_base64(stream.getvalue())}"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
