"""Edits of the plugin on 512 x 512 x 600 voxels, against one pass of numpy over the volume.

Labels of uint16 (315 MB) with a large object of the size of a liver and 40 of the size of a lesion. Process time on one
thread, rounds interleaved. Each edit is timed with its undo, so that every round begins with the same array; what is
asked of the table is timed apart.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from pathlib import Path

import numpy as np
from timing import print_ratios, smallest_times

sys.path.insert(0, str(Path(__file__).parent.parent / "napari_plugin"))

from medseg_napari.review import Review
from medseg_napari.review.objects import measure_object

SHAPE = (600, 512, 512)
SPACING_MM = (1.0, 0.8, 0.8)
ORGAN, LESION, OTHER_LESION = 1, 2, 3
HALF_AXES = (80, 110, 130)
ROUNDS = 3
ONE_PASS = "numpy: labels == id"


def phantom(rng: np.random.Generator) -> np.ndarray:
    """An ellipsoid in the middle, and balls of 15 voxels at random places around it."""
    labels = np.full(SHAPE, 0, np.uint16)  # written, since untouched zeros would be one page of memory, in the cache
    centre = tuple(n // 2 for n in SHAPE)
    box = tuple(slice(at - half, at + half + 1) for at, half in zip(centre, HALF_AXES, strict=True))
    grid = np.ogrid[tuple(slice(-half, half + 1) for half in HALF_AXES)]
    labels[box][sum((axis / half) ** 2 for axis, half in zip(grid, HALF_AXES, strict=True)) <= 1] = ORGAN
    offsets = np.indices((15,) * 3) - 7
    ball = (offsets**2).sum(axis=0) <= 7**2
    for number in range(2, 42):
        corner = (int(rng.integers(0, 150)), *(int(rng.integers(0, n - 15)) for n in SHAPE[1:]))
        labels[tuple(slice(at, at + 15) for at in corner)][ball] = number
    return labels


def undone(review: Review, edit, *arguments, **settings):
    """The edit and its undo, as a call without arguments."""

    def run() -> None:
        if not edit(*arguments, **settings) and not review.can_undo:
            message = f"{edit}: changed nothing; its time says nothing"
            raise SystemExit(message)
        review.undo()

    return run


def edits(review: Review, object_id: int) -> dict[str, object]:
    """Name -> edit of one object."""
    (z, y, x) = (side.start for side in review.box_of(object_id))
    centre = tuple((side.start + side.stop) // 2 for side in review.box_of(object_id))
    beside = (centre[0], centre[1], centre[2] + 4)
    line = ((centre[0], y, centre[2] + 0.5), (centre[0], y + 5, centre[2] + 0.5))
    return {
        "merge with a lesion": undone(review, review.merge, [object_id, OTHER_LESION]),
        "delete": undone(review, review.delete, [object_id]),
        "split by a line": undone(review, review.split_by_line, object_id, line),
        "split by two seeds": undone(review, review.split_by_seeds, object_id, [centre, beside]),
        "grow": undone(review, review.grow, object_id),
        "shrink": undone(review, review.shrink, object_id),
        "restrict to a range": undone(review, review.restrict, object_id, low=0.0),
        "paint a superpixel": undone(review, review.paint_superpixels, object_id, [(z, y, x)]),
        "accept": undone(review, review.accept, [object_id]),
    }


def main() -> None:
    rng = np.random.default_rng(0)
    labels = phantom(rng)
    tile = rng.normal(0.0, 30.0, (1, *SHAPE[1:])).astype(np.float32)
    image = np.broadcast_to(tile, SHAPE)  # one slice repeated: noise enough for the edits, and no 630 MB
    review = Review(labels, spacing_mm=SPACING_MM, image=image)
    for title, object_id in (("a lesion", LESION), ("an organ", ORGAN)):
        measured = {
            ONE_PASS: lambda number=object_id: labels == number,
            "a row of the table": lambda number=object_id: measure_object(
                labels, number, review.box_of(number), spacing_mm=SPACING_MM, image=image
            ),
        }
        times = smallest_times({**measured, **edits(review, object_id)}, rounds=ROUNDS)
        voxels = review.table[object_id].measured.voxels
        print_ratios(f"{title} of {voxels} voxels, each edit with its undo", times, against=ONE_PASS)
    start = smallest_times({ONE_PASS: lambda: labels == 1, "open a review": lambda: Review(labels)}, rounds=ROUNDS)
    print_ratios("once, when the review begins", start, against=ONE_PASS)


if __name__ == "__main__":
    main()
