"""Every row of the catalogue of bad inputs is a test, and every test that it names exists."""

import ast
import tomllib
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CATALOGUE = tomllib.loads((TESTS / "bad_inputs.toml").read_text())
FILES, ROWS = CATALOGUE["files"], CATALOGUE["rows"]
NUM_ROWS = 129


@cache
def names_in(path):
    """Tests of a file, those of a class as CLASS::TEST."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        found |= {prefix + one.name for one in members if isinstance(one, ast.FunctionDef)}
    return found


@cache
def texts_in(path):
    """Text constants of a file and of the modules of tests/support, where parameters come from."""
    sources = [path, *sorted((TESTS / "support").glob("*.py"))]
    nodes = (node for source in sources for node in ast.walk(ast.parse(source.read_text())))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def problem(test):
    """What is wrong with a reference to a test; empty where nothing is."""
    file, _, rest = test.partition("::")
    name, _, parameter = rest.removesuffix("]").partition("[")
    path = TESTS / FILES.get(file, "nowhere")
    if not path.is_file():
        return f"{test}: no such file"
    if not name.rpartition("::")[2].startswith("test_") or name not in names_in(path):
        return f"{test}: no such test"
    return f"{test}: no such parameter" if parameter and parameter not in texts_in(path) else ""


def test_the_rows_are_numbered_without_a_gap():
    assert list(map(int, ROWS)) == list(range(1, NUM_ROWS + 1))


@pytest.mark.parametrize("number", ROWS)
def test_a_row_has_tests_and_they_exist(number):
    assert ROWS[number]["tests"]
    assert [problem(test) for test in ROWS[number]["tests"] if problem(test)] == []


STRANGERS = (
    "nobody::test_a",
    "defects::test_nothing",
    "defects::read_all",
    "rows::SHAPE",
    "png::test_rows_stay_rows[x?]",
)


@pytest.mark.parametrize("test", STRANGERS)
def test_the_check_sees_what_is_not_there(test):
    assert problem(test)


def test_no_file_is_named_in_vain():
    named = {test.partition("::")[0] for row in ROWS.values() for test in row["tests"]}
    assert named == set(FILES)
