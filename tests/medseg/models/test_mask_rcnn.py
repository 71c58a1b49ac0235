"""Mask R-CNN: its published size, its losses on awkward targets, and how many objects it keeps."""

import math

import pytest
import torch
from torchvision.models.detection import maskrcnn_resnet50_fpn
from torchvision.ops import roi_pool

from medseg.errors import ConfigError, GeometryError, InputError
from medseg.models import DetectionNetwork, ObjectTargets, build_model
from medseg.models.blocks.roi_pooling import build_roi_pooling, level_of

SMALL = {
    "backbone": "resnet18",
    "width_factor": 0.125,
    "norm": "group",
    "anchor_sizes": ((8.0, 16.0), (32.0, 64.0)),
    "proposals_per_image": 100,
}


def small(*, in_channels=1, num_classes=2, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    network = build_model(
        "mask_rcnn", in_channels=in_channels, num_classes=num_classes, generator=generator, **{**SMALL, **options}
    )
    assert isinstance(network, DetectionNetwork)
    return network


def targets(boxes, *, size=64):
    """Rectangles that fill their boxes, given as left, top, right, bottom pixel."""
    masks = torch.zeros(len(boxes), size, size, dtype=torch.uint8)
    for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
        mask[top : bottom + 1, left : right + 1] = 1
    corners = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4) + torch.tensor([-0.5, -0.5, 0.5, 0.5])
    return ObjectTargets(corners, torch.ones(len(boxes), dtype=torch.int64), masks)


@pytest.mark.parametrize(("norm", "parameters"), [("frozen_batch", 44_401_393), ("batch", 44_454_513)])
def test_the_default_network_has_as_many_weights_as_torchvisions(norm, parameters):
    with torch.device("meta"):
        network = build_model("mask_rcnn", in_channels=3, num_classes=91, norm=norm)
    assert sum(weight.numel() for weight in network.parameters()) == parameters


@pytest.mark.parametrize("backbone", ["resnet101", "resnext101_32x8d"])
def test_trunks_have_torchvisions_names_and_shapes_of_weights(backbone):
    import torchvision

    with torch.device("meta"):
        ours = build_model("mask_rcnn", in_channels=3, num_classes=2, backbone=backbone).trunk.state_dict()
        theirs = getattr(torchvision.models, backbone)(weights=None).state_dict()
    shapes = {name: weight.shape for name, weight in theirs.items() if not name.startswith("fc.")}
    assert {name: weight.shape for name, weight in ours.items()} == shapes


def test_the_same_weights_give_torchvisions_detections():
    torch.manual_seed(0)  # noqa: TID251 - torchvision's builder has no generator
    theirs = maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=3, image_mean=[0.0] * 3, image_std=[1.0] * 3,
        min_size=128, max_size=128, box_score_thresh=0.05, rpn_pre_nms_top_n_test=2000,
    ).eval()  # fmt: skip
    # An untrained pyramid gives scores that are all alike, between which rounding would choose.
    with torch.no_grad():
        theirs.roi_heads.box_predictor.cls_score.weight.mul_(30)
    ours = build_model("mask_rcnn", in_channels=3, num_classes=3, norm="frozen_batch").eval()
    renamed = {"backbone.body.": "trunk.", "backbone.fpn.": "pyramid."}
    state = {}
    for name, value in theirs.state_dict().items():
        prefix = next((old for old in renamed if name.startswith(old)), None)
        state[name if prefix is None else renamed[prefix] + name.removeprefix(prefix)] = value
    ours.load_state_dict(state)
    image = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        (expected,), (found,) = theirs([image]), ours(image[None])
    assert len(expected["scores"]) > 10
    torch.testing.assert_close(found.scores, expected["scores"])
    torch.testing.assert_close(found.boxes, expected["boxes"], rtol=1e-4, atol=1e-2)
    assert torch.equal(found.classes, expected["labels"])


@pytest.mark.parametrize(
    "case",
    {
        "none": [],
        "one pixel": [(5, 5, 5, 5)],
        "the whole image": [(0, 0, 63, 63)],
        "usual": [(5, 5, 20, 22), (30, 31, 50, 60)],
    }.items(),
    ids=lambda case: case[0],
)
def test_losses_are_finite_and_reach_the_weights_whatever_the_objects(case):
    network = small().train()
    parts = network.losses(torch.rand(2, 1, 64, 64), [targets(case[1]), targets([])])
    assert tuple(parts) == network.loss_parts == ("class", "box", "mask", "objectness", "proposal_box")
    assert all(math.isfinite(float(part.detach())) for part in parts.values())
    sum(parts.values()).backward()
    gradients = {name: weight.grad for name, weight in network.named_parameters()}
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients.values())


def test_boxes_without_extent_and_masks_without_pixels_are_left_out():
    good = targets([(5, 5, 20, 22)])
    flat = torch.tensor([[9.0, 9.0, 9.0, 30.0], [3.0, 3.0, 2.0, 8.0], [1.0, 1.0, math.nan, 8.0], [1.0, 1.0, 8.0, 8.0]])
    bad = ObjectTargets(
        torch.cat([good.boxes, flat]),
        torch.ones(5, dtype=torch.int64),
        torch.cat([good.masks, good.masks, good.masks, good.masks, torch.zeros_like(good.masks)]),
    )
    kept = bad.without_degenerate()
    assert torch.equal(kept.boxes, good.boxes)
    assert torch.equal(kept.masks, good.masks)
    parts = small().train().losses(torch.rand(1, 1, 64, 64), [bad])
    assert all(math.isfinite(float(part.detach())) for part in parts.values())


