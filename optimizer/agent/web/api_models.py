"""What the JSON API tells: thin over the records, with every amount of money as exact decimal text.

Estimates (effects, intervals, rates) are numbers in the unit that stands beside them; they are beliefs, and no amounts.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from connectors.contract import AdKey, BudgetKey, EntityStatus
from connectors.money import Money
from optimizer.agent.shown.flights import FlightPace, PaceDay
from optimizer.agent.shown.told import DecimalText, Told, decimal_text
from optimizer.plan.kpis import Indicator, Standing
from optimizer.plan.office import LONGEST_PAUSE, Outcome
from optimizer.plan.people import Role
from optimizer.plan.recommendation import Binding, Effect, Finding, Objective, Turn
from optimizer.plan.record import IntentState, State

LONGEST_REASON: Final = 2_000
"""Signs of a reason, at most."""

Reason = Annotated[
    str, Field(max_length=LONGEST_REASON, pattern=r"^[^\x00]*$", description="Why; it is kept in the history.")
]
PlanHash = Annotated[
    str, Field(pattern=r"^[0-9a-f]{64}$", description="The `plan_hash` of what was looked at; another plan is refused.")
]


class Problem(Told):
    """Why something was not done."""

    code: str = Field(description="Stable, such as `not-found` or `hash-mismatch`.")
    message: str = Field(description="In words, with the mend where there is one.")


class Error(Told):
    """What is answered in place of what was asked for."""

    error: Problem


class Amount(Told):
    """An exact amount of money."""

    amount: DecimalText = Field(description="Major units, as decimal text.")
    micros: int = Field(description="The same in millionths of the major unit.")
    currency: str = Field(description="ISO 4217.", examples=["EUR"])

    @classmethod
    def of(cls, money: Money) -> Amount:
        """Tell an amount."""
        return cls(amount=decimal_text(money), micros=money.micros, currency=money.currency)


class Me(Told):
    """Who asks."""

    name: str
    role: Role = Field(description="The lesser of the user's role and the token's.")
    portfolio: str = Field(description="As it stands in addresses.")
    token: str | None = Field(description="The token's label; null for a browser's session.")
    until: datetime = Field(description="When the token or session ends.")


class Headline(Told):
    """A revision at a glance."""

    rec_id: str
    revision: int
    parent_id: str | None = Field(description="The recommendation that it rolls back.")
    state: State
    as_of: date = Field(description="The first day that it plans.")
    created_at: datetime
    valid_until: datetime = Field(description="It can be approved and written until then.")
    author: str
    plan_hash: str = Field(description="SHA-256 of its content; an approval or edit names it.")
    unit: str = Field(description="What `total` and all effects are counted in, such as `conversions a day`.")
    total: Effect
    budgets_changed: int
    ads_switched: int
    moved: Amount = Field(description="What changes hands a day, as the threshold of a second approver counts it.")
    approvals: list[str]
    approved_by: str | None = Field(description="Who gave the approval that was enough.")


class Backing(Told):
    """How much data stands behind a line."""

    days: int
    conversions: float
    spend: Amount
    thin: bool
    words: str


class BudgetLine(Told):
    """One budget, current -> proposed."""

    number: int = Field(description="Its place in the plan, by which approvals and edits name it.")
    key: BudgetKey
    name: str
    channel: str
    changes: bool
    current: Amount
    proposed: Amount
    effect: Effect
    bindings: list[Binding]
    evidence: Backing
    reason: str
    turn: Turn | None = Field(description="What would change the advice.")
    fixed: bool = Field(description="Whether a person set its amount.")
    approved: bool


class AdSwitchLine(Told):
    """One ad to be paused or resumed."""

    number: int = Field(description="It goes on from those of the budgets.")
    key: AdKey
    budget: BudgetKey
    name: str
    changes: bool
    current: EntityStatus
    proposed: EntityStatus
    moved: Amount
    share_now: float
    share: float
    p_best: float
    effect: Effect | None
    evidence: Backing
    reason: str
    approved: bool


class BudgetWrite(Told):
    """One write of a budget."""

    budget: BudgetKey
    before: Amount
    after: Amount
    state: IntentState
    attempts: int
    request_id: str
    note: str
    updated_at: datetime | None


class AdWrite(Told):
    """One write of an ad's status."""

    ad: AdKey
    before: EntityStatus
    after: EntityStatus
    state: IntentState
    attempts: int
    request_id: str
    note: str
    updated_at: datetime | None


class Detail(Headline):
    """A revision with its lines, what was noticed, and what came of it."""

    objective: Objective
    currency: str
    time_zone: str
    expected_now: float
    expected_then: float
    newest: bool = Field(description="False where a newer revision stands.")
    lines: list[BudgetLine]
    ads: list[AdSwitchLine]
    findings: list[Finding] = Field(description="Of guards and checks, worst first.")
    bindings: list[Binding] = Field(description="What holds the whole plan back.")
    why: list[str] = Field(description="Why the plan as a whole is what it is.")
    writes: list[BudgetWrite | AdWrite] = Field(description="In the order of writing; empty before it is written.")


class Recommendations(Told):
    """The newest recommendations, the newest first."""

    recommendations: list[Headline]


class Point(Told):
    """What the budget would bring at one amount a day."""

    budget: DecimalText
    mean: float
    low95: float
    low80: float
    high80: float
    high95: float


class LineDay(Told):
    """One day of a budget as it was seen; null where no row tells."""

    day: date
    spend: DecimalText | None
    conversions: float | None = Field(description="As reported by then.")
    matured: float | None = Field(description="As they would stand once all are reported.")
    value: DecimalText | None


