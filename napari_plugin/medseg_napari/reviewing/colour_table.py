"""Colours by number as napari takes them, looked up for all numbers in one go."""

from __future__ import annotations

import numpy as np
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray


class ObjectColours(DirectLabelColormap):
    """napari's colours by number, where all numbers of 16 bits get theirs at once.

    napari 0.9 fills its table of them number by number, anew for each selection, and the window stands still meanwhile.
    """

    def _map_without_cache(self, values: NDArray[np.integer]) -> NDArray[np.float32]:
        """(*values, 4) the colours of numbers, whatever is selected; napari's own hook for its table."""
        numbers = np.array(sorted(number for number in self.color_dict if number is not None), dtype=np.int64)
        colours = np.array([self.color_dict[number] for number in numbers.tolist()], dtype=np.float32)
        places = np.minimum(np.searchsorted(numbers, values), numbers.size - 1)
        is_listed = (numbers[places] == values)[..., np.newaxis]
        return np.where(is_listed, colours[places], np.asarray(self.default_color, dtype=np.float32))
