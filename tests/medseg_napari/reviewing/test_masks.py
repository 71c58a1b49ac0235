"""Which layers are offered as masks: not those that are only for looking at."""

import subprocess
import sys

import numpy as np
import pytest
from medseg_napari.layers import image_layer, labels_on, origin_of
from medseg_napari.layers.straight import StraightRequest, straight_copy
from medseg_napari.review.comparison import Comparison
from medseg_napari.reviewing.comparing import differences_layer
from medseg_napari.reviewing.masks import is_mask, masks_of
from medseg_napari.reviewing.session import review_of
from medseg_napari.reviewing.view import DIAMETERS, OVERLAY, DiameterLines
from napari.components import ViewerModel

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, LabelTable


@pytest.fixture
def shown():
    """A viewer with an oblique scan, a mask on it, the mask's straight copy and its differences from a reference."""
    slope = np.radians(20)
    matrix = np.diag([-1.0, -1.0, 2.0, 1.0])
    matrix[1:3, 1:3] = [[-np.cos(slope), -2 * np.sin(slope)], [-np.sin(slope), 2 * np.cos(slope)]]
    scan = Image(np.zeros((1, 8, 7, 6), np.int16), Affine(matrix, frame=WorldFrame.RAS), "CXYZ")
    viewer = ViewerModel()
    ((values, settings, _),) = image_layer(scan, name="scan")
    origin = origin_of(viewer.add_image(values, **settings))
    numbers = np.zeros(origin.shape, np.uint8)
    numbers[2:4, 2:5, 2:5] = 1
    table = LabelTable.from_names(("background", "lesion"))
    for name in ("mask", "reference"):
        data, settings, _ = labels_on(origin, numbers.copy(), table=table, name=name)
        viewer.add_labels(data, **settings)
    data, settings, kind = straight_copy(
        StraightRequest(origin, numbers, are_labels=True, name="mask, straight", look={}), lambda _: None, lambda: False
    )
    assert kind == "labels"
    viewer.add_labels(data, **settings)
    return viewer


def test_a_straight_copy_is_no_mask(shown):
    assert [layer.name for layer in masks_of(shown)] == ["mask", "reference"]


def test_differences_are_no_mask(shown):
    mask, reference = masks_of(shown)
    comparison = Comparison(review_of(mask, shown), np.array(reference.data), spacing_mm=(1.0, 1.0, 1.0))
    data, settings, _ = differences_layer(mask, reference, comparison)
    assert not is_mask(shown.add_labels(data, **settings))
    assert masks_of(shown) == [mask, reference]


def test_diameters_are_drawn_in_the_masks_millimetres_and_are_nothing_to_work_on(shown):
    mask, _ = masks_of(shown)
    drawn = DiameterLines(shown)
    drawn.draw(mask, review_of(mask, shown).table[1].measured)
    lines = shown.layers[DIAMETERS]
    # By hand: 3 x 3 voxels of 1 x 1 mm, from corner to corner, on the slope of the scan.
    ends = [lines.data_to_world(lines.data[0, 0] + part * lines.data[0, 1]) for part in (0, 1)]
    assert np.linalg.norm(np.subtract(*ends)) == pytest.approx(np.hypot(3, 3))
    assert not lines.editable
    assert lines.metadata == {OVERLAY: True}
    assert lines not in masks_of(shown)
    shown.layers.remove(mask)
    assert DIAMETERS not in shown.layers


def test_finding_the_objects_of_a_mask_loads_no_torch():
    program = (
        "import sys, numpy as np\n"
        "from medseg.geometry import Affine, WorldFrame\n"
        "from medseg.images import LabelMap, LabelTable\n"
        "from medseg_napari.layers import labels_layer\n"
        "from medseg_napari.reviewing.source import objects_of_classes\n"
        "from napari.layers import Layer\n"
        "table = LabelTable.from_names(['background', 'lesion'])\n"
        "classes = np.zeros((9, 9), np.uint8); classes[1:3, 1:3] = classes[5:8, 5:8] = 1\n"
        "place = Affine.from_spacing([1.0, 1.0], frame=WorldFrame.RAS)\n"
        "layer = Layer.create(*labels_layer(LabelMap(classes, place, 'YX', table), name='mask'))\n"
        "data, _, _ = objects_of_classes(layer)\n"
        "assert data.max() == 2, data.max()\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
