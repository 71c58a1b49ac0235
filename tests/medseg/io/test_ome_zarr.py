"""OME-Zarr stores, compared with what zarr reads and writes and with stores made by hand after the standard."""

import json
import shutil

import numpy as np
import pytest
import zarr

from medseg.errors import GeometryError, ImageFormatError, InputError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, Label, LabelKind, LabelMap, LabelTable
from medseg.io import case_name, describe, list_inputs, read_image, read_label_map, write_image, write_label_map
from medseg.io.base import ReadRequest
from medseg.io.budget import Budget, within_budget
from medseg.io.ome_zarr import OmeZarrReader, open_ome_zarr
from medseg.io.ome_zarr_writer import add_label_map, write_ome_zarr
from medseg.verdicts import RefusedImageError

AFFINE = Affine([[0, 0, 0.006, 1], [0, 0.004, 0, 2], [0.05, 0, 0, 3], [0, 0, 0, 1]], frame=WorldFrame.RAS)
VOXELS = np.random.default_rng(0).integers(0, 60_000, (2, 5, 300, 290)).astype(np.uint16)
LABELS = LabelTable((Label(0, "background", "#000000"), Label(1, "liver", "#10a0ff"), Label(5, "lesion", "#ff0001")))
VERSIONS = ("0.4", "0.5")


def stack(array=VOXELS, affine=AFFINE, **metadata):
    return Image(array, affine, "CZYX", ImageMetadata(**metadata))


def store(path, arrays, *, axes, transforms, version="0.4", attributes=None, **how):
    """A store made with zarr and json alone."""
    zarr_format = 2 if version == "0.4" else 3
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    for number, array in enumerate(arrays):
        made = group.create_array(
            str(number), shape=array.shape, dtype=array.dtype, **{"chunks": (2,) * array.ndim, **how}
        )
        made[...] = array
    multiscale = {
        "axes": axes,
        "datasets": [
            {"path": str(number), "coordinateTransformations": steps} for number, steps in enumerate(transforms)
        ],
        **({"version": "0.4"} if version == "0.4" else {}),
    }
    ome = {"multiscales": [multiscale], **(attributes or {})}
    group.attrs.update(ome if version == "0.4" else {"ome": {"version": "0.5", **ome}})
    return path


def space(*names, unit="micrometer"):
    return [{"name": name, "type": "space", **({"unit": unit} if unit else {})} for name in names]


def scaled(*scale):
    return [{"type": "scale", "scale": list(scale)}]


SMALL = np.arange(4 * 6 * 8, dtype=np.int16).reshape(4, 6, 8)


def codes(item):
    return [verdict.code for verdict in item.metadata.verdicts]


def refusal(caught):
    return caught.value.verdicts[0].code


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.float32, np.float64]
)
def test_an_image_reads_back_the_same_and_zarr_reads_it_too(tmp_path, version, dtype):
    image = stack(VOXELS[:, :2, :40, :50].astype(dtype), channel_names=("dapi", "gfp"))
    write_ome_zarr(image, tmp_path / "a.ome.zarr", version=version)
    again = read_image(tmp_path / "a.ome.zarr")
    assert (again.axes, again.array.dtype, again.metadata.format) == ("CZYX", dtype, "ome-zarr")
    np.testing.assert_array_equal(again.array, image.array)
    np.testing.assert_allclose(again.affine.matrix, AFFINE.matrix, rtol=1e-12)
    assert again.metadata.spacing_is_known
    assert again.metadata.channel_names == ("dapi", "gfp")
    assert again.metadata.verdicts == ()
    theirs = zarr.open_group(tmp_path / "a.ome.zarr", mode="r")
    assert theirs.metadata.zarr_format == (2 if version == "0.4" else 3)
    np.testing.assert_array_equal(theirs["0"][...], image.array)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_store_made_with_zarr_is_read_where_its_scale_and_translation_put_it(tmp_path, version):
    steps = [{"type": "scale", "scale": [5, 2, 0.5]}, {"type": "translation", "translation": [100, 20, 3]}]
    path = store(tmp_path / "a.zarr", [SMALL], axes=space("z", "y", "x"), transforms=[steps], version=version)
    image = read_image(path)
    assert image.axes == "CZYX"
    np.testing.assert_array_equal(image.array[0], SMALL)
    # voxel (1, 2, 4): x = 3 + 4 * 0.5, y = 20 + 2 * 2, z = 100 + 5 micrometres
    np.testing.assert_allclose(image.affine.apply([1, 2, 4]), (5e-3, 24e-3, 105e-3), rtol=1e-12)


