"""What is known about an image beside its voxels and their places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from medseg.verdicts import Verdict


@dataclass(frozen=True)
class ImageMetadata:
    """Origin and meaning of an image.

    Attributes:
        source: path of the file or folder that was read; empty for images made in memory.
        format: "nifti", "tiff", "png", "dicom", or empty.
        modality: DICOM modality code ("CT", "MR") where the source states it.
        value_unit: unit of the voxel values ("HU") where known.
        spacing_is_known: False where the file states no physical voxel size; spacing is then 1 a voxel and nothing
            derived from it may be called millimetres.
        channel_names: one name a channel where the source states them.
        instance_uids: for DICOM, the SOP Instance UID of each slice along the last array axis.
        extra: further facts a reader wants to hand on; names are the reader's own. A plain dict, since images travel to
            other processes and a read-only view of a dict cannot be pickled.
        notes: sentences for the person who uses the result (a verdict, a conversion, a doubt).
        verdicts: what was found doubtful about the file and taken all the same; each is among the notes as well.
    """

    source: str = ""
    format: str = ""
    modality: str | None = None
    value_unit: str | None = None
    spacing_is_known: bool = True
    channel_names: tuple[str, ...] = ()
    instance_uids: tuple[str, ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
