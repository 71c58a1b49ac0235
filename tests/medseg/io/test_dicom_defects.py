"""Whatever is wrong with a DICOM folder, alone or in pairs: a true volume or a refusal, never a wrong volume."""

import itertools
import os

import pytest
from support.dicom_defects import GEOMETRY, NAME, PIXELS, clean_files, write
from support.ramp import ramp_error

from medseg.errors import InputError, MedsegError
from medseg.io import read_image
from medseg.io.dicom.judge import judge_folder
from medseg.verdicts import Outcome, RefusedImageError

DEFECTS = {**GEOMETRY, **PIXELS}
ALL_PAIRS = list(itertools.combinations(DEFECTS, 2))
EVERY = 1 if os.environ.get("MEDSEG_TEST_SCALE") == "full" else 9
"""Of the pairs, every ninth in a usual run; all with MEDSEG_TEST_SCALE=full."""
OVERRULED = ("missing-slice", "uneven-spacing", "two-slices", "unreadable-file", "empty-file", "repeated-uid")
ROUNDING = 0.5 + 7.7 * 0.02 + 0.01
"""The ramp's own rounding; positions that may be 0.02 mm from an even grid; positions in eight digits."""
COARSE = 1.0
"""More, where values are stored in steps of up to 1.75 ("rescale by slice"), or are interpolated of rounded ones."""

REFUSED = {
    "missing inner slice": "missing-slice",
    "other image at one place": "several-at-one-place",
    "spacing varies": "uneven-spacing",
    "no position": "no-position",
    "no position in one slice": "no-position",
    "no orientation": "no-orientation",
    "no pixel spacing": "no-pixel-spacing",
    "pixel spacing zero": "bad-pixel-spacing",
    "pixel spacing with a comma": "bad-pixel-spacing",
    "all at one place": "several-at-one-place",
    "direction too long": "bad-orientation",
    "directions askew": "bad-orientation",
    "NaN in one position": "bad-position",
    "frame of reference": "several-frames-of-reference",
    "another patient": "several-patients",
    "another study": "several-studies",
    "one smaller slice": "several-sizes",
    "other pixel spacing": "several-pixel-spacings",
    "empty slice": "empty-file",
    "one UID for all": "repeated-uid",
    "one without rescale": "mixed-rescale",
    "slope zero": "rescale-slope-zero",
    "one MONOCHROME1": "several-photometrics",
    "truncated header": "unreadable-file",
    "truncated pixels": "truncated",
    "second series": "several-series",
    "two echoes": "several-volumes",
    "two acquisitions": "several-volumes",
    "two phases": "several-volumes",
}
FLAGGED = {
    "copy of a file": "duplicate-slice",
    "copy under another UID": "duplicate-position",
    "localizer": "localizer-left-out",
    "tilt": "tilted",
    "empty stray file": "empty-file",
    "screenshot": "picture-left-out",
    "all MONOCHROME1": "monochrome1",
    "burned in": "burned-in-text",
}
ODDLY_REFUSED = {"no pixels", "huge size", "odd bits"}


def read_all(folder, *, allow=()):
    """The volumes that can be read, and the errors of the others."""
    try:
        return [read_image(folder, allow=allow)], []
    except RefusedImageError as error:
        if error.verdicts[0].code not in {"several-series", "several-volumes"}:
            return [], [error]
        images, errors = [], [error]
    for volume in judge_folder(folder, allow=frozenset(allow)).volumes:
        try:
            images.append(read_image(folder, series_uid=volume.key, allow=allow))
        except MedsegError as other:
            errors.append(other)
    return images, errors


def assert_true_or_refused(folder, *, tolerance):
    """Every volume holds the ramp; every error is one line that names the folder, a code and what to do."""
    for allow in ((), OVERRULED):
        images, errors = read_all(folder, allow=allow)
        assert images or errors
        for image in images:
            assert ramp_error(image) <= tolerance, image.metadata.notes
            assert all(one.outcome is not Outcome.REFUSE for one in image.metadata.verdicts)
            assert len(image.metadata.instance_uids) == image.array.shape[-1]
        for error in errors:
            message = str(error)
            assert "\n" not in message
            assert str(folder) in message
            assert NAME not in message
            assert "Canary" not in message
            assert isinstance(error, InputError) or (message.count(". ") and "[" in message), message


@pytest.mark.parametrize("name", DEFECTS)
def test_one_defect_gives_a_true_volume_or_its_refusal(tmp_path, name):
    files = clean_files("oblique")
    DEFECTS[name](files)
    folder = write(files, tmp_path)
    assert_true_or_refused(folder, tolerance=ROUNDING + COARSE)
    if name in REFUSED:
        with pytest.raises(RefusedImageError) as caught:
            read_image(folder)
        assert caught.value.verdicts[0].code == REFUSED[name]
    elif name in ODDLY_REFUSED:
        with pytest.raises(RefusedImageError):
            read_image(folder)
    else:
        image = read_image(folder)
        codes = {one.code for one in image.metadata.verdicts if one.outcome is Outcome.FLAG}
        assert codes >= ({FLAGGED[name]} if name in FLAGGED else set())


@pytest.mark.parametrize(("first", "second"), ALL_PAIRS[::EVERY], ids=lambda name: name.replace(" ", "-"))
def test_two_defects_never_give_a_wrong_volume(tmp_path, first, second):
    files = clean_files()
    DEFECTS[first](files)
    DEFECTS[second](files)
    assert_true_or_refused(write(files, tmp_path), tolerance=ROUNDING + COARSE)


def test_the_clean_series_has_no_verdict(tmp_path):
    folder = write(clean_files(), tmp_path)
    assert read_image(folder).metadata.verdicts == ()
    assert judge_folder(folder).left_out == ()
