"""Settings, checked when they are read and frozen afterwards."""

from medseg.config.base import Config, parse_config, read_yaml
from medseg.config.postprocessing import FillHoles, LargestComponent, PostprocessingStep, RemoveSmall
from medseg.config.recipe import (
    BoundaryClosing,
    DataConfig,
    EvaluationConfig,
    InferenceConfig,
    LossConfig,
    ModelConfig,
    ObjectInference,
    RimInference,
    TrainingConfig,
    TrainingRecipe,
    load_recipe,
    recipe_profiles,
    recipe_variants,
)
from medseg.config.transforms import (
    Augmentation,
    BorderWeights,
    ObjectRims,
    PercentileIntensity,
    StandardIntensity,
    TransformsConfig,
    WindowIntensity,
)

__all__ = [
    "Augmentation",
    "BorderWeights",
    "BoundaryClosing",
    "Config",
    "DataConfig",
    "EvaluationConfig",
    "FillHoles",
    "InferenceConfig",
    "LargestComponent",
    "LossConfig",
    "ModelConfig",
    "ObjectInference",
    "ObjectRims",
    "PercentileIntensity",
    "PostprocessingStep",
    "RemoveSmall",
    "RimInference",
    "StandardIntensity",
    "TrainingConfig",
    "TrainingRecipe",
    "TransformsConfig",
    "WindowIntensity",
    "load_recipe",
    "parse_config",
    "read_yaml",
    "recipe_profiles",
    "recipe_variants",
]
