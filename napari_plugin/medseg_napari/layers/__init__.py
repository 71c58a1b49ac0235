"""Images and label maps as napari layers, and back: the only room that knows napari's conventions."""

from medseg_napari.layers.back import image_of, label_map_of, origin_of
from medseg_napari.layers.origin import Origin
from medseg_napari.layers.placement import LayerData, image_layer, labels_layer, labels_on

__all__ = ["LayerData", "Origin", "image_layer", "image_of", "label_map_of", "labels_layer", "labels_on", "origin_of"]
