"""Options of a named thing (a network, a loss), checked with errors that name their place in the recipe."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from medseg.config.base import Config
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
        message = "; ".join(_describe(problem, kind, path) for problem in error.errors()[:5]) + "."
        raise ConfigError(message) from error


def _describe(problem: Any, kind: type[Config], path: str) -> str:
    # Further words in pydantic's location are the names of types that a value may have, not keys.
    keys = [part for index, part in enumerate(problem["loc"]) if index == 0 or isinstance(part, int)]
    place = ".".join(str(part) for part in (path, *keys))
    if problem["type"] != "extra_forbidden":
        detail = problem["msg"].removeprefix("Value error, ").rstrip(".")
        got = f", got {problem['input']!r}" if problem["loc"] else ""
        return f"{place}: {detail}{got}"
    known = ", ".join(kind.model_fields) or "none"
    near = difflib.get_close_matches(str(problem["loc"][-1]), kind.model_fields, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{place} is not a known option.{hint} Known: {known}"
