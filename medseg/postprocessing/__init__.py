"""What is done to probabilities before they become a mask: pure functions, each declared in the model package."""

from medseg.postprocessing.boundaries import boundary_lines

__all__ = ["boundary_lines"]
