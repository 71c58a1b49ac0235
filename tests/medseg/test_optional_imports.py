import json

import pytest

from medseg.errors import DependencyError
from medseg.optional_imports import require


def test_an_installed_module_is_returned():
    assert require("json", extra="napari") is json


@pytest.mark.parametrize("module", ["no_such_package_at_all", "no_such_package_at_all.part", "json.no_such_part"])
def test_a_missing_module_names_the_extra_that_installs_it(module):
    text = rf"^{module} is not installed\. Install it with: pip install 'medseg\[napari\]'$"
    with pytest.raises(DependencyError, match=text):
        require(module, extra="napari")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("import its_own_missing_friend", "No module named 'its_own_missing_friend'"),
        ("raise ImportError('libGL.so.1: cannot open\\nshared object file')", "libGL.so.1: cannot open shared object"),
    ],
)
def test_an_installed_module_that_cannot_be_loaded_says_why_on_one_line(tmp_path, monkeypatch, content, text):
    (tmp_path / "medseg_test_broken.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match=rf"^medseg_test_broken cannot be loaded: {text}[^\n]*\. Install it with"):
        require("medseg_test_broken", extra="cluster")
