"""medseg in the napari viewer."""
