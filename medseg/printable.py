"""Names of files as one plain line: they may hold line breaks, escape codes of terminals, or bytes that are no text."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` with what does not print (controls, marks of direction, bytes that are no UTF-8) as backslash codes."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def name_of_printables(text: str) -> str:
    """`text` as a part of a file's name: "_" for each character that does not print."""
    return "".join(one if one.isprintable() else "_" for one in text)
