"""Arrow arrays as NumPy arrays and back, by their buffers.

Arrow's own `to_numpy` and `array` import pandas where it is installed, which takes longer than reading a small file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def to_numpy[T: np.generic](array: Any, kind: type[T]) -> npt.NDArray[T]:
    """View an Arrow array without nulls, of a type as wide as `kind`, as a NumPy array; nothing is copied.

    Args:
        array: Of whole numbers or floats, shape (n,).
        kind: The NumPy type of its cells.
    """
    data = array.buffers()[1]
    if data is None or len(array) == 0:
        return np.empty(0, dtype=kind)
    return np.frombuffer(data, dtype=kind)[array.offset : array.offset + len(array)]


def from_numpy(numbers: npt.NDArray[np.int64]) -> Any:
    """Wrap whole numbers, shape (n,), as an Arrow array of int64."""
    data = pa.py_buffer(np.ascontiguousarray(numbers, dtype=np.int64))
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, data])
