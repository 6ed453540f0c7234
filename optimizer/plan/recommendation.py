"""What a person decides on: an immutable recommendation and its lines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from connectors.contract import AdKey, BudgetKey, EntityStatus
from connectors.money import Money
from optimizer.plan.canonical import content_hash
from optimizer.plan.flights import DayOfFlight

LineKey = BudgetKey | AdKey
"""What a line of a plan, an approval or a write is about."""


def _untold(value: object) -> bool:
    return value is None


def _nothing(value: object) -> bool:
    return value == ()


_LATER = Field(exclude_if=_untold)
"""For fields that older recommendations do not have: left out of the JSON where None, so that their hashes stand."""

_LATER_MANY = Field(exclude_if=_nothing)
"""The same for tuples, left out where empty."""


class Objective(StrEnum):
    """What a plan maximises, per day."""

    CONVERSIONS = "conversions"
    REVENUE = "revenue"
    PROFIT = "profit"


class Severity(StrEnum):
    """What a finding does: inform, warn, or keep money from moving."""

    INFO = "info"
    WARNING = "warning"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a guard or a check noticed.

    Attributes:
        code: Stable and greppable, such as `stale-data`.
        subject: A budget key as text, an account, or `portfolio`.
        message: What was noticed, with figures.
        mend: What would change it; empty where nothing needs to.
    """

    code: str
    severity: Severity
    subject: str
    message: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """An expected change of the objective per day, with central credible intervals.

    Attributes:
        mean: The posterior mean.
        low80, high80, low95, high95: Ends of the 80% and 95% intervals.
        p_worse: Posterior probability that the move loses. Of the whole plan: that the change is below zero. Of a
            line, whose money comes from or goes to other lines: that a raise brings less than its money brought
            where it was cut, or that a cut costs more than its money brings where it is added.
    """

    mean: float
    low80: float
    high80: float
    low95: float
    high95: float
    p_worse: float


