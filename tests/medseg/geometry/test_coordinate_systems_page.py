"""The numbers of docs/concepts/coordinate-systems.md, computed again, and found on the page as they are."""

import contextlib
import io
import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from medseg.geometry import Affine, Grid, WorldFrame, reordering_to

PAGE = Path(__file__).parents[3] / "docs" / "concepts" / "coordinate-systems.md"

POSITIONS = {"a": (-100, -80, 56), "b": (-100, -80, 50), "c": (-100, -80, 53)}
ROW, COLUMN = np.array([1, 0, 0]), np.array([0, 1, 0])
BETWEEN_ROWS, BETWEEN_COLUMNS = 0.8, 0.5
SHAPE = (6, 4, 3)  # columns, rows, slices


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text(encoding="utf-8")


def matrices_on(page):
    """The four affines of the page, in its order."""
    blocks = [block for block in re.findall(r"```text\n(.*?)```", page, re.DOTALL) if "|" in block]
    return [
        np.array([[float(word) for word in line.split("|")[1].split()] for line in block.splitlines() if "|" in line])
        for block in blocks
    ]


def lps_affine(positions, row, column, between_rows, between_columns):
    """The page's steps 1 to 4, in the order in which it takes them."""
    normal = np.cross(row, column)
    first, *_, last = sorted(positions, key=lambda position: np.dot(position, normal))
    matrix = np.eye(4)
    matrix[:3, 0] = between_columns * row
    matrix[:3, 1] = between_rows * column
    matrix[:3, 2] = (np.array(last) - first) / (len(positions) - 1)
    matrix[:3, 3] = first
    return Affine(matrix, frame=WorldFrame.LPS)


def ct_affine():
    return lps_affine(list(POSITIONS.values()), ROW, COLUMN, BETWEEN_ROWS, BETWEEN_COLUMNS)


def test_the_ct_affine_is_that_of_the_page_in_both_frames(page):
    in_lps, in_ras, *_ = matrices_on(page)
    affine = ct_affine()
    np.testing.assert_allclose(affine.matrix, in_lps)
    np.testing.assert_allclose(affine.to_frame(WorldFrame.RAS).matrix, in_ras)
    assert affine.to_frame(WorldFrame.RAS).orientation == "LPS"
    assert nibabel.aff2axcodes(in_ras) == ("L", "P", "S")
    order = sorted(POSITIONS, key=lambda name: POSITIONS[name][2])
    assert "so b, c, a" in page
    assert order == ["b", "c", "a"]


def test_the_voxel_of_the_page_lies_where_simpleitk_puts_it(page):
    image = SimpleITK.Image(*SHAPE, SimpleITK.sitkInt16)
    image.SetOrigin((-100, -80, 50))
    image.SetSpacing((0.5, 0.8, 3))
    in_lps = image.TransformIndexToPhysicalPoint((3, 2, 1))
    np.testing.assert_allclose(in_lps, (-98.5, -78.4, 53))
    np.testing.assert_allclose(ct_affine().apply((3, 2, 1)), in_lps)
    np.testing.assert_allclose(ct_affine().to_frame(WorldFrame.RAS).apply((3, 2, 1)), (98.5, 78.4, 53))
    assert "(-98.5, -78.4, 53)" in page


def test_reordered_to_ras_the_first_voxel_and_ours_lie_as_the_page_says(page):
    affine = ct_affine().to_frame(WorldFrame.RAS)
    grid = reordering_to(affine, "RAS").apply_to_grid(Grid(SHAPE, affine))
    np.testing.assert_allclose(grid.affine.origin_mm, (97.5, 77.6, 50))
    np.testing.assert_allclose(grid.affine.linear, np.diag([0.5, 0.8, 3]), atol=1e-12)
    np.testing.assert_allclose(grid.affine.apply((2, 1, 1)), affine.apply((3, 2, 1)))
    assert "(97.5, 77.6, 50)" in page


def test_resampled_the_field_of_view_stays_and_the_first_centre_moves_as_the_page_says(page):
    affine = ct_affine().to_frame(WorldFrame.RAS)
    grid = reordering_to(affine, "RAS").apply_to_grid(Grid(SHAPE, affine)).with_spacing((1, 0.8, 1.5))
    assert grid.spatial_shape == (3, 4, 6)
    np.testing.assert_allclose(grid.affine.origin_mm, (97.75, 77.6, 49.25))
    assert "97.25 + 0.5 = 97.75" in page
    assert "48.5 + 0.75 = 49.25" in page


def test_the_sagittal_affine_is_that_of_the_page(page):
    positions = [(22, -90, 120), (30, -90, 120), (26, -90, 120)]
    affine = lps_affine(positions, np.array([0, 1, 0]), np.array([0, 0, -1]), 1, 1).to_frame(WorldFrame.RAS)
    np.testing.assert_allclose(affine.matrix, matrices_on(page)[2])
    assert affine.orientation == "PIR"
    assert "the orientation PIR" in page


def test_the_micrographs_affine_is_that_of_the_page(page):
    nm = 1e-6
    affine = Affine(matrices_on(page)[3], frame=WorldFrame.RAS)
    np.testing.assert_allclose(affine.spacing_mm, (50 * nm, 4 * nm, 4 * nm))
    np.testing.assert_allclose(affine.apply((1, 2, 3)), (3 * 4 * nm, 2 * 4 * nm, 1 * 50 * nm))


def test_the_code_of_the_page_gives_the_values_beside_it(page):
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    lines = code.splitlines()
    shown = [line.split("#")[1].strip() for line in lines if "#" in line]
    program = "\n".join(re.sub(r"^(affine\.[^#]*[^# ])\s*#.*", r"print(repr(\1))", line) for line in lines)
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(program, {})
    assert output.getvalue().splitlines() == shown == ["'LPS'", "array([98.5, 78.4, 53. ])"]
