"""The score of our own advice: what was promised, what came of it, whether intervals hold (docs/scorecard.md)."""

from optimizer.measure.scorecard.card import Advice, LineScore, Missed, Scorecard, Scored, score
from optimizer.measure.scorecard.figures import Figure
from optimizer.measure.scorecard.marks import Foretold, Kept, Share, Watch, foretold, shares, watch

__all__ = [
    "Advice",
    "Figure",
    "Foretold",
    "Kept",
    "LineScore",
    "Missed",
    "Scorecard",
    "Scored",
    "Share",
    "Watch",
    "foretold",
    "score",
    "shares",
    "watch",
]
