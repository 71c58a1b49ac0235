"""The audit trail: its file, what a DICOM segmentation says of each object, and what is no trail."""

from pathlib import Path

import numpy as np
import pytest
from medseg_napari.review import (
    AlgorithmType,
    AuditTrail,
    EditEntry,
    MadeBy,
    ObjectRecord,
    ObjectState,
    Review,
    audit_path,
)

from medseg.errors import ImageFormatError

MODEL = MadeBy("Lesions in CT", "0f" * 32)


def edit(kind):
    return EditEntry(kind, 12, "reader 1", "2026-03-04T05:06:07+00:00")


def test_the_trail_lies_beside_the_mask():
    assert audit_path(Path("out/mask.nii.gz")) == Path("out/mask.nii.gz.audit.json")


def test_every_field_survives_json():
    trail = AuditTrail(
        {
            1: ObjectRecord("lesion", ObjectState.PROPOSED, MODEL, confidence=0.125),
            2: ObjectRecord("cyst", ObjectState.REMOVED, None, is_drawn=True, edits=(edit("paint"), edit("delete"))),
            30: ObjectRecord("lesion", ObjectState.ACCEPTED, MODEL, came_from=(1, 2), judged_by="reader 2"),
        }
    )
    assert AuditTrail.from_json(trail.to_json()) == trail


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (ObjectRecord("lesion", ObjectState.ACCEPTED, MODEL), AlgorithmType.AUTOMATIC),
        (ObjectRecord("lesion", ObjectState.EDITED, MODEL, edits=(edit("paint"),)), AlgorithmType.SEMIAUTOMATIC),
        (ObjectRecord("lesion", ObjectState.DRAWN, is_drawn=True, edits=(edit("paint"),)), AlgorithmType.MANUAL),
        (
            ObjectRecord("lesion", ObjectState.DRAWN, is_drawn=True, edits=(edit("paint"), edit("interpolate"))),
            AlgorithmType.SEMIAUTOMATIC,
        ),
        (ObjectRecord("lesion", ObjectState.PROPOSED), AlgorithmType.SEMIAUTOMATIC),
    ],
)
def test_who_made_an_object_says_how_dicom_calls_it(record, expected):
    assert record.algorithm_type is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected JSON as medseg writes it"),
        ("[]", "expected JSON as medseg writes it"),
        ('{"schema_version": 2, "objects": {"1": {"state": "lost"}}}', "expected JSON as medseg writes it"),
        ('{"schema_version": 2, "objects": {"one": {}}}', "expected JSON as medseg writes it"),
        ('{"schema_version": 7, "objects": {}}', "expected schema version 2, got 7. Update medseg"),
    ],
)
def test_what_is_no_trail_is_refused_in_one_line(text, message):
    with pytest.raises(ImageFormatError, match=message) as caught:
        AuditTrail.from_json(text)
    assert "\n" not in str(caught.value)


def test_objects_that_the_mask_lost_elsewhere_count_as_removed():
    trail = AuditTrail({1: ObjectRecord("lesion", ObjectState.ACCEPTED, MODEL)})
    review = Review(np.array([[0, 2]], np.uint8), audit=trail)
    assert review.audit.objects[1].state is ObjectState.REMOVED
    assert review.free_ids(1) == (3,)


def test_an_undone_edit_is_not_in_the_trail():
    review = Review(np.array([[1, 1, 2]], np.uint8), made_by=MODEL)
    review.merge([1, 2])
    assert [entry.kind for entry in review.audit.objects[1].edits] == ["merge"]
    review.undo()
    assert review.audit.objects[1].edits == ()
    assert {review.audit.objects[number].algorithm_type for number in (1, 2)} == {AlgorithmType.AUTOMATIC}
