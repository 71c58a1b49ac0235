"""Carrying the confidentiality profile out on one dataset, sequences included."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import UID_dictionary

from medseg.io.dicom.basic_profile import (
    BASIC_PROFILE,
    BESIDE_THE_TABLE,
    REPEATING_GROUP_MASK,
    REPEATING_GROUPS,
    Action,
)
from medseg.io.dicom.pseudonyms import Pseudonyms


class Dates(StrEnum):
    """What happens to dates and times."""

    REMOVE = "remove"
    SHIFT = "shift"


@dataclass(frozen=True)
class Rules:
    """What a dataset is changed by.

    Attributes:
        pseudonyms: where new UIDs come from.
        patient: Patient ID that the dataset gets.
        shift_days: by how many days dates go back; None removes them.
        identity: what finds the patient's name and IDs in a text; None where the dataset has none.
    """

    pseudonyms: Pseudonyms
    patient: str
    shift_days: int | None
    identity: re.Pattern[str] | None


@dataclass
class Changes:
    """What was done to a dataset, without any value.

    Attributes:
        done: action ("removed", "emptied", "replaced", "uid", "shifted", "cleaned") -> keywords.
        private: number of private elements that were removed.
        unknown: number of removed elements that are in no dictionary.
    """

    done: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    private: int = 0
    unknown: int = 0


DUMMIES: Mapping[str, object] = {
    "AE": "REMOVED",
    "AS": "000Y",
    "CS": "REMOVED",
    "DA": "19000101",
    "DT": "19000101000000",
    "TM": "000000",
    "PN": "Removed",
    "UR": "urn:removed",
    "OB": b"\0\0",
    "UN": b"\0\0",
    **dict.fromkeys(("LO", "LT", "SH", "ST", "UC", "UT"), "removed"),
    **dict.fromkeys(("DS", "IS"), "0"),
}
"""What stands for a value that may be neither absent nor empty."""

_KEPT_UIDS = re.compile(
    r"(ClassUID|ClassUIDInFile|TransferSyntaxUID|ClassesIn\w+|ClassesSupported|CodingSchemeUID|ContextUID"
    r"|MappingResourceUID|ContextGroupExtensionCreatorUID|TransferSyntaxUIDInFile)$"
)
"""UIDs beside the table that name a kind, not a thing."""

_EMPTY_SEQUENCES = frozenset(
    {
        *("AcquisitionContextSequence", "IssuerOfTheContainerIdentifierSequence"),
        *("IssuerOfTheSpecimenIdentifierSequence", "SpecimenPreparationSequence"),
        *("VerifyingObserverIdentificationCodeSequence", "PrescriptionNotesSequence"),
    }
)
"""Sequences that objects must have, if only without items; others must not be empty."""

_NOT_SHIFTED = frozenset({"PatientBirthDate", "PatientBirthTime"})
_DATE_VRS = frozenset({"DA", "DT", "TM"})
_TEXT_VRS = frozenset({"AE", "LO", "LT", "SH", "ST", "UC", "UR", "UT"})
_PIXEL_GROUP = 0x0028
_INTEGER_VRS = frozenset({"US", "SS", "UL", "SL"})
"""Which of them an element has, files do not agree on."""
_FORMS = {
    "CS": re.compile(rb"[A-Za-z0-9_ .+-]{0,16}"),
    "DS": re.compile(rb"[-+0-9.eE ]{0,32}|[-+]?(?i:nan|inf)"),
    "IS": re.compile(rb"[-+0-9.]{0,16}"),
    "UI": re.compile(rb"[0-9.]{0,128}"),
}
"""What a value of a text representation looks like where it is no free text (PS3.5 table 6.2-1)."""
_LONGEST_DATE = {"DA": 8, "DT": 26}


def apply_profile(dataset: Dataset, rules: Rules) -> Changes:
    """Change `dataset` in place by the basic profile, and return what was done.

    Combined action codes are settled without knowing the type of an attribute in its object, by what is valid for
    every type: X/Z empties; X/D and X/Z/D put a dummy, and where nothing stood nothing is put. Sequences go where X is
    allowed, unless objects must have them. References to images (X/Z/U*) stay, with their UIDs replaced.
    """
    changes = Changes()
    _walk(dataset, rules, changes)
    return changes


def _walk(dataset: Dataset, rules: Rules, changes: Changes) -> None:
    for tag in list(dataset.keys()):
        if tag.is_private:
            del dataset[tag]
            changes.private += 1
        elif tag.element == 0:  # group lengths, retired; void after any change
            del dataset[tag]
        elif (tag.group & REPEATING_GROUP_MASK) in REPEATING_GROUPS:
            changes.done["removed"].add(REPEATING_GROUPS[tag.group & REPEATING_GROUP_MASK])
            del dataset[tag]
        elif not dictionary_has_tag(tag):
            del dataset[tag]
            changes.unknown += 1
        else:
            _act(dataset, tag, rules, changes)


def _act(dataset: Dataset, tag: BaseTag, rules: Rules, changes: Changes) -> None:
    keyword, vr = keyword_for_tag(tag), _vr_of(dataset, tag)
    action = _action_of(keyword, vr)
    if action is Action.K and not _is_of_its_kind(dataset, tag, vr):
        del dataset[tag]  # text in the place of a number or a code: nobody knows what it says
        changes.done["cleaned"].add(keyword)
        return
    is_text = vr in _TEXT_VRS or (vr == "CS" and tag.group != _PIXEL_GROUP)
    if action is Action.K and not is_text and vr != "SQ":
        return  # not parsed: written byte for byte as it came
    element = dataset[tag]
    if rules.shift_days is not None and vr in _DATE_VRS and keyword not in _NOT_SHIFTED:
        shifted = _shifted(element, rules.shift_days)
        if shifted is not None:
            element.value = shifted
            changes.done["shifted"].add(keyword)
            return
    if action is Action.K and is_text and _shows_identity(element, rules.identity):
        action = Action.C
    done = _ACTIONS[action](dataset, element, rules)
    if done:
        changes.done[done].add(keyword)
    if vr == "SQ" and tag in dataset:
        for item in dataset[tag].value:
            _walk(item, rules, changes)


def _vr_of(dataset: Dataset, tag: BaseTag) -> str:
    stated = dataset.get_item(tag).VR
    return str(stated) if stated not in {None, "", "UN"} else str(dictionary_VR(tag))


def _is_of_its_kind(dataset: Dataset, tag: BaseTag, vr: str) -> bool:
    """Whether the element has the value representation of the dictionary and, a number or code in text, is one."""
    known = dictionary_VR(tag)
    if vr not in {known, *known.split(" or ")} and not {vr, known} <= _INTEGER_VRS:
        return False
    form = _FORMS.get(vr)
    if form is None:
        return True
    value = dataset.get_item(tag).value
    raw = value if isinstance(value, bytes) else str("" if value is None else value).encode()
    if isinstance(value, MultiValue | list):
        raw = b"\\".join(str(part).encode() for part in value)
    return all(form.fullmatch(part.strip(b" \0")) for part in raw.split(b"\\"))


def _action_of(keyword: str, vr: str) -> Action:
    """The table's action, or the one for what it does not name."""
    action = BASIC_PROFILE.get(keyword) or BESIDE_THE_TABLE.get(keyword)
    if action is not None:
        return action
    if vr == "PN" or vr in _DATE_VRS:
        return Action.X
    if vr == "UI" and not _KEPT_UIDS.search(keyword):
        return Action.U
    return Action.K


