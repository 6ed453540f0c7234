"""Flights in a decision: the amount of the day as total or ceiling, what is kept of it, and what is checked later."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from connectors.money import Money
from optimizer import approval, checks, goals
from optimizer.approval import Code, Refusal, envelopes
from optimizer.decide import decide, paces
from optimizer.goals import Flight, Goals, GoalsError, Limit, Model, Payment, Pin, Scope
from optimizer.guardrails import Guardrails
from optimizer.plan.canonical import from_json, to_json
from optimizer.plan.flights import DayOfFlight
from optimizer.plan.recommendation import Decision, Severity
from optimizer.plan.snapshot import Snapshot
from tests.optimizer.approval_world import approved, begun, decision, envelope, usd
from tests.optimizer.snapshots import NOW, TODAY, snapshot
from tests.optimizer.test_approval_recheck import RISE, judged

SEEN = snapshot()
GUARDS = Guardrails()


def eur(amount: float) -> Money:
    return Money.of(str(amount), "EUR")


def month(amount: float, scope: str = "all", **more: object) -> Flight:
    return Flight("month", Scope.parse(scope), eur(amount), **more)  # type: ignore[arg-type]


def asked(*flights: Flight, **more: object) -> Goals:
    return Goals("EUR", flights=flights, **more)  # type: ignore[arg-type]


def standing(*amounts: float) -> Snapshot:
    """The evidence with other budgets: of brand, generic, prospecting and retargeting, or of the first of them."""
    targets = list(SEEN.targets)
    for k, amount in enumerate(amounts):
        targets[k] = replace(targets[k], budget=replace(targets[k].budget, amount=eur(amount)))
    return replace(SEEN, targets=tuple(targets))


def decided(wanted: Goals, seen: Snapshot = SEEN) -> Decision:
    return decide(seen, wanted, GUARDS, NOW, np.random.default_rng(1))


def summed(made: Decision, *names: str) -> float:
    return sum(line.proposed.micros for line in made.lines if not names or line.name in names) / 1e6


# In a decision


@pytest.mark.parametrize("amount", [14_000, 17_000, 20_000])
def test_the_day_s_amount_is_the_total(amount: float) -> None:
    made = decided(asked(month(amount)))
    (day,) = made.flights
    assert summed(made) == pytest.approx(day.due.micros / 1e6, rel=0.01)
    assert summed(made) <= day.due.micros / 1e6
    assert made.envelopes[0].ceiling == day.due
    assert day.words in [finding.message for finding in made.findings]


def test_the_same_evidence_gives_the_same_day_and_it_is_kept_with_the_decision() -> None:
    wanted = asked(month(17_000))
    assert to_json(decided(wanted)) == to_json(decided(wanted))
    assert from_json(Decision, to_json(decided(wanted))) == decided(wanted)
    assert from_json(Goals, to_json(wanted)) == wanted
    assert decided(wanted).goals_digest == wanted.digest()


def test_goals_without_flights_keep_the_digest_that_they_had() -> None:
    assert "flights" not in to_json(Goals("EUR"))
    assert "flights" not in to_json(decided(Goals("EUR")))


def test_a_scope_gets_its_amount_and_the_others_keep_theirs() -> None:
    made = decided(asked(month(9_900, "channel:search")))
    (day,) = made.flights
    due = day.due.micros / 1e6
    assert 0.97 * due - 0.02 <= summed(made, "brand", "generic") <= due
    assert made.envelopes[0].ceiling == day.due + eur(270)


def test_more_is_spent_for_a_flight_though_it_pays_little() -> None:
    careful = replace(GUARDS, min_gain_share=0.5, min_gain_probability=0.99)
    made = decide(SEEN, asked(month(20_000)), careful, NOW, np.random.default_rng(1))
    assert made.moves


def test_the_page_is_told_what_the_decision_was() -> None:
    wanted = asked(month(17_000))
    (pace,) = paces(SEEN, wanted, GUARDS, NOW, ())
    assert (pace.day,) == decided(wanted).flights


def test_the_page_is_told_of_budgets_that_a_check_froze_too() -> None:
    panel = SEEN.panel
    grids = {name: getattr(panel, name).copy() for name in ("spend", "conversions", "clicks", "impressions")}
    for grid in grids.values():
        grid[0, -4:] = grid[0, -4]
    seen = replace(SEEN, panel=replace(panel, **grids))
    assert [finding.subject for finding in checks.blocking(seen)] == [str(SEEN.targets[0].key)]
    wanted = asked(month(40_000))  # more than the steps allow, so that the day rests on what may move
    (pace,) = paces(seen, wanted, GUARDS, NOW, ())
    assert (pace.day,) == decide(seen, wanted, GUARDS, NOW, np.random.default_rng(1)).flights


def test_a_flight_that_is_over_or_covers_nothing_is_not_planned() -> None:
    over = month(900, first_day=date(2026, 1, 1), last_day=date(2026, 1, 31))
    made = decided(asked(over, replace(month(9_000, "channel:tv"), name="tv")))
    assert made.flights == ()
    assert "no-such-scope" in [finding.code for finding in made.findings]


def test_cuts_beyond_the_steps_are_made_only_where_they_are_allowed_and_needed() -> None:
    ending = month(1_400, first_day=TODAY, last_day=date(2026, 3, 6))
    # Twice the budgets may be spent: no more than half of what is left can be kept to with the steps alone.
    bounded, free = decided(asked(ending)), decided(asked(ending, largest_cut=1.0))
    assert min(line.proposed.micros / line.current.micros for line in bounded.lines) >= 0.7 - 1e-9
    assert summed(free) == pytest.approx(free.flights[0].due.micros / 1e6, rel=0.01)
    calm = decided(asked(month(17_000), largest_cut=1.0))
    assert min(line.proposed.micros / line.current.micros for line in calm.lines) >= 0.7 - 1e-9


HELD = tuple(Pin(Scope.parse(f"campaign:{name}"), "ann", "no") for name in ("brand", "retargeting"))


@pytest.mark.parametrize(("pins", "guards"), [(HELD, GUARDS), ((), replace(GUARDS, largest_step_24h=0.1))])
def test_a_flight_gets_the_cuts_that_it_counts_on_whatever_keeps_budgets(
    pins: tuple[Pin, ...], guards: Guardrails
) -> None:
    """450 is more than 70% of 570, but less than 350 that are pinned and 70% of 220, and less than 90% of 570."""
    ending = month(450, first_day=TODAY, last_day=TODAY, daily_slack=1.0)
    wanted = asked(ending, largest_cut=1.0, pins=pins)
    made = decide(SEEN, wanted, guards, NOW, np.random.default_rng(1))
    (given,) = made.flights
    assert (given.due, given.beyond) == (eur(450), True)
    assert summed(made) == pytest.approx(450, abs=0.05)
    assert from_json(Decision, to_json(made)) == made


@pytest.mark.parametrize("brand", [216.34, 243.21, 187.77])
def test_a_day_at_the_least_that_the_steps_allow_counts_on_no_cuts_beyond_them(brand: float) -> None:
    made = decided(asked(month(20_000, "campaign:brand"), total=eur(350), largest_cut=1.0), standing(brand))
    (given,) = made.flights
    assert (given.due, given.beyond) == (given.least, False)
    assert given.due == eur(brand * 0.7).quantize(10_000, "up")
    assert min(line.proposed.micros / line.current.micros for line in made.lines) >= 0.7 - 1e-9


@pytest.mark.parametrize("budgets", [(75.47, 129.64, 142.50, 251.43), (200.01, 100.01, 120.01, 150.01)])
def test_lines_that_are_each_rounded_up_stay_within_the_amount(budgets: tuple[float, ...]) -> None:
    made = decided(asked(month(2_000)), standing(*budgets))
    (given,) = made.flights
    assert summed(made) == given.due.micros / 1e6
    assert summed(made) == pytest.approx(sum(np.ceil(70 * amount - 1e-9) / 100 for amount in budgets), abs=1e-6)
    assert made.envelopes[0].ceiling == given.due


def test_a_day_without_a_flight_has_no_cuts_beyond_the_steps() -> None:
    assert goals.of_day(asked(month(9_000), largest_cut=1.0), [], SEEN) == Goals("EUR")
    calm, needed = (replace(day("all", eur(500)), least=eur(least)) for least in (500, 501))
    wanted = asked(month(9_000), largest_cut=0.9)
    assert goals.of_day(wanted, [calm], SEEN).largest_cut is None
    assert goals.of_day(wanted, [needed], SEEN).largest_cut == 0.9


@pytest.mark.parametrize(
    "flights",
    [
        (month(40),),
        (month(40), replace(month(4_000, "campaign:brand"), name="brand")),
        (month(10, "channel:search"), replace(month(10, "channel:social"), name="social")),
    ],
)
def test_a_spent_flight_of_all_takes_the_budgets_down(flights: tuple[Flight, ...]) -> None:
    made, bounded = decided(asked(*flights, largest_cut=1.0)), decided(asked(*flights))
    assert [day.due for day in made.flights] == [eur(0)] * len(flights)
    assert made.envelopes[0].ceiling == eur(0)
    assert summed(made) == 0
    assert tuple(pace.day for pace in paces(SEEN, asked(*flights, largest_cut=1.0), GUARDS, NOW, ())) == made.flights
    assert summed(bounded) == pytest.approx(0.7 * 570, abs=0.05)
    assert "flight-over" in {finding.code for finding in bounded.findings}


# Beside other limits

PINNED = tuple(Pin(Scope.parse(f"campaign:{name}"), "ann", "no") for name in ("generic", "retargeting", "prospecting"))


def blocked(made: Decision) -> list[str]:
    return [finding.message for finding in made.findings if finding.severity is Severity.BLOCK]


def test_a_flight_gets_no_more_than_the_total_leaves_it() -> None:
    made = decided(asked(month(20_000, "campaign:brand"), total=eur(580), pins=PINNED))
    assert blocked(made) == []
    assert made.flights[0].due == eur(210)  # of 580, 370 are pinned
    assert 0.97 * 210 <= summed(made, "brand") <= 210


@pytest.mark.parametrize(("wide", "narrow"), [(8_000, 20_000), (20_000, 3_000)])
def test_a_flight_within_another_one_goes_within_what_that_gives(wide: float, narrow: float) -> None:
    inner, outer = (
        month(amount, scope, daily_slack=1.0)
        for amount, scope in ((narrow, "campaign:brand"), (wide, "channel:search"))
    )
    made = decided(asked(replace(inner, name="brand"), outer, pins=PINNED[:1]))
    assert blocked(made) == []
    first, search = (each.due.micros / 1e6 for each in made.flights)
    assert [each.name for each in made.flights] == ["brand", "month"]
    assert 0.97 * search <= first + 100 + 0.02  # generic is pinned at 100
    assert first + 100 <= search + 0.02
    assert 0.97 * search - 0.02 <= summed(made, "brand", "generic") <= search


def test_a_flight_gets_no_more_than_a_ceiling_around_it_allows() -> None:
    limit = Limit(Scope.parse("channel:search"), ceiling=eur(310))
    made = decided(asked(month(20_000, "campaign:brand"), limits=(limit,), pins=PINNED[:1]))
    assert blocked(made) == []
    assert made.flights[0].due == eur(210)


def test_a_total_that_the_steps_cannot_reach_yet_is_approached() -> None:
    made = decided(asked(month(20_000, "campaign:brand"), total=eur(200)))
    assert blocked(made) == []
    assert made.flights[0].due == eur(140)  # 70% of 200
    assert summed(made) == pytest.approx(0.7 * 570, abs=0.05)


def test_a_flight_does_not_block_what_takes_several_days() -> None:
    """Of 227 for social 150 are pinned; prospecting stands at 120, and may come down to 84 today."""
    limit = Limit(Scope.parse("channel:social"), ceiling=eur(227))
    pin = Pin(Scope.parse("campaign:retargeting"), "ann", "no")
    made = decided(asked(month(5_000, "campaign:prospecting"), limits=(limit,), pins=(pin,)))
    assert blocked(made) == []
    assert "out-of-reach" in [finding.code for finding in made.findings]
    assert summed(made, "prospecting") == 84


SOCIAL_FLOOR = (Limit(Scope.parse("channel:social"), floor=eur(400)),)


def test_a_floor_that_takes_several_days_is_approached_beside_a_flight() -> None:
    """Of 400 for social 150 are pinned; prospecting stands at 120, and may rise to 156 today."""
    made = decided(asked(month(20_000, "campaign:prospecting"), limits=SOCIAL_FLOOR, pins=HELD[1:]))
    assert blocked(made) == []
    assert "out-of-reach" in [finding.code for finding in made.findings]
    assert summed(made, "prospecting") == 156 == made.flights[0].due.micros / 1e6


def test_two_flights_under_a_floor_that_takes_several_days_are_both_raised() -> None:
    second = replace(month(20_000, "campaign:retargeting"), name="second")
    made = decided(asked(month(20_000, "campaign:prospecting"), second, limits=SOCIAL_FLOOR))
    assert blocked(made) == []
    assert (summed(made, "prospecting"), summed(made, "retargeting")) == (156, 195)


def test_a_flight_around_a_ceiling_that_takes_several_days_is_planned() -> None:
    """Brand is to be 180 at most, and can come down from 263.04 to 184.13 today; in the end it leaves search less."""
    limit = Limit(Scope.parse("campaign:brand"), ceiling=eur(180))
    flights = month(6_000, "campaign:generic"), replace(month(20_000, "channel:search"), name="search")
    made = decided(asked(*flights, limits=(limit,)), standing(263.04, 146.09, 110.53, 175.05))
    assert blocked(made) == []
    generic, search = (day.due.micros / 1e6 for day in made.flights)
    assert summed(made, "generic") <= generic
    assert 0.97 * search - 0.05 <= summed(made, "brand", "generic") <= search


def test_an_amount_is_no_more_than_its_share_of_a_total_that_follows_from_it() -> None:
    """Generic is 70 at least today; b + 70 is at most half of b + 100 + 270 where b is at most 230."""
    limit = Limit(Scope.parse("channel:search"), share_ceiling=0.5)
    made = decided(asked(month(20_000, "campaign:brand"), limits=(limit,)))
    assert blocked(made) == []
    assert made.flights[0].due.micros / 1e6 == pytest.approx(230, abs=0.03)
    assert made.envelopes[0].ceiling == made.flights[0].due + eur(370)
    assert summed(made, "brand", "generic") <= 300
    assert "out-of-reach" not in [finding.code for finding in made.findings]


def test_a_share_that_takes_several_days_is_approached_beside_a_flight() -> None:
    limit = Limit(Scope.parse("channel:search"), share_ceiling=0.3)
    made = decided(asked(month(20_000, "campaign:brand"), limits=(limit,)))
    assert blocked(made) == []
    assert (summed(made, "brand"), summed(made, "generic")) == (140, 70)


def test_rows_that_steps_cannot_keep_leave_room_for_rounding() -> None:
    """All at least 783.96, of 622.45 that the steps allow; a solver keeps a row to a millionth."""
    limit = Limit(Scope.parse("all"), floor=eur(783.96))
    made = decided(asked(month(830, "campaign:generic"), limits=(limit,)), standing(197.43, 17.91, 10.91, 252.57))
    assert blocked(made) == []
    assert made.flights[0].due == eur(23.28)


def test_a_small_move_is_made_that_a_limit_needs_beside_one_that_takes_several_days() -> None:
    """Prospecting is to give way by 1.64, .9% of it; generic cannot reach 7% of the total today."""
    limits = (
        Limit(Scope.parse("campaign:brand"), floor=eur(109.07)),
        Limit(Scope.parse("campaign:generic"), share_floor=0.07),
    )
    wanted = asked(month(13_312.49, "channel:social"), total=eur(417.32), limits=limits, pins=HELD[1:])
    made = decided(wanted, standing(98.34, 18.16, 190.58, 95.71))
    assert "out-of-reach" in [finding.code for finding in made.findings]
    assert summed(made) <= 417.32
    assert summed(made, "prospecting", "retargeting") <= made.flights[0].due.micros / 1e6


PAID = Payment(Scope.parse("channel:social"), Model.CPA, 10.0)


@pytest.mark.parametrize("scope", ["all", "channel:social", "campaign:retargeting"])
@pytest.mark.parametrize("payment", [PAID, replace(PAID, model=Model.REVENUE_SHARE, rate=0.1)])
def test_a_flight_of_what_is_paid_by_outcomes_is_refused(scope: str, payment: Payment) -> None:
    wanted = asked(month(9_000, scope), payments=(payment,))
    for ask in (lambda: decided(wanted), lambda: paces(SEEN, wanted, GUARDS, NOW, ())):
        with pytest.raises(GoalsError, match=r"flight 'month' \(.*which \[\[payments\]\] of channel:social pay.*Mend:"):
            ask()


def test_a_flight_beside_it_or_of_what_is_paid_by_clicks_is_not() -> None:
    assert decided(asked(month(9_000, "channel:search"), payments=(PAID,))).flights
    assert decided(asked(month(17_000), payments=(replace(PAID, model=Model.CPC),))).flights
    over = month(9_000, first_day=date(2026, 1, 1), last_day=date(2026, 1, 31))
    assert decided(asked(over, payments=(PAID,))).flights == ()


# As goals of the day


def day(scope: str, due: Money) -> DayOfFlight:
    whole = eur(9_000)
    return DayOfFlight("month", scope, TODAY.replace(day=1), date(2026, 3, 31), whole, whole, due, "")


def test_a_ceiling_of_its_own_stands_where_it_is_lower() -> None:
    scope = Scope.parse("channel:search")
    wanted = replace(asked(), limits=(Limit(scope, ceiling=eur(200), roas_floor=1.0),))
    (limit,) = goals.of_day(wanted, [day("channel:search", eur(300))], SEEN).limits
    assert (limit.ceiling, limit.floor, limit.roas_floor) == (eur(200), eur(194), 1.0)


def test_a_budget_under_two_flights_counts_once() -> None:
    # Search is brand (200) and generic (100); social is 270, and keeps that.
    both = [day("channel:search", eur(330)), day("campaign:brand", eur(220))]
    assert goals.of_day(asked(), both, SEEN).total == eur(600)
    assert goals.of_day(asked(), [day("all", eur(500)), *both], SEEN).total == eur(500)


@pytest.mark.parametrize(
    ("flights", "more", "words"),
    [
        ((month(1), month(2, "channel:search")), {}, "two flights are called"),
        ((month(1), replace(month(2), name="again")), {}, "both set what all may spend"),
        ((month(1),), {"total": eur(5)}, "total_per_day and flight 'month'"),
        ((Flight("usd", Scope.parse("all"), usd(5)),), {}, "not in EUR"),
    ],
)
def test_flights_that_contradict_each_other_are_refused(
    flights: tuple[Flight, ...], more: dict[str, Money], words: str
) -> None:
    with pytest.raises(GoalsError, match=words):
        asked(*flights, **more)


def test_flights_of_one_scope_may_follow_each_other() -> None:
    first = month(1, first_day=date(2026, 3, 1), last_day=date(2026, 3, 9))
    assert asked(first, replace(first, name="b", first_day=date(2026, 3, 10), last_day=date(2026, 3, 11)))


# Right before writing


FLOWN = Flight("month", Scope.parse("all"), usd(9_000))


def flown(due: float) -> Decision:
    made = decision({"a": (100, 60), "b": (50, 130)}, envelope("total", "ab", ceiling=due))
    first, last = FLOWN.span(made.as_of)  # type: ignore[misc]  # each month is one
    return replace(made, flights=(DayOfFlight("month", "all", first, last, usd(9_000), usd(900), usd(due), ""),))


def test_what_a_flight_gave_the_day_holds_when_it_is_written() -> None:
    wanted = Goals("USD", largest_step=9.0, flights=(FLOWN,))
    limits = judged(begun(approved(flown(200))), wanted)
    assert [(bound.name, bound.ceiling) for bound in limits] == [("total", usd(200).micros)]


@pytest.mark.parametrize(("least", "kept"), [(None, True), (usd(201), True), (usd(200), False)])
def test_cuts_that_a_plan_was_approved_with_are_written_also_where_it_told_no_least(
    least: Money | None, kept: bool
) -> None:
    """100 goes down to 60, by more than the step of 30%; plans of earlier versions tell no least."""
    made = flown(200)
    made = replace(made, flights=(replace(made.flights[0], least=least),))
    wanted = Goals("USD", largest_step=0.3, flights=(FLOWN,), largest_cut=1.0)
    outcome = judged(begun(approved(made, "a")), wanted)
    assert isinstance(outcome, Refusal) != kept


@pytest.mark.parametrize("flights", [(), (replace(FLOWN, amount=usd(8_000)),)])
def test_a_plan_for_flights_that_were_changed_is_not_written(flights: tuple[Flight, ...]) -> None:
    outcome = judged(begun(approved(flown(200))), Goals("USD", largest_step=9.0, flights=flights))
    assert isinstance(outcome, Refusal)
    assert outcome.code is Code.NOT_WRITABLE
    assert "flights of config.toml were changed" in outcome.message


def test_a_plan_from_before_there_were_flights_is_not_written() -> None:
    outcome = judged(begun(approved(RISE)), Goals("USD", largest_step=9.0, flights=(FLOWN,)))
    assert isinstance(outcome, approval.Refusal)


def test_what_a_floor_asks_for_beyond_the_total_that_follows_is_told_and_never_written() -> None:
    floor = Limit(Scope.parse("campaign:brand"), floor=eur(173.79))
    pins = (Pin(Scope.parse("campaign:prospecting"), "ada", "sale"),)
    made = decided(
        asked(month(3_000, "campaign:retargeting"), limits=(floor,), pins=pins), standing(123.74, 54.08, 291.89, 118.29)
    )
    assert "out-of-reach" in {finding.code for finding in made.findings}
    start = envelopes.base(made)
    (words,) = envelopes.breaches(
        envelopes.bounds(made), start, {line.key: line.proposed.micros for line in made.lines}
    )
    assert words.startswith("total (")