def test_each_class_has_a_mask_of_its_own_and_any_channels_are_taken():
    network = small(in_channels=5, num_classes=4).eval()
    assert network.roi_heads.mask_predictor.mask_fcn_logits.out_channels == 4
    with torch.no_grad():
        (found,) = network(torch.rand(1, 5, 75, 90))
    assert found.masks.shape == (len(found.scores), 28, 28)
    assert bool((found.boxes[:, 2] <= 90).all() and (found.boxes[:, 3] <= 75).all())


def test_the_generator_decides_the_weights_and_the_global_state_stays():
    before = torch.get_rng_state()
    first, second, other = small(seed=3), small(seed=3), small(seed=4)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.trunk.conv1.weight, other.trunk.conv1.weight)


def test_three_hundred_objects_of_one_image_are_all_kept_with_a_cap_of_450_and_not_with_cocos():
    # Head outputs made by hand: 300 sure boxes on a lattice, each met by two proposals.
    lattice = torch.tensor([[12.0 * x, 12.0 * y, 12.0 * x + 10, 12.0 * y + 10] for y in range(15) for x in range(20)])
    proposals = torch.cat([lattice, lattice + torch.tensor([1.0, 0.0, 1.0, 0.0])])
    logits = torch.tensor([0.0, 4.0]).expand(len(proposals), 2)
    no_change = torch.zeros(len(proposals), 8)
    for cap, expected in ((450, 300), (100, 100)):
        heads = small(detections_per_image=cap, box_nms_iou=0.5).eval().roi_heads
        boxes, scores, _ = heads.postprocess_detections(logits, no_change, [proposals], [(200, 260)])
        assert len(boxes[0]) == len(scores[0]) == expected


def test_proposals_are_not_cut_below_the_cap():
    network = small(proposals_per_image=900, detections_per_image=450)
    assert network.rpn.eval().post_nms_top_n() == 900
    assert network.rpn.pre_nms_top_n() == 1800


def test_roi_pool_takes_the_level_that_fits_and_the_greatest_of_each_part():
    sides = (30.0, 111.0, 113.0, 225.0, 449.0, 2000.0)
    boxes = torch.tensor([[0.0, 0.0, side, side] for side in sides])
    assert level_of(boxes).tolist() == [2, 2, 3, 4, 5, 5]
    generator = torch.Generator().manual_seed(0)
    features = {str(n): torch.rand(1, 3, 128 // 2**n, 128 // 2**n, generator=generator) for n in range(4)}
    pooled = build_roi_pooling("pool", output_size=7)(features, [boxes[[0, 3]]], [(512, 512)])
    torch.testing.assert_close(pooled[:1], roi_pool(features["0"], [boxes[:1]], 7, 1 / 4))
    torch.testing.assert_close(pooled[1:], roi_pool(features["2"], [boxes[3:4]], 7, 1 / 16))


def test_wrong_inputs_and_options_are_told():
    network = small()
    with pytest.raises(InputError, match="expected images of shape"):
        network(torch.rand(1, 2, 64, 64))
    with pytest.raises(GeometryError, match="64 pixels or more, got 32 x 64"):
        network(torch.rand(1, 1, 32, 64))
    with pytest.raises(InputError, match="expected targets of 2 images, got 1"):
        network.losses(torch.rand(2, 1, 64, 64), [targets([])])
    with pytest.raises(ConfigError, match="equally many sizes"):
        small(anchor_sizes=((8.0, 16.0), (32.0,)))
    with pytest.raises(ConfigError, match="2 or more classes"):
        small(num_classes=1)


def test_roi_pool_keeps_the_regions_in_place_in_half_precision():
    features = {str(n): torch.arange(128.0 // 2**n).expand(1, 1, 128 // 2**n, 128 // 2**n) for n in range(4)}
    boxes = [torch.tensor([[483.0, 480.0, 507.0, 504.0]])]
    plain = build_roi_pooling("pool", output_size=7)(features, boxes, [(512, 512)])
    half = {name: level.bfloat16() for name, level in features.items()}
    pooled = build_roi_pooling("pool", output_size=7)(half, boxes, [(512, 512)])
    # 128 columns and fewer are whole numbers that bfloat16 holds exactly; 483 is none.
    assert pooled.dtype == torch.bfloat16
    assert torch.equal(pooled.float(), plain)


@pytest.mark.parametrize("pooling", ["align", "pool"])
def test_either_pooling_trains_in_half_precision(pooling):
    network = small(roi_pooling=pooling).train()
    with torch.autocast("cpu", torch.bfloat16):
        parts = network.losses(torch.rand(1, 1, 64, 64), [targets([(5, 5, 20, 22)])])
    sum(parts.values()).backward()
    assert all(torch.isfinite(weight.grad).all() for weight in network.roi_heads.parameters())
