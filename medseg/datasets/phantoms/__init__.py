"""Generated pictures and volumes whose truth is known exactly: cells, membranes, and small lesions in CT or tissue."""

from medseg.datasets.phantoms.anatomy import TISSUE_HU, Organ
from medseg.datasets.phantoms.cells import CELL_LABELS, cell_mask, cells_phantom
from medseg.datasets.phantoms.ct import CT_LABELS, CT_ORGAN_LABELS, ct_phantom
from medseg.datasets.phantoms.membranes import MEMBRANE_LABELS, membranes_phantom
from medseg.datasets.phantoms.tissue import tissue_phantom

__all__ = [
    "CELL_LABELS",
    "CT_LABELS",
    "CT_ORGAN_LABELS",
    "MEMBRANE_LABELS",
    "TISSUE_HU",
    "Organ",
    "cell_mask",
    "cells_phantom",
    "ct_phantom",
    "membranes_phantom",
    "tissue_phantom",
]
