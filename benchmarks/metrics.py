"""Surface scores and overlap scores on 200 x 512 x 512 against their peers: process time on one thread, values equal.

Over surface voxels, HD95, NSD and ASSD come from distances computed once; MONAI computes them anew in each of its three
calls. By area, the peer is surface-distance, which also computes once. Overlap of 25 classes: MONAI's DiceHelper is
given label maps, which is as far as it can be driven; SimpleITK is given its own images. `--goals` ends with an error
where goals are missed.
"""

import argparse
import warnings

import numpy as np
import SimpleITK
import surface_distance
import torch
from monai.metrics import (
    DiceHelper,
    compute_average_surface_distance,
    compute_hausdorff_distance,
    compute_surface_dice,
)
from scipy import ndimage
from timing import print_ratios, smallest_times

from medseg.metrics import (
    assd_mm,
    confusion_table,
    dice_per_class,
    hausdorff_95_area_weighted_mm,
    hausdorff_95_directed_mm,
    iou_per_class,
    mean_distances_area_weighted_mm,
    nsd_area_weighted,
    nsd_voxel_count,
    surface_distances,
)

SHAPE = (200, 512, 512)
SPACING_MM = (2.5, 0.8, 0.8)
TOLERANCE_MM = 2.0
NUM_CLASSES = 25
SURFACE_GOALS = {("medseg, voxels", "MONAI, three calls"): 1 / 10, ("medseg, areas", "surface-distance"): 1 / 3}
OVERLAP_GOALS = {("medseg", "MONAI DiceHelper"): 1 / 200, ("medseg", "SimpleITK"): 1 / 8}
"""Ours and the peer -> the largest part of the peer's time that ours may take."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--goals", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    warnings.simplefilter("ignore")
    missed = compare_overlap(arguments.rounds) + compare_surfaces(arguments.rounds)
    if arguments.goals and missed:
        message = f"slower than the goal against {', '.join(missed)}"
        raise SystemExit(message)


def organ(seed: int) -> np.ndarray:
    """A lobed organ that fills much of the volume, as a reader would draw it."""
    z, y, x = np.ogrid[tuple(slice(-1, 1, size * 1j) for size in SHAPE)]
    noise = np.random.default_rng(seed).normal(size=(10, 26, 26))
    lobes = ndimage.zoom(noise, np.array(SHAPE) / noise.shape, order=1)
    return (z / 0.8) ** 2 + (y / 0.62) ** 2 + (x / 0.66) ** 2 + 0.3 * lobes <= 1


def compare_surfaces(rounds: int) -> list[str]:
    reference = organ(seed=1)
    prediction = np.roll(reference, (2, 3, -4), axis=(0, 1, 2))
    prediction[20:28, 400:412, 400:410] = True
    one_hot = [torch.from_numpy(mask[None, None]) for mask in (prediction, reference)]

    def by_voxels() -> list[float]:
        found = surface_distances(reference=reference, prediction=prediction, spacing_mm=SPACING_MM)
        return [
            hausdorff_95_directed_mm(found),
            nsd_voxel_count(found, tolerance_mm=TOLERANCE_MM),
            assd_mm(found),
        ]

    def by_area() -> list[float]:
        found = surface_distances(reference=reference, prediction=prediction, spacing_mm=SPACING_MM)
        return [
            hausdorff_95_area_weighted_mm(found),
            nsd_area_weighted(found, tolerance_mm=TOLERANCE_MM),
            *mean_distances_area_weighted_mm(found),
        ]

    def monai() -> list[float]:
        options = {"include_background": True, "spacing": SPACING_MM}
        return [
            float(compute_hausdorff_distance(*one_hot, percentile=95, **options)),
            float(compute_surface_dice(*one_hot, class_thresholds=[TOLERANCE_MM], **options)),
            float(compute_average_surface_distance(*one_hot, symmetric=True, **options)),
        ]

    def deepmind() -> list[float]:
        found = surface_distance.compute_surface_distances(reference, prediction, SPACING_MM)
        return [
            surface_distance.compute_robust_hausdorff(found, 95),
            surface_distance.compute_surface_dice_at_tolerance(found, TOLERANCE_MM),
            *surface_distance.compute_average_surface_distance(found),
        ]

    check_equal([*by_voxels(), *by_area()], [*monai(), *deepmind()])
    candidates = {
        "medseg, voxels": by_voxels,
        "MONAI, three calls": monai,
        "medseg, areas": by_area,
        "surface-distance": deepmind,
    }
    times = smallest_times(candidates, rounds=rounds)
    print_ratios("HD95, NSD and mean distances; an organ in 200 x 512 x 512", times, against="medseg, voxels")
    return missed_goals(times, SURFACE_GOALS)


def compare_overlap(rounds: int) -> list[str]:
    reference = organs()
    prediction = np.roll(reference, (1, 2, 3), axis=(0, 1, 2))
    labels = [torch.from_numpy(label_map[None, None]) for label_map in (prediction, reference)]
    images = [SimpleITK.GetImageFromArray(label_map) for label_map in (prediction, reference)]

    def ours() -> list[float]:
        table = confusion_table(reference=reference, prediction=prediction, class_values=range(NUM_CLASSES))
        return [*dice_per_class(table.counts), *iou_per_class(table.counts)]

    def monai() -> list[float]:
        helper = DiceHelper(include_background=True, num_classes=NUM_CLASSES, reduction="none", get_not_nans=False)
        return helper(*labels)[0].tolist()

    def simpleitk() -> list[float]:
        measure = SimpleITK.LabelOverlapMeasuresImageFilter()
        measure.Execute(*images)
        return [measure.GetDiceCoefficient(value) for value in range(1, NUM_CLASSES)]

    check_equal(ours()[:NUM_CLASSES], monai())
    check_equal(ours()[1:NUM_CLASSES], simpleitk())
    times = smallest_times({"medseg": ours, "MONAI DiceHelper": monai, "SimpleITK": simpleitk}, rounds=rounds)
    print_ratios("Dice and IoU of 25 classes in 200 x 512 x 512", times, against="medseg")
    return missed_goals(times, OVERLAP_GOALS)


def organs() -> np.ndarray:
    """A body with 24 organs that fill it, each of the places nearest to its centre."""
    axes = np.ogrid[tuple(slice(-1, 1, size * 1j) for size in SHAPE)]
    nearest = np.full(SHAPE, np.inf, dtype=np.float32)
    labels = np.zeros(SHAPE, dtype=np.uint8)
    for value, centre in enumerate(np.random.default_rng(0).uniform(-0.7, 0.7, (NUM_CLASSES - 1, 3)), start=1):
        distance = sum((axis - place) ** 2 for axis, place in zip(axes, centre, strict=True)).astype(np.float32)
        closer = distance < nearest
        nearest[closer] = distance[closer]
        labels[closer] = value
    labels[sum((axis / size) ** 2 for axis, size in zip(axes, (0.95, 0.7, 0.8), strict=True)) > 1] = 0
    return labels


def check_equal(ours: list[float], theirs: list[float]) -> None:
    if not np.allclose(ours, theirs, rtol=1e-5):
        message = f"values differ: {ours} and {theirs}; a speed without the same answer says nothing"
        raise SystemExit(message)


def missed_goals(times: dict[str, float], goals: dict[tuple[str, str], float]) -> list[str]:
    return [peer for (ours, peer), part in goals.items() if times[ours] > part * times[peer]]


if __name__ == "__main__":
    main()
