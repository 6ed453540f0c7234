"""Known events: what they do is learnt, their days do not mislead, and the next one is foreseen."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from connectors.contract import BudgetKey
from optimizer.agent.calendar import Calendar
from optimizer.agent.settings.calendar import EventTable, HolidaysTable
from optimizer.agent.simulating import OUTLAY
from optimizer.decide import decide
from optimizer.goals import Goals, Scope
from optimizer.guardrails import Guardrails
from optimizer.plan.calendar import HOLIDAYS, Occasion
from optimizer.plan.problem import Outcome
from optimizer.plan.snapshot import FloatArray, Snapshot
from optimizer.response import learn
from optimizer.response.occasions import Counted, Schedule, learn_effects
from simulations.market.play import begin, play
from simulations.market.truth import draw
from simulations.noise import noise_key
from simulations.policies.contract import setting_of
from simulations.runs.seen import Diary
from simulations.scenarios import Holiday, named, with_knobs
from tests.optimizer.snapshots import NOW, TODAY, snapshot

START = date(2025, 9, 1)
KEYS = tuple(BudgetKey("files", "shop", f"b{k}") for k in range(4))
SALE = with_knobs(
    named("closed-loop-6"),
    holidays=(Holiday(10, 13, days=4, factor=2.5), Holiday(11, 24, days=5, factor=2.5)),
    history_days=100,
    horizon_days=120,
)
FIRST = Occasion("sale", date(2025, 10, 13), date(2025, 10, 16))
SECOND = Occasion("sale", date(2025, 11, 24), date(2025, 11, 28))
BLACK_FRIDAY = EventTable(name="Black Friday", first_day=date(2025, 11, 28), last_day=date(2025, 11, 30))


def on(day: int, length: int = 3, **changes: object) -> Occasion:
    first = START + timedelta(days=day)
    return replace(Occasion("sale", first, first + timedelta(days=length - 1)), **changes)


def counts(factors: dict[int, float], days: int = 120, level: float = 400.0, seed: int = 3) -> Counted:
    """Four targets of one level, some days of which bring so many times as much."""
    rng = np.random.default_rng(seed)
    times = np.ones(days)
    for day, factor in factors.items():
        times[day] = factor
    mean = level * times * rng.gamma(50.0, 1 / 50.0, (4, days))
    return Counted(
        rng.poisson(mean).astype(np.float64), np.ones((4, days)), np.full(4, 0.02), np.ones(4, dtype=np.bool_)
    )


def learnt(occasions: list[Occasion], counted: Counted) -> FloatArray:
    """The mean log factors, shape (O, 4)."""
    return learn_effects(Schedule.of(occasions, KEYS, START, counted.count.shape[1]), counted).mean


@pytest.fixture(scope="module", params=[100, 101])
def world(request: pytest.FixtureRequest) -> dict[int, tuple[Snapshot, FloatArray, FloatArray]]:
    """By day: what was known on its morning, its spend, and what it brought on average over the noise, each (K,)."""
    truth, key = draw(SALE, np.random.default_rng([request.param, 0]), START), noise_key(request.param)
    setting = setting_of(SALE, START, 110, truth.names, truth.channel)
    policy, diary, carry = OUTLAY["outlay"](setting), Diary(truth, 110), begin(truth)
    stops = [(SECOND.first_day - START).days, (FIRST.last_day - START).days + 1]
    found = {}
    for day in range(max(stops) + 1):
        seen = diary.seen(truth.history[day])
        outcome, carry = play(truth, key, carry, truth.history[day])
        if day in stops:
            known = policy.snapshot(seen)  # type: ignore[attr-defined]
            panel = {
                n: np.array(getattr(known.panel, n)) for n in ("spend", "conversions", "value", "clicks", "impressions")
            }
            known = replace(known, panel=replace(known.panel, **panel))
            ads, size = truth.ads.campaign, truth.channel.size
            brought = np.bincount(ads, outcome.occurred()[0].sum(axis=1), size)
            found[day] = (known, np.bincount(ads, outcome.spend, size) / 1e6, brought)
        diary.add(truth.history[day], outcome)
    return found


def off_by(case: tuple[Snapshot, FloatArray, FloatArray], occasions: tuple[Occasion, ...]) -> float:
    """By how much, in log, the forecast of the day's conversions of all campaigns is off."""
    known, spend, brought = case
    belief = learn(replace(known, occasions=occasions))
    drawn = belief.expected(spend, known.today, 400, np.random.default_rng(1)).mean(axis=0)
    return abs(float(np.log(drawn.sum() / brought.sum())))


