"""Cells of a few Hill shapes, for tests that know each by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimizer.plan.snapshot import FloatArray
from optimizer.response.curves import Cells, cells_of


def crossed(half: FloatArray | Sequence[float], slope: FloatArray | Sequence[float]) -> Cells:
    """Cross half-saturations with slopes of Hill, a slope at a time."""
    return cells_of([(np.log(np.asarray(half, dtype=np.float64)), float(n), False) for n in slope])
