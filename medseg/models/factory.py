"""The table of networks, and building one by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch

from medseg.config import Config
from medseg.config.options import parse_options
from medseg.errors import ConfigError
from medseg.models.attention_unet import AttentionUNet, AttentionUNetOptions
from medseg.models.base import SegmentationNetwork
from medseg.models.deconvnet import DeconvNet, DeconvNetOptions
from medseg.models.deeplab_v1 import DeepLabV1, DeepLabV1Options
from medseg.models.deeplab_v2 import DeepLabV2, DeepLabV2Options
from medseg.models.deeplab_v3 import DeepLabV3, DeepLabV3Options
from medseg.models.deeplab_v3_plus import DeepLabV3Plus, DeepLabV3PlusOptions
from medseg.models.detection import DetectionNetwork
from medseg.models.dyn_unet import DynUNet, DynUNetOptions
from medseg.models.fcn import FCN8s, FCN8sOptions, FCN16s, FCN16sOptions, FCN32s, FCN32sOptions
from medseg.models.mask_rcnn import MaskRCNN, MaskRCNNOptions
from medseg.models.parsenet import ParseNet, ParseNetOptions
from medseg.models.pspnet import PSPNet, PSPNetOptions
from medseg.models.residual_unet import ResidualUNet, ResidualUNetOptions
from medseg.models.segnet import SegNet, SegNetOptions
from medseg.models.segresnet import SegResNet, SegResNetOptions
from medseg.models.sliding_window_cnn import SlidingWindowCNN, SlidingWindowCNNOptions
from medseg.models.swin_unetr import SwinUNETR, SwinUNETROptions
from medseg.models.unet import UNet, UNetOptions
from medseg.models.unet_3d import UNet3D, UNet3DOptions
from medseg.models.unet_2015 import UNet2015, UNet2015Options
from medseg.models.unet_plus_plus import UNetPlusPlus, UNetPlusPlusOptions
from medseg.registry import look_up


class NetworkClass(Protocol):
    """How every network is built."""

    def __call__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: Any = None,
        generator: torch.Generator | None = None,
    ) -> SegmentationNetwork | DetectionNetwork:
        """The network with weights drawn from `generator`, or from torch's global one."""
        ...


@dataclass(frozen=True)
class ModelDescription:
    """A network that `build_model` knows.

    Attributes:
        summary: what it is, in one line.
        citation: the paper and its DOI.
        spatial_dims: numbers of spatial axes it can be built for.
        network: its class.
        options: class of its options; their fields are what `build_model` takes.
        answers: "classes" for a `SegmentationNetwork`, which gives each voxel a class; "objects" for a
            `DetectionNetwork`, which lists single objects.
    """

    summary: str
    citation: str
    spatial_dims: tuple[int, ...]
    network: NetworkClass
    options: type[Config]
    answers: Literal["classes", "objects"] = "classes"


_FCN_CITATION = "Long 2015, doi 10.1109/CVPR.2015.7298965; Shelhamer 2017, doi 10.1109/TPAMI.2016.2572683"

