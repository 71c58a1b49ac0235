"""Pairs predictions with references, checks that they lie on one grid, and scores them."""

from medseg.evaluation.aggregate import aggregate
from medseg.evaluation.evaluate import Task, evaluate, score_pair
from medseg.evaluation.provenance import Provenance
from medseg.evaluation.result import CaseScores, Evaluation, MeanScore

__all__ = ["CaseScores", "Evaluation", "MeanScore", "Provenance", "Task", "aggregate", "evaluate", "score_pair"]
