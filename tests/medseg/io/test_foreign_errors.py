"""The border where other libraries' exceptions become medseg's."""

from __future__ import annotations

import pytest
from pydicom.valuerep import DSfloat

from medseg.errors import ImageFormatError
from medseg.io.foreign_errors import translated_errors


def _reading(tmp_path):
    return translated_errors(tmp_path / "x.dcm", expected="a DICOM file", remedy="Copy it again.")


def test_what_pydicom_quotes_from_a_header_is_not_repeated(tmp_path):
    with pytest.raises(ImageFormatError, match=r"cannot be read \(ValueError\)") as caught, _reading(tmp_path):
        DSfloat("Smith^John")
    assert "Smith" not in str(caught.value)


def test_what_other_code_says_is_repeated_on_one_line(tmp_path):
    with pytest.raises(ImageFormatError, match=r"cannot be read \(cut at byte 7\)"), _reading(tmp_path):
        raise ValueError("cut at\nbyte 7.")