def test_a_past_event_does_not_mislead_and_the_next_is_foreseen(
    world: dict[int, tuple[Snapshot, FloatArray, FloatArray]],
) -> None:
    after, before = min(world), max(world)
    for day in (after, before):
        known, blind = off_by(world[day], (FIRST, SECOND)), off_by(world[day], ())
        assert known < 0.5 * blind, day


def test_an_effect_is_found_and_shared_by_occurrences() -> None:
    twice = [on(30), on(80)]
    found = learnt(twice, counts(dict.fromkeys((30, 31, 32, 80, 81, 82), 2.0)))
    assert np.exp(found) == pytest.approx(2.0, rel=0.15)
    to_come = learnt([on(30), on(200)], counts(dict.fromkeys((30, 31, 32), 2.0)))
    assert np.exp(to_come[1]) == pytest.approx(np.exp(to_come[0]), rel=0.2)
    assert (to_come[1] < to_come[0]).all()


def test_what_was_never_seen_is_the_guess_or_nothing() -> None:
    plain = counts({})
    assert np.exp(learnt([on(200)], plain)) == pytest.approx(1.0)
    assert np.exp(learnt([on(200, guess=3.0)], plain)) == pytest.approx(3.0)


def test_a_guess_gives_way_to_what_is_seen() -> None:
    found = np.exp(learnt([on(30, guess=3.0), on(80)], counts({30: 1.0, 80: 1.0})))
    assert (found < 1.4).all()


def test_holidays_lean_on_each_other() -> None:
    days = (20, 45, 70, 95)
    listed = [on(day, 1, name=f"h{day}", kind=HOLIDAYS) for day in days]
    unseen = on(200, 1, name="new", kind=HOLIDAYS)
    found = np.exp(learnt([*listed, unseen], counts(dict.fromkeys(days, 0.5))))
    assert (found[-1] < 0.75).all()


def test_of_events_on_one_day_the_shortest_counts() -> None:
    schedule = Schedule.of([on(10, 1), on(5, 20)], KEYS, START, 30)
    assert schedule.place[0, 10] == 0
    assert schedule.place[0, 11] == 1
    assert schedule.ordinary[0].sum() == 10


def test_an_event_moves_only_its_own_budgets() -> None:
    schedule = Schedule.of([on(10, budgets=KEYS[:1])], KEYS, START, 30)
    effects = learn_effects(schedule, counts({10: 2.0, 11: 2.0, 12: 2.0}, days=30))
    factor = effects.on(START + timedelta(days=11))
    assert factor is not None
    assert factor.expected[0] > 1.5
    assert factor.expected[1:] == pytest.approx(1.0)
    assert effects.on(START + timedelta(days=13)) is None


def test_draws_have_the_moments_that_are_stated() -> None:
    schedule = Schedule.of([on(10), on(40)], KEYS, START, 30)
    factor = learn_effects(schedule, counts({10: 2.0, 11: 2.0, 12: 2.0}, days=30)).on(START + timedelta(days=40))
    assert factor is not None
    drawn = factor.draws(200_000, np.random.default_rng(2))
    assert drawn.mean(axis=0) == pytest.approx(factor.expected, rel=0.01)
    assert (drawn**2).mean(axis=0) == pytest.approx(factor.square, rel=0.03)
    assert np.corrcoef(drawn.T)[0, 1] > 0.05


