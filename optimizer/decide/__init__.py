"""The decision, pure: from a snapshot and goals to what should change, why, and how sure."""

from optimizer.decide.decision import NOTHING_FIXED, Choice, choose, decide, tell
from optimizer.decide.horizon import horizon
from optimizer.decide.lifting import Overclaim, overclaims
from optimizer.decide.paced import paces
from optimizer.decide.pictures import Curve, Picture, Seen, pictures

__all__ = [
    "NOTHING_FIXED",
    "Choice",
    "Curve",
    "Overclaim",
    "Picture",
    "Seen",
    "choose",
    "decide",
    "horizon",
    "overclaims",
    "paces",
    "pictures",
    "tell",
]
