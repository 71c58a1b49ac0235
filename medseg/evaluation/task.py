"""What kind of maps are compared, and which scores a reader looks for first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Self

from medseg.registry import look_up


class Task(StrEnum):
    """What the label maps mean, and so which scores they get."""

    SEMANTIC = "semantic"
    """A class for each voxel."""
    INSTANCES = "instances"
    """A number for each object; 0 is no object."""
    LESIONS = "lesions"
    """Connected lesions of one class, found or missed as wholes."""
    ISBI2012 = "isbi2012"
    """Cells and membranes of the ISBI 2012 challenge; V_rand and V_info beside the overlap scores."""
    CTC = "ctc"
    """Sequences in the folders of the Cell Tracking Challenge; SEG, DET and TRA."""

    @classmethod
    def of(cls, name: str) -> Self:
        """The task of that name.

        Raises:
            UnknownNameError: there is none; the message lists those known.
        """
        return look_up({member.value: member for member in cls}, name, kind="task")


@dataclass(frozen=True)
class TaskView:
    """What stands first in tables and reports of a task.

    Attributes:
        main_score: key by which cases are ranked.
        columns: keys of the scores shown beside each case, as far as they are there.
        counted: what TP, FP and FN count.
        over: what the values over the set rest on, in the singular.
    """

    main_score: str
    columns: tuple[str, ...]
    counted: str = "voxels of a class"
    over: str = "case"


TASK_VIEWS: Mapping[str, TaskView] = MappingProxyType(
    {
        Task.SEMANTIC.value: TaskView("mean_dice", ("mean_dice", "mean_iou", "pixel_accuracy")),
        Task.ISBI2012.value: TaskView(
            "v_rand", ("v_rand", "v_info", "warping_error", "mean_dice", "mean_iou", "pixel_accuracy")
        ),
        Task.INSTANCES.value: TaskView(
            "panoptic_quality",
            ("panoptic_quality", "object_f1", "object_precision", "object_recall", "ap_dsb", "aggregated_jaccard"),
            "objects",
        ),
        Task.LESIONS.value: TaskView(
            "lesion_f1", ("lesion_f1", "lesion_recall", "lesion_precision", "mean_dice"), "lesions or voxels"
        ),
        Task.CTC.value: TaskView(
            "ctc_seg", ("ctc_seg", "ctc_det", "ctc_tra", "ctc_op_csb", "ctc_op_ctb"), "objects", "sequence"
        ),
    }
)
"""By the name of the task."""
