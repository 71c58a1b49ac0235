"""Functions that tests let the worker process of the plugin run."""

import os
import time

from medseg.errors import Cancelled, InputError, StorageError


def doubled(values):
    return values * 2


def total(values):
    return float(values.sum())


def refuses():
    raise InputError("expected a volume, got a picture.")


def finds_no_room():
    raise StorageError("no room in the folder for temporary files.")


def breaks():
    return 1 / 0


def steps(progress, cancelled):
    for step in range(1, 5):
        progress(step / 4)


def obeys(progress, cancelled):
    progress(0.0)
    while not cancelled():
        time.sleep(0.01)
    raise Cancelled("obeyed")


def never_looks_up(progress, cancelled):
    progress(0.0)
    time.sleep(600)


def short_sleep(progress, cancelled):
    progress(0.0)
    time.sleep(0.2)
    return "slept"


def pid():
    return os.getpid()
