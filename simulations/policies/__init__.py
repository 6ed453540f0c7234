"""Ways of setting budgets that Outlay is measured against: rules of thumb, and learners from the literature.

Each sees what a platform reports and nothing of the truth; see `contract` for what a policy is. Outlay's own policy is
made elsewhere, for this package knows nothing of it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from simulations.policies.changes import ChangePoint
from simulations.policies.contract import MakePolicy
from simulations.policies.gp import gp_ts, gp_ucb
from simulations.policies.hill import EpsilonGreedy, Greedy
from simulations.policies.mmm import mix_model_once
from simulations.policies.rules import Automation, Equal, LastPlan, Roas, Winners

BASELINES: Final[Mapping[str, MakePolicy]] = MappingProxyType(
    {
        "equal": Equal,
        "last-plan": LastPlan,
        "roas": Roas,
        "winners": Winners,
        "automation": Automation,
        "mmm-once": mix_model_once,
        "greedy": Greedy,
        "epsilon-greedy": EpsilonGreedy,
        "gp-ucb": gp_ucb,
        "gp-ts": gp_ts,
        "change-point": ChangePoint,
    }
)
"""The baselines by name, the simplest first."""

ABOUT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "equal": "The same budget for every campaign.",
        "last-plan": "Keeps the budgets that it found.",
        "roas": "Splits in proportion to what a unit of money brought in the last 28 days.",
        "winners": "Once a week a fifth more for campaigns that beat the mean yield, paid by those below it.",
        "automation": "As a platform's own optimiser: within each channel, towards last week's reported yield.",
        "mmm-once": "Six weeks of planned variation, one marketing mix model, one plan, then never again.",
        "greedy": "Likeliest Hill curve of each campaign, delay corrected; the best split of what they say.",
        "epsilon-greedy": "As greedy, but on one day in ten a move at random.",
        "gp-ucb": "A Gaussian process per campaign; the best split of upper confidence bounds.",
        "gp-ts": "A Gaussian process per campaign; the best split of curves drawn from the posterior.",
        "change-point": "Targeted upper bounds on saturating Gaussian processes that begin anew after a change.",
    }
)
"""What each of them does, in one line."""

__all__ = ["ABOUT", "BASELINES"]
