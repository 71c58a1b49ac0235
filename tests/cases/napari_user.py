"""A person at a napari window: drops files, clicks, presses keys; each action is counted, each step can be pictured."""

import numpy as np
from napari._qt.dialogs.qt_notification import NapariQtNotification
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

WINDOW = (1400, 900)
LEFT, NO_KEY = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


class NapariUser:
    """Acts on a shown napari viewer through its widgets, canvas and menus.

    `actions` names what was done so far: a drop, a click, a key, a drag or a turn of the wheel each. `pictures` is a
    folder for what the screen showed, or None.
    """

    def __init__(self, viewer, qtbot, *, pictures=None):
        self.viewer, self.qtbot, self.pictures = viewer, qtbot, pictures
        whole = getattr(viewer, "__wrapped__", viewer)  # menus and canvas are not for plugins, but they are for people
        self.window, self._qt_viewer = whole.window._qt_window, whole.window._qt_viewer
        self.canvas = self._qt_viewer.canvas.native
        self.actions = []
        self.window.setGeometry(0, 0, *WINDOW)
        self.rest()

    def rest(self, milliseconds=50):
        """Let the window draw."""
        self.qtbot.wait(milliseconds)

    def wait(self, is_done, seconds=120):
        self.qtbot.waitUntil(is_done, timeout=1000 * seconds)

    def end(self):
        """Let go of the window, which napari's tests want to see deleted."""
        self.viewer = self.window = self._qt_viewer = self.canvas = None

    def drop(self, path, widget):
        """Drag a file or folder from outside onto a widget, from within the event loop as Qt delivers it."""
        self.actions.append(f"drop {path.name}")
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path))])
        copy, middle = Qt.DropAction.CopyAction, widget.rect().center()
        enter = QDragEnterEvent(middle, copy, data, LEFT, NO_KEY)
        leave = QDropEvent(QPointF(middle), copy, data, LEFT, NO_KEY)

        def arrive():
            for event in (enter, leave):
                QApplication.sendEvent(widget, event)
                assert event.isAccepted()
            data.clear()  # Qt does not keep it alive; this does

        QTimer.singleShot(0, arrive)

    def click(self, button, *, words=""):
        """Click a button that is there and can be pressed."""
        assert button.isVisible(), words or button.text()
        assert button.isEnabled(), words or button.text()
        self.actions.append(f"click {words or button.text().strip()}")
        QTest.mouseClick(button, LEFT)
        self.rest()

    def choose(self, button, entry):
        """Click a button with a menu, then an entry of the menu."""
        self.actions.append(f"click {button.text().strip()}")

        def pick():
            menu = QApplication.activePopupWidget()
            (action,) = [one for one in menu.actions() if one.text() == entry]
            self.picture(f"menu {button.text().strip()}")
            self.actions.append(f"click {entry}")
            QTest.mouseClick(menu, LEFT, NO_KEY, menu.actionGeometry(action).center())

        QTimer.singleShot(150, pick)
        QTest.mouseClick(button, LEFT)  # a menu holds this call until it is closed
        self.rest()

    def click_row(self, table, row, *, add=False):
        """Click a row of a table, with Ctrl to add it to those selected."""
        index = table.model().index(row, 0)
        table.scrollTo(index)
        keys = Qt.KeyboardModifier.ControlModifier if add else NO_KEY
        self.actions.append(f"{'Ctrl+' if add else ''}click row {row + 1}")
        QTest.mouseClick(table.viewport(), LEFT, keys, table.visualRect(index).center())
        self.rest()

    def press(self, key, *, ctrl=False):
        """Press a key over the canvas."""
        self.actions.append(f"key {'Ctrl+' if ctrl else ''}{key}")
        self.canvas.setFocus()
        keys = Qt.KeyboardModifier.ControlModifier if ctrl else NO_KEY
        QTest.keyClick(self.canvas, getattr(Qt.Key, f"Key_{key}"), keys)
        self.rest()

    def zoom(self, turns):
        """Turn the wheel over the middle of the canvas."""
        self.actions.append("wheel")
        at = QPointF(self._middle())
        step = QPoint(0, 120)
        for _ in range(turns):
            phase = Qt.ScrollPhase.NoScrollPhase
            on_screen = QPointF(self.canvas.mapToGlobal(self._middle()))
            event = QWheelEvent(at, on_screen, QPoint(), step, Qt.MouseButton.NoButton, NO_KEY, phase, False)
            QApplication.sendEvent(self.canvas, event)
        self.rest()

    def click_at(self, world, *, ctrl=False):
        """Click the canvas at a place in the slice that is shown, in world units."""
        self.actions.append(f"{'Ctrl+' if ctrl else ''}click in the image")
        keys = Qt.KeyboardModifier.ControlModifier if ctrl else NO_KEY
        QTest.mouseClick(self.canvas, LEFT, keys, self.pixel(world))
        self.rest()

    def drag(self, begin, end):
        """Draw from one place in the slice to another with the left button, in world units."""
        self.actions.append("drag in the image")
        begin, end = self.pixel(begin), self.pixel(end)
        QTest.mousePress(self.canvas, LEFT, NO_KEY, begin)
        for share in (0.25, 0.5, 0.75, 1.0):
            QTest.mouseMove(self.canvas, begin + (end - begin) * share)
            self.rest(20)
        QTest.mouseRelease(self.canvas, LEFT, NO_KEY, end)
        self.rest()

    def pixel(self, world):
        """Place on the canvas of a world place (row, column) of the slice that is shown."""
        camera = self.viewer.scene.camera
        at = (np.asarray(world) - np.asarray(camera.center)[1:]) * camera.zoom
        return self._middle() + QPoint(round(at[1]), round(at[0]))

    def write(self, field, text):
        """Select what stands in a field and type over it."""
        self.actions.append(f"type {text.rsplit('/', 1)[-1]}")
        field.selectAll()
        QTest.keyClicks(field, text)
        self.rest()

    def choose_in(self, box, text):
        """Choose in a list that is closed, by the arrow keys."""
        steps = box.findText(text) - box.currentIndex()
        self.actions.append(f"choose {text}")
        for _ in range(abs(steps)):
            QTest.keyClick(box, Qt.Key.Key_Down if steps > 0 else Qt.Key.Key_Up)
        assert box.currentText() == text
        self.rest()

    def menu(self, *words):
        """Choose an entry of the window's menus; one action for each menu on the way to it."""
        self.actions += [f"menu {word}" for word in words]
        entries = self.window.menuBar().actions()
        for word in words[:-1]:
            menu = _entry(entries, word).menu()
            menu.aboutToShow.emit()
            entries = menu.actions()
        _entry(entries, words[-1]).trigger()
        self.rest()

    def dialog(self, kind):
        """The dialog of a kind that is open, waited for."""
        self.wait(lambda: bool(_dialogs(kind)))
        self.rest(200)
        return _dialogs(kind)[-1]

    def picture(self, name):
        """Keep what the screen shows."""
        if self.pictures is None:
            return
        for note in self.window.findChildren(NapariQtNotification):
            note.close()  # it goes by itself only from a window that a window manager has made the active one
        self.rest(300)
        count = len(list(self.pictures.glob("*.png"))) + 1
        screen = QApplication.primaryScreen()
        screen.grabWindow(0, 0, 0, *WINDOW).save(str(self.pictures / f"{count:02d}-{name.replace(' ', '-')}.png"))

    def _middle(self):
        return QPoint(self.canvas.width() // 2, self.canvas.height() // 2)


def _dialogs(kind):
    return [one for one in QApplication.topLevelWidgets() if isinstance(one, kind) and one.isVisible()]


def _entry(actions, word):
    found = [one for one in actions if one.text().replace("&", "") in {word, f"{word} (medseg)"}]
    assert found, f"no entry {word} among {[one.text() for one in actions]}"
    return found[0]
