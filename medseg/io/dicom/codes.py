"""Coded meanings and colours of segments, to and from label tables.

Codes are those of pydicom's copy of PS3.16 (SNOMED CT as DICOM uses it). A label without a coded concept gets one by a
word of its name, else "Tissue"; `SegmentCodes.is_stated` says which codes are such defaults.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from highdicom.color import CIELabColor
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from medseg.images import CodedConcept, Label

TISSUE: Code = codes.SCT.Tissue
ANATOMY: Code = codes.SCT.AnatomicalStructure
ABNORMAL: Code = codes.SCT.MorphologicallyAbnormalStructure
BACKGROUND: Code = codes.DCM.Background
_MASS: Code = codes.SCT.Mass
_DEFAULTS: Mapping[str, tuple[Code, Code]] = {
    "lesion": (ABNORMAL, _MASS),
    "lesions": (ABNORMAL, _MASS),
    "mass": (ABNORMAL, _MASS),
    "tumour": (ABNORMAL, codes.SCT.Neoplasm),
    "tumor": (ABNORMAL, codes.SCT.Neoplasm),
    "neoplasm": (ABNORMAL, codes.SCT.Neoplasm),
    "nodule": (ABNORMAL, codes.SCT.Nodule),
    "cyst": (ABNORMAL, codes.SCT.Cyst),
    "oedema": (ABNORMAL, codes.SCT.Edema),
    "edema": (ABNORMAL, codes.SCT.Edema),
    "necrosis": (ABNORMAL, codes.SCT.Necrosis),
    "nucleus": (ANATOMY, codes.SCT.Nucleus),
    "nuclei": (ANATOMY, codes.SCT.Nucleus),
    "cell": (ANATOMY, codes.SCT.Cell),
    "cells": (ANATOMY, codes.SCT.Cell),
    "adrenal": (ANATOMY, codes.SCT.AdrenalGland),
    "aorta": (ANATOMY, codes.SCT.Aorta),
    "bladder": (ANATOMY, codes.SCT.Bladder),
    "bone": (ANATOMY, codes.SCT.Bone),
    "brain": (ANATOMY, codes.SCT.Brain),
    "colon": (ANATOMY, codes.SCT.Colon),
    "esophagus": (ANATOMY, codes.SCT.Esophagus),
    "gallbladder": (ANATOMY, codes.SCT.Gallbladder),
    "heart": (ANATOMY, codes.SCT.Heart),
    "kidney": (ANATOMY, codes.SCT.Kidney),
    "kidneys": (ANATOMY, codes.SCT.Kidney),
    "liver": (ANATOMY, codes.SCT.Liver),
    "lung": (ANATOMY, codes.SCT.Lung),
    "lungs": (ANATOMY, codes.SCT.Lung),
    "muscle": (ANATOMY, codes.SCT.Muscle),
    "oesophagus": (ANATOMY, codes.SCT.Esophagus),
    "pancreas": (ANATOMY, codes.SCT.Pancreas),
    "prostate": (ANATOMY, codes.SCT.Prostate),
    "skin": (ANATOMY, codes.SCT.Skin),
    "spleen": (ANATOMY, codes.SCT.Spleen),
    "stomach": (ANATOMY, codes.SCT.Stomach),
    "thyroid": (ANATOMY, codes.SCT.Thyroid),
    "trachea": (ANATOMY, codes.SCT.Trachea),
    "vertebra": (ANATOMY, codes.SCT.Vertebra),
}
"""Word of a label's name -> category and type, the abnormal ones first: a "liver lesion" is a lesion."""
_ABNORMAL_CODES = {(code.scheme_designator, code.value) for code in codes.cid7159.concepts.values()} - {
    (BACKGROUND.scheme_designator, BACKGROUND.value),
    (codes.SCT.Normal.scheme_designator, codes.SCT.Normal.value),
}
"""Lesion Segmentation Types, PS3.16 CID 7159."""


@dataclass(frozen=True)
class SegmentCodes:
    """What a segment is, in codes.

    Attributes:
        category: PS3.16 CID 7150.
        type: the property.
        is_stated: whether the label table gave the type; else it is a default.
    """

    category: Code
    type: Code
    is_stated: bool


def codes_of(label: Label) -> SegmentCodes:
    """Category and type of a label: by its coded concept, else by a word of its name, else Tissue and Tissue."""
    if label.concept is not None:
        concept = label.concept
        stated = Code(concept.value, concept.scheme, concept.meaning[:64])
        return SegmentCodes(_category_of(stated), stated, is_stated=True)
    words = set(re.split(r"[^a-z]+", label.name.lower()))
    category, kind = next((pair for word, pair in _DEFAULTS.items() if word in words), (TISSUE, TISSUE))
    return SegmentCodes(category, kind, is_stated=False)


def concept_of(item: Any) -> CodedConcept | None:
    """The concept of a code sequence item (PS3.3 section 8.8); None where the item holds no code."""
    value = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue")
    if not value:
        return None
    return CodedConcept(str(value), str(item.get("CodingSchemeDesignator", "")), str(item.get("CodeMeaning", "")))


def dicom_colour(colour: str) -> CIELabColor:
    """The CIELab colour of "#rrggbb"."""
    return CIELabColor.from_rgb(*(int(colour[place : place + 2], 16) for place in (1, 3, 5)))


def table_colour(values: Any) -> str | None:
    """The colour "#rrggbb" of a RecommendedDisplayCIELabValue; None where there is none or it makes no sense."""
    if values is None or len(values) != 3:
        return None
    numbers = [int(value) for value in values]
    if not all(0 <= number <= 65535 for number in numbers):
        return None
    rgb = np.clip(CIELabColor.from_dicom_value(numbers).to_rgb(), 0, 255)
    return "#" + "".join(f"{int(channel):02x}" for channel in rgb)


def _category_of(concept: Code) -> Code:
    key = (concept.scheme_designator, concept.value)
    if key in _ABNORMAL_CODES:
        return ABNORMAL
    return TISSUE if key == (TISSUE.scheme_designator, TISSUE.value) else ANATOMY
