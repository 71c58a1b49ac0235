"""Codes and UIDs that may be shown: a text that is none could be about the patient."""

from __future__ import annotations

import hashlib
import re

_TERMS = """
    ANN AR ASMT AU BDUS BI BMD CFM CR CT CTPROTOCOL DG DMS DOC DX ECG EEG EMG EOG EPS ES FID GM HC HD IO IOL IVOCT IVUS
    KER KO LEN LP LS M3D MG MR NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT PX REG RESP RF RG RTDOSE
    RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SEG SM SMR SR SRF STAIN TEXTUREMAP TG US VA XA
    XAPROTOCOL XC
"""
MODALITIES = frozenset(_TERMS.split())
"""Defined terms of Modality (PS3.3 C.7.3.1.1.1)."""

_UID = re.compile(r"[0-9][0-9.]{0,127}")


def shown_modality(text: str) -> str:
    """The modality's code; empty where the text is none of the standard's."""
    code = text.strip().upper()
    return code if code in MODALITIES else ""


def shown_uid(text: str) -> str:
    """The UID; where the text is none, "no-uid-" and 8 hexadecimal digits that tell it from others."""
    plain = text.strip(" \0")
    if not plain or _UID.fullmatch(plain):
        return plain
    return f"no-uid-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"
