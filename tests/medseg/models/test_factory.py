"""Finding networks by name."""

import inspect

import pytest

from medseg.errors import ConfigError, UnknownNameError
from medseg.models import available_models, build_model


def test_an_unknown_model_lists_the_known_ones_and_the_nearest():
    with pytest.raises(
        UnknownNameError, match=r"unknown model 'unet_2016'\. Did you mean 'unet_2015'\? Known: .*unet, unet_2015"
    ):
        build_model("unet_2016", in_channels=1, num_classes=2)


@pytest.mark.parametrize("name", available_models())
def test_a_description_names_the_paper_and_the_file_is_called_like_the_model(name):
    description = available_models()[name]
    assert "doi 10." in description.citation
    assert description.summary
    assert "\n" not in description.summary
    file = inspect.getmodule(description.network).__name__.removeprefix("medseg.models.")
    # Variants of one paper share its file: fcn_8s is in fcn.
    assert name == file or name.startswith(f"{file}_")
    assert description.options.__name__ == f"{description.network.__name__}Options"


@pytest.mark.parametrize(("in_channels", "num_classes"), [(0, 2), (1, 0)])
def test_no_channels_or_classes_are_refused(in_channels, num_classes):
    with pytest.raises(
        ConfigError, match=f"expected 1 or more channels and classes, got {in_channels} and {num_classes}"
    ):
        build_model("unet", in_channels=in_channels, num_classes=num_classes)


def test_four_axes_are_refused():
    with pytest.raises(ConfigError, match=r"model 'unet' is for 2 or 3 spatial axes, got 4"):
        build_model("unet", in_channels=1, num_classes=2, spatial_dims=4)


@pytest.mark.parametrize("name", [name for name, model in available_models().items() if len(model.spatial_dims) == 1])
def test_a_network_for_images_refuses_volumes_and_the_other_way_round(name):
    (known,) = available_models()[name].spatial_dims
    other = 5 - known
    with pytest.raises(ConfigError, match=rf"model '{name}' is for {known} spatial axes, got {other}"):
        build_model(name, in_channels=1, num_classes=2, spatial_dims=other)
