"""Known data sets, one file each, and generated ones with exact truth."""

from medseg.datasets.case import Case, Dataset, Splits
from medseg.datasets.catalogue import DatasetDescription, available_datasets, default_root, fetch, open_dataset
from medseg.datasets.reading import read_case
from medseg.datasets.splits import check_splits, load_splits, make_splits, save_splits

__all__ = [
    "Case",
    "Dataset",
    "DatasetDescription",
    "Splits",
    "available_datasets",
    "check_splits",
    "default_root",
    "fetch",
    "load_splits",
    "make_splits",
    "open_dataset",
    "read_case",
    "save_splits",
]
