"""No file is turned into code: what could run something from a file, a string or a shell stands nowhere."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for room in ("medseg", "workflows", "napari_plugin") for path in (ROOT / room).rglob("*.py"))
ALLOWED = {
    # Between the reading process and its parent; what comes back goes through an unpickler that knows a few types.
    ("medseg/io/isolated.py", "pickle"),
    ("medseg/io/isolated_child.py", "pickle"),
    # Between napari and the process in which its models run: both ends write these pickles themselves, into pipes.
    ("napari_plugin/medseg_napari/jobs/exchange.py", "pickle"),
}
MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "code", "jsonpickle"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
METHODS = {"extractall", "unpack_archive", "system", "popen", "read_pickle", "to_pickle", "unsafe_load", "full_load"}


def findings(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _root(alias.name) in MODULES)
        elif isinstance(node, ast.ImportFrom) and _root(node.module or "") in MODULES:
            yield node.module
        elif isinstance(node, ast.Call):
            yield from _calls(node)


def _root(name):
    return name.split(".")[0]


def _calls(call):
    name = ast.unparse(call.func)
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    if name in BUILTINS or name.split(".")[-1] in METHODS:
        yield name
    if name == "torch.load" and not _is_true(keywords.get("weights_only")):
        yield "torch.load without weights_only=True"
    if name in {"yaml.load", "yaml.load_all"} and not _names_a_safe_loader(keywords.get("Loader")):
        yield name
    if "shell" in keywords and not _is_false(keywords["shell"]):
        yield f"{name} with a shell"
    if "allow_pickle" in keywords and not _is_false(keywords["allow_pickle"]):
        yield f"{name} with allow_pickle"
    if "trust_remote_code" in keywords:
        yield f"{name} with trust_remote_code"


def _is_true(node):
    return isinstance(node, ast.Constant) and node.value is True


def _is_false(node):
    return isinstance(node, ast.Constant) and node.value is False


def _names_a_safe_loader(node):
    if node is None:
        return False
    if ast.unparse(node).endswith("SafeLoader"):
        return True
    import yaml

    from medseg.config import base

    return issubclass(getattr(base, ast.unparse(node), object), yaml.SafeLoader)


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "eval(text)",
        "exec(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "subprocess.run(words, shell=True)",
        "zipfile.ZipFile(path).extractall(folder)",
        "np.load(path, allow_pickle=True)",
        "os.system(text)",
    ],
)
def test_the_search_finds_what_it_shall(code):
    assert len(list(findings(ast.parse(code)))) == 1


def test_nothing_in_the_packages_turns_data_into_code():
    assert len(SOURCES) > 100
    found = [
        (path.relative_to(ROOT).as_posix(), finding)
        for path in SOURCES
        for finding in findings(ast.parse(path.read_text()))
    ]
    assert [one for one in found if one not in ALLOWED] == []
    assert set(found) >= ALLOWED, "an exception that is not needed any more"