@pytest.mark.parametrize(
    ("unit", "mm"),
    [("millimeter", 1), ("nanometer", 1e-6), ("angstrom", 1e-7), ("inch", 25.4), ("meter", 1e3), ("um", 1e-3)],
)
def test_units_become_millimetres(tmp_path, unit, mm):
    path = store(tmp_path / "a.zarr", [SMALL], axes=space("z", "y", "x", unit=unit), transforms=[scaled(5, 2, 0.5)])
    assert read_image(path).spacing_mm == pytest.approx((5 * mm, 2 * mm, 0.5 * mm))


@pytest.mark.parametrize("unit", [None, "pixel", "second"])
def test_without_a_unit_of_length_the_size_is_unknown_with_a_flag(tmp_path, unit):
    half = SMALL[:, ::2, ::2]
    path = store(
        tmp_path / "a.zarr",
        [SMALL, half],
        axes=space("z", "y", "x", unit=unit),
        transforms=[scaled(5, 2, 3), scaled(5, 4, 6)],
    )
    image, coarse = read_image(path), read_image(path, level=1)
    assert (image.metadata.spacing_is_known, image.spacing_mm, codes(image)) == (False, (1, 1, 1), ["no-unit"])
    assert coarse.spacing_mm == (1, 2, 2)


def test_the_order_of_axes_is_that_of_the_file(tmp_path):
    path = store(tmp_path / "a.zarr", [SMALL], axes=space("x", "z", "y"), transforms=[scaled(1000, 2000, 3000)])
    image = read_image(path)
    assert (image.axes, image.array.shape) == ("CXZY", (1, 4, 6, 8))
    np.testing.assert_allclose(image.affine.apply([1, 1, 1]), (1, 3, 2))


def test_transforms_of_a_level_come_before_those_of_the_image(tmp_path):
    steps = [{"type": "scale", "scale": [1, 2, 4]}, {"type": "translation", "translation": [1, 1, 1]}]
    path = store(tmp_path / "a.zarr", [SMALL], axes=space("z", "y", "x", unit="millimeter"), transforms=[steps])
    attributes = json.loads((path / ".zattrs").read_text())
    attributes["multiscales"][0]["coordinateTransformations"] = scaled(10, 10, 10)
    (path / ".zattrs").write_text(json.dumps(attributes))
    np.testing.assert_allclose(read_image(path).affine.apply([1, 1, 1]), (50, 30, 20))  # 10 * (1 + scale)


def test_levels_keep_the_field_of_view_and_voxels_lie_in_the_middle_of_what_they_average(tmp_path):
    write_image(stack(), tmp_path / "a.ome.zarr")
    volume = open_ome_zarr(tmp_path / "a.ome.zarr")
    assert volume.levels == ((2, 5, 300, 290), (2, 5, 150, 145))  # z is coarse already and stays
    block = VOXELS[1, 3, 20:22, 40:42]
    coarse = read_image(tmp_path / "a.ome.zarr", level=1)
    assert coarse.array[1, 3, 10, 20] == np.rint(block.mean())
    middle = AFFINE.apply([(3, 20, 40), (3, 21, 41)]).mean(axis=0)
    np.testing.assert_allclose(coarse.affine.apply([3, 10, 20]), middle, rtol=1e-12)
    np.testing.assert_allclose(volume.affine(1).matrix, coarse.affine.matrix)


