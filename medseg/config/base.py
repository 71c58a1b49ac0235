"""The frozen root of every configuration, and reading one from YAML with errors that name the key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from medseg.errors import ConfigError

ConfigType = TypeVar("ConfigType", bound="Config")


class Config(BaseModel):
    """A set of settings that cannot change after it was checked and knows no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def replace(self, **changes: Any) -> Self:
        """A copy with some settings changed, checked anew (pydantic's own `model_copy` does not check)."""
        return type(self).model_validate({**self.model_dump(), **changes})


def parse_config(kind: type[ConfigType], settings: Mapping[str, Any], *, source: str) -> ConfigType:
    """Return `settings` as a checked `kind`.

    Args:
        kind: class of the configuration.
        settings: nested mapping of keys and values.
        source: where they come from, for the message.

    Raises:
        ConfigError: an unknown key or a wrong value; the message names each by its path, `training.optimiser.lr`.
    """
    try:
        return kind.model_validate(settings)
    except ValidationError as error:
        problems = "; ".join(_describe(problem) for problem in error.errors()[:5])
        message = f"{source}: {problems}."
        raise ConfigError(message) from error


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML file holds.

    Raises:
        ConfigError: the file is missing, is not YAML, or does not hold a mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        message = f"{path}: no such file. Expected a YAML file with settings."
        raise ConfigError(message) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        detail = " ".join(str(error).split())
        message = f"{path}: cannot be read as YAML: {detail}."
        raise ConfigError(message) from error
    if not isinstance(content, dict):
        message = f"{path}: expected a mapping of settings, got {type(content).__name__}."
        raise ConfigError(message)
    return content


def _describe(problem: Any) -> str:
    path = ".".join(str(part) for part in problem["loc"]) or "the settings"
    if problem["type"] == "extra_forbidden":
        return f"{path} is not a known key; check its spelling"
    return f"{path}: {problem['msg'].removeprefix('Value error, ')}, got {problem['input']!r}"
