"""Pairs predictions with references, checks that they lie on one grid, and scores them."""

from medseg.evaluation.aggregate import aggregate
from medseg.evaluation.case_maps import CaseMaps, case_maps
from medseg.evaluation.cases import files_by_case, find_pairs
from medseg.evaluation.comparison import compare
from medseg.evaluation.ctc import FrameScores, SequenceScores, evaluate_ctc
from medseg.evaluation.evaluate import evaluate, score_pair
from medseg.evaluation.options import ScoringOptions
from medseg.evaluation.paired import Comparison, PairedScore
from medseg.evaluation.presence import Presence
from medseg.evaluation.provenance import Provenance
from medseg.evaluation.result import CaseScores, Evaluation, MeanScore
from medseg.evaluation.task import Task

__all__ = [
    "CaseMaps",
    "CaseScores",
    "Comparison",
    "Evaluation",
    "FrameScores",
    "MeanScore",
    "PairedScore",
    "Presence",
    "Provenance",
    "ScoringOptions",
    "SequenceScores",
    "Task",
    "aggregate",
    "case_maps",
    "compare",
    "evaluate",
    "evaluate_ctc",
    "files_by_case",
    "find_pairs",
    "score_pair",
]