def test_a_coarser_label_is_the_most_frequent_one_never_a_mean(tmp_path):
    array = np.random.default_rng(2).choice([0, 1, 5], (5, 300, 290)).astype(np.uint8)
    write_label_map(LabelMap(array, AFFINE, "ZYX", LABELS), tmp_path / "m.ome.zarr")
    coarse = open_ome_zarr(tmp_path / "m.ome.zarr").read(level=1).array[0]
    for z, y, x in np.random.default_rng(3).integers(0, (5, 150, 145), (60, 3)):
        values, counts = np.unique(array[z, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2], return_counts=True)
        assert coarse[z, y, x] == values[counts == counts.max()].max()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_region_is_that_part_of_the_whole_and_lies_where_it_lay(tmp_path, version):
    write_ome_zarr(stack(), tmp_path / "a.ome.zarr", version=version)
    volume = open_ome_zarr(tmp_path / "a.ome.zarr")
    part = volume.read([(1, 3), (130, 260), (5, 9)], channel=1)
    np.testing.assert_array_equal(part.array[0], VOXELS[1, 1:3, 130:260, 5:9])
    np.testing.assert_allclose(part.affine.apply([0, 0, 0]), AFFINE.apply([1, 130, 5]), rtol=1e-12)


def test_a_region_needs_only_its_own_chunks(tmp_path):
    write_image(stack(), tmp_path / "a.ome.zarr")
    for chunk in (tmp_path / "a.ome.zarr" / "0" / "0" / "0" / "2").iterdir():
        chunk.write_bytes(b"damaged")  # rows 256 and beyond of channel 0
    volume = open_ome_zarr(tmp_path / "a.ome.zarr")
    np.testing.assert_array_equal(volume.read([(0, 5), (0, 256), (0, 290)]).array, VOXELS[:, :, :256])
    with pytest.raises(ImageFormatError, match="damaged-chunk"):
        volume.read()


def test_one_slice_equals_that_of_the_whole(tmp_path):
    write_image(stack(), tmp_path / "a.zarr")
    flat = OmeZarrReader().read(tmp_path / "a.zarr", ReadRequest(slice_index=3))
    assert (flat.axes, flat.metadata.extra["slice_index"]) == ("CYX", 3)
    np.testing.assert_array_equal(flat.array, VOXELS[:, 3])
    with pytest.raises(InputError, match="expected a slice between 0 and 4, got 5"):
        OmeZarrReader().read(tmp_path / "a.zarr", ReadRequest(slice_index=5))


def test_pictures_stay_pictures(tmp_path):
    affine = Affine([[0, 0.7, 12], [0.3, 0, -4], [0, 0, 1]], frame=WorldFrame.RAS)
    image = Image(VOXELS[:1, 0], affine, "CYX")
    write_image(image, tmp_path / "a.zarr")
    again = read_image(tmp_path / "a.zarr")
    assert again.axes == "CYX"
    np.testing.assert_array_equal(again.array, image.array)
    np.testing.assert_allclose(again.affine.matrix, affine.matrix, rtol=1e-12)


def test_a_volume_of_a_patient_is_stored_along_the_world_and_each_voxel_keeps_its_place(tmp_path):
    affine = Affine([[-0.5, 0, 0, 100], [0, 0.8, 0, 80], [0, 0, 3, 50], [0, 0, 0, 1]], frame=WorldFrame.RAS)
    array = np.zeros((1, 6, 5, 4), np.uint8)
    array[0, 2, 3, 1] = 9
    write_image(Image(array, affine, "CXYZ"), tmp_path / "a.zarr")
    again = read_image(tmp_path / "a.zarr")
    assert (again.axes, again.array.shape) == ("CZYX", (1, 4, 5, 6))
    place = again.affine.apply(np.argwhere(again.array[0] == 9)[0])
    np.testing.assert_allclose(place, affine.apply([2, 3, 1]), rtol=1e-12)


