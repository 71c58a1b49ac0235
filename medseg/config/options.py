"""Options of a named thing (a network, a loss), checked with errors that name their place in the recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from medseg.config.base import Config, problems_in
from medseg.errors import ConfigError

OptionsType = TypeVar("OptionsType", bound=Config)


def parse_options(kind: type[OptionsType], options: Mapping[str, Any], *, path: str) -> OptionsType:
    """Return `options` as a checked `kind`.

    Args:
        kind: class of the options.
        options: names and values as a recipe holds them.
        path: where the recipe holds them, `model.options`.

    Raises:
        ConfigError: an unknown option or a wrong value. The message names each by its path and lists the known ones.
    """
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        message = f"{problems_in(error, options, below=path, known=tuple(kind.model_fields))}."
        raise ConfigError(message) from error
