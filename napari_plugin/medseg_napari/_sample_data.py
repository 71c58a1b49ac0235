"""Generated images with their exact truth, for File > Open Sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from medseg_napari.layers import LayerData

_SEED = 7


def cells() -> list[LayerData]:
    """Touching cells in uneven light, and which is which."""
    from medseg.datasets.phantoms import cells_phantom
    from medseg_napari.layers import image_layer, labels_layer

    image, instances = cells_phantom(np.random.default_rng(_SEED), shape=(512, 512))
    return [*image_layer(image, name="cells"), labels_layer(instances, name="cells, truth", image=image)]


def em_membranes() -> list[LayerData]:
    """A section through nerve tissue as an electron microscope shows it, and its membranes."""
    from medseg.datasets.phantoms import membranes_phantom
    from medseg_napari.layers import image_layer, labels_layer

    image, membranes = membranes_phantom(np.random.default_rng(_SEED))
    return [*image_layer(image, name="EM"), labels_layer(membranes, name="membranes, truth", image=image)]


def ct_with_lesions() -> list[LayerData]:
    """A body in CT with small lesions, and where they are."""
    from medseg.datasets.phantoms import ct_phantom
    from medseg_napari.layers import image_layer, labels_layer

    image, lesions = ct_phantom(np.random.default_rng(_SEED))
    return [*image_layer(image, name="CT"), labels_layer(lesions, name="lesions, truth", image=image)]
