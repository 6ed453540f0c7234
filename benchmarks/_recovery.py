"""The published parameter-recovery panels and their truth, for the benchmarks that plan on them.

Weekly spend by channel and region, an outcome, and every parameter of the curves: any allocation can be scored. A plan
is a constant weekly budget for each channel of each region; its worth is what it brings a week once adstock has filled.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
STEP = 0.5
"""Largest change of a budget, as a share of its mean over the history."""


def columns(path: Path) -> dict[str, npt.NDArray[np.str_]]:
    """Read a CSV file as text columns by name."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """G regions, C channels, T weeks.

    Attributes:
        name: Of the set.
        regions: Names.
        channels: Names of their columns.
        dates: ISO days, shape (T,).
        spend: Shape (G, C, T).
        outcome: Shape (G, T).
        controls: Each of shape (G, T).
        truth: scale, half, slope of each cell's curve over constant weekly spend, shape (3, G x C).
    """

    name: str
    regions: tuple[str, ...]
    channels: tuple[str, ...]
    dates: npt.NDArray[np.str_]
    spend: FloatArray
    outcome: FloatArray
    controls: dict[str, FloatArray]
    truth: FloatArray

    @property
    def current(self) -> FloatArray:
        """Mean weekly spend of each cell, the channels of the first region first, shape (G x C,)."""
        return self.spend.mean(axis=2).ravel()

    def worth(self, budget: FloatArray) -> FloatArray:
        """True outcome per week of constant weekly budgets, shape (G x C, P) as `budget`."""
        scale, half, slope = self.truth[:, :, None]
        power = budget**slope
        return np.asarray(scale * power / (power + half**slope))


def panel(name: str) -> Panel:
    """Read `small` or `growing`."""
    table = columns(DATA / "param_recovery" / f"{name}_business.csv")
    told = json.loads((DATA / "param_recovery" / f"{name}_business_truth.json").read_text(encoding="utf-8"))
    regions = tuple(sorted(set(table["geo"].tolist())))
    channels = tuple(column for column in table if column.startswith("x"))

    def wide(column: str) -> FloatArray:
        return np.stack([table[column][table["geo"] == region].astype(np.float64) for region in regions])

    cells = [_curve(told, channel.split("_", 1)[1], region) for region in regions for channel in channels]
    return Panel(
        name,
        regions,
        channels,
        table["date"][table["geo"] == regions[0]],
        np.stack([wide(channel) for channel in channels], axis=1),
        wide("y"),
        {control: wide(control) for control in ("c1", "c2")},
        np.array(cells).T,
    )


def _curve(
    told: dict[str, dict[str, dict[str, dict[str, dict[str, float]]]]], channel: str, region: str
) -> list[float]:
    """Scale, half and slope over constant weekly spend: the published adstock is not normalised, so it multiplies."""
    shape = told["transformation_parameters"]["channels"][channel][region]
    scale = told["scales"][channel][region]
    carry, lags = shape["adstock_params"]["alpha"], int(shape["adstock_params"]["l_max"])  # type: ignore[index]
    filled = sum(carry**lag for lag in range(lags))
    saturation = shape["saturation_params"]
    half = saturation["kappa"] * scale["max_spend"] / filled  # type: ignore[index, operator]
    return [scale["scale"], half, saturation["slope"]]  # type: ignore[list-item, index]
