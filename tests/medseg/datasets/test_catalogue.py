"""Finding data sets by name and their folders by convention."""

from pathlib import Path

import pytest
from dataset_files import write_isbi_layout

from medseg.datasets import available_datasets, default_root, fetch, open_dataset
from medseg.errors import ConfigError, InputError, UnknownNameError


@pytest.mark.parametrize("name", sorted(available_datasets()))
def test_an_unknown_option_is_refused_with_the_known_ones(name, tmp_path):
    known = next(iter(available_datasets()[name].options.model_fields))
    with pytest.raises(ConfigError, match=rf"data\.options\.no_such is not a known option.*Known: .*{known}"):
        open_dataset(name, root=tmp_path, options={"no_such": 1})


def test_a_misspelt_name_gets_a_hint():
    with pytest.raises(UnknownNameError, match=r"unknown data set 'phantom_cell'. Did you mean 'phantom_cells'\?"):
        open_dataset("phantom_cell")


def test_data_are_found_in_the_folder_of_data_sets(tmp_path, monkeypatch):
    write_isbi_layout(tmp_path / "isbi2012")
    monkeypatch.setenv("MEDSEG_DATA_DIR", str(tmp_path))
    assert default_root("isbi2012_em") == tmp_path / "isbi2012"
    assert len(open_dataset("isbi2012_em").cases()) == 24


def test_without_that_folder_the_cache_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("MEDSEG_DATA_DIR", raising=False)
    assert default_root("isbi2012_em").name == "isbi2012"
    assert "medseg" in default_root("isbi2012_em").parts


def test_generated_sets_of_other_settings_have_other_folders_and_more_cases_have_the_same():
    options = available_datasets()["phantom_cells"].options
    usual = default_root("phantom_cells", options=options())
    assert default_root("phantom_cells", options=options(seed=1)) != usual
    assert default_root("phantom_cells", options=options(train_cases=99)) == usual
    assert default_root("phantom_cells") == usual


def test_ones_own_data_need_a_folder():
    with pytest.raises(InputError, match=r"'folder': expected a folder, got none. Give the folder .* with --data"):
        open_dataset("folder", options={"labels": ["background", "cell"]})
    with pytest.raises(InputError, match="'folder' has nothing to download"):
        fetch("folder", root=Path("anywhere"))


def test_citations_name_a_doi_where_there_is_a_paper():
    assert "10.3389/fnana.2015.00142" in available_datasets()["isbi2012_em"].citation
