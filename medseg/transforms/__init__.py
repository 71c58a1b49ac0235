"""How an image becomes what a network sees: MONAI pipelines by name."""

from medseg.transforms.pipelines import PIPELINES, Preparation, build_augmentation, build_preparation

__all__ = ["PIPELINES", "Preparation", "build_augmentation", "build_preparation"]