class LineDetail(Told):
    """What stands behind one line; no curve and no days where nothing was decided, as in a rollback."""

    line: BudgetLine
    unit: str
    currency: str
    curve: list[Point]
    days: list[LineDay]


class Arm(Told):
    """What is believed of one ad, and the share of its budget that it deserves."""

    arm_id: str
    name: str
    share_now: float
    share: float
    p_best: float
    rate: float
    low90: float
    high90: float
    metric: str
    enough: bool = Field(description="False while the evidence is too thin.")
    worn: str | None


class Board(Told):
    """The ads of one budget, those that deserve most first."""

    budget: BudgetKey
    name: str
    arms: list[Arm]


class Boards(Told):
    """Leaderboards of the newest plan that has any."""

    rec_id: str | None
    as_of: date | None
    boards: list[Board]


class Pacing(Told):
    """The month so far and how it would end; without days where nothing is known of it."""

    currency: str
    days: list[PaceDay]
    over: float | None = Field(description="Probability that the month ends above what is planned.")
    flights: list[FlightPace] = Field(description="Those that run today.")


class Fresh(Told):
    """The last day for which an account has rows."""

    connector: str
    account_id: str
    last_day: date | None
    stale: bool = Field(description="Whether it is older than `freshness_days` allows.")


class Doubtful(Told):
    """One reason not to believe what was read."""

    code: str
    connector: str
    account_id: str
    words: str
    mend: str
    since: datetime


class Resting(Told):
    """An account that is called no more for a while, since it failed too often."""

    subject: str
    failures: int
    until: datetime | None
    why: str


class Job(Told):
    """The newest run of one of the agent's jobs."""

    job: str
    due_at: datetime
    outcome: Outcome
    attempt: int
    started_at: datetime
    ended_at: datetime | None
    words: str


class Leader(Told):
    """The process that may write."""

    holder: str
    until: datetime


class LastDay(Told):
    """Sums of all budgets over one day; null where no row tells."""

    day: date
    spend: DecimalText | None
    conversions: float | None
    value: DecimalText | None
    planned: DecimalText | None


class Kpi(Told):
    """A goal and how it stands; values are currency units, counts or ratios, as its metric is."""

    name: str
    metric: Indicator
    scope: str = Field(description="Of what, such as `channel:search`.")
    conversion: str | None = Field(description="The only definition of conversions that counts; null for all.")
    target: float
    since: date
    by: date
    standing: Standing
    so_far: float | None = Field(description="Of the days that are over, with what is still to come of them.")
    forecast: float | None
    low: float | None = Field(description="The lower end of the forecast's 95% interval.")
    high: float | None
    probability: float | None = Field(description="Of meeting the target.")


class Kpis(Told):
    """The goals of the settings."""

    currency: str
    kpis: list[Kpi]


class Switch(Told):
    """The kill switch."""

    on: bool = Field(description="Whether no write may be sent.")
    at: datetime | None = Field(description="When it was thrown last; null if never.")
    actor: str | None
    reason: str | None
    until: datetime | None = Field(description="When a stop ends by itself; null where somebody must let writes go on.")


class Status(Told):
    """How things stand."""

    now: datetime
    currency: str
    time_zone: str
    switch: Switch
    leader: Leader | None
    waiting: list[str] = Field(description="Recommendations that wait for a decision, by id, the newest first.")
    open_writes: int
    freshness: list[Fresh]
    doubts: list[Doubtful]
    resting: list[Resting]
    jobs: list[Job]
    last_days: list[LastDay] = Field(description="Of the last four weeks.")


class HistoryEntry(Told):
    """One entry of the chained history."""

    number: int
    at: datetime
    rec_id: str
    revision: int
    actor: str
    action: str
    detail: str
    previous: str
    hash: str


class History(Told):
    """Some entries, oldest first."""

    entries: list[HistoryEntry]
    next: int | None = Field(description="`after` of the next page; null where this is the last.")


class Approval(BaseModel):
    """An approval of exactly what was looked at."""

    model_config = ConfigDict(extra="forbid")

    plan_hash: PlanHash
    lines: list[Annotated[int, Field(ge=0)]] | None = Field(
        None, description="The numbers of the lines; null or left out for all that the plan changes."
    )
    reason: Reason = ""


class Because(BaseModel):
    """A reason."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason = ""


class Grounds(BaseModel):
    """A reason that is needed."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[
        str,
        Field(
            max_length=LONGEST_REASON,
            pattern=r"^[^\x00]*[^\x00\s][^\x00]*$",
            description="Why; it is kept in the history, and is not blank.",
        ),
    ]


class Pause(Grounds):
    """A stop of all writes."""

    hours: Annotated[float, Field(gt=0.0, le=LONGEST_PAUSE / timedelta(hours=1), allow_inf_nan=False)] | None = Field(
        None, description="For how long; null or left out: until somebody lets writes go on."
    )


class Setting(BaseModel):
    """What one budget is set to."""

    model_config = ConfigDict(extra="forbid")

    number: Annotated[int, Field(ge=0, description="The line's.")]
    amount: Annotated[str, Field(pattern=r"^[0-9]{1,18}(\.[0-9]{1,6})?$", description="Major units a day, as text.")]


class Edit(BaseModel):
    """Amounts that are fixed by hand; the rest is solved anew around them."""

    model_config = ConfigDict(extra="forbid")

    plan_hash: PlanHash
    lines: Annotated[list[Setting], Field(min_length=1)]
