import pytest
import yaml

from medseg.config import (
    StandardIntensity,
    TrainingRecipe,
    WindowIntensity,
    load_recipe,
    recipe_profiles,
    recipe_variants,
)
from medseg.errors import ConfigError

RECIPE = """
schema_version: 1
name: liver
data:
  dataset: folder
  options: {labels: [background, liver]}
transforms:
  pipeline: ct
  patch_size: [64, 64, 32]
  orientation: RAS
  spacing_mm: [1, 1, 2.5]
  intensity: {kind: window, lower: -100, upper: 300}
model:
  name: unet
  options: {channels: [16, 32], residual: true}
training:
  steps: 1000
  optimiser: {name: adamw, lr: 1e-3}
profiles:
  cpu:
    training: {steps: 50}
    model: {options: {channels: [8, 16]}}
  other_net:
    model: {name: unet_2015}
  standard:
    transforms: {intensity: {kind: standard}}
"""


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "liver.yaml"
    file.write_text(RECIPE)
    return file


def rewritten(path, old, new):
    assert old in RECIPE
    path.write_text(RECIPE.replace(old, new))
    return path


def test_a_recipe_is_read_with_its_own_settings_and_defaults(path):
    recipe = load_recipe(path)
    assert recipe.training.steps == 1000
    assert recipe.training.optimiser.lr == 0.001
    assert recipe.training.seed == 0
    assert recipe.transforms.intensity == WindowIntensity(lower=-100, upper=300)
    assert recipe.transforms.spatial_dims == 3
    assert recipe.model.options == {"channels": [16, 32], "residual": True}


def test_a_resolved_recipe_written_as_yaml_reads_back_as_the_same(path, tmp_path):
    recipe = load_recipe(path, profile="cpu")
    resolved = tmp_path / "config.yaml"
    resolved.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    assert load_recipe(resolved) == recipe


def test_the_names_of_the_profiles_are_told(path):
    assert recipe_profiles(path) == ("cpu", "other_net", "standard")
    assert recipe_profiles(rewritten(path, RECIPE[RECIPE.index("profiles") :], "")) == ()


def test_a_profile_replaces_single_settings_and_leaves_their_neighbours(path):
    recipe = load_recipe(path, profile="cpu")
    assert recipe.training.steps == 50
    assert recipe.training.optimiser.lr == 0.001
    assert recipe.model.options == {"channels": [8, 16], "residual": True}


def test_a_profile_with_another_network_does_not_inherit_the_first_ones_options(path):
    recipe = load_recipe(path, profile="other_net")
    assert recipe.model.name == "unet_2015"
    assert recipe.model.options == {}


def test_a_profile_with_another_kind_of_intensity_does_not_inherit_the_window(path):
    assert load_recipe(path, profile="standard").transforms.intensity == StandardIntensity()


def test_overrides_lie_over_the_profile(path):
    recipe = load_recipe(path, profile="cpu", overrides=("training.steps=7", "model.options.channels=[4, 8]"))
    assert recipe.training.steps == 7
    assert recipe.model.options == {"channels": [4, 8], "residual": True}


def test_override_values_are_yaml_and_may_hold_an_equals_sign(path):
    recipe = load_recipe(path, overrides=("description=a=b", "training.ema_decay=null", "loss.options.gamma=5e-1"))
    assert recipe.description == "a=b"
    assert recipe.training.ema_decay is None
    assert recipe.loss.options == {"gamma": 0.5}


@pytest.mark.parametrize("turned", [False, True])
def test_the_order_of_overrides_does_not_matter(path, turned):
    overrides = ("training.optimiser.lr=0.5", "training.optimiser.name=sgd")
    optimiser = load_recipe(path, overrides=overrides[::-1] if turned else overrides).training.optimiser
    assert (optimiser.name, optimiser.lr) == ("sgd", 0.5)


def test_of_an_override_given_twice_the_last_counts(path):
    assert load_recipe(path, overrides=("training.steps=3", "training.steps=4")).training.steps == 4


def test_another_data_set_does_not_inherit_the_first_ones_options(path):
    assert load_recipe(path, overrides=("data.dataset=isbi2012_em",)).data.options == {}


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("lr: 1e-3", "lrr: 1e-3", "training.optimiser.lrr is not a known key; check its spelling"),
        ("lr: 1e-3", "lr: 0", "training.optimiser.lr: input should be greater than 0, got 0"),
        ("schema_version: 1", "schema_version: 2", "schema_version: input should be 1, got 2"),
        ("name: liver", "name: Liver CT", "name: string should match pattern"),
        ("  pipeline: ct\n", "", "transforms.pipeline is missing"),
        (
            "lower: -100, upper: 300",
            "lower: 400",
            "transforms.intensity: the window's lower end must lie below its upp",
        ),
        ("lower: -100", "low: -100", "transforms.intensity.low is not a known key"),
    ],
)
def test_a_wrong_recipe_is_refused_with_file_and_path(path, old, new, text):
    with pytest.raises(ConfigError) as caught:
        load_recipe(rewritten(path, old, new))
    assert str(caught.value).startswith(f"{path}: {text}")