@dataclass(frozen=True, slots=True)
class Binding:
    """A constraint that holds a line (or the plan) back.

    Attributes:
        name: The row's or limit's code.
        words: It and its price, in a sentence.
        shadow_price: Objective per day gained by one more currency unit of room; None where it has no price.
    """

    name: str
    words: str
    shadow_price: float | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """How much stands behind a line.

    Attributes:
        days: Days with rows in the history that was read.
        conversions: Conversions in the last 28 of them, as matured so far.
        spend: What was spent in those, currency units.
        thin: Whether this is too little to move money on.
        words: The same in a sentence.
    """

    days: int
    conversions: float
    spend: float
    thin: bool
    words: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What it would take for a move not to pay.

    Attributes:
        factor: Times what is believed that the line's spend brings, at which the move gains nothing.
        probability: Posterior probability that the move loses, as in `Effect.p_worse`.
        days: After so many days the line's own conversions tell the change from chance, at two standard errors; None
            if not within half a year.
        words: The same in a sentence or two.
    """

    factor: float
    probability: float
    days: int | None
    words: str


@dataclass(frozen=True, slots=True)
class Lot:
    """That chance decided whether a line moves or is held back, to measure what moves bring.

    Attributes:
        held: Whether it is held back.
        chance: The probability with which it was to be, above 0 and below 1.
        proposed: What the plan set it to before the lot was cast.
        promised: What that was expected to change, in the objective's unit a day.
    """

    held: bool
    chance: float
    proposed: Money
    promised: float


@dataclass(frozen=True, slots=True)
class Line:
    """One budget, current -> proposed.

    `effect` is of this line by itself, in the objective's unit; `reason` says in one sentence why it moves or stays;
    `turn` what would change that, where one figure says it; `lot` whether chance had a say in it.
    """

    key: BudgetKey
    name: str
    channel: str
    current: Money
    proposed: Money
    etag: str
    effect: Effect
    bindings: tuple[Binding, ...]
    evidence: Evidence
    reason: str
    turn: Annotated[Turn | None, _LATER] = None
    lot: Annotated[Lot | None, _LATER] = None

    @property
    def changes(self) -> bool:
        """Whether the line moves money."""
        return self.proposed != self.current


@dataclass(frozen=True, slots=True)
class AdLine:
    """One ad, current -> proposed status: a pause or a resume.

    Attributes:
        key: The ad.
        target: The budget that it draws on, and shares with the ads beside it.
        name: The ad's.
        current, proposed: ACTIVE or PAUSED; equal where the ad stays.
        etag: The platform's, of the status that the plan was made from.
        moved: What changes hands a day: what a paused ad spent, or what a resumed one is taken to get.
        share_now, share: Its share of the budget's exposure in the last 7 days, and the one that it deserves.
        p_best: Posterior probability that it is the best of its budget.
        running, least: How many ads of the budget ran when the plan was made, and how many must at every instant of
            writing it.
        effect: Expected change in the objective's unit, given the lines of the same budget before it; None where
            nothing is known of its rate or of those beside it.
        evidence: Of the ad's own days.
        reason: In one sentence why it is switched.
    """

    key: AdKey
    target: BudgetKey
    name: str
    current: EntityStatus
    proposed: EntityStatus
    etag: str
    moved: Money
    share_now: float
    share: float
    p_best: float
    running: int
    least: int
    effect: Effect | None
    evidence: Evidence
    reason: str

    @property
    def changes(self) -> bool:
        """Whether the line switches the ad."""
        return self.proposed is not self.current


@dataclass(frozen=True, slots=True)
class ArmShare:
    """What is believed of one ad (creative x audience) and the share of its budget that it deserves.

    Attributes:
        arm_id: The ad's id, else creative and audience ids.
        share_now: Share of the target's impressions (or spend) in the last 7 days.
        share: The tempered Thompson share that is advised.
        p_best: Posterior probability that it is the best of its target.
        rate, low90, high90: Posterior mean and 90% interval of `metric`.
        metric: What the rate is, such as `conversions per 1,000 impressions`.
        enough: False while the evidence is too thin to prefer it or not.
        worn: Where it is past its peak, how much of its first rate is gone; None where it is not, or was not asked.
    """

    key: BudgetKey
    arm_id: str
    name: str
    share_now: float
    share: float
    p_best: float
    rate: float
    low90: float
    high90: float
    metric: str
    enough: bool
    worn: Annotated[str | None, _LATER] = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """A sum of budgets that must stay within bounds at every instant; the portfolio's total is one.

    Attributes:
        name: The row's code; `total` for the portfolio.
        keys: The budgets that it sums.
        ceiling, floor: Bounds in the portfolio's currency, or None.
    """

    name: str
    words: str
    keys: tuple[BudgetKey, ...]
    ceiling: Money | None = None
    floor: Money | None = None


@dataclass(frozen=True, slots=True)
class Promise:
    """A ROAS floor or CPA ceiling, and what is expected of it.

    Attributes:
        name: The row's code, such as `roas` or `cpa:channel:search`.
        words: How it stands now, how it would stand, and how likely it is to be kept, in a sentence.
        now, then: Expected ROAS, or expected spend per conversion, under the current and the proposed budgets.
        probability: Posterior probability that the proposed budgets keep it.
    """

    name: str
    words: str
    now: float
    then: float
    probability: float


@dataclass(frozen=True, slots=True)
class Certificate:
    """How near the aim is to the best that the curves and constraints allow, as the solver proved it.

    Attributes:
        value: Of the aim, by the curves that it was found by.
        upper_bound: No other aim has more, with those budgets where they are that are on trial.
        gap: Between the two, as a share of the bound.
        trials: How many budgets on trial it takes as given; None where there are none, so that it holds of all aims.
    """

    value: float
    upper_bound: float
    gap: float
    trials: Annotated[int | None, _LATER] = None


@dataclass(frozen=True, slots=True)
class Shift:
    """Money that goes from one budget to another.

    Attributes:
        source, to: The budgets.
        amount: A day.
        gain: What the move of this money brings, in the objective's unit.
        words: The same in a sentence, with the gain per 100 units that are moved.
    """

    source: BudgetKey
    to: BudgetKey
    amount: Money
    gain: Effect
    words: str


@dataclass(frozen=True, slots=True)
class Unspent:
    """Money of the total that the plan leaves alone.

    `code` is one of `not-worth-it`, `moving`, `risk`, `trial`, `promise`, `limits`, `steps`, `declined`.
    """

    amount: Money
    code: str
    words: str


@dataclass(frozen=True, slots=True)
class More:
    """What a larger total would do today, all else the same.

    Attributes:
        extra: Added to the total, a day.
        takers: Who would get most of it, and how much, largest first.
        gain: What it would bring, in the objective's unit.
    """

    extra: Money
    takers: tuple[tuple[BudgetKey, Money], ...]
    gain: Effect
    words: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The best that was found where nothing is proposed.

    Attributes:
        moved: What it would have moved a day, the larger of raises and cuts; None if nothing was found to move.
        gain: What that would bring, in the objective's unit; None likewise.
        words: What was found, and why it is left.
    """

    moved: Money | None
    gain: Effect | None
    words: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why the plan as a whole is what it is; each part None or empty where there is nothing to say.

    Attributes:
        shifts: From whom to whom money goes, the most valuable first.
        unspent: What is left of the total, and why.
        more: What a larger total would do.
        declined: Why nothing is proposed.
    """

    shifts: tuple[Shift, ...] = ()
    unspent: Unspent | None = None
    more: More | None = None
    declined: Declined | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome of one pure `decide`: what should change, why, and how sure.

    Attributes:
        as_of: The first day that it plans.
        objective: What was maximised; `unit` names it in words (`conversions a day`).
        lines: One per budget target, changed or not, largest move first.
        total: Effect of all lines together.
        expected_now, expected_then: Posterior mean of the objective a day under the current and proposed budgets.
        findings: Of guards and checks, worst first.
        arms: Shares of ads and audiences.
        envelopes: The sums that any part of the plan must keep.
        bindings: Portfolio-wide constraints that bind at the proposed budgets, with their prices.
        promises: What becomes of a ROAS floor or CPA ceiling, where one is set.
        certificate: The solver's; None when nothing was solved.
        goals_digest, input_digest: SHA-256 of the goals and of the snapshot it was made from.
        explanation: Why the plan as a whole is what it is; None in what older versions decided.
        explored: Share of the spend that stands where only hope puts it, above what the expected curves ask for, or
            that trials keep from there; None where nothing was searched, and in what older versions decided.
        ads: Ads to be paused or resumed, by budget in the order of writing; `total` and `expected_then` are of the
            budgets alone.
        flights: What each flight that runs gives the day.
    """

    as_of: date
    currency: str
    time_zone: str
    objective: Objective
    unit: str
    lines: tuple[Line, ...]
    total: Effect
    expected_now: float
    expected_then: float
    findings: tuple[Finding, ...]
    arms: tuple[ArmShare, ...]
    envelopes: tuple[Envelope, ...]
    bindings: tuple[Binding, ...]
    promises: tuple[Promise, ...]
    certificate: Certificate | None
    model_version: str
    guardrail_version: str
    goals_digest: str
    input_digest: str
    explanation: Annotated[Explanation | None, _LATER] = None
    explored: Annotated[float | None, _LATER] = None
    ads: Annotated[tuple[AdLine, ...], _LATER_MANY] = ()
    flights: Annotated[tuple[DayOfFlight, ...], _LATER_MANY] = ()

    @property
    def moves(self) -> bool:
        """Whether any budget changes."""
        return any(line.changes for line in self.lines)

    @property
    def acts(self) -> bool:
        """Whether anything changes, a budget or an ad."""
        return any(line.changes for line in self.all_lines)

    @property
    def by_ads(self) -> float | None:
        """What the ads' lines should bring together, beside `total`; None where nothing is known of any."""
        known = [line.effect.mean for line in self.ads if line.effect is not None]
        return sum(known) if known else None

    @property
    def all_lines(self) -> tuple[Line | AdLine, ...]:
        """The lines of budgets, then those of ads."""
        return (*self.lines, *self.ads)

    @property
    def blocked(self) -> tuple[Finding, ...]:
        """The portfolio-wide findings that keep the whole decision from being proposed."""
        return tuple(f for f in self.findings if f.severity is Severity.BLOCK and f.subject == "portfolio")


@dataclass(frozen=True, slots=True)
class Recommendation:
    """An immutable revision of a proposal; an edit makes a new revision with a new hash.

    Attributes:
        rec_id: The same over all revisions.
        parent_id: The recommendation that this one rolls back, or None.
        seed: Of the generator that `decide` was given.
        code_version: Of the program.
        author: Who made this revision: `outlay`, or the person who edited.
        plan_hash: SHA-256 over all other fields; an approval names it.
        fixed: The amounts that people set by hand, in this revision and those before, by budget.
    """

    rec_id: str
    revision: int
    parent_id: str | None
    created_at: datetime
    valid_until: datetime
    author: str
    seed: int
    code_version: str
    decision: Decision
    plan_hash: str
    fixed: tuple[tuple[BudgetKey, Money], ...] = ()

    def computed_hash(self) -> str:
        """The hash that the content has; differs from `plan_hash` only if it was tampered with."""
        return content_hash(replace(self, plan_hash=""))
