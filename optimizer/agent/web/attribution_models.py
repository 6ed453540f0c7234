"""What the JSON API and the page tell of attribution and customers: estimates with central 80% intervals."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from optimizer.agent.shown.told import DecimalText, Told, units_text
from optimizer.agent.web.next_steps import About, Situation, Step, next_steps
from optimizer.decide import Overclaim, overclaims
from optimizer.goals import Counting, Valuing
from optimizer.measure.counting import Cost, Counted, Row, Span
from optimizer.plan.appraisal import Appraisal, Subject
from optimizer.plan.recommendation import Objective


class Estimate80(Told):
    """An estimate and its central 80% interval."""

    expected: float
    low80: float
    high80: float


class Way(Told):
    """Conversions in one way of counting."""

    per_claimed: Estimate80 = Field(description="Conversions that count, per conversion that a platform claims.")
    conversions: float = Field(description="How many are expected to count.")
    cpa: Estimate80 | None = Field(description="Spend per conversion that counts; null without spend or claims.")
    roas: Estimate80 | None = Field(description="Value per unit spent; null without spend or value.")
    value_to_cost: Estimate80 | None = Field(description="CLTV:CAC, if each conversion that counts is a new customer.")
    told: bool = Field(description="False where nothing is told of some budgets, and that of others stands in, widely.")


class Customer(Told):
    """What a new customer brings over the horizon of `[lifetime]`, currency units."""

    brings: Estimate80
    told: bool = Field(description="False where the books tell of no customer, and that of other channels stands in.")


class Overclaimed(Told):
    """A channel or campaign that claims more than it brings, as plans mark it, too."""

    channel: str
    campaign: str | None = Field(description="Its id; null for the whole channel.")
    probability: float
    words: str


class ChannelTold(Told):
    """One channel, or all together."""

    channel: str = Field(description="Empty for all.")
    spend: DecimalText
    conversions: float = Field(description="That platforms claim.")
    value: DecimalText | None = Field(description="Of these; null where none is told.")
    attributed: Way = Field(description="As the platforms claim.")
    credited: Way | None = Field(description="By the kept attribution model; null where none is kept.")
    incremental: Way | None = Field(description="By lift tests; null where none stands.")
    customer: Customer | None = Field(description="Null where nothing is kept in the portfolio's currency.")
    tested_until: date | None = Field(description="Last day of the newest lift test of it that counts.")


class KeptTold(Told):
    """What was reckoned and kept for plans."""

    model: str = Field(description="Name and version.", examples=["markov-2/1"])
    made_at: datetime
    due_at: datetime | None = Field(
        description="When it is to be reckoned anew; until it is, this counts. Null where the settings ask for none."
    )
    is_due: bool


class MovedTold(Told):
    """Part of the spend, 0 to 1, that would change its channel if budgets stood in proportion to what counts."""

    attributed: float
    credited: float | None
    incremental: float | None


class StepTold(Told):
    """Something to do."""

    about: About
    words: str
    commands: list[str] = Field(description="To type in this order: commands, or lines of the settings.")


class AttributionTold(Told):
    """What conversions count by channel: as claimed, as credited, as incremental; and what new customers bring."""

    since: date
    until: date
    currency: str
    asked: Counting = Field(description="Which conversions the goals ask plans to count.")
    counts: Counting = Field(description="Which ones plans count now: claims, where nothing is known of what is asked.")
    objective: Objective
    value_asked: Valuing = Field(description="What a conversion is to be worth where value counts.")
    value: Valuing = Field(description="What it is worth now: its order, where nothing is kept of new customers.")
    credit: KeptTold | None
    lift: KeptTold | None = Field(description="The priors that hold what lift tests say; null where they hold none.")
    customers: KeptTold | None
    channels: list[ChannelTold] = Field(description="The largest spend first.")
    whole: ChannelTold
    moved: MovedTold
    overclaims: list[Overclaimed]
    next: list[StepTold] = Field(description="What to do to know more, or to let plans count by it.")


def attribution(here: Situation) -> AttributionTold:
    """Tell how things stand."""
    found, priors = here.found, here.seen.priors
    ways = found.whole.ways
    lift = None
    if priors is not None and Counting.INCREMENTAL in ways:
        lift = _kept(here, priors.model, priors.fitted_at, asked=True)
    return AttributionTold(
        since=found.since,
        until=found.until,
        currency=here.goals.currency,
        asked=here.goals.counts,
        counts=found.counts,
        objective=here.goals.objective,
        value_asked=here.goals.value,
        value=Valuing.ORDER if found.whole.customer is None else here.goals.value,
        credit=_appraisal(here, here.kept(Subject.CREDIT)),
        lift=lift,
        customers=_appraisal(here, here.kept(Subject.CUSTOMER)),
        channels=[_channel(here, row) for row in found.rows],
        whole=_channel(here, found.whole),
        moved=MovedTold(**{way.value: found.moved.get(way) for way in Counting}),
        overclaims=[_overclaimed(each) for each in overclaims(here.seen)],
        next=[_step(each) for each in next_steps(here)],
    )


def _channel(here: Situation, row: Row) -> ChannelTold:
    currency, ways = here.goals.currency, {way: _way(counted) for way, counted in row.ways.items()}
    customer = None
    if row.customer is not None:
        customer = Customer(brings=_estimate(row.customer), told=row.customer_told)
    return ChannelTold(
        channel=row.name,
        spend=units_text(row.spend, currency),
        conversions=row.conversions,
        value=None if row.value is None else units_text(row.value, currency),
        attributed=ways[Counting.ATTRIBUTED],
        credited=ways.get(Counting.CREDITED),
        incremental=ways.get(Counting.INCREMENTAL),
        customer=customer,
        tested_until=here.tested.get(row.name),
    )


def _way(counted: Counted) -> Way:
    return Way(
        per_claimed=_estimate(counted.per_claimed),
        conversions=counted.conversions,
        cpa=_maybe(counted.cpa),
        roas=_maybe(counted.roas),
        value_to_cost=_maybe(counted.value_to_cost),
        told=counted.told,
    )


def _estimate(found: Span | Cost) -> Estimate80:
    return Estimate80(expected=found.expected, low80=found.low, high80=found.high)


def _maybe(found: Span | Cost | None) -> Estimate80 | None:
    return None if found is None else _estimate(found)


def _appraisal(here: Situation, made: Appraisal | None) -> KeptTold | None:
    if made is None:
        return None
    return _kept(here, made.model, made.made_at, asked=made.subject in here.settings.appraised)


def _kept(here: Situation, model: str, made_at: datetime, *, asked: bool) -> KeptTold:
    due_at = here.due_at(made_at) if asked else None
    return KeptTold(model=model, made_at=made_at, due_at=due_at, is_due=asked and here.is_due(made_at))


def _overclaimed(found: Overclaim) -> Overclaimed:
    return Overclaimed(channel=found.channel, campaign=found.campaign, probability=found.probability, words=found.words)


def _step(step: Step) -> StepTold:
    return StepTold(about=step.about, words=step.words, commands=list(step.commands))
