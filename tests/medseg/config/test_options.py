import pytest
from pydantic import PositiveInt

from medseg.config import Config
from medseg.config.options import parse_options
from medseg.errors import ConfigError


class UNetOptions(Config):
    channels: tuple[PositiveInt, ...] = (16, 32)
    residual: bool = False
    strides: tuple[PositiveInt | tuple[PositiveInt, ...], ...] = ()


def test_options_are_checked_and_converted():
    assert parse_options(UNetOptions, {"channels": [8, 16]}, path="model.options") == UNetOptions(channels=(8, 16))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"residul": True},
            r"model.options.residul is not a known option. Did you mean 'residual'\? Known: channels, re",
        ),
        ({"depth": 3}, r"model.options.depth is not a known option. Known: channels, residual, strides\.$"),
        ({"channels": [8, 0]}, r"^model.options.channels.1: input should be greater than 0, got 0\.$"),
        ({"strides": [2, [2, 0]]}, r"model.options.strides.1.1: input should be greater than 0, got 0"),
        ({"channels": 3}, r"^model.options.channels: input should be a valid tuple, got 3\.$"),
    ],
)
def test_wrong_options_are_named_by_their_path_in_the_recipe(options, text):
    with pytest.raises(ConfigError, match=text):
        parse_options(UNetOptions, options, path="model.options")
