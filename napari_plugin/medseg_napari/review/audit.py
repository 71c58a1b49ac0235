"""Who or what made each object, and every edit since: the file beside a mask."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medseg.errors import ImageFormatError, LabelError
from medseg_napari.review.places import MaskRecord
from medseg_napari.review.records import EditEntry, MadeBy, ObjectRecord, ObjectState

SCHEMA_VERSION = 2


@dataclass(frozen=True)
class AuditTrail:
    """What is known of every object that is or was in a mask.

    Attributes:
        objects: object id -> its record; those that were removed are among them.
        mask: what was written of them; None for a trail that lies beside no mask.
    """

    objects: Mapping[int, ObjectRecord]
    mask: MaskRecord | None = None

    def to_json(self) -> str:
        """The trail as JSON text."""
        objects = {str(number): asdict(record) for number, record in sorted(self.objects.items())}
        mask = None if self.mask is None else self.mask.to_dict()
        content = {"schema_version": SCHEMA_VERSION, "objects": objects, "mask": mask}
        return json.dumps(content, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> AuditTrail:
        """The trail that `to_json` wrote.

        Raises:
            ImageFormatError: the text is no audit trail, or of another schema version.
        """
        try:
            content = json.loads(text)
            version = content["schema_version"]
            is_ours = version == SCHEMA_VERSION
            objects = {int(key): _record(value) for key, value in content["objects"].items()} if is_ours else {}
            mask = content["mask"] if is_ours else None
            record = None if mask is None else MaskRecord.from_dict(mask)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError, LabelError) as error:
            message = "audit trail: expected JSON as medseg writes it beside a mask, got something else. Save it again."
            raise ImageFormatError(message) from error
        if version != SCHEMA_VERSION:
            message = f"audit trail: expected schema version {SCHEMA_VERSION}, got {version!r}. Update medseg."
            raise ImageFormatError(message)
        return cls(objects, record)


def audit_path(mask: Path) -> Path:
    """Where the trail of a mask lies: beside it, the name extended by ".audit.json"."""
    return mask.with_name(mask.name + ".audit.json")


def _record(value: Mapping[str, Any]) -> ObjectRecord:
    made_by, confidence = value["made_by"], value["confidence"]
    if not isinstance(value["class_name"], str) or not isinstance(confidence, int | float | None):
        message = "an object's class is text and its confidence a number"
        raise TypeError(message)
    return ObjectRecord(
        **{
            **value,
            "state": ObjectState(value["state"]),
            "made_by": None if made_by is None else MadeBy(**made_by),
            "came_from": tuple(int(number) for number in value["came_from"]),
            "edits": tuple(EditEntry(**entry) for entry in value["edits"]),
        }
    )
