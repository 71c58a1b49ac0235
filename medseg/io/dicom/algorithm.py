"""Which model made a result, as DICOM objects state it."""

from __future__ import annotations

from dataclasses import dataclass

from medseg.images import LabelMap

VERSION_NOT_STATED = "not stated"


@dataclass(frozen=True)
class AlgorithmIdentity:
    """A model and its weights.

    Attributes:
        name: of the model, up to 64 characters.
        version: of the model, up to 64 characters.
        weights_sha256: of the file with its weights, 64 hexadecimal digits; empty where it has none.
    """

    name: str
    version: str
    weights_sha256: str = ""

    @classmethod
    def of(cls, label_map: LabelMap) -> AlgorithmIdentity | None:
        """The model that a predicted label map names in its metadata; None where it names none."""
        extra = label_map.metadata.extra
        name = extra.get("model")
        if not name:
            return None
        version = str(extra.get("model_version", VERSION_NOT_STATED))
        return cls(str(name), version, str(extra.get("weights_sha256", "")))
