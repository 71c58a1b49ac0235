"""The errors medseg raises on purpose, each also the builtin a caller would expect.

A message is one line that says what was expected, what came and what to do. The command line prints it without a
traceback and ends with exit code 2; a batch records it for its case and goes on.
"""

from __future__ import annotations


class MedsegError(Exception):
    """Root of everything medseg raises on purpose."""


class InputError(MedsegError, ValueError):
    """A path, option or argument of the call is wrong."""


class ImageFormatError(MedsegError, ValueError):
    """A file cannot be read as the image it claims to be, or not without a guess that medseg refuses to make."""


class GeometryError(MedsegError, ValueError):
    """Grids, spacings, orientations or shapes do not fit together."""


class LabelError(MedsegError, ValueError):
    """Label values are not whole numbers, or not in the label table."""


class ConfigError(MedsegError, ValueError):
    """A recipe or another configuration has an unknown key or a wrong value; the message names its path."""


class ModelPackageError(MedsegError, ValueError):
    """A model package or checkpoint is incomplete, changed or made for something else."""


class StorageError(MedsegError, OSError):
    """A result could not be written; nothing half-written was left under the final name."""


class OutOfMemoryError(MedsegError, MemoryError):
    """The image needs more memory than there is, after everything that could be done with less was tried."""


class DependencyError(MedsegError, ImportError):
    """An optional package is missing; the message names the extra that installs it."""


class UnknownNameError(MedsegError, LookupError):
    """A model, loss, data set or other named thing does not exist; the message lists those that do."""


class Cancelled(MedsegError):  # noqa: N818 - an outcome that the user asked for, not an error
    """The user asked a long job to stop and it did.

    Attributes:
        signal_number: which signal asked; 0 where it was none.
    """

    signal_number = 0
