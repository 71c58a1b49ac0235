import pytest

from medseg.errors import LabelError
from medseg.images import CodedConcept, Label, LabelTable


def test_names_get_values_from_zero_and_the_background_is_black():
    table = LabelTable.from_names(["background", "liver", "lesion"])
    assert table.values == (0, 1, 2)
    assert table.names == ("background", "liver", "lesion")
    assert [label.name for label in table.foreground] == ["liver", "lesion"]
    assert len(table) == 3
    assert next(iter(table)).colour == "#000000"
    assert len({label.colour for label in table}) == 3


def test_more_classes_than_colours_use_the_colours_again():
    table = LabelTable.from_names(str(number) for number in range(30))
    assert table.names[29] == "29"


def test_labels_are_kept_by_ascending_value():
    tumour = Label(5, "tumour", "#00FF00", CodedConcept("4147007", "SCT", "Mass"))
    table = LabelTable((tumour, Label(0, "background", "#000000")))
    assert table.values == (0, 5)
    assert table.foreground == (tumour,)


@pytest.mark.parametrize(
    ("labels", "listed"),
    [
        ((Label(1, "a"), Label(1, "b")), "1=a, 1=b"),
        ((Label(1, "a"), Label(2, "a")), "1=a, 2=a"),
        ((Label(-1, "a"),), "-1=a"),
    ],
)
def test_values_and_names_that_stand_twice_or_are_negative_are_refused(labels, listed):
    with pytest.raises(LabelError, match=f"distinct names and distinct values of at least 0, got {listed}"):
        LabelTable(labels)


@pytest.mark.parametrize("colour", ["red", "#ff", "ff4f5e", "#ff4f5g", "#ff4f5e00"])
def test_colours_that_cannot_be_drawn_are_refused(colour):
    with pytest.raises(LabelError, match=f"expected a colour like #ff4f5e for liver, got '{colour}'"):
        LabelTable((Label(1, "liver", colour),))
