"""The frozen root of every configuration, and reading one from YAML with errors that name the key."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from medseg.errors import ConfigError

ConfigType = TypeVar("ConfigType", bound="Config")


_SHOWN_PROBLEMS = 5
"""Problems that one message tells; more would not fit on a line."""


class Config(BaseModel):
    """A set of settings that cannot change after it was checked and knows no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    def replace(self, **changes: Any) -> Self:
        """A copy with some settings changed, checked anew (pydantic's own `model_copy` does not check).

        Raises:
            ConfigError: an unknown key or a wrong value.
        """
        return parse_config(type(self), {**self.model_dump(), **changes}, source=type(self).__name__)


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
        message = f"{source}: {problems_in(error, settings)}."
        raise ConfigError(message) from error


def problems_in(
    error: ValidationError, settings: Mapping[str, Any], *, below: str = "", known: Collection[str] = ()
) -> str:
    """What is wrong with `settings`, on one line: each problem by its path, the first few of them.

    Args:
        error: what pydantic said.
        settings: what it checked.
        below: path at which the settings stand in a larger whole, `model.options`.
        known: names of the settings, for a hint at the right spelling.
    """
    problems = error.errors()
    described = "; ".join(_describe(problem, settings, below, known) for problem in problems[:_SHOWN_PROBLEMS])
    more = f"; and {len(problems) - _SHOWN_PROBLEMS} more" if len(problems) > _SHOWN_PROBLEMS else ""
    return f"{described}{more}"


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML file holds.

    Raises:
        ConfigError: the file is missing, is not YAML, does not hold a mapping, or has a key twice.
    """
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        message = f"{path}: no such file. Expected a YAML file with settings."
        raise ConfigError(message) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        detail = " ".join(str(error).split())
        message = f"{path}: cannot be read as YAML: {detail}."
        raise ConfigError(message) from error
    if not isinstance(content, dict):
        message = (
            f"{path}: expected a mapping of settings, got {'nothing' if content is None else type(content).__name__}."
        )
        raise ConfigError(message)
    return content


def parse_yaml(text: str) -> Any:
    """What `text` says, read as YAML, with `1e-3` a number and a key that stands twice refused.

    Raises:
        yaml.YAMLError: the text is not YAML.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - the loader is a SafeLoader


class _Loader(yaml.SafeLoader):
    """Safe YAML without two of its traps.

    YAML 1.1 takes `1e-3` for a word, since its floats need a point; and of a key that stands twice it takes the last.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        merge = "tag:yaml.org,2002:merge"
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != merge]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            message = f"the key {twice[0]} stands twice"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)

_NOT_A_MAPPING = {"model_type", "model_attributes_type", "dict_type"}
"""Kinds of pydantic's problems whose own words speak of instances and attributes."""


def _describe(problem: Any, settings: Mapping[str, Any], below: str, known: Collection[str]) -> str:
    path = _path(problem, settings, below)
    context = problem.get("ctx", {})
    if problem["type"] == "extra_forbidden":
        return f"{path} is not a known {_hint(problem, known)}"
    if problem["type"] == "missing":
        return f"{path} is missing"
    if problem["type"] == "union_tag_not_found":
        return f"{path}.{context['discriminator'].strip(chr(39))} is missing"
    if problem["type"] == "union_tag_invalid":
        known = context["expected_tags"]
        return f"{path}.{context['discriminator'].strip(chr(39))}: expected one of {known}, got {context['tag']!r}"
    if problem["type"] in _NOT_A_MAPPING:
        return f"{path}: expected a mapping of settings, got {reprlib.repr(problem['input'])}"
    # Of a mapping only its keys' own problems are of interest.
    got = "" if isinstance(problem["input"], Mapping) else f", got {reprlib.repr(problem['input'])}"
    text = problem["msg"].removeprefix("Value error, ")
    return f"{path}: {text[:1].lower()}{text[1:].rstrip('.')}{got}"


def _hint(problem: Any, known: Collection[str]) -> str:
    if not known or len(problem["loc"]) > 1:
        return "key; check its spelling"
    near = difflib.get_close_matches(str(problem["loc"][0]), known, n=1)
    return f"option.{f' Did you mean {near[0]!r}?' if near else ''} Known: {', '.join(known)}"


def _path(problem: Any, settings: Mapping[str, Any], below: str) -> str:
    """Keys that lead to the problem, without the names of alternatives that pydantic puts between them."""
    parts: list[str] = []
    here: Any = settings
    for number, part in enumerate(problem["loc"], start=1):
        is_missing_key = problem["type"] == "missing" and number == len(problem["loc"])
        is_key = part in here if isinstance(here, Mapping) else isinstance(part, int)
        if is_key or is_missing_key:
            parts.append(str(part))
            here = here[part] if is_key and isinstance(here, Mapping | Sequence) else None
    return ".".join([*([below] if below else []), *parts]) or "the settings"
