"""What can be done with the selected objects, by which key, and who keeps a key that napari has as well.

The keys with which napari draws stay napari's: E, P, F, L, Z, X, B and the brackets. On a reviewed layer, and on no
other, these are taken over: M, since napari's new label looks through the whole volume and may give the number of a
removed object (N does it here); minus and equals, which step through numbers as up and down do here; and of the digits
as many as there are classes, where there are several (napari's modes have letters as well). A canvas of napari cannot
tell plus and question mark from other shifted signs, hence equals and slash, on the same keys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QDialog, QGridLayout, QLabel, QWidget

_MOST_CLASS_KEYS = 9
Call = Callable[[str], None]
"""Takes the name of an action."""


@dataclass(frozen=True)
class Action:
    """One thing to do.

    Attributes:
        name: of the method that does it.
        text: on its button.
        key: in the canvas, as napari writes it.
        help: what it does, one line.
        more_keys: further keys, in the dock only.
    """

    name: str
    text: str
    key: str
    help: str
    more_keys: tuple[str, ...] = ()

    @property
    def shown_key(self) -> str:
        """The key as people read it."""
        return {"=": "+", "-": "−", "/": "?"}.get(self.key, self.key)


JUDGE = (
    Action("accept", "✓ accept", "A", "The selected objects are right"),
    Action("reject", "✗ reject", "R", "The selected objects are wrong"),
    Action("next_least_sure", "least sure", "U", "Go to the object that the model is least sure of and nobody judged"),
)
STEP = (
    Action("previous", "previous", "Up", "Go to the object above in the table"),
    Action("next", "next", "Down", "Go to the object below in the table"),
)
EDIT = (
    Action("new_object", "new", "N", "Paint a new object"),
    Action("merge", "merge", "M", "Make one object of the selected ones; the first keeps its number"),
    Action("split", "split", "S", "Divide the selected object: draw a line across it"),
    Action("delete", "delete", "D", "Take the selected objects away"),
    Action("grow", "grow", "=", "Grow the selected object by one voxel", ("+",)),
    Action("shrink", "shrink", "-", "Shrink the selected object by one voxel"),
    Action("fill_holes", "fill holes", "Shift+F", "Fill what the selected object encloses"),
    Action("interpolate", "interpolate", "I", "Fill the slices between those that are drawn"),
    Action("restrict", "range", "T", "Keep only the part of the selected object within a range of values"),
    Action("superpixels", "superpixels", "Shift+P", "Paint by regions of even brightness; press again to end"),
)
HISTORY = (
    Action("undo", "↶", "Ctrl+Z", "Undo"),
    Action("redo", "↷", "Ctrl+Shift+Z", "Redo"),
)
HELP = (Action("cheat_sheet", "?", "/", "All keys", ("?",)),)
ALL = (*JUDGE, *STEP, *EDIT, *HISTORY, *HELP)
_NAPARIS_OWN = {"undo", "redo"}
"""napari binds these keys to `layer.undo` and `layer.redo`, which are the review's."""
_TABLES_OWN = {"previous", "next"}
"""Up and down in a table are Qt's."""


def class_actions(classes: tuple[str, ...]) -> tuple[Action, ...]:
    """One action a class where there are several."""
    if len(classes) < 2:
        return ()
    numbered = enumerate(classes[:_MOST_CLASS_KEYS], start=1)
    return tuple(Action(f"class_{number}", name, str(number), f"The class is {name}") for number, name in numbered)


def bind_layer(layer: Any, classes: tuple[str, ...], call: Call) -> Callable[[], None]:
    """Bind the keys on one layer, before napari's own; returns what unbinds them."""
    keys = [action.key for action in (*ALL, *class_actions(classes)) if action.name not in _NAPARIS_OWN]
    for action in (*ALL, *class_actions(classes)):
        if action.name not in _NAPARIS_OWN:
            layer.bind_key(action.key, _handler(call, action.name), overwrite=True)

    def unbind() -> None:
        for key in keys:
            layer.bind_key(key, None)

    return unbind


def bind_widget(widget: QWidget, call: Call) -> list[QShortcut]:
    """Bind the keys while the widget or something in it has the focus."""
    shortcuts = []
    for action in ALL:
        if action.name in _TABLES_OWN:
            continue
        for key in (action.key, *action.more_keys):
            shortcut = QShortcut(QKeySequence(key), widget)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            handler = _handler(call, action.name)
            shortcut.activated.connect(lambda handler=handler: handler(None))
            shortcuts.append(shortcut)
    return shortcuts


def _handler(call: Call, name: str) -> Callable[[Any], None]:
    def handle(_layer: Any) -> None:
        call(name)

    return handle


class CheatSheet(QDialog):
    """Every key, in two columns."""

    def __init__(self, classes: tuple[str, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys")
        grid = QGridLayout(self)
        grid.setHorizontalSpacing(16)
        rows = [(action.shown_key, action.help) for action in (*ALL, *class_actions(classes))]
        rows += [("Click", "Select an object, while you move the view or pick"), ("Ctrl+Click", "Select one more")]
        rows += [("P E F L Z", "Paint, erase, fill, pick, move the view: napari's own")]
        for row, (key, help_text) in enumerate(rows):
            name = QLabel(f"<b>{key}</b>")
            grid.addWidget(name, row, 0)
            grid.addWidget(QLabel(help_text), row, 1)
        note = QLabel("The keys work while the mask is the selected layer, or in the table.")
        note.setWordWrap(True)
        grid.addWidget(note, len(rows), 0, 1, 2)
