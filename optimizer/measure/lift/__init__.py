"""What spend brought because of itself: lift tests designed, read, aged, and held against what platforms claim.

Pure functions; docs/lift.md has the formulae and their sources.
"""

from optimizer.measure.lift.ageing import Ageing, aged, as_test
from optimizer.measure.lift.claims import Claim, Ratio, compared
from optimizer.measure.lift.geo import GeoDesign, design_holdout, read_holdout
from optimizer.measure.lift.intervals import Interval, typical_interval
from optimizer.measure.lift.outcomes import Outcomes
from optimizer.measure.lift.power import Power, power_of
from optimizer.measure.lift.switchback import Draft, design_switchback, draw_blocks, levels, read_switchback
from optimizer.measure.lift.synthetic import Gap, gap

__all__ = [
    "Ageing",
    "Claim",
    "Draft",
    "Gap",
    "GeoDesign",
    "Interval",
    "Outcomes",
    "Power",
    "Ratio",
    "aged",
    "as_test",
    "compared",
    "design_holdout",
    "design_switchback",
    "draw_blocks",
    "gap",
    "levels",
    "power_of",
    "read_holdout",
    "read_switchback",
    "typical_interval",
]
