"""Of an image without a voxel size nothing but the order of its pixels says which is which: formats keep it."""

import numpy as np
import pytest
import tifffile
import zarr

from medseg.io import read_image, read_label_map, write_image, write_label_map


def nrrd_without_geometry(path, array):
    """As a program writes it that gives an array alone; `array` with its slowest axis first."""
    sizes = " ".join(str(size) for size in array.shape[::-1])
    header = f"NRRD0004\ntype: uint8\ndimension: {array.ndim}\nsizes: {sizes}\nencoding: raw\n\n"
    path.write_bytes(header.encode() + array.tobytes())
    return path


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4)])
@pytest.mark.parametrize(("read", "write"), [(read_image, write_image), (read_label_map, write_label_map)])
def test_rows_and_columns_of_an_image_without_a_voxel_size_stay_where_they_are(tmp_path, shape, read, write):
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    item = read(nrrd_without_geometry(tmp_path / "a.nrrd", array))
    assert not item.metadata.spacing_is_known
    write(item, tmp_path / "a.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), array)
    write(item, tmp_path / "a.ome.zarr")
    np.testing.assert_array_equal(np.squeeze(zarr.open(str(tmp_path / "a.ome.zarr"), mode="r")["0"]), array)
