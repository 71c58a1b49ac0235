import pytest

from medseg.errors import UnknownNameError
from medseg.registry import look_up

TABLE = {"unet": 1, "segnet": 2}


def test_a_known_name_gives_its_entry():
    assert look_up(TABLE, "segnet", kind="model") == 2


def test_an_unknown_name_gets_the_nearest_and_all_that_exist():
    with pytest.raises(
        UnknownNameError, match=r"^unknown model 'u_net'\. Did you mean 'unet'\? Known: segnet, unet\.$"
    ):
        look_up(TABLE, "u_net", kind="model")


def test_a_name_like_no_other_gets_no_guess():
    with pytest.raises(UnknownNameError, match=r"^unknown loss 'xyz'\. Known: segnet, unet\.$"):
        look_up(TABLE, "xyz", kind="loss")


def test_an_empty_table_says_so():
    with pytest.raises(LookupError, match=r"unknown model 'a'\. Known: none\."):
        look_up({}, "a", kind="model")
