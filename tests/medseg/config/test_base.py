from typing import Annotated, Literal

import pytest
import yaml
from pydantic import Field, ValidationError

from medseg.config import Config, parse_config, read_yaml
from medseg.config.base import parse_yaml
from medseg.errors import ConfigError


class Circle(Config):
    shape: Literal["circle"] = "circle"
    radius_mm: Annotated[float, Field(gt=0)] = 1.0


class Box(Config):
    shape: Literal["box"] = "box"
    sides_mm: tuple[float, float] = (1.0, 2.0)


class Optimiser(Config):
    lr: float = 0.1


class Training(Config):
    optimiser: Optimiser = Optimiser()
    form: Annotated[Circle | Box, Field(discriminator="shape")] = Circle()
    seeds: tuple[int, ...] = ()


class Recipe(Config):
    training: Training = Training()
    name: str


def message_of(settings):
    with pytest.raises(ConfigError) as caught:
        parse_config(Recipe, settings, source="recipe.yaml")
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_good_settings_are_checked_and_converted():
    recipe = parse_config(Recipe, {"name": "a", "training": {"form": {"shape": "box"}, "seeds": [1, 2]}}, source="x")
    assert recipe.training.form == Box()
    assert recipe.training.seeds == (1, 2)
    assert recipe.training.optimiser.lr == 0.1


@pytest.mark.parametrize(
    ("training", "text"),
    [
        ({"optimiser": {"lrr": 1}}, "training.optimiser.lrr is not a known key; check its spelling"),
        ({"optimizer": {"lr": 1}}, "training.optimizer is not a known key; check its spelling"),
        ({"optimiser": {"lr": "fast"}}, "training.optimiser.lr: input should be a valid number"),
        ({"optimiser": {"lr": float("inf")}}, "training.optimiser.lr: input should be a finite number, got inf"),
        ({"optimiser": 3}, "training.optimiser: expected a mapping of settings, got 3"),
        ({"optimiser": None}, "training.optimiser: expected a mapping of settings, got None"),
        ({"form": {"shape": "circle", "radius": 2}}, "training.form.radius is not a known key"),
        (
            {"form": {"shape": "circle", "radius_mm": -2}},
            "training.form.radius_mm: input should be greater than 0, got -2",
        ),
        ({"form": {"shape": "star"}}, "training.form.shape: expected one of 'circle', 'box', got 'star'"),
        ({"form": {"radius_mm": 2}}, "training.form.shape is missing"),
        ({"form": {"shape": "box", "sides_mm": [1, "b"]}}, "training.form.sides_mm.1: input should be a valid number"),
        ({"seeds": [1, 2.5]}, "training.seeds.1: input should be a valid integer, got a number with a fractional part"),
        ({"seeds": 7}, "training.seeds: input should be a valid tuple, got 7"),
    ],
)
def test_the_message_names_file_and_path_of_the_wrong_setting(training, text):
    message = message_of({"name": "a", "training": training})
    assert message.startswith(f"recipe.yaml: {text}")


def test_a_missing_key_is_named():
    assert message_of({}) == "recipe.yaml: name is missing."


def test_several_problems_stand_in_one_line_and_more_than_five_are_counted():
    message = message_of({"training": {"optimiser": {f"k{number}": 0 for number in range(8)}}})
    assert message.count("is not a known key") == 5
    assert message.endswith("; and 4 more.")  # 8 unknown keys and the missing name


def test_a_long_value_does_not_flood_the_message():
    assert len(message_of({"name": list(range(10_000))})) < 200


def test_settings_that_are_no_mapping_at_all_are_refused():
    assert message_of([1]) == "recipe.yaml: the settings: expected a mapping of settings, got [1]."


def test_a_config_cannot_be_changed():
    with pytest.raises(ValidationError, match="Instance is frozen"):
        Optimiser().lr = 3


def test_replace_checks_the_copy_and_leaves_the_original():
    original = Circle(radius_mm=2)
    assert original.replace(radius_mm=3).radius_mm == 3
    assert original.radius_mm == 2
    with pytest.raises(ConfigError, match="Circle: radius_mm: input should be greater than 0, got -1"):
        original.replace(radius_mm=-1)
    with pytest.raises(ConfigError, match="Circle: radius is not a known key"):
        original.replace(radius=1)


def test_replace_keeps_nested_settings():
    recipe = Recipe(name="a", training=Training(form=Box()))
    assert recipe.replace(name="b").training == recipe.training


# YAML


def test_numbers_in_scientific_notation_are_numbers():
    content = parse_yaml("a: 1e-3\nb: 2E6\nc: -1.5e+2\nd: 1.0e-3\ne: e5\nf: 12\ng: 1e\nh: '1e-3'")
    assert content == {"a": 0.001, "b": 2e6, "c": -150.0, "d": 0.001, "e": "e5", "f": 12, "g": "1e", "h": "1e-3"}
    assert type(content["f"]) is int


def test_a_key_that_stands_twice_is_refused():
    with pytest.raises(yaml.YAMLError, match="the key lr stands twice"):
        parse_yaml("training:\n  lr: 1\n  lr: 2\n")


def test_anchors_and_merges_still_work():
    assert parse_yaml("a: &base {x: 1, y: 2}\nb: {<<: *base, y: 3}")["b"] == {"x": 1, "y": 3}


def test_yaml_that_would_run_code_is_refused():
    with pytest.raises(yaml.YAMLError, match="could not determine a constructor"):
        parse_yaml("!!python/object/apply:os.getcwd []")


def test_a_mapping_is_read(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("name: Zelle µm\n", encoding="utf-8")
    assert read_yaml(path) == {"name": "Zelle µm"}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"a: [1, 2", "cannot be read as YAML: while parsing a flow sequence"),
        (b"a: 1\na: 2", "cannot be read as YAML: the key a stands twice"),
        (b"\xff\xfe\x00\x01", "cannot be read as YAML: 'utf-8' codec"),
        (b"- a\n- b\n", "expected a mapping of settings, got list"),
        (b"", "expected a mapping of settings, got nothing"),
    ],
)
def test_files_that_hold_no_mapping_are_refused_on_one_line(tmp_path, content, text):
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"{path}: {text}")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"a.yaml: no such file. Expected a YAML file with settings"):
        read_yaml(tmp_path / "a.yaml")
    with pytest.raises(ConfigError, match=r"cannot be read as YAML: .*Is a directory"):
        read_yaml(tmp_path)
