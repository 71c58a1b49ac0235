"""Pairs predictions with references, checks that they lie on one grid, and scores them."""

from medseg.evaluation.aggregate import aggregate
from medseg.evaluation.case_maps import CaseMaps, case_maps
from medseg.evaluation.cases import files_by_case, find_pairs
from medseg.evaluation.evaluate import evaluate, score_pair
from medseg.evaluation.provenance import Provenance
from medseg.evaluation.result import CaseScores, Evaluation, MeanScore
from medseg.evaluation.task import Task

__all__ = [
    "CaseMaps",
    "CaseScores",
    "Evaluation",
    "MeanScore",
    "Provenance",
    "Task",
    "aggregate",
    "case_maps",
    "evaluate",
    "files_by_case",
    "find_pairs",
    "score_pair",
]
