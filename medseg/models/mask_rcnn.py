"""Mask R-CNN: boxes proposed, classified and refined, and a mask within each (He 2017, doi 10.1109/ICCV.2017.322).

Built of torchvision's parts around a pyramid of our own making (any number of channels, any width). With the default
options and 91 classes it has the weights of torchvision's maskrcnn_resnet50_fpn.

What is made for photographs there follows the training objects here: `medseg train` measures them and fills in the
anchors, the number of proposals and the number of objects kept an image wherever the recipe leaves them open. Without
training objects, the paper's values for COCO hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead

from medseg.config import Config
from medseg.errors import ConfigError, InputError
from medseg.models.blocks.feature_pyramid import (
    MOST_LEVELS,
    ResNetTrunk,
    Trunk,
    TrunkNorm,
    build_pyramid,
    scaled,
)
from medseg.models.blocks.roi_pooling import RoIPooling, build_roi_pooling
from medseg.models.detection import DetectionNetwork, Detections, ObjectTargets

Share = Annotated[float, Field(gt=0, lt=1)]
AnchorSizes = tuple[tuple[PositiveFloat, ...], ...]

COCO_ANCHOR_SIZES: AnchorSizes = ((32.0,), (64.0,), (128.0,), (256.0,), (512.0,))
COCO_ASPECT_RATIOS = (0.5, 1.0, 2.0)
COCO_DETECTIONS, COCO_PROPOSALS = 100, 1000

_COARSEST_STRIDE = 64
_PYRAMID_WIDTH, _BOX_WIDTH = 256, 1024
_BOX_SIDE, _MASK_SIDE = 7, 14
_LOSS_NAMES = {
    "loss_classifier": "class",
    "loss_box_reg": "box",
    "loss_mask": "mask",
    "loss_objectness": "objectness",
    "loss_rpn_box_reg": "proposal_box",
}


class MaskRCNNOptions(Config):
    """Trunk, pooling, anchors and limits."""

    backbone: Trunk = "resnet50"
    width_factor: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Channels of trunk, pyramid and heads over the paper's; 0.25 with resnet18 trains on a CPU."""
    norm: TrunkNorm = "batch"
    """Of the trunk: frozen_batch for pretrained weights and small batches, group to train from scratch."""
    roi_pooling: RoIPooling = "align"
    anchor_sizes: Annotated[AnchorSizes, Field(min_length=1, max_length=MOST_LEVELS)] | None = None
    """Side lengths in pixels for each pyramid level, finest (stride 4) first, equally many a level. Absent: from the
    training objects; without any, COCO's."""
    aspect_ratios: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] | None = None
    """Height over width of the anchors. Absent: as `anchor_sizes`."""
    detections_per_image: PositiveInt | None = None
    """Most objects kept in an image or tile. Absent: from the training objects; without any, COCO's 100."""
    proposals_per_image: PositiveInt | None = None
    """Most regions that the heads look at. Absent: as `detections_per_image`, COCO's 1000."""
    sampled_anchors: PositiveInt = 256
    """Anchors an image that the proposal loss is computed of."""
    sampled_regions: PositiveInt = 512
    """Regions an image that the losses of the heads are computed of, a quarter of them objects at most."""
    proposal_nms_iou: Share = 0.7
    box_nms_iou: Share = 0.5
    """Of two boxes of one class that overlap more than this, the one with the lower score is dropped."""
    score_threshold: Share = 0.05
    """Objects below it are not looked at further."""

    @model_validator(mode="after")
    def _levels_agree(self) -> MaskRCNNOptions:
        counts = {len(sizes) for sizes in self.anchor_sizes or ((1.0,),)}
        if len(counts) != 1 or 0 in counts:
            message = "anchor_sizes must have equally many sizes, at least one, on each level"
            raise ValueError(message)
        return self