_MODELS: Mapping[str, ModelDescription] = {
    "deconvnet": ModelDescription(
        summary="VGG16 down to one vector and its mirror image of unpoolings and deconvolutions: fine shapes",
        citation="Noh 2015, doi 10.1109/ICCV.2015.178",
        spatial_dims=(2,),
        network=DeconvNet,
        options=DeconvNetOptions,
    ),
    "fcn_16s": ModelDescription(
        summary="fully convolutional VGG16 with scores summed over strides 32 and 16",
        citation=_FCN_CITATION,
        spatial_dims=(2,),
        network=FCN16s,
        options=FCN16sOptions,
    ),
    "fcn_32s": ModelDescription(
        summary="fully convolutional VGG16, scored at stride 32: the coarse beginning of the line",
        citation=_FCN_CITATION,
        spatial_dims=(2,),
        network=FCN32s,
        options=FCN32sOptions,
    ),
    "fcn_8s": ModelDescription(
        summary="fully convolutional VGG16 with scores summed over strides 32, 16 and 8: the finest FCN",
        citation=_FCN_CITATION,
        spatial_dims=(2,),
        network=FCN8s,
        options=FCN8sOptions,
    ),
    "segnet": ModelDescription(
        summary="VGG16 and its mirror image, which unpools to where the maxima were: sharp edges, little memory",
        citation="Badrinarayanan 2017, doi 10.1109/TPAMI.2016.2644615",
        spatial_dims=(2,),
        network=SegNet,
        options=SegNetOptions,
    ),
    "unet": ModelDescription(
        summary="U-Net with padding and normalisation; plain or residual, with deep supervision if wanted",
        citation="Ronneberger 2015, doi 10.1007/978-3-319-24574-4_28; Cicek 2016, doi 10.1007/978-3-319-46723-8_49",
        spatial_dims=(2, 3),
        network=UNet,
        options=UNetOptions,
    ),
    "unet_2015": ModelDescription(
        summary="the original U-Net with unpadded convolutions: 572 x 572 in, 388 x 388 out",
        citation="Ronneberger 2015, doi 10.1007/978-3-319-24574-4_28",
        spatial_dims=(2,),
        network=UNet2015,
        options=UNet2015Options,
    ),
    "deeplab_v1": ModelDescription(
        summary="VGG16 with dilated convolutions instead of its last strides (LargeFOV): wide context, few weights",
        citation="Chen 2015, arXiv 1412.7062; journal version doi 10.1109/TPAMI.2017.2699184",
        spatial_dims=(2,),
        network=DeepLabV1,
        options=DeepLabV1Options,
    ),
    "deeplab_v2": ModelDescription(
        summary="dilated ResNet-101 with a pyramid of dilated classifiers, on several scales: objects of many sizes",
        citation="Chen 2018, doi 10.1109/TPAMI.2017.2699184",
        spatial_dims=(2,),
        network=DeepLabV2,
        options=DeepLabV2Options,
    ),
    "deeplab_v3": ModelDescription(
        summary="dilated ResNet with an atrous pyramid and the mean of the whole image: objects of many sizes",
        citation="Chen 2017, arXiv 1706.05587, doi 10.48550/arXiv.1706.05587",
        spatial_dims=(2,),
        network=DeepLabV3,
        options=DeepLabV3Options,
    ),
    "deeplab_v3_plus": ModelDescription(
        summary="DeepLab v3 with a decoder that sharpens the borders; separable convolutions",
        citation="Chen 2018, doi 10.1007/978-3-030-01234-2_49",
        spatial_dims=(2,),
        network=DeepLabV3Plus,
        options=DeepLabV3PlusOptions,
    ),
    "mask_rcnn": ModelDescription(
        summary="finds single objects, each with a box, a score and a mask: cells that touch or overlap, counts",
        citation="He 2017, doi 10.1109/ICCV.2017.322",
        spatial_dims=(2,),
        network=MaskRCNN,
        options=MaskRCNNOptions,
        answers="objects",
    ),
    "parsenet": ModelDescription(
        summary="DeepLab v1 with the mean of the whole image beside every pixel: what the scene says about a pixel",
        citation="Liu 2015, arXiv 1506.04579, doi 10.48550/arXiv.1506.04579",
        spatial_dims=(2,),
        network=ParseNet,
        options=ParseNetOptions,
    ),
    "pspnet": ModelDescription(
        summary="dilated ResNet with means over 1, 4, 9 and 36 regions of the image: context on several scales",
        citation="Zhao 2017, doi 10.1109/CVPR.2017.660",
        spatial_dims=(2,),
        network=PSPNet,
        options=PSPNetOptions,
    ),
    "unet_3d": ModelDescription(
        summary="the original 3-D U-Net with unpadded convolutions: 132 x 132 x 116 in, 44 x 44 x 28 out",
        citation="Cicek 2016, doi 10.1007/978-3-319-46723-8_49",
        spatial_dims=(3,),
        network=UNet3D,
        options=UNet3DOptions,
    ),
    "unet_plus_plus": ModelDescription(
        summary="U-Net with nested decoders, each fed by all shallower ones: fine detail, more memory",
        citation="Zhou 2018, doi 10.1007/978-3-030-00889-5_1",
        spatial_dims=(2, 3),
        network=UNetPlusPlus,
        options=UNetPlusPlusOptions,
    ),
    "residual_unet": ModelDescription(
        summary="light U-Net of strided residual units, from MONAI: small and fast, also for volumes",
        citation="Kerfoot 2019, doi 10.1007/978-3-030-12029-0_40",
        spatial_dims=(2, 3),
        network=ResidualUNet,
        options=ResidualUNetOptions,
    ),
    "attention_unet": ModelDescription(
        summary="U-Net whose skip connections are weighted by attention: small organs in a large view",
        citation="Oktay 2018, doi 10.48550/arXiv.1804.03999",
        spatial_dims=(2, 3),
        network=AttentionUNet,
        options=AttentionUNetOptions,
    ),
    "dyn_unet": ModelDescription(
        summary="nnU-Net's U-Nets, plain or with a residual encoder: the strong choice for volumes",
        citation="Isensee 2021, doi 10.1038/s41592-020-01008-z; Isensee 2024, doi 10.1007/978-3-031-72114-4_47",
        spatial_dims=(2, 3),
        network=DynUNet,
        options=DynUNetOptions,
    ),
    "segresnet": ModelDescription(
        summary="residual encoder with group norm and a light decoder: tumours in large patches",
        citation="Myronenko 2018, doi 10.1007/978-3-030-11726-9_28",
        spatial_dims=(2, 3),
        network=SegResNet,
        options=SegResNetOptions,
    ),
    "swin_unetr": ModelDescription(
        summary="shifted-window attention with a convolutional decoder: long-range context, needs much data",
        citation="Hatamizadeh 2022, doi 10.1007/978-3-031-08999-2_22",
        spatial_dims=(2, 3),
        network=SwinUNETR,
        options=SwinUNETROptions,
    ),
    "sliding_window_cnn": ModelDescription(
        summary="patch classifier that labels the centre pixel, run on all windows at once; won ISBI 2012",
        citation="Ciresan 2012, NIPS 25, p. 2843-2851; ISBI 2012: Arganda-Carreras 2015, doi 10.3389/fnana.2015.00142",
        spatial_dims=(2,),
        network=SlidingWindowCNN,
        options=SlidingWindowCNNOptions,
    ),
}