def test_an_oblique_grid_is_refused_and_leaves_nothing(tmp_path):
    turn = np.array([[0.8, -0.6, 0, 0], [0.6, 0.8, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    image = Image(np.zeros((1, 3, 3, 3), np.uint8), Affine(turn, frame=WorldFrame.RAS), "CXYZ")
    with pytest.raises(GeometryError, match="this one is oblique"):
        write_image(image, tmp_path / "a.zarr")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_voxel_size_stays_unknown(tmp_path):
    affine = Affine(np.eye(4)[[2, 1, 0, 3]], frame=WorldFrame.RAS)
    write_image(stack(affine=affine, spacing_is_known=False), tmp_path / "a.zarr")
    again = read_image(tmp_path / "a.zarr")
    assert (again.metadata.spacing_is_known, again.spacing_mm) == (False, (1, 1, 1))


@pytest.mark.parametrize("version", VERSIONS)
def test_label_maps_keep_names_colours_and_their_place_in_the_image(tmp_path, version):
    write_ome_zarr(stack(), tmp_path / "a.ome.zarr", version=version)
    array = np.random.default_rng(2).choice([0, 1, 5], (5, 300, 290)).astype(np.int64)
    label_map = LabelMap(array, AFFINE, "ZYX", LABELS)
    folder = add_label_map(label_map, tmp_path / "a.ome.zarr", name="organs")
    assert folder == tmp_path / "a.ome.zarr" / "labels" / "organs"
    for path in (folder, tmp_path / "a.ome.zarr"):
        again = read_label_map(path)
        np.testing.assert_array_equal(again.array, array)
        assert (again.array.dtype, again.labels) == (np.uint8, LABELS)
        assert again.grid.is_same_as(read_image(tmp_path / "a.ome.zarr").grid)
    group = zarr.open_group(tmp_path / "a.ome.zarr" / "labels", mode="r")
    found = dict(group.attrs) if version == "0.4" else group.attrs["ome"]
    assert found["labels"] == ["organs"]
    stated = dict(group["organs"].attrs) if version == "0.4" else group["organs"].attrs["ome"]
    assert stated["image-label"]["source"] == {"image": "../../"}
    assert {"label-value": 5, "rgba": [255, 0, 1, 255]} in stated["image-label"]["colors"]
    np.testing.assert_array_equal(read_image(tmp_path / "a.ome.zarr").array, VOXELS)


def test_a_second_label_map_asks_which(tmp_path):
    write_image(stack(), tmp_path / "a.zarr")
    label_map = LabelMap((VOXELS[0] > 9).astype(np.uint8), AFFINE, "ZYX", LabelTable.from_names("ab"))
    for name in ("one", "two", "one"):
        add_label_map(label_map, tmp_path / "a.zarr", name=name)
    with pytest.raises(RefusedImageError, match=r"expected one label map, got 2.*labels/one for example"):
        read_label_map(tmp_path / "a.zarr")
    with pytest.raises(InputError, match="expected a label name of letters"):
        add_label_map(label_map, tmp_path / "a.zarr", name="../evil")
    moved = label_map.replace(affine=Affine(AFFINE.matrix + np.eye(4, k=3), frame=WorldFrame.RAS))
    with pytest.raises(GeometryError):
        add_label_map(moved, tmp_path / "a.zarr", name="three")


def test_instances_are_kept_beyond_65535(tmp_path):
    array = np.arange(70_000, dtype=np.int64).reshape(7, 100, 100)
    write_label_map(LabelMap(array, AFFINE, "ZYX", LABELS, LabelKind.INSTANCES), tmp_path / "m.zarr")
    again = read_label_map(tmp_path / "m.zarr", labels=LABELS, kind=LabelKind.INSTANCES)
    assert again.array.dtype == np.uint32
    np.testing.assert_array_equal(again.array, array)


def test_one_point_in_time_is_dropped_and_several_are_refused_with_a_way_out(tmp_path):
    axes = [{"name": "t", "type": "time"}, *space("z", "y", "x")]
    one = store(tmp_path / "one.zarr", [SMALL[None]], axes=axes, transforms=[scaled(1, 1, 1, 1)])
    np.testing.assert_array_equal(read_image(one).array[0], SMALL)
    films = np.stack([SMALL, SMALL + 1])
    two = store(tmp_path / "two.zarr", [films], axes=axes, transforms=[scaled(1, 1, 1, 1)])
    with pytest.raises(
        RefusedImageError, match=r"one point in time, got 2 \(axes tzyx\).*open_ome_zarr\(path\).read\(time=0\)"
    ):
        read_image(two)
    np.testing.assert_array_equal(open_ome_zarr(two).read(time=1).array[0], SMALL + 1)
    slices = store(tmp_path / "c.zarr", [films[:, 0]], axes=[axes[0], *axes[2:]], transforms=[scaled(1, 1, 1)])
    assert read_image(slices, axes="ZYX").array.shape == (1, 2, 6, 8)


def test_an_axis_of_another_meaning_is_refused_unless_its_length_is_one(tmp_path):
    axes = [{"name": "angle", "type": "angle"}, *space("z", "y", "x")]
    path = store(tmp_path / "a.zarr", [SMALL[None]], axes=axes, transforms=[scaled(1, 1, 1, 1)])
    np.testing.assert_array_equal(read_image(path).array[0], SMALL)
    path = store(tmp_path / "b.zarr", [np.stack([SMALL] * 2)], axes=axes, transforms=[scaled(1, 1, 1, 1)])
    with pytest.raises(RefusedImageError, match="Give --axes with one letter"):
        read_image(path)
    assert read_image(path, axes="CZYX").num_channels == 2


@pytest.mark.parametrize(
    ("kind", "content"), [("plate", {"plate": {"wells": []}}), ("well", {"well": {"images": [{"path": "0"}]}})]
)
def test_plates_and_wells_are_refused_with_the_folder_to_give(tmp_path, kind, content):
    zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2).attrs.update(content)
    with pytest.raises(RefusedImageError, match=f"expected one image, got a {kind} of a screen") as caught:
        read_image(tmp_path / "a.zarr")
    assert refusal(caught) == kind


def test_a_collection_of_one_is_that_image_and_of_two_asks_which(tmp_path):
    root = tmp_path / "a.zarr"
    zarr.open_group(root, mode="w", zarr_format=2).attrs["bioformats2raw.layout"] = 3
    store(root / "0", [SMALL], axes=space("z", "y", "x"), transforms=[scaled(1, 1, 1)])
    np.testing.assert_array_equal(read_image(root).array[0], SMALL)
    store(root / "1", [SMALL], axes=space("z", "y", "x"), transforms=[scaled(1, 1, 1)])
    with pytest.raises(RefusedImageError, match=r"got 2 \(folders 0 to 1\).*a.zarr/0 for example"):
        read_image(root)
    np.testing.assert_array_equal(read_image(root / "1").array[0], SMALL)


@pytest.mark.parametrize("version", VERSIONS)
def test_missing_chunks_are_the_fill_value_with_a_count(tmp_path, version):
    path = store(tmp_path / "a.zarr", [SMALL], axes=space("z", "y", "x"), transforms=[scaled(1, 1, 1)], version=version)
    chunk = path / "0" / ("1.2.3" if version == "0.4" else "c/1/2/3")
    chunk.unlink()
    image = read_image(path)
    expected = SMALL.copy()
    expected[2:4, 4:6, 6:8] = 0
    np.testing.assert_array_equal(image.array[0], expected)
    assert codes(image) == ["missing-chunks"]
    assert "1 of 24 chunks" in image.metadata.notes[0]


def test_an_image_without_any_chunk_is_refused_unless_allowed(tmp_path):
    path = store(tmp_path / "a.zarr", [SMALL * 0], axes=space("z", "y", "x"), transforms=[scaled(1, 1, 1)])
    with pytest.raises(RefusedImageError, match="24 of 24 chunks are not there") as caught:
        read_image(path)
    assert refusal(caught) == "no-chunks"
    assert codes(read_image(path, allow=["no-chunks"])) == ["no-chunks"]
    assert codes(read_label_map(path)) == ["missing-chunks"]  # a mask may well be empty


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("part", [0, 0.5, 0.9])
def test_a_cut_chunk_is_refused(tmp_path, version, part):
    write_ome_zarr(stack(), tmp_path / "a.zarr", version=version)
    chunk = max((tmp_path / "a.zarr" / "0").rglob("*"), key=lambda file: file.stat().st_size if file.is_file() else 0)
    data = chunk.read_bytes()
    chunk.write_bytes(data[: int(part * len(data))])
    with pytest.raises(ImageFormatError, match=r"a\.zarr"):
        read_image(tmp_path / "a.zarr")


CODECS_2 = [{"id": "pickle"}, {"id": "json2"}, {"id": "vlen-utf8"}, {"id": "unheard-of"}]


@pytest.mark.parametrize("codec", CODECS_2)
@pytest.mark.parametrize("place", ["filters", "compressor"])
def test_codecs_that_may_run_code_are_refused_before_zarr_sees_them(tmp_path, codec, place):
    path = store(tmp_path / "a.zarr", [SMALL], axes=space("z", "y", "x"), transforms=[scaled(1, 1, 1)])
    edit(path / "0" / ".zarray", **{place: [codec] if place == "filters" else codec})
    with pytest.raises(RefusedImageError, match="Save it again with blosc, zstd or gzip") as caught:
        read_image(path)
    assert refusal(caught) == "unknown-codec"


@pytest.mark.parametrize("name", ["numcodecs.pickle", "vlen-utf8", "https://example.org/codec"])
def test_the_same_in_zarr_3_even_inside_a_shard(tmp_path, name):
    path = store(
        tmp_path / "a.zarr", [SMALL], axes=space("z", "y", "x"), transforms=[scaled(1, 1, 1)], version="0.5",
        chunks=(2, 2, 2), shards=(2, 4, 4),
    )  # fmt: skip
    np.testing.assert_array_equal(read_image(path).array[0], SMALL)
    content = json.loads((path / "0" / "zarr.json").read_text())
    content["codecs"][0]["configuration"]["codecs"].append({"name": name})
    (path / "0" / "zarr.json").write_text(json.dumps(content))
    with pytest.raises(RefusedImageError) as caught:
        read_image(path)
    assert refusal(caught) == "unknown-codec"


def test_objects_are_refused(tmp_path):
    path = store(tmp_path / "a.zarr", [SMALL], axes=space("z", "y", "x"), transforms=[scaled(1, 1, 1)])
    for dtype in ("|O", "<c8", "<M8[s]", [["a", "<i2"]]):
        edit(path / "0" / ".zarray", dtype=dtype)
        with pytest.raises(RefusedImageError) as caught:
            read_image(path)
        assert refusal(caught) == "not-numbers"


def edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("where", ["0", "0/0.0.0", "0/.zarray", ".zattrs"])
def test_links_that_lead_out_of_the_store_are_refused(tmp_path, where):
    path = store(tmp_path / "a.zarr", [SMALL], axes=space("z", "y", "x"), transforms=[scaled(1, 1, 1)])
    shutil.move(path / where, tmp_path / "elsewhere")
    (path / where).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedImageError, match="a link that leads out of the folder") as caught:
        read_image(path)
    assert refusal(caught) == "outside-folder"


@pytest.mark.parametrize("name", ["../other", "/etc", "0/../../other", ""])
def test_members_outside_the_store_are_refused(tmp_path, name):
    path = store(tmp_path / "a.zarr", [SMALL], axes=space("z", "y", "x"), transforms=[scaled(1, 1, 1)])
    attributes = json.loads((path / ".zattrs").read_text())
    attributes["multiscales"][0]["datasets"][0]["path"] = name
    edit(path / ".zattrs", **attributes)
    with pytest.raises(RefusedImageError) as caught:
        read_image(path)
    assert refusal(caught) == "outside-folder"


DAMAGE = {
    "no datasets": (("datasets",), []),
    "axes of another number": (("axes",), space("y", "x")),
    "no axes": (("axes",), None),
    "two y axes": (("axes",), space("y", "y", "x")),
    "a scale of zero": (("datasets", 0, "coordinateTransformations"), scaled(1, 0, 1)),
    "a negative scale": (("datasets", 0, "coordinateTransformations"), scaled(1, -1, 1)),
    "a scale that is no number": (("datasets", 0, "coordinateTransformations"), scaled(1, "a", 1)),
    "an endless scale": (("datasets", 0, "coordinateTransformations"), scaled(1, 1e999, 1)),
    "a scale too short": (("datasets", 0, "coordinateTransformations"), scaled(1, 1)),
    "no transform": (("datasets", 0, "coordinateTransformations"), None),
    "an unknown transform": (("datasets", 0, "coordinateTransformations"), [{"type": "affine", "affine": []}]),
    "an unknown version": (("version",), "0.9"),
    "an array that is not there": (("datasets", 0, "path"), "7"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_metadata_is_refused_in_one_line(tmp_path, name):
    path = store(tmp_path / "a.zarr", [SMALL], axes=space("z", "y", "x"), transforms=[scaled(1, 1, 1)])
    attributes = json.loads((path / ".zattrs").read_text())
    (*way, last), value = DAMAGE[name]
    place = attributes["multiscales"][0]
    for step in way:
        place = place[step]
    place[last] = value
    (path / ".zattrs").write_text(json.dumps(attributes))
    with pytest.raises(RefusedImageError, match=r"a\.zarr") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", [".zattrs", "0/.zarray", ".zgroup"])
@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_json_that_is_none_is_refused(tmp_path, file, content):
    path = store(tmp_path / "a.zarr", [SMALL], axes=space("z", "y", "x"), transforms=[scaled(1, 1, 1)])
    (path / file).write_bytes(content)
    with pytest.raises(RefusedImageError, match="damaged-metadata"):
        read_image(path)


@pytest.mark.parametrize("name", ["text.zarr", "empty.zarr", "array.zarr"])
def test_what_is_no_image_is_refused(tmp_path, name):
    (tmp_path / "text.zarr").write_text("hello")
    (tmp_path / "empty.zarr").mkdir()
    zarr.open_array(tmp_path / "array.zarr", mode="w", shape=(3, 3), dtype="u1", zarr_format=2)
    with pytest.raises(RefusedImageError, match=r"expected (an|the folder of an) OME-Zarr image"):
        read_image(tmp_path / name)


def test_a_level_that_would_fit_is_named_when_the_finest_does_not(tmp_path):
    write_image(stack(), tmp_path / "a.zarr")
    whole, half = VOXELS.nbytes, VOXELS.nbytes // 4
    with within_budget(Budget(2 * half + whole // 2)):
        with pytest.raises(RefusedImageError, match=r"Level 1 would fit \(level=1\), or read regions") as caught:
            read_image(tmp_path / "a.zarr")
        assert refusal(caught) == "over-budget"
        assert read_image(tmp_path / "a.zarr", level=1).array.shape == (2, 5, 150, 145)
        assert open_ome_zarr(tmp_path / "a.zarr").read([(0, 1), (0, 300), (0, 290)]).array.shape == (2, 1, 300, 290)


def test_sizes_that_only_a_header_can_promise_are_refused_at_once(tmp_path):
    path = store(tmp_path / "a.zarr", [SMALL], axes=space("z", "y", "x"), transforms=[scaled(1, 1, 1)])
    for sizes in ({"shape": [10**6] * 3, "chunks": [10**6] * 3}, {"shape": [10**6] * 3}):
        edit(path / "0" / ".zarray", **sizes)
        with pytest.raises(RefusedImageError) as caught:
            read_image(path)
        assert refusal(caught) == "over-budget"
    edit(path / "0" / ".zarray", shape=[4, -6, 8])
    with pytest.raises(RefusedImageError, match="expected positive sizes"):
        read_image(path)


def test_levels_that_cover_different_places_are_flagged(tmp_path):
    path = store(
        tmp_path / "a.zarr", [SMALL, SMALL[:, ::2, ::2]], axes=space("z", "y", "x"), transforms=[scaled(1, 1, 1)] * 2
    )
    assert codes(read_image(path)) == ["levels-disagree"]


@pytest.mark.parametrize("level", [-1, 2])
def test_a_level_that_is_not_there_is_refused(tmp_path, level):
    write_image(stack(), tmp_path / "a.zarr")
    with pytest.raises(InputError, match=f"expected a level between 0 and 1, got {level}"):
        read_image(tmp_path / "a.zarr", level=level)


def test_levels_are_for_ome_zarr_only(tmp_path):
    write_image(stack(), tmp_path / "a.tif")
    with pytest.raises(InputError, match="a level selects a resolution of an OME-Zarr image"):
        read_image(tmp_path / "a.tif", level=1)


def test_a_folder_of_stores_lists_each_as_one_image(tmp_path):
    write_image(stack(), tmp_path / "b" / "one.ome.zarr")
    write_image(stack(), tmp_path / "two.zarr")
    write_image(stack(VOXELS[:, :1]), tmp_path / "c.tif")
    expected = [tmp_path / "b" / "one.ome.zarr", tmp_path / "c.tif", tmp_path / "two.zarr"]
    assert list_inputs(tmp_path) == expected
    assert [case_name(path) for path in expected] == ["one", "c", "two"]
    found = describe(tmp_path)
    assert [(one.format, one.verdict, one.shape) for one in found[::2]] == [("ome-zarr", "ok", (2, 5, 300, 290))] * 2
    assert describe(tmp_path / "two.zarr")[0].spacing_mm == pytest.approx((0.05, 0.004, 0.006))


def test_the_header_says_what_reading_gives(tmp_path):
    write_image(stack(), tmp_path / "a.zarr")
    header, image = OmeZarrReader().header(tmp_path / "a.zarr", ReadRequest()), read_image(tmp_path / "a.zarr")
    assert (header.shape, header.axes, header.dtype) == (image.array.shape, image.axes, image.array.dtype)
    assert (header.affine, header.metadata) == (image.affine, image.metadata)


def test_a_store_replaces_a_store_or_a_link_and_nothing_else(tmp_path):
    write_image(stack(), tmp_path / "a.zarr")
    write_image(stack(VOXELS[:1]), tmp_path / "a.zarr")
    assert read_image(tmp_path / "a.zarr").num_channels == 1
    (tmp_path / "link.zarr").symlink_to(tmp_path / "a.zarr")
    write_image(stack(), tmp_path / "link.zarr")
    assert not (tmp_path / "link.zarr").is_symlink()
    assert read_image(tmp_path / "a.zarr").num_channels == 1
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="something other than a Zarr folder has that name"):
        write_image(stack(), tmp_path / "mine.zarr")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "link.zarr", "mine.zarr"]


def test_a_failure_in_the_middle_leaves_the_old_store(tmp_path, monkeypatch):
    write_image(stack(), tmp_path / "a.zarr")
    monkeypatch.setattr("medseg.io.ome_zarr_writer._datasets", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_image(stack(VOXELS[:1]), tmp_path / "a.zarr")
    assert read_image(tmp_path / "a.zarr").num_channels == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]
