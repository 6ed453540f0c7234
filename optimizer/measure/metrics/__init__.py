"""The field's measures: what was spent, what came of it and what is still to come, over any period and split."""

from optimizer.measure.metrics.costing import costed
from optimizer.measure.metrics.figures import LEVEL, Figure
from optimizer.measure.metrics.marginal import marginal_roas
from optimizer.measure.metrics.maturing import LEAD_DAYS, Completeness, completeness, still_to_come
from optimizer.measure.metrics.table import Cut, Metric, Part, Question, Row, Table, Totals, daily, measure
from optimizer.plan.periods import Period, PeriodError, month_of, period_of, week_of

__all__ = [
    "LEAD_DAYS",
    "LEVEL",
    "Completeness",
    "Cut",
    "Figure",
    "Metric",
    "Part",
    "Period",
    "PeriodError",
    "Question",
    "Row",
    "Table",
    "Totals",
    "completeness",
    "costed",
    "daily",
    "marginal_roas",
    "measure",
    "month_of",
    "period_of",
    "still_to_come",
    "week_of",
]