def test_no_event_changes_nothing() -> None:
    plain, far = snapshot(), replace(snapshot(), occasions=(on(1000),))
    budget = plain.current[:, None] * np.array([0.5, 1.0, 2.0])
    one, two = (learn(s).moments(budget, Outcome.CONVERSIONS)[0] for s in (plain, far))
    assert np.array_equal(one, two)
    assert plain.digest() != far.digest()


def test_a_day_is_planned_with_its_event_and_says_so() -> None:
    event = Occasion("Spring sale", TODAY, TODAY, guess=2.0)
    plain = snapshot()
    wanted, guards = Goals("EUR"), Guardrails()
    made = decide(replace(plain, occasions=(event,)), wanted, guards, NOW, np.random.default_rng(1))
    usual = decide(plain, wanted, guards, NOW, np.random.default_rng(1))
    assert made.expected_now == pytest.approx(2.0 * usual.expected_now, rel=1e-6)
    (told,) = [finding.message for finding in made.findings if finding.code == "event"]
    assert told.startswith("It is Spring sale: all budgets should bring 2.00 times an ordinary day")
    assert told.endswith("so the settings guess.")
    assert not [finding for finding in usual.findings if finding.code == "event"]


def test_an_event_of_which_no_day_is_told_yet_is_learnt_from_nothing() -> None:
    """It began yesterday, of which no budget has a row: none of its days was seen, and nothing before it."""
    event = Occasion("Spring sale", TODAY - timedelta(days=1), TODAY + timedelta(days=1), guess=2.0)
    seen = snapshot()
    blank = {name: getattr(seen.panel, name).copy() for name in ("spend", "conversions", "value", "clicks")}
    for column in blank.values():
        column[:, -1] = np.nan
    seen = replace(seen, panel=replace(seen.panel, **blank), occasions=(event,))
    made = decide(seen, Goals("EUR"), Guardrails(), NOW, np.random.default_rng(1))
    (told,) = [finding.message for finding in made.findings if finding.code == "event"]
    assert told.endswith("; so the settings guess.")


def test_season_and_events_feed_a_schedule_of_days() -> None:
    event = Occasion("Spring sale", TODAY + timedelta(days=3), TODAY + timedelta(days=3), guess=2.0)
    belief = learn(replace(snapshot(), occasions=(event,)))
    days = [TODAY + timedelta(days=n) for n in range(14)]
    factor = belief.factor(days)
    assert factor.shape == (14, 4)
    assert factor[3] == pytest.approx(2.0 * factor[10])
    assert factor[7:].mean(axis=0) == pytest.approx(1.0)


def test_the_calendar_of_the_settings_fills_a_snapshot() -> None:
    calendar = Calendar(
        (BLACK_FRIDAY, EventTable(name="fair", first_day=TODAY, last_day=TODAY, scope=Scope.parse("channel:search"))),
        (HolidaysTable(country="DE", subdivision="BY"),),
    )
    occasions = calendar.fill(snapshot()).occasions
    by_name = {occasion.name: occasion for occasion in occasions}
    assert by_name["Neujahr"].kind == HOLIDAYS
    assert by_name["Black Friday"].days == 3
    assert {key.budget_id for key in by_name["fair"].budgets or ()} == {"brand", "generic"}
    assert Calendar().fill(snapshot()).occasions == ()


def test_an_event_of_nobody_is_left_out() -> None:
    nobody = EventTable(name="fair", first_day=TODAY, last_day=TODAY, scope=Scope.parse("channel:radio"))
    assert Calendar((nobody,)).fill(snapshot()).occasions == ()


@pytest.mark.parametrize(("changes", "says"), [
    ({"name": ""}, "needs a name"),
    ({"last_day": date(2025, 1, 1)}, "before it begins"),
    ({"guess": 0.0}, "above 0"),
])  # fmt: skip
def test_an_occasion_that_cannot_be_is_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        on(3, **changes)


def test_a_place_without_known_holidays_is_refused() -> None:
    with pytest.raises(ValueError, match="no public holidays are known of DE-QQ"):
        HolidaysTable(country="DE", subdivision="QQ")