def available_models() -> Mapping[str, ModelDescription]:
    """Name -> description of every network that `build_model` knows."""
    return _MODELS


def build_model(
    name: str,
    *,
    in_channels: int,
    num_classes: int,
    spatial_dims: int = 2,
    generator: torch.Generator | None = None,
    **options: Any,
) -> SegmentationNetwork | DetectionNetwork:
    """The network called `name`, with fresh weights.

    Args:
        name: one of `available_models`.
        in_channels: channels of the images.
        num_classes: classes of the label table, background included.
        spatial_dims: 2 for images, 3 for volumes.
        generator: source of the weights; None takes torch's global one.
        options: what the network's options class holds.

    Raises:
        UnknownNameError: there is no such network.
        ConfigError: an unknown option, a wrong value, or a number of axes, channels or classes that the network
            cannot have.
    """
    description = look_up(_MODELS, name, kind="model")
    if spatial_dims not in description.spatial_dims:
        known = " or ".join(str(number) for number in description.spatial_dims)
        message = f"model {name!r} is for {known} spatial axes, got {spatial_dims}."
        raise ConfigError(message)
    if in_channels < 1 or num_classes < 1:
        message = f"model {name!r}: expected 1 or more channels and classes, got {in_channels} and {num_classes}."
        raise ConfigError(message)
    return description.network(
        in_channels=in_channels,
        num_classes=num_classes,
        spatial_dims=spatial_dims,
        options=parse_options(description.options, options, path="model.options"),
        generator=generator,
    )
