"""Arms sorted by group (campaign), and reductions over the groups that cost one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """A arms in G groups, the arms of a group side by side.

    Attributes:
        starts: First arm of each group, shape (G,).
        sizes: Number of arms of each group, at least 1, shape (G,).
        index: Position of each arm's group, shape (A,).
    """

    starts: IntArray
    sizes: IntArray
    index: IntArray

    @classmethod
    def of(cls, labels: IntArray) -> Groups:
        """Build from one label per arm, shape (A,), in ascending order; labels need not be consecutive.

        Raises:
            ValueError: The labels are not one-dimensional integers or not sorted; names the first arm out of order.
        """
        labels = np.asarray(labels)
        if labels.ndim != 1 or not (np.issubdtype(labels.dtype, np.integer) or labels.size == 0):
            raise ValueError(f"group must hold one integer per arm, not {labels.dtype} of shape {labels.shape}")
        fresh = np.ones(labels.size, dtype=bool)
        fresh[1:] = labels[1:] != labels[:-1]
        backwards = np.flatnonzero(labels[1:] < labels[:-1])
        if backwards.size:
            raise ValueError(f"arm {backwards[0] + 1}: arms must be sorted by group")
        starts = np.flatnonzero(fresh)
        sizes = np.diff(np.append(starts, labels.size))
        return cls(starts, sizes, np.repeat(np.arange(starts.size), sizes))

    @property
    def arms(self) -> int:
        """A, the number of arms."""
        return int(self.index.size)

    def sum(self, values: FloatArray) -> FloatArray:
        """Sum over the arms of each group: (..., A) -> (..., G)."""
        return np.add.reduceat(values, self.starts, axis=-1)

    def max(self, values: FloatArray) -> FloatArray:
        """Largest over the arms of each group: (..., A) -> (..., G)."""
        return np.maximum.reduceat(values, self.starts, axis=-1)

    def spread(self, values: FloatArray) -> FloatArray:
        """Give each arm its group's value: (..., G) -> (..., A)."""
        return np.repeat(values, self.sizes, axis=-1)

    def thinned(self, largest: int) -> tuple[Groups, IntArray]:
        """Return at most `largest` of the groups, evenly strided, and the arms (indices into A) that they hold."""
        stride = -(-self.starts.size // largest)
        if stride <= 1:
            return self, np.arange(self.arms)
        kept = np.flatnonzero(self.index % stride == 0)
        return Groups.of(self.index[kept]), kept
