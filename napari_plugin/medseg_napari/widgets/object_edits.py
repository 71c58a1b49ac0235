"""The edits of a session on the selected objects; large ones beside the window, and every refusal as one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from qtpy.QtCore import QObject, Signal

from medseg.errors import MedsegError
from medseg_napari.jobs.background import IsCancelled, Job, Progress
from medseg_napari.jobs.computing import in_own_process
from medseg_napari.review.edits.compute import here
from medseg_napari.reviewing.session import MOST_VOXELS, Session
from medseg_napari.reviewing.view import shown_axis
from medseg_napari.widgets.object_tools import DrawnPlaces, Points, Strokes

_MOST_VOXELS_OF_SEEDS = 100_000
"""Up to which a split by seeds is made on the spot, whose watershed takes about a hundred times as long for a voxel."""
_MOST_VOXELS_IN_A_THREAD = 500_000
"""Up to which what holds Python's lock holds it for some hundredths of a second, less than a process takes to start."""
_MOST_PIXELS_OF_REGIONS = 8
"""Side of a superpixel up to which a stroke is made on the spot."""
_SELECT_ONE = "Select an object first: a row of the table, or a click on it."
_FLAT_ONLY = "Show slices (2-D) to draw where to split."


class ObjectEdits(QObject):
    """What the buttons and keys do.

    Args:
        session: whose objects are edited.
        selected: gives the ids of the selected objects, the current one first.

    Attributes:
        said: emits one line for the user; empty when there is nothing to say any more.
        made: emits the ids (a tuple) that an edit left, to be selected.
        region_voxels: side of a superpixel.
        only_slice: whether a line divides the slice it is drawn in only.
        by_seeds: whether a split is drawn as two seeds.
    """

    said = Signal(str)
    made = Signal(object)
    strokes_changed = Signal(bool)

    def __init__(self, session: Session, selected: Callable[[], list[int]], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._selected = selected
        self._job: Job | None = None
        self._drawing: DrawnPlaces | None = None
        self._strokes: Strokes | None = None
        self.region_voxels = 8
        self.only_slice = self.by_seeds = False

    @property
    def is_busy(self) -> bool:
        """Whether an edit, an undo or a redo is under way beside the window."""
        return self._session.is_held

    @property
    def drawing(self) -> DrawnPlaces | None:
        """The line or seeds that are being drawn; None while there are none."""
        return self._drawing if self._drawing is not None and self._drawing.is_open else None

    def stop(self) -> None:
        """End what the user began to draw; an edit under way is finished without a word."""
        if self._job is not None:
            self._job.ended.connect(self._session.release)
        if self.drawing is not None:
            self.drawing.cancel()
        if self._strokes is not None:
            self.superpixels()

    def judge(self, name: str, ids: Sequence[int]) -> None:
        """Accept or reject objects."""
        self._do(partial(getattr(self._session.review, name), list(ids)), ids)

    def reclassify(self, class_name: str) -> None:
        """The selected objects are of another class; what is drawn next is, too."""
        self._session.review.drawing_class = class_name
        self._do(partial(self._session.review.reclassify, self._selected(), class_name), self._selected())

    def new_object(self) -> None:
        """Paint an object with a number that none has."""
        layer = self._session.layer
        try:
            layer.selected_label = self._session.review.free_ids(1)[0]
        except MedsegError as error:
            self.said.emit(str(error))
            return
        layer.mode = "paint"
        self.said.emit(f"Paint object {layer.selected_label}.")

    def merge(self) -> None:
        """Make one object of the selected ones."""
        ids = self._selected()
        self._do(partial(self._session.review.merge, ids), ids, voxels=self._voxels(ids))

    def delete(self) -> None:
        """Take the selected objects away."""
        ids = self._selected()
        self._do(partial(self._session.review.delete, ids), ids, voxels=self._voxels(ids))

    def grow(self) -> None:
        """Grow the current object."""
        self._on_one(self._session.review.grow)

    def shrink(self) -> None:
        """Shrink the current object."""
        self._on_one(self._session.review.shrink)

    def fill_holes(self) -> None:
        """Fill what the current object encloses."""
        self._on_one(self._session.review.fill_holes)

    def interpolate(self) -> None:
        """Fill the empty slices of the current object along the axis that is leafed through."""
        axis = shown_axis(self._session.viewer, self._session.layer)
        self._on_one(partial(self._session.review.interpolate, slice_axis=axis))

    def restrict(self, low: float, high: float) -> None:
        """Keep only what is within a range of the current object."""
        self._on_one(partial(self._session.review.restrict, low=low, high=high))

    def split(self) -> None:
        """Let the user draw where to divide the current object; again, and the drawing ends."""
        if self.drawing is not None:
            self.drawing.cancel()
            return
        session, ids = self._session, self._selected()
        if not ids or session.viewer.dims.ndisplay != 2:
            self.said.emit(_FLAT_ONLY if ids else _SELECT_ONE)
            return
        split = self._split_by_seeds if self.by_seeds else self._split_by_line
        self._drawing = DrawnPlaces(session.viewer, session.layer, partial(split, ids[0]), seeds=self.by_seeds)
        self.said.emit("Click once into each part. Escape ends it." if self.by_seeds else _LINE)

    def superpixels(self) -> None:
        """Begin or end to paint by superpixels."""
        if self._strokes is None:
            self._strokes = Strokes(self._session.layer, self._paint)
            self.said.emit("Paint regions with the left button. Shift+P ends it.")
        else:
            self._strokes.end()
            self._strokes = None
            self.said.emit("")
        self.strokes_changed.emit(self._strokes is not None)

    def _paint(self, places: list[tuple[int, ...]]) -> None:
        review, ids = self._session.review, self._selected()
        layer = self._session.layer
        settings = {"region_voxels": self.region_voxels, "slice_axis": shown_axis(self._session.viewer, layer)}

        def edit() -> tuple[int, ...]:
            object_id = ids[0] if ids else review.free_ids(1)[0]
            return review.paint_superpixels(object_id, places, **settings)

        self._do(edit, [0], voxels=0 if self.region_voxels <= _MOST_PIXELS_OF_REGIONS else MOST_VOXELS + 1)

    def _split_by_line(self, object_id: int, places: Points) -> None:
        axis = shown_axis(self._session.viewer, self._session.layer)
        line = (places[0], places[1])
        edit = partial(self._session.review.split_by_line, object_id, line, slice_axis=axis, only_slice=self.only_slice)
        self._do(edit, [object_id], voxels=self._voxels([object_id]))

    def _split_by_seeds(self, object_id: int, places: Points) -> None:
        seeds = [tuple(round(at) for at in place) for place in places]
        share = MOST_VOXELS / _MOST_VOXELS_OF_SEEDS
        edit = partial(self._session.review.split_by_seeds, object_id, seeds)
        self._do(edit, [object_id], voxels=self._voxels([object_id]) * share)

    def _on_one(self, edit: Callable[[int], tuple[int, ...]]) -> None:
        ids = self._selected()[:1]
        self._do(partial(edit, *ids), ids, voxels=self._voxels(ids))

    def _voxels(self, ids: Sequence[int]) -> int:
        """Voxels of the boxes of the objects, by which the time of an edit grows."""
        total = 0
        for number in ids:
            if number in self._session.review.table:
                size = 1
                for side in self._session.review.box_of(number):
                    size *= side.stop - side.start
                total += size
        return total

    def _do(self, edit: Callable[[], tuple[int, ...]], ids: Sequence[int], *, voxels: float = 0) -> None:
        """Make an edit of these objects, on the spot or beside the window."""
        if not ids or self.is_busy:
            self.said.emit("One moment: the last edit is still being made." if ids else _SELECT_ONE)
            return
        self.said.emit("")
        if voxels > MOST_VOXELS:
            self._do_beside(edit, self._voxels(ids))
            return
        try:
            self._tell(edit())
        except MedsegError as error:
            self.said.emit(str(error))

    def _do_beside(self, edit: Callable[[], tuple[int, ...]], voxels: int) -> None:
        """The same for what takes its time; nothing else is edited meanwhile."""
        self.said.emit("A large object: one moment ...")
        self._session.hold()
        review, needs_process = self._session.review, voxels > _MOST_VOXELS_IN_A_THREAD

        def work(_progress: Progress, cancelled: IsCancelled) -> tuple[int, ...]:
            review.compute = in_own_process(cancelled) if needs_process else here
            try:
                return edit()
            finally:
                review.compute = here

        self._job = Job(work)
        self._job.done.connect(self._end)
        self._job.failed.connect(self._refuse)
        self._job.start()

    def _end(self, ids: tuple[int, ...]) -> None:
        self._job = None
        self._session.release()
        self.said.emit("")
        self._tell(ids)

    def _refuse(self, error: BaseException) -> None:
        self._job = None
        self._session.release()
        self.said.emit(str(error) if isinstance(error, MedsegError) else f"The edit failed ({type(error).__name__}).")

    def _tell(self, ids: tuple[int, ...]) -> None:
        if ids:
            self.made.emit(ids)
        else:
            self.said.emit("Nothing changed.")


_LINE = "Draw a line across the object. Escape ends it."


def classes_by_action(classes: tuple[str, ...]) -> dict[str, str]:
    """Name of an action -> the class that it gives."""
    return {f"class_{number}": name for number, name in enumerate(classes, start=1)}
