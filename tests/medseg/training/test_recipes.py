"""Every recipe that comes with medseg, in every profile, names things that exist and fit together."""

import pytest
import torch

from medseg.config import load_recipe, recipe_profiles, recipe_variants
from medseg.config.options import parse_options
from medseg.datasets import available_datasets
from medseg.jobs.compared_recipes import _chosen_models
from medseg.jobs.train import find_recipe, shipped_recipes
from medseg.losses import build_loss
from medseg.models import build_model
from medseg.transforms import build_augmentation, build_preparation

VARIANTS = [
    pytest.param(path, profile, id=f"{name}-{profile or 'plain'}")
    for name, path in shipped_recipes().items()
    for profile in (None, *recipe_profiles(path))
]


def test_the_four_recipes_are_found_by_name():
    assert {"isbi2012_unet", "lesions_mr_3d", "ct_phantom_lesions", "phantom_cells"} <= set(shipped_recipes())
    assert find_recipe("phantom_cells").is_file()


@pytest.mark.parametrize(("path", "profile"), VARIANTS)
def test_recipe_builds_its_network_loss_and_pipelines(path, profile):
    recipe = load_recipe(path, profile=profile)
    assert recipe.name == path.stem
    with torch.device("meta"):
        network = build_model(
            recipe.model.name,
            in_channels=1,
            num_classes=2,
            spatial_dims=recipe.transforms.spatial_dims,
            **recipe.model.options,
        )
    network.check_input_size(recipe.transforms.patch_size)
    build_loss(recipe.loss.name, num_classes=2, **recipe.loss.options)
    build_preparation(recipe.transforms, training=True)
    build_augmentation(recipe.transforms)
    description = available_datasets()[recipe.data.dataset]
    parse_options(description.options, recipe.data.options, path="data.options")
    assert recipe.training.schedule.warmup_steps < recipe.training.steps
    assert recipe.training.steps % recipe.training.steps_per_epoch == 0


@pytest.mark.parametrize(
    ("path", "profile", "variant"),
    [
        pytest.param(path, profile, variant, id=f"{name}-{profile or 'plain'}-{variant}")
        for name, path in shipped_recipes().items()
        for profile in (None, *recipe_profiles(path))
        for variant in recipe_variants(path, profile=profile)
    ],
)
def test_variant_names_a_loss_that_exists_and_changes_what_is_trained(path, profile, variant):
    recipe = load_recipe(path, profile=profile, variant=variant)
    build_loss(recipe.loss.name, num_classes=2, class_counts=lambda: [[9999, 1]], **recipe.loss.options)
    others = [load_recipe(path, profile=profile, variant=name) for name in recipe_variants(path, profile=profile)]
    assert others.count(recipe) == 1


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
@pytest.mark.parametrize("name", ["compare_networks", "compare_networks_isbi2012"])
def test_every_network_takes_the_patches_that_a_comparison_gives_it(name, profile):
    path = find_recipe(name)
    names, _ = _chosen_models(("all",), load_recipe(path, profile=profile), foreground_classes=1)
    assert len(names) == 21
    for model in names:
        recipe = load_recipe(path, profile=profile, compared_model=model)
        with torch.device("meta"):
            network = build_model(model, in_channels=1, num_classes=2, spatial_dims=2, **recipe.model.options)
        network.check_input_size(recipe.transforms.patch_size)


def test_networks_on_membranes_differ_in_nothing_but_shape_patch_and_batch():
    path = find_recipe("compare_networks_isbi2012")
    names, _ = _chosen_models(("all",), load_recipe(path, profile="cpu"), foreground_classes=1)
    recipes = [load_recipe(path, profile="cpu", compared_model=model) for model in names]
    assert {recipe.transforms.magnification for recipe in recipes} == {3}
    first = recipes[0]
    for recipe in recipes:
        assert recipe.training.replace(batch_size=4) == first.training
        assert recipe.transforms.replace(patch_size=(128, 128)) == first.transforms
        # Tiles of networks that find objects, which others do not have.
        inference = recipe.inference.replace(objects=first.inference.objects)
        assert (recipe.loss, recipe.data, inference) == (first.loss, first.data, first.inference)


@pytest.mark.parametrize(
    ("name", "most_weights"), [("isbi2012_unet", 2e6), ("ct_phantom_lesions", 0.9e6), ("phantom_cells", 1e6)]
)
def test_networks_for_the_cpu_are_small(name, most_weights):
    recipe = load_recipe(find_recipe(name))
    with torch.device("meta"):
        network = build_model(
            recipe.model.name,
            in_channels=1,
            num_classes=2,
            spatial_dims=recipe.transforms.spatial_dims,
            **recipe.model.options,
        )
    assert sum(weight.numel() for weight in network.parameters()) <= most_weights
