"""Reading and writing image files without changing where a voxel lies.

Importing this loads no image library; each is loaded when the first file of its kind is read. The hand-over to MONAI
is in `medseg.io.monai`, the DICOM writer in `medseg.io.dicom`.
"""

from medseg.io.describe import ImageDescription, describe
from medseg.io.dispatch import IMAGE_SUFFIXES, read_image, read_label_map, write_image, write_label_map
from medseg.io.listing import case_name, links_out_of, list_inputs
from medseg.io.ome_zarr import OmeZarrVolume, open_ome_zarr
from medseg.io.ome_zarr_writer import add_label_map, write_ome_zarr
from medseg.io.source import ImageSource, LabelSource
from medseg.io.volumes import InputImage, list_images

__all__ = [
    "IMAGE_SUFFIXES",
    "ImageDescription",
    "ImageSource",
    "InputImage",
    "LabelSource",
    "OmeZarrVolume",
    "add_label_map",
    "case_name",
    "describe",
    "links_out_of",
    "list_images",
    "list_inputs",
    "open_ome_zarr",
    "read_image",
    "read_label_map",
    "write_image",
    "write_label_map",
    "write_ome_zarr",
]
