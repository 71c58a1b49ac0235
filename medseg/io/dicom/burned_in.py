"""Whether identity may stand in the pixels of an image. Pixels are not looked at: this is what its header suggests."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset

from medseg.verdicts import Outcome, Verdict

BURNED_IN = "burned-in"
MAY_BE_BURNED_IN = "may-be-burned-in"

_SUSPECT_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.7",  # secondary capture, single and multi-frame
    "1.2.840.10008.5.1.4.1.1.3",  # ultrasound, multi-frame
    "1.2.840.10008.5.1.4.1.1.6",  # ultrasound
    "1.2.840.10008.5.1.4.1.1.77.1",  # visible light: endoscopy, photographs, slides
    "1.2.840.10008.5.1.4.1.1.12",  # angiography and fluoroscopy
    "1.2.840.10008.5.1.4.1.1.481.1",  # RT image
)
"""SOP classes whose images often show names; each with the classes below it."""
_SUSPECT_MODALITIES = frozenset({"US", "IVUS", "ES", "XC", "GM", "OT", "SC", "DG", "BI", "XA", "RF"})
_SUSPECT_IMAGE_TYPES = frozenset({"SCREEN SAVE", "SCREENSHOT", "SCREEN_CAPTURE", "REPORT"})


def burned_in_verdict(dataset: Dataset, *, path: Path) -> Verdict | None:
    """A refusal where the file says that its pixels show identity, a flag where they may; None where neither.

    None is no promise: a file that states NO may be wrong, and a face can be made from a head scan.
    """
    stated = str(dataset.get("BurnedInAnnotation", "") or "").strip().upper()
    if stated == "YES":
        cause = "its pixels are stated to show text that may identify the patient"
        remedy = "Black it out first"
        return Verdict(Outcome.REFUSE, BURNED_IN, path, cause, remedy, may_be_allowed=True)
    if stated == "NO":
        return None
    if _is_suspect(dataset):
        cause = "an image of a kind that often shows the patient's name in its pixels, which were not examined"
        return Verdict(Outcome.FLAG, MAY_BE_BURNED_IN, path, cause, "Look at it before you pass it on")
    return None


def _is_suspect(dataset: Dataset) -> bool:
    kind = f"{dataset.get('SOPClassUID', '')}."
    stated = dataset.get("ImageType", None) or ()
    words = {str(word).upper() for word in ([stated] if isinstance(stated, str) else stated)}
    return (
        any(kind.startswith(f"{suspect}.") for suspect in _SUSPECT_CLASSES)
        or str(dataset.get("Modality", "")) in _SUSPECT_MODALITIES
        or bool(words & _SUSPECT_IMAGE_TYPES)
        or "ConversionType" in dataset
    )
