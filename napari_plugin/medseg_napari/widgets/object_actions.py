"""What can be done with the selected objects, by which key, and who keeps a key that napari has as well.

The keys with which napari draws stay napari's: E, P, F, L, Z, X, B and the brackets. On a reviewed layer, and on no
other, these are taken over: M, since napari's new label looks through the whole volume and may give the number of a
removed object (N does it here); minus and equals, which step through numbers as up and down do here; and of the digits
as many as there are classes, where there are several (napari's modes have letters as well). A canvas of napari cannot
tell plus and question mark from other shifted signs, hence equals and slash, on the same keys. Which key an action has
is for `medseg_napari.keys` to say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QDialog, QGridLayout, QLabel, QWidget

from medseg_napari.keys import PAGE, key_choice, key_of, shown_key
from medseg_napari.layers.windows import WINDOWS, window_action
from medseg_napari.settings import follow, unfollow

_MOST_CLASS_KEYS = 9
Call = Callable[[str], None]
"""Takes the name of an action."""


@dataclass(frozen=True)
class Action:
    """One thing to do.

    Attributes:
        name: of the method that does it.
        text: on its button.
        help: what it does, one line.
        fixed_key: of an action whose key nobody chooses.
    """

    name: str
    text: str
    help: str
    fixed_key: str = ""

    @property
    def key(self) -> str:
        """In the canvas, as napari writes it; empty where there is none."""
        return self.fixed_key or key_of(self.name)

    @property
    def shown_key(self) -> str:
        """The key as people read it."""
        return shown_key(self.key)

    @property
    def tip(self) -> str:
        """What it does, and by which key."""
        return f"{self.help} ({self.shown_key})" if self.key else self.help


JUDGE = (
    Action("accept", "✓ accept", "The selected objects are right"),
    Action("reject", "✗ reject", "The selected objects are wrong"),
    Action("next_least_sure", "least sure", "Go to the object that the model is least sure of and nobody judged"),
)
STEP = (
    Action("previous", "previous", "Go to the object above in the table"),
    Action("next", "next", "Go to the object below in the table"),
)
EDIT = (
    Action("new_object", "new", "Paint a new object"),
    Action("merge", "merge", "Make one object of the selected ones; the first keeps its number"),
    Action("split", "split", "Divide the selected object: draw a line across it"),
    Action("delete", "delete", "Take the selected objects away"),
    Action("grow", "grow", "Grow the selected object by one voxel"),
    Action("shrink", "shrink", "Shrink the selected object by one voxel"),
    Action("fill_holes", "fill holes", "Fill what the selected object encloses"),
    Action("interpolate", "interpolate", "Fill the slices between those that are drawn"),
    Action("restrict", "range", "Keep only the part of the selected object within a range of values"),
    Action("superpixels", "superpixels", "Paint by regions of even brightness; press again to end"),
)
HISTORY = (
    Action("undo", "↶", "Undo", "Ctrl+Z"),
    Action("redo", "↷", "Redo", "Ctrl+Shift+Z"),
)
HELP = (Action("cheat_sheet", "?", "All keys"),)
ALL = (*JUDGE, *STEP, *EDIT, *HISTORY, *HELP)
_NAPARIS_OWN = {"undo", "redo"}
"""napari binds these keys to `layer.undo` and `layer.redo`, which are the review's."""
_TABLES_OWN = {"previous", "next"}
"""Up and down in a table are Qt's."""
_AS_WELL = {"=": "+", "/": "?"}
"""Key -> the sign above it, which a dock can tell from others."""


def class_actions(classes: tuple[str, ...]) -> tuple[Action, ...]:
    """One action a class where there are several."""
    if len(classes) < 2:
        return ()
    numbered = enumerate(classes[:_MOST_CLASS_KEYS], start=1)
    return tuple(Action(f"class_{number}", name, f"The class is {name}", str(number)) for number, name in numbered)


def bind_layer(layer: Any, classes: tuple[str, ...], call: Call) -> Callable[[], None]:
    """Bind the keys on one layer, before napari's own; returns what unbinds them."""
    named = {action.key: action.name for action in (*ALL, *class_actions(classes)) if action.name not in _NAPARIS_OWN}
    keys = {key: name for key, name in named.items() if key}
    for key, name in keys.items():
        layer.bind_key(key, _handler(call, name), overwrite=True)

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
        for key in filter(None, dict.fromkeys((action.key, *_AS_WELL.get(action.key, "")))):
            shortcut = QShortcut(QKeySequence(key), widget)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            handler = _handler(call, action.name)
            shortcut.activated.connect(lambda handler=handler: handler(None))
            shortcuts.append(shortcut)
    return shortcuts


class BoundKeys:
    """The keys of one layer and its table, bound anew whenever the user chooses others.

    Args:
        layer: on whose canvas they work.
        widget: in which they work as well.
        classes: that digits give.
        call: gets the name of an action.
        on_change: gets what of the choice was refused, in words.
    """

    def __init__(
        self, layer: Any, widget: QWidget, *, classes: tuple[str, ...], call: Call, on_change: Callable[[str], None]
    ) -> None:
        self._layer, self._widget, self._classes, self._call, self._on_change = layer, widget, classes, call, on_change
        self._unbind = bind_layer(layer, classes, call)
        self.shortcuts = bind_widget(widget, call)
        follow(PAGE, self._bind_again)

    def end(self) -> None:
        """The layer has napari's keys alone; the widget is about to go."""
        unfollow(PAGE, self._bind_again)
        self._unbind()

    def _bind_again(self, *_: object) -> None:
        self._unbind()
        for shortcut in self.shortcuts:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._unbind = bind_layer(self._layer, self._classes, self._call)
        self.shortcuts = bind_widget(self._widget, self._call)
        self._on_change(" ".join(key_choice().refused))


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
        rows = [(action.shown_key, action.help) for action in (*ALL, *class_actions(classes)) if action.key]
        rows += [("Click", "Select an object, while you move the view or pick"), ("Ctrl+Click", "Select one more")]
        windows = {name.lower(): key for name in WINDOWS if (key := key_of(window_action(name)))}
        rows += [(" ".join(windows.values()), f"CT windows: {', '.join(windows)}")] if windows else []
        rows += [("P E F L Z", "Paint, erase, fill, pick, move the view: napari's own")]
        for row, (key, help_text) in enumerate(rows):
            name = QLabel(f"<b>{key}</b>")
            grid.addWidget(name, row, 0)
            grid.addWidget(QLabel(help_text), row, 1)
        notes = (
            "The keys work while the mask is the selected layer, or in the table.",
            "Preferences > medseg > Keys has a line for each but digits, undo and redo.",
            *key_choice().refused,
        )
        for row, text in enumerate(notes, start=len(rows)):
            note = QLabel(text)
            note.setWordWrap(True)
            grid.addWidget(note, row, 0, 1, 2)