def _remove(dataset: Dataset, element: DataElement, _: Rules) -> str:
    del dataset[element.tag]
    return "removed"


def _empty(dataset: Dataset, element: DataElement, rules: Rules) -> str:
    if element.keyword == "PatientName":
        element.value = rules.patient  # Z allows a dummy, and viewers show nothing else
        return "replaced"
    if element.VR == "SQ" and element.keyword not in _EMPTY_SEQUENCES:
        return _remove(dataset, element, rules)
    if element.is_empty:
        return ""
    dataset[element.tag] = DataElement(
        element.tag, element.VR, Sequence() if element.VR == "SQ" else element.empty_value
    )
    return "emptied"


def _replace(dataset: Dataset, element: DataElement, rules: Rules) -> str:
    if element.keyword == "PatientID":
        element.value = rules.patient
    elif element.VR == "SQ":
        element.value = Sequence([Dataset()])
    elif element.VR == "UI":
        return _replace_uid(dataset, element, rules)
    elif element.is_empty:
        return ""
    elif element.VR in DUMMIES:
        element.value = DUMMIES[element.VR]
    else:
        return _remove(dataset, element, rules)
    return "replaced"


def _remove_or_replace(dataset: Dataset, element: DataElement, rules: Rules) -> str:
    return (_remove if element.VR == "SQ" else _replace)(dataset, element, rules)


def _replace_uid(_: Dataset, element: DataElement, rules: Rules) -> str:
    """UIDs that the standard itself defines (frames of reference of atlases, palettes) stay."""
    if element.is_empty:
        return ""

    def new(uid: object) -> str:
        text = str(uid)
        return text if not text or text in UID_dictionary else rules.pseudonyms.uid(text)

    is_many = isinstance(element.value, MultiValue)
    element.value = [new(uid) for uid in element.value] if is_many else new(element.value)
    return "uid"


def _clean(dataset: Dataset, element: DataElement, rules: Rules) -> str:
    _replace(dataset, element, rules)
    return "cleaned"


def _keep(_: Dataset, __: DataElement, ___: Rules) -> str:
    return ""


_ACTIONS: Mapping[Action, Callable[[Dataset, DataElement, Rules], str]] = {
    Action.D: _replace,
    Action.Z: _empty,
    Action.X: _remove,
    Action.K: _keep,
    Action.C: _clean,
    Action.U: _replace_uid,
    Action.Z_D: _replace,
    Action.X_Z: _empty,
    Action.X_D: _remove_or_replace,
    Action.X_Z_D: _remove_or_replace,
    Action.X_Z_U: _keep,
}


def _shows_identity(element: DataElement, identity: re.Pattern[str] | None) -> bool:
    return identity is not None and identity.search(str(element.value).lower()) is not None


def _shifted(element: DataElement, days: int) -> str | list[str] | None:
    """The value with its dates moved; None where one of them cannot be understood. Times of day stay."""
    if element.is_empty:
        return None
    values = list(element.value) if isinstance(element.value, MultiValue) else [element.value]
    texts = [str(getattr(value, "original_string", value)).strip() for value in values]
    if element.VR == "TM":
        return texts if all(re.fullmatch(r"[0-9:.]{2,16}", text) for text in texts) else None
    moved = [_moved(text, days, vr=element.VR) for text in texts]
    whole = [text for text in moved if text is not None]
    return whole if len(whole) == len(moved) else None


def _moved(text: str, days: int, *, vr: str) -> str | None:
    if not re.fullmatch(r"\d{8}" if vr == "DA" else r"\d{8}[0-9.+-]*", text) or len(text) > _LONGEST_DATE[vr]:
        return None
    try:
        day = date(int(text[:4]), int(text[4:6]), int(text[6:8])) - timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return f"{day:%Y%m%d}{text[8:]}" if day.year >= 1000 else None
