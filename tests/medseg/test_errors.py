import inspect

import pytest

from medseg import errors

BUILTINS = {
    "InputError": ValueError,
    "ImageFormatError": ValueError,
    "GeometryError": ValueError,
    "LabelError": ValueError,
    "ConfigError": ValueError,
    "ModelPackageError": ValueError,
    "StorageError": OSError,
    "OutOfMemoryError": MemoryError,
    "DependencyError": ImportError,
    "UnknownNameError": LookupError,
    "Cancelled": Exception,
}


@pytest.mark.parametrize(("name", "builtin"), BUILTINS.items())
def test_each_error_is_medsegs_own_and_the_builtin_a_caller_expects(name, builtin):
    kind = getattr(errors, name)
    assert issubclass(kind, errors.MedsegError)
    assert issubclass(kind, builtin)
    assert str(kind("one line")) == "one line"


def test_the_table_above_names_every_error():
    defined = {name for name, item in vars(errors).items() if inspect.isclass(item)} - {"MedsegError"}
    assert defined == set(BUILTINS)
