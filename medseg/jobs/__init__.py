"""Whole jobs, as the command line, the napari plugin and scripts call them; each is loaded with its own module."""
