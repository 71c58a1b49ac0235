"""The models beside those that came with medseg, shared by the docks of one viewer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from psygnal import Signal

_ATTRIBUTE = "medseg_models"


class ModelShelf:
    """Folders of models that the user added, or that came of a fine-tuning.

    Attributes:
        changed: emits the folder that was added last.
    """

    changed = Signal(object)

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self._folders = dict.fromkeys(folders)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Packages and run folders, in the order in which they were added."""
        return tuple(self._folders)

    def offer(self, folder: Path) -> None:
        """Add a model package or a run folder."""
        self._folders[folder] = None
        self.changed.emit(folder)


def shelf_of(viewer: Any) -> ModelShelf:
    """The shelf of a viewer; at first it holds the models of the preferences and all that were fine-tuned here."""
    from medseg_napari.learning.places import fine_tuned_models, learning_home
    from medseg_napari.settings import model_folders

    shelf = getattr(viewer.layers, _ATTRIBUTE, None)
    if not isinstance(shelf, ModelShelf):
        shelf = ModelShelf([*model_folders(), *fine_tuned_models(learning_home())])
        setattr(viewer.layers, _ATTRIBUTE, shelf)
    return shelf
