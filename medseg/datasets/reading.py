"""Reading a case: its image and its reference, checked against each other."""

from __future__ import annotations

from medseg.datasets.case import Case
from medseg.images import Image, LabelMap, on_grid_of


def read_case(case: Case) -> tuple[Image, LabelMap | None]:
    """The image of a case and its reference, which lies on the image's grid and holds only values of the label table.

    Raises:
        GeometryError: image and reference differ in shape or affine; the message names both files.
        LabelError: the reference holds values outside the label table.
        ImageFormatError: see `medseg.io.read_image`.
    """
    image = case.image.read()
    if case.reference is None:
        return image, None
    reference = case.reference.read()
    reference = on_grid_of(image, reference, names=(str(case.image.path), str(case.reference.path)))
    reference.check_values(name=str(case.reference.path))
    return image, reference