class MaskRCNN(DetectionNetwork):
    """Mask R-CNN with a feature pyramid; per-class masks, of which that of the box's class is the answer."""

    loss_parts = tuple(_LOSS_NAMES.values())

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: MaskRCNNOptions | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        """Build the network.

        Args:
            in_channels: channels of the images.
            num_classes: with the background, class 0.
            spatial_dims: 2.
            options: trunk, pooling, anchors and limits.
            generator: source of the weights; None takes torch's global one.

        Raises:
            ConfigError: there is no class but the background, or another number of axes than 2.
        """
        super().__init__(in_channels=in_channels, num_classes=num_classes)
        if num_classes < 2 or spatial_dims != 2:
            message = f"model 'mask_rcnn': expected 2 spatial axes and 2 or more classes, got {num_classes} classes."
            raise ConfigError(message)
        options = options or MaskRCNNOptions()
        if generator is None:
            self._build(options)
        else:
            # torchvision's parts draw from the global generator; this one decides what it gives them.
            with torch.random.fork_rng(devices=[]):
                torch.set_rng_state(generator.get_state())
                self._build(options)
                generator.set_state(torch.get_rng_state())

    def _build(self, options: MaskRCNNOptions) -> None:
        sizes = options.anchor_sizes or COCO_ANCHOR_SIZES
        width = scaled(_PYRAMID_WIDTH, options.width_factor)
        self.num_levels = len(sizes)
        self.trunk = ResNetTrunk(
            self.in_channels, name=options.backbone, norm=options.norm, width_factor=options.width_factor
        )
        self.pyramid = build_pyramid(self.trunk.widths, out_channels=width, num_levels=self.num_levels)
        self.rpn = _proposals(options, sizes, width=width)
        self.roi_heads = _heads(options, width=width, num_classes=self.num_classes)

    def forward(self, images: Tensor) -> list[Detections]:
        """See `DetectionNetwork`; in training mode, too, it answers as in evaluation mode except for batch norm."""
        images = self._checked(images)
        features, padded = self._features(images)
        parts = (self.rpn, self.roi_heads)
        modes = [part.training for part in parts]
        try:
            for part in parts:
                part.eval()
            proposals, _ = self.rpn(padded, self._proposal_levels(features))
            found, _ = self.roi_heads(features, proposals, padded.image_sizes)
        finally:
            for part, mode in zip(parts, modes, strict=True):
                part.train(mode)
        return [Detections(one["boxes"], one["labels"], one["scores"], one["masks"][:, 0].float()) for one in found]

    def losses(self, images: Tensor, targets: Sequence[ObjectTargets]) -> dict[str, Tensor]:
        """See `DetectionNetwork`: class, box and mask losses of the heads, objectness and box losses of the proposals.

        Each counts 1: He 2017, section 3, and Ren 2017, doi 10.1109/TPAMI.2016.2577031, equation 1.
        """
        images = self._checked(images)
        if len(targets) != len(images):
            message = f"{type(self).__name__}: expected targets of {len(images)} images, got {len(targets)}."
            raise InputError(message)
        kept = [target.without_degenerate() for target in targets]
        truth = [{"boxes": one.boxes, "labels": one.classes, "masks": one.masks} for one in kept]
        features, padded = self._features(images)
        proposals, of_proposals = self.rpn(padded, self._proposal_levels(features), truth)
        _, of_heads = self.roi_heads(features, proposals, padded.image_sizes, truth)
        found = {**of_heads, **of_proposals}
        return {name: found[key] for key, name in _LOSS_NAMES.items()}

    def _features(self, images: Tensor) -> tuple[dict[str, Tensor], ImageList]:
        """The pyramid of the images, padded so that every level's stride is what the anchors take it for."""
        height, width = images.shape[2:]
        padding = (0, -width % _COARSEST_STRIDE, 0, -height % _COARSEST_STRIDE)
        padded = F.pad(images, padding) if any(padding) else images
        return self.pyramid(self.trunk(padded)), ImageList(padded, [(height, width)] * len(images))

    def _proposal_levels(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """The levels that hold anchors; the heads take features from all."""
        return dict(list(features.items())[: self.num_levels])


def _proposals(options: MaskRCNNOptions, sizes: AnchorSizes, *, width: int) -> nn.Module:
    ratios = options.aspect_ratios or COCO_ASPECT_RATIOS
    anchors = AnchorGenerator(sizes, (tuple(ratios),) * len(sizes))
    most = options.proposals_per_image or COCO_PROPOSALS
    return RegionProposalNetwork(
        anchors,
        RPNHead(width, anchors.num_anchors_per_location()[0]),
        fg_iou_thresh=0.7,
        bg_iou_thresh=0.3,
        batch_size_per_image=options.sampled_anchors,
        positive_fraction=0.5,
        pre_nms_top_n={"training": 2 * most, "testing": 2 * most},
        post_nms_top_n={"training": 2 * most, "testing": most},
        nms_thresh=options.proposal_nms_iou,
    )


def _heads(options: MaskRCNNOptions, *, width: int, num_classes: int) -> nn.Module:
    hidden = scaled(_BOX_WIDTH, options.width_factor)
    return RoIHeads(
        box_roi_pool=build_roi_pooling(options.roi_pooling, output_size=_BOX_SIDE),
        box_head=TwoMLPHead(width * _BOX_SIDE**2, hidden),
        box_predictor=FastRCNNPredictor(hidden, num_classes),
        fg_iou_thresh=0.5,
        bg_iou_thresh=0.5,
        batch_size_per_image=options.sampled_regions,
        positive_fraction=0.25,
        bbox_reg_weights=None,
        score_thresh=options.score_threshold,
        nms_thresh=options.box_nms_iou,
        detections_per_img=options.detections_per_image or COCO_DETECTIONS,
        mask_roi_pool=build_roi_pooling(options.roi_pooling, output_size=_MASK_SIDE),
        mask_head=MaskRCNNHeads(width, (width,) * 4, 1),
        mask_predictor=MaskRCNNPredictor(width, width, num_classes),
    )
