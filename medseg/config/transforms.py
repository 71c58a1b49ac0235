"""Settings of the transform pipelines: how an image becomes what a network sees."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from medseg.config.base import Config

_WORLD_AXIS = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}
"""As in `medseg.geometry.orientation`, a room that settings do not import."""


class WindowIntensity(Config):
    """Map a window of values, HU for CT, linearly to 0..1 and clip what lies outside."""

    kind: Literal["window"] = "window"
    lower: float = -160.0
    upper: float = 240.0

    @model_validator(mode="after")
    def _ordered(self) -> WindowIntensity:
        if self.lower >= self.upper:
            message = f"the window's lower end must lie below its upper end {self.upper:g}"
            raise ValueError(message)
        return self


class PercentileIntensity(Config):
    """Map the image's own percentiles, per channel, linearly to 0..1 and clip what lies outside."""

    kind: Literal["percentile"] = "percentile"
    lower: Annotated[float, Field(ge=0, le=100)] = 1.0
    upper: Annotated[float, Field(ge=0, le=100)] = 99.8

    @model_validator(mode="after")
    def _ordered(self) -> PercentileIntensity:
        if self.lower >= self.upper:
            message = f"the lower percentile must be below the upper one, {self.upper:g}"
            raise ValueError(message)
        return self


class StandardIntensity(Config):
    """Subtract the image's mean and divide by its standard deviation, per channel.

    With `nonzero`, both are taken over the voxels that are not zero (skull-stripped MR), and zeros stay zero.
    """

    kind: Literal["standard"] = "standard"
    nonzero: bool = False


Intensity = Annotated[WindowIntensity | PercentileIntensity | StandardIntensity, Field(discriminator="kind")]


class BorderWeights(Config):
    """Weight map of the U-Net paper: pixels between two close objects count more.

    w(x) = class weight + w0 * exp(-(d1 + d2)^2 / (2 sigma^2)), d1 and d2 the distances to the nearest two objects.
    Ronneberger 2015, eq. 2, doi 10.1007/978-3-319-24574-4_28.
    """

    w0: Annotated[float, Field(ge=0)] = 10.0
    sigma_voxel: PositiveFloat = 5.0
    object_class: Annotated[int, Field(ge=0)] = 0
    """The class whose connected regions are the objects (cells in a membrane map)."""


class ObjectRims(Config):
    """Learn single objects by three classes: outside, inside and the rim of each object.

    The network's answer becomes a map of object numbers, with touching objects parted where their rims meet
    (Caicedo 2019, doi 10.1002/cyto.a.23863).
    """

    width_voxel: PositiveInt = 1
    """How far the rim reaches into the object; an object too thin for it gets a narrower one."""


class Augmentation(Config):
    """Random changes of training patches; a probability or range of 0 switches one off."""

    flip_probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    """For each spatial axis on its own."""
    rotate90_probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Quarter turns in the plane of the first two spatial axes (only where the patch is square there)."""
    affine_probability: Annotated[float, Field(ge=0, le=1)] = 0.3
    rotate_degrees: Annotated[float, Field(ge=0, le=180)] = 15.0
    scale_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.15
    elastic_probability: Annotated[float, Field(ge=0, le=1)] = 0.3
    elastic_spacing_voxel: PositiveFloat = 64.0
    """Distance between the points of the coarse grid that carries random displacements."""
    elastic_sigma_voxel: Annotated[float, Field(ge=0)] = 6.0
    """Standard deviation of those displacements."""
    noise_probability: Annotated[float, Field(ge=0, le=1)] = 0.2
    noise_std: Annotated[float, Field(ge=0)] = 0.05
    blur_probability: Annotated[float, Field(ge=0, le=1)] = 0.1
    blur_sigma_voxel: Annotated[float, Field(ge=0)] = 1.0
    contrast_probability: Annotated[float, Field(ge=0, le=1)] = 0.3
    gamma_range: tuple[PositiveFloat, PositiveFloat] = (0.7, 1.5)
    brightness_range: tuple[float, float] = (-0.1, 0.1)

    @field_validator("gamma_range", "brightness_range")
    @classmethod
    def _ordered(cls, ends: tuple[float, float]) -> tuple[float, float]:
        if ends[0] > ends[1]:
            message = "the first end of a range must not lie above the second"
            raise ValueError(message)
        return ends


class TransformsConfig(Config):
    """How an image becomes what a network sees, and how training patches are drawn."""

    pipeline: Literal["microscopy", "ct", "mr"]
    patch_size: tuple[PositiveInt, ...]
    """Size of training patches and inference tiles, one entry per spatial axis."""
    intensity: Intensity
    orientation: str | None = None
    """Anatomical axis order that volumes are brought into; absent for microscopy."""
    spacing_mm: tuple[PositiveFloat, ...] | None = None
    """Voxel size, in the axis order of `orientation`, that images are resampled to; absent keeps their own."""
    magnification: PositiveFloat = 1.0
    """How many times finer than the image's own the grid is that the network sees, along each axis: 2 for structures
    that are too thin for the network. Needs no known voxel size, as microscopy often has none; not with spacing_mm."""
    crop_foreground: bool = False
    """Whether training leaves out the empty margin (air) around the body."""
    foreground_fraction: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of training patches that are centred on a voxel of a foreground class, each class equally often."""
    border_weights: BorderWeights | None = None
    object_rims: ObjectRims | None = None
    augmentation: Augmentation = Augmentation()

    @field_validator("orientation")
    @classmethod
    def _is_orientation(cls, orientation: str | None) -> str | None:
        if orientation is not None and sorted(_WORLD_AXIS.get(letter, -1) for letter in orientation) != [0, 1, 2]:
            message = "orientation must have one letter each of R/L, A/P and S/I, RAS for example"
            raise ValueError(message)
        return orientation

    @property
    def spatial_dims(self) -> int:
        """Number of spatial axes, 2 or 3."""
        return len(self.patch_size)

    @model_validator(mode="after")
    def _dimensions_agree(self) -> TransformsConfig:
        if self.spatial_dims not in {2, 3}:
            message = f"patch_size must have 2 or 3 entries, not {self.spatial_dims}"
            raise ValueError(message)
        if self.spacing_mm is not None and len(self.spacing_mm) != self.spatial_dims:
            message = f"spacing_mm must have {self.spatial_dims} entries like patch_size"
            raise ValueError(message)
        if self.spacing_mm is not None and self.magnification != 1:
            message = "spacing_mm and magnification both say how fine the grid is: give one of them"
            raise ValueError(message)
        if self.object_rims is not None and self.border_weights is not None:
            message = "object_rims and border_weights both part touching objects; leave one of them out"
            raise ValueError(message)
        if self.orientation is not None and self.spatial_dims != 3:
            message = "orientation is for volumes; leave it out for 2-D patches"
            raise ValueError(message)
        return self
