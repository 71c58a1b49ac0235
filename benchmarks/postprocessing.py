"""Components, the largest component, and distance map with watershed, against cc3d, MONAI, scipy and scikit-image.

Volumes of 200 x 512 x 512 voxels (the last one an eighth of it), process time on one thread, rounds interleaved; the
answers are compared first.
Two masks for the watershed: round objects of which few touch, as cells in a culture, and one tissue in which all do.
There the flooding, which is scikit-image's on both sides, is nearly all of our time (3.3 s; the distance map takes
0.3 s, scipy's 1.7 s), so that the ratio cannot fall much below 0.7. SimpleITK's flooding takes 1.2 s, but gives 4
voxels in 100,000 to other basins than scikit-image's. The largest component takes at least cc3d's numbering of all.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cc3d
import numpy as np
import torch
from monai.transforms import KeepLargestConnectedComponent
from scipy import ndimage
from skimage import measure, segmentation
from timing import print_ratios, smallest_times

from medseg.postprocessing import Connectivity, distance_map, label_components, largest_component, seeded_watershed

SHAPE = (200, 512, 512)
SPACING_MM = (2.0, 1.0, 1.0)
ROUNDS = 7
WATERSHED_ROUNDS = 2


def tissue(rng: np.random.Generator, *, threshold: float) -> np.ndarray:
    """Smooth random blobs; the lower the threshold, the more of them hang together."""
    coarse = ndimage.gaussian_filter(rng.standard_normal((100, 128, 128)).astype(np.float32), 3)
    fine = ndimage.zoom(coarse / coarse.std(), (2, 4, 4), order=1)
    return fine > threshold


def balls(rng: np.random.Generator, *, count: int, radius: int) -> tuple[np.ndarray, np.ndarray]:
    """Balls at random places, and a seed in the middle of each."""
    mask, seeds = np.zeros(SHAPE, dtype=bool), np.zeros(SHAPE, dtype=np.int32)
    offsets = np.indices((2 * radius + 1,) * 3) - radius
    ball = (offsets**2).sum(axis=0) <= radius**2
    for number in range(1, count + 1):
        corner = [int(rng.integers(0, length - 2 * radius - 1)) for length in SHAPE]
        mask[tuple(slice(start, start + 2 * radius + 1) for start in corner)] |= ball
        seeds[tuple(start + radius for start in corner)] = number
    return mask, seeds


def organ(rng: np.random.Generator) -> np.ndarray:
    """An ellipsoid of the size of a liver, and small false specks around it."""
    grid = np.ogrid[tuple(slice(length) for length in SHAPE)]
    half_axes = (45, 110, 90)
    mask = sum(((axis - n * 0.5) / half) ** 2 for axis, n, half in zip(grid, SHAPE, half_axes, strict=True)) <= 1
    for _ in range(40):
        corner = [int(rng.integers(n // 4, 3 * n // 4)) for n in SHAPE]
        mask[tuple(slice(start, start + 3) for start in corner)] = True
    return mask


def check(what: str, *, same: bool) -> None:
    if not same:
        message = f"{what}: the answers differ; a speed without the same answer says nothing"
        raise SystemExit(message)


def components(mask: np.ndarray) -> None:
    for connectivity, number, rank in ((Connectivity.FACES, 6, 1), (Connectivity.CORNERS, 26, 3)):
        expected = cc3d.connected_components(mask, connectivity=number)
        check("components", same=np.array_equal(label_components(mask, connectivity=connectivity)[0], expected))
        fortran = np.asfortranarray(mask)
        structure = ndimage.generate_binary_structure(3, rank)
        # The pair on its own first: what runs before a candidate decides whether its pages are warm.
        pair = {
            "medseg": lambda c=connectivity: label_components(mask, connectivity=c),
            "cc3d": lambda n=number: cc3d.connected_components(mask, connectivity=n),
        }
        print_ratios(f"components by {connectivity}, pair", smallest_times(pair, rounds=ROUNDS), against="cc3d")
        candidates = {
            **pair,
            "medseg, Fortran order": lambda c=connectivity, f=fortran: label_components(f, connectivity=c),
            "scipy": lambda s=structure: ndimage.label(mask, s),
            "scikit-image": lambda r=rank: measure.label(mask, connectivity=r),
        }
        print_ratios(f"components by {connectivity}, all", smallest_times(candidates, rounds=3), against="cc3d")


def largest(title: str, mask: np.ndarray) -> None:
    transform = KeepLargestConnectedComponent(applied_labels=[1])
    tensor = torch.from_numpy(mask[np.newaxis].astype(np.uint8))
    check("largest component", same=np.array_equal(largest_component(mask), transform(tensor)[0].numpy() > 0))
    candidates = {
        "medseg": lambda: largest_component(mask),
        "MONAI": lambda: transform(tensor),
        "cc3d": lambda: cc3d.largest_k(mask, 1, connectivity=26),
    }
    print_ratios(title, smallest_times(candidates, rounds=ROUNDS), against="MONAI")


def distance_and_watershed(title: str, mask: np.ndarray, seeds: np.ndarray) -> None:
    def ours() -> np.ndarray:
        return seeded_watershed(-distance_map(mask, spacing_mm=SPACING_MM), seeds=seeds, mask=mask)

    def theirs() -> np.ndarray:
        relief = -ndimage.distance_transform_edt(mask, sampling=SPACING_MM).astype(np.float32)
        return segmentation.watershed(relief, seeds, mask=mask)

    agree = float((ours() == theirs())[mask].mean())
    print(f"{title}: {mask.mean():.0%} foreground, {seeds.max()} seeds, equal on {agree:.4%} of it")
    check(title, same=agree > 0.999)  # float32 and float64 distances break some ties in another way
    times = smallest_times({"medseg": ours, "scipy + scikit-image": theirs}, rounds=WATERSHED_ROUNDS)
    print_ratios(title, times, against="scipy + scikit-image")


def main() -> None:
    rng = np.random.default_rng(0)
    mask = tissue(rng, threshold=1.0)
    components(mask)
    largest("largest component, blobs all over", mask)
    largest("largest component, an organ and specks", organ(rng))
    distance_and_watershed("distance and watershed, balls", *balls(rng, count=400, radius=14))
    merged = tissue(rng, threshold=0.0)[:100, :256, :256]  # of the whole the peer's flooding takes minutes
    seeds = ndimage.label(ndimage.distance_transform_edt(merged, sampling=SPACING_MM) > 6)[0]
    distance_and_watershed("distance and watershed, one tissue", merged, seeds)


if __name__ == "__main__":
    main()
