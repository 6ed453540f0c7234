"""Multiples of the quanta that platforms take amounts in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from connectors.money import MICROS
from optimizer.plan.snapshot import FloatArray, IntArray, Target


def quanta(targets: Sequence[Target]) -> IntArray:
    """Return the quantum of each target's platform, micros, shape (K,)."""
    return np.array([target.budget.quantum_micros for target in targets], dtype=np.int64)


def inside(side: FloatArray, quantum: IntArray, *, up: bool) -> IntArray:
    """Return the multiples of the quanta nearest to sides of a room, on their inner side; micros, shape (K,).

    Args:
        side: Currency units, shape (K,).
        quantum: Micros, shape (K,).
        up: Whether the inner side lies above, as it does of a lower end.
    """
    micros = np.rint(side * MICROS).astype(np.int64)
    inner: IntArray = -(-micros // quantum) * quantum if up else micros // quantum * quantum
    return inner
