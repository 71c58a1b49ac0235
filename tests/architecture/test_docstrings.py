"""Docstrings are there and name only arguments that exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("medseg", "napari_plugin/medseg_napari", "workflows/medseg_workflows")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Function = ast.FunctionDef | ast.AsyncFunctionDef

_ENTRY = re.compile(r"(?P<names>\*{0,2}\w+(?:, \*{0,2}\w+)*):(?: |$)")


def public_definitions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Public classes, functions and methods with their dotted names; not those inside functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If | ast.Try):
            yield from public_definitions(node, prefix)
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from public_definitions(node, f"{prefix}{node.name}.")


def documented(docstring: str, section: str) -> list[str]:
    """Names that a Google-style section explains: its lines of the shallowest indentation, up to the colon."""
    match = re.search(rf"^{section}:\n(?P<body>(?:[ ]+.*\n?|\n)+)", docstring, re.MULTILINE)
    if match is None:
        return []
    lines = [line for line in match["body"].splitlines() if line.strip()]
    margin = min(len(line) - len(line.lstrip()) for line in lines)
    entries = [_ENTRY.match(line.strip()) for line in lines if len(line) - len(line.lstrip()) == margin]
    return [name.lstrip("*") for entry in entries if entry for name in entry["names"].split(", ")]


def arguments_of(function: Function) -> set[str]:
    """Names of the arguments, without self and cls."""
    listed = function.args
    named = [*listed.posonlyargs, *listed.args, *listed.kwonlyargs, listed.vararg, listed.kwarg]
    return {argument.arg for argument in named if argument is not None} - {"self", "cls"}


def accepted(node: Definition) -> set[str]:
    """What a docstring's Args may name: a function's arguments, or those that make an object of a class."""
    if not isinstance(node, ast.ClassDef):
        return arguments_of(node)
    names = {
        item.target.id for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            names |= arguments_of(item)
    return names


def attributes_of(node: ast.ClassDef) -> set[str]:
    """Names that objects of a class have: fields, properties, and what its methods give to self."""
    names = set()
    for item in ast.walk(node):
        if isinstance(item, Function):
            names.add(item.name)
        elif isinstance(item, ast.Name | ast.Attribute) and isinstance(item.ctx, ast.Store):
            names.add(item.id if isinstance(item, ast.Name) else item.attr)
    return names


def problems(source: str) -> list[str]:
    """What is wrong with the docstrings of a module."""
    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) else ["the module has no docstring"]
    for name, node in public_definitions(tree):
        docstring = ast.get_docstring(node)
        if docstring is None:
            found.append(f"{name} has no docstring")
            continue
        found += [
            f"{name} documents no argument of its own: {stranger}"
            for stranger in documented(docstring, "Args")
            if stranger not in accepted(node)
        ]
        if isinstance(node, ast.ClassDef) and not _inherits_attributes(node):
            found += [
                f"{name} has no attribute {stranger}"
                for stranger in documented(docstring, "Attributes")
                if stranger not in attributes_of(node)
            ]
    return found


def _inherits_attributes(node: ast.ClassDef) -> bool:
    return any(
        not isinstance(base, ast.Name) or base.id not in {"Protocol", "ABC", "StrEnum", "Enum"} for base in node.bases
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_are_there_and_name_what_exists(path):
    assert problems(path.read_text(encoding="utf-8")) == []


MISSING = '''"""Room."""
def f(a, *, b):
    """Text.

    Args:
        a: one.
        c: two,
            more: text.
    """
def g(): ...
'''

GONE = '''"""Room."""
class C:
    """Text.

    Attributes:
        a: one.
        b: two.
    """

    a: int
'''


def test_the_guard_sees_a_stranger_and_a_missing_docstring():
    assert problems(MISSING) == ["f documents no argument of its own: c", "g has no docstring"]


def test_the_guard_sees_an_attribute_that_is_gone():
    assert problems(GONE) == ["C has no attribute b"]
