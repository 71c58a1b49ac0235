"""What is done to a network's answer before it is handed out: pure functions on arrays of two or three axes."""

from medseg.postprocessing.boundaries import boundary_lines
from medseg.postprocessing.components import Connectivity, bounding_box, label_components, largest_component
from medseg.postprocessing.instances import objects_from_boundary, objects_from_centres, objects_from_distance
from medseg.postprocessing.morphology import (
    clear_border,
    fill_holes,
    remove_small_components,
    remove_small_objects,
    renumber_objects,
)
from medseg.postprocessing.steps import apply_steps
from medseg.postprocessing.stitching import stitch_objects
from medseg.postprocessing.watershed import distance_map, peak_seeds, seeded_watershed

__all__ = [
    "Connectivity",
    "apply_steps",
    "boundary_lines",
    "bounding_box",
    "clear_border",
    "distance_map",
    "fill_holes",
    "label_components",
    "largest_component",
    "objects_from_boundary",
    "objects_from_centres",
    "objects_from_distance",
    "peak_seeds",
    "remove_small_components",
    "remove_small_objects",
    "renumber_objects",
    "seeded_watershed",
    "stitch_objects",
]