def test_a_wrong_key_in_a_profile_is_refused_when_it_is_used(path):
    rewritten(path, "training: {steps: 50}", "training: {step: 50}")
    load_recipe(path)
    with pytest.raises(ConfigError, match=r"training.step is not a known key"):
        load_recipe(path, profile="cpu")


def test_an_unknown_profile_is_refused_with_those_that_exist(path):
    with pytest.raises(ConfigError, match=r"liver.yaml: no profile 'gpu'. The file has: cpu, other_net, standard\."):
        load_recipe(path, profile="gpu")
    rewritten(path, RECIPE[RECIPE.index("profiles") :], "")
    with pytest.raises(ConfigError, match=r"no profile 'gpu'. The file has: none\."):
        load_recipe(path, profile="gpu")


def test_profiles_that_are_no_mappings_are_refused(path):
    rewritten(path, RECIPE[RECIPE.index("profiles") :], "profiles: [cpu]\n")
    with pytest.raises(ConfigError, match="profiles: expected a mapping of names to settings, got list"):
        recipe_profiles(path)
    rewritten(path, RECIPE[RECIPE.index("profiles") :], "profiles: {cpu: }\n")
    with pytest.raises(ConfigError, match=r"profiles.cpu: expected a mapping of settings, got None"):
        load_recipe(path)


@pytest.mark.parametrize("override", ["training.steps", "=3", "training..steps=3", ".steps=3"])
def test_overrides_without_a_path_or_value_are_refused(path, override):
    with pytest.raises(
        ConfigError, match=rf"--set {override}: expected key.path=value, for example training.steps=100"
    ):
        load_recipe(path, overrides=(override,))


def test_an_override_that_is_no_yaml_is_refused_on_one_line(path):
    with pytest.raises(ConfigError, match=r"^--set training.steps=\[1: the value is not YAML: [^\n]*$"):
        load_recipe(path, overrides=("training.steps=[1",))


def test_an_override_of_an_unknown_key_is_refused_with_its_path(path):
    with pytest.raises(ConfigError, match=r"training.optimiser.momentun is not a known key"):
        load_recipe(path, overrides=("training.optimiser.momentun=0.5",))


def test_the_schema_can_be_written_for_editors():
    assert "training" in TrainingRecipe.model_json_schema()["properties"]


def test_settings_of_a_compared_network_lie_between_profile_and_overrides(path):
    compared = path.with_name("compared.yaml")
    text = path.read_text(encoding="utf-8")
    compared.write_text(text + "\ncompare:\n  segnet: {training: {batch_size: 3, steps: 77}}\n", encoding="utf-8")
    recipe = load_recipe(compared, compared_model="segnet", overrides=("training.steps=78",))
    assert (recipe.model.name, recipe.model.options) == ("segnet", {})
    assert (recipe.training.batch_size, recipe.training.steps) == (3, 78)
    assert load_recipe(compared) == load_recipe(path)


def test_a_comparison_that_is_no_mapping_is_refused(path):
    compared = path.with_name("compared.yaml")
    compared.write_text(path.read_text(encoding="utf-8") + "\ncompare: {segnet: 3}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"compare\.segnet: expected a mapping of settings, got 3"):
        load_recipe(compared)


def with_variants(path):
    path.write_text(
        RECIPE.replace("  other_net:", "    variants: {small: {loss: {name: focal}}}\n  other_net:")
        + "variants:\n  dice: {loss: {name: dice}}\n  small: {training: {steps: 7}}\n"
    )
    return path


def test_a_variant_lies_over_the_profile_and_under_the_overrides(path):
    found = with_variants(path)
    assert recipe_variants(found) == ("dice", "small")
    recipe = load_recipe(found, profile="cpu", variant="small")
    # The profile's settings of the variant lie over those of the file.
    assert (recipe.training.steps, recipe.loss.name) == (7, "focal")
    assert recipe.model.options["channels"] == [8, 16]
    assert load_recipe(found, variant="small", overrides=("training.steps=8",)).training.steps == 8
    assert load_recipe(found).training.steps == 1000


def test_an_unknown_variant_is_refused_with_those_that_exist(path):
    with pytest.raises(ConfigError, match=r"no variant 'dise'. The file has: dice, small"):
        load_recipe(with_variants(path), variant="dise")


def test_a_variant_that_could_be_no_folder_is_refused(path):
    path.write_text(RECIPE + "variants: {../up: {training: {steps: 7}}}\n")
    with pytest.raises(ConfigError, match=r"letters, digits, - and _ only, got '\.\./up'"):
        recipe_variants(path)
