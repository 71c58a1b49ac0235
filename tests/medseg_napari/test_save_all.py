"""Save All Layers while the diameters of an object are drawn: they are no data, and all else is saved."""

import numpy as np
import pytest
from medseg_napari.reviewing.session import review_of
from medseg_napari.reviewing.view import DIAMETERS, DiameterLines
from npe2 import PluginManager

pytestmark = pytest.mark.viewer


def test_diameters_keep_nothing_from_being_saved(make_napari_viewer_proxy, tmp_path):
    PluginManager.instance().discover()
    viewer = make_napari_viewer_proxy()
    viewer.add_image(np.zeros((7, 9, 9), np.float32), name="scan")
    labels = np.zeros((7, 9, 9), np.uint8)
    labels[1, 2:5, 2:7] = 1
    mask = viewer.add_labels(labels, name="mask", scale=(2.0, 1.0, 1.0), units=("mm",) * 3)
    DiameterLines(viewer).draw(mask, review_of(mask, viewer).table[1].measured)
    assert DIAMETERS in viewer.layers
    written = viewer.layers.save(str(tmp_path / "all"))
    assert sorted(path.stem for path in (tmp_path / "all").iterdir()) == ["mask", "scan"]
    assert len(written) == 2
    viewer.layers.selection = {viewer.layers[DIAMETERS]}
    with pytest.warns(UserWarning, match="No data written"):
        assert viewer.layers.save(str(tmp_path / "lines"), selected=True) == []
