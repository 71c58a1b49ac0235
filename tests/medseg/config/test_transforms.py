import pytest
from cases.grids import ORIENTATIONS

from medseg.config import PercentileIntensity, StandardIntensity, TransformsConfig, WindowIntensity, parse_config
from medseg.errors import ConfigError

VOLUME = {"pipeline": "ct", "patch_size": [64, 64, 32], "intensity": {"kind": "window"}}
PLANE = {"pipeline": "microscopy", "patch_size": [64, 64], "intensity": {"kind": "percentile"}}


def parse(settings):
    return parse_config(TransformsConfig, settings, source="recipe")


def test_the_kind_chooses_the_settings_of_the_intensity():
    kinds = {"window": WindowIntensity, "percentile": PercentileIntensity, "standard": StandardIntensity}
    for kind, expected in kinds.items():
        assert type(parse({**PLANE, "intensity": {"kind": kind}}).intensity) is expected


def test_settings_of_one_kind_are_unknown_to_another():
    with pytest.raises(ConfigError, match=r"recipe: intensity.nonzero is not a known key"):
        parse({**PLANE, "intensity": {"kind": "window", "nonzero": True}})


def test_the_patch_tells_the_number_of_spatial_axes():
    assert parse(PLANE).spatial_dims == 2
    assert parse(VOLUME).spatial_dims == 3


@pytest.mark.parametrize("code", ORIENTATIONS)
def test_all_48_orientations_are_taken(code):
    assert parse({**VOLUME, "orientation": code}).orientation == code


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({**VOLUME, "orientation": "XYZ"}, "orientation: orientation must have one letter each of R/L, A/P and S/I"),
        ({**VOLUME, "orientation": "RAA"}, "one letter each of R/L, A/P and S/I, RAS for example, got 'RAA'"),
        ({**PLANE, "orientation": "RAS"}, "orientation is for volumes; leave it out for 2-D patches"),
        ({**VOLUME, "spacing_mm": [1, 1]}, "spacing_mm must have 3 entries like patch_size"),
        ({**VOLUME, "spacing_mm": [1, 1, 0]}, "spacing_mm.2: input should be greater than 0, got 0"),
        ({**PLANE, "spacing_mm": [1, 1], "magnification": 2}, "spacing_mm and magnification both say how fine"),
        ({**PLANE, "magnification": 0}, "magnification: input should be greater than 0, got 0"),
        ({**VOLUME, "patch_size": [4]}, "patch_size must have 2 or 3 entries, not 1"),
        ({**VOLUME, "pipeline": "xray"}, "pipeline: input should be 'microscopy', 'ct' or 'mr', got 'xray'"),
        (
            {**PLANE, "intensity": {"kind": "percentile", "lower": 99.9}},
            "the lower percentile must be below the upper",
        ),
        ({**PLANE, "augmentation": {"gamma_range": [2, 1]}}, "augmentation.gamma_range: the first end of a range must"),
        ({**PLANE, "augmentation": {"brightness_range": [0.1, -0.1]}}, "augmentation.brightness_range: the first end"),
        ({**PLANE, "augmentation": {"flip_probability": 1.1}}, "augmentation.flip_probability: input should be less"),
        ({**PLANE, "border_weights": {"w0": -1}}, "border_weights.w0: input should be greater than or equal to 0"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, text):
    with pytest.raises(ConfigError, match=text):
        parse(settings)
