"""One image, or one patient, never stands on two sides of a split, whatever the files are called."""

import shutil

import numpy as np
import pytest
from cases.dicom import SeriesCase
from dataset_files import write_png_pair

import medseg
from medseg.datasets import open_dataset
from medseg.datasets.leakage import check_contents
from medseg.errors import ConfigError, InputError

CELLS = {"labels": ["background", "cell"]}
SERIES = {"labels": ["background", "lesion"], "image_pattern": "{case}/ct", "label_pattern": "{case}/lesions.nii.gz"}


@pytest.fixture
def cells(tmp_path):
    for case in "abcd":
        write_png_pair(tmp_path, case)
    return tmp_path


def write_patient(root, case, *, patient_id):
    number = sum(case.encode())
    series = SeriesCase(series_uid=f"1.2.826.0.1.3680043.8.498.{number}")
    folder = root / case / "ct"
    folder.mkdir(parents=True)
    series.write(folder, change=lambda ds, k: setattr(ds, "PatientID", patient_id))
    image = medseg.read_image(folder)
    labels = medseg.LabelTable.from_names(SERIES["labels"])
    label_map = medseg.LabelMap(np.zeros(image.spatial_shape, np.uint8), image.affine, image.axes[1:], labels)
    medseg.write_label_map(label_map, root / case / "lesions.nii.gz")


def test_one_picture_in_training_and_test_is_refused_with_both_names(cells):
    shutil.copyfile(cells / "images" / "b.png", cells / "images" / "d.png")
    dataset = open_dataset("folder", root=cells, options={**CELLS, "validation": ["c"], "test": ["d"]})
    with pytest.raises(InputError, match=r"cases 'b' \(.*b.png, in train\) and 'd' \(.*d.png, in test\) are the same"):
        check_contents(dataset.splits(), dataset.cases(), name="mine")


def test_copies_within_one_list_and_equal_sizes_pass(cells):
    shutil.copyfile(cells / "images" / "b.png", cells / "images" / "d.png")
    content = bytearray((cells / "images" / "b.png").read_bytes())
    content[-20] ^= 1
    (cells / "images" / "c.png").write_bytes(content)
    dataset = open_dataset("folder", root=cells, options={**CELLS, "validation": ["c"]})
    check_contents(dataset.splits(), dataset.cases(), name="mine")


def test_a_series_under_other_file_names_is_the_same_image(tmp_path):
    write_patient(tmp_path, "one", patient_id="")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    for number, file in enumerate(sorted((tmp_path / "two" / "ct").iterdir())):
        file.rename(file.with_name(f"renamed{9 - number}"))
    dataset = open_dataset("folder", root=tmp_path, options={**SERIES, "validation": ["two"]})
    with pytest.raises(InputError, match=r"'one' .* and 'two' .* are the same image"):
        check_contents(dataset.splits(), dataset.cases(), name="mine")


def test_a_training_asks_before_it_reads_a_voxel(cells, tmp_path):
    from medseg.training.run_data import choose_splits
    from medseg.training.run_folder import RunFolder

    shutil.copyfile(cells / "images" / "a.png", cells / "images" / "c.png")
    dataset = open_dataset("folder", root=cells, options={**CELLS, "validation": ["c"]})
    with pytest.raises(InputError, match=r"'a' .* and 'c' .* are the same image"):
        choose_splits(dataset, RunFolder(tmp_path / "run"))


def test_two_scans_of_one_dicom_patient_stay_together_and_the_id_is_not_shown(tmp_path):
    for case, patient_id in (("a", "Smith^John"), ("b", "Smith^John"), ("c", "Jones")):
        write_patient(tmp_path, case, patient_id=patient_id)
    for seed in range(4):
        options = {**SERIES, "validation_fraction": 0.3, "seed": seed}
        splits = open_dataset("folder", root=tmp_path, options=options).splits()
        assert set(splits.validation) in ({"a", "b"}, {"c"})
    with pytest.raises(InputError) as caught:
        open_dataset("folder", root=tmp_path, options={**SERIES, "validation": ["b"]})
    assert "train with case 'a' and in validation with case 'b'" in str(caught.value)
    assert "Smith" not in str(caught.value)


def test_a_table_of_patients_overrules_the_dicom_patient(tmp_path):
    for case in "ab":
        write_patient(tmp_path, case, patient_id="ANONYMOUS")
    (tmp_path / "patients.csv").write_text("case_id,patient\na,1\nb,2\n")
    options = {**SERIES, "validation": ["b"]}
    with pytest.raises(InputError, match=r"data.options.patients says otherwise"):
        open_dataset("folder", root=tmp_path, options=options)
    splits = open_dataset("folder", root=tmp_path, options={**options, "patients": "patients.csv"}).splits()
    assert (splits.train, splits.validation) == (("a",), ("b",))


def test_a_table_of_patients_keeps_pictures_together(cells):
    (cells / "patients.csv").write_text("case_id,patient\na,x\nb,y\nc,x\nd,z\n")
    options = {**CELLS, "patients": "patients.csv"}
    with pytest.raises(InputError, match="group 'x' stands in train with case 'a' and in test with case 'c'"):
        open_dataset("folder", root=cells, options={**options, "validation": ["b"], "test": ["c"]})


def test_a_table_that_lacks_a_case_or_stands_beside_a_pattern_is_refused(cells):
    (cells / "patients.csv").write_text("case_id,patient\na,x\n")
    with pytest.raises(InputError, match=r"patients.csv: has no row for case 'b' \(3 missing\)"):
        open_dataset("folder", root=cells, options={**CELLS, "patients": "patients.csv"})
    with pytest.raises(ConfigError, match="give one of them"):
        open_dataset("folder", root=cells, options={**CELLS, "patients": "patients.csv", "group_pattern": "(.)"})
