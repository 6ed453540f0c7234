"""Goals: nonsense is refused with its mend, and what remains becomes the right room, rows and amounts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.contract import Account, BudgetTarget, Level
from connectors.money import Money
from optimizer import goals
from optimizer.goals import Because, Box, Goals, GoalsError, Limit, Pin, Scope
from optimizer.plan.problem import Outcome, Row
from optimizer.plan.recommendation import Objective
from optimizer.plan.snapshot import Target

ACCOUNT = Account("files", "shop", "EUR", "Europe/Berlin")
TODAY = date(2026, 3, 2)


def target(
    name: str, amount: float, channel: str = "search", tags: tuple[str, ...] = (), *, minimum: int | None = None,
    quantum: int = 10_000,
) -> Target:  # fmt: skip
    least = None if minimum is None else eur(minimum)
    budget = BudgetTarget(
        ACCOUNT, name, name.title(), Level.CAMPAIGN, (name,), eur(amount), minimum=least, quantum_micros=quantum
    )
    return Target(budget, channel, tags, (name,), (name.title(),))


def eur(amount: float | str) -> Money:
    return Money.of(Decimal(str(amount)), "EUR")


def limit(scope: str, **bounds: object) -> Limit:
    return Limit(Scope.parse(scope), **bounds)


TARGETS = (target("a", 100, tags=("brand",)), target("b", 200), target("c", 50, "social"), target("d", 150, "social"))
CURRENT = np.array([100.0, 200.0, 50.0, 150.0])


@pytest.mark.parametrize(
    ("text", "covered"),
    [("all", "abcd"), ("channel:social", "cd"), ("tag:brand", "a"), ("campaign:b", "b"), ("campaign:B", "b"),
     ("budget:c", "c"), ("budget:files/shop/d", "d"), ("channel: search ", "ab"), ("tag:none", "")],
)  # fmt: skip
def test_a_scope_covers_what_it_names(text: str, covered: str) -> None:
    assert "".join(t.budget.budget_id for t in TARGETS if Scope.parse(text).covers(t)) == covered


@pytest.mark.parametrize("text", ["", "chanel:x", "channel:", "all:x", "search"])
def test_a_scope_that_names_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"scope|stands alone"):
        Scope.parse(text)


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (lambda: Goals("EUR", margin=0.0), "margin"),
        (lambda: Goals("EUR", margin=1.1), "margin"),
        (lambda: Goals("EUR", confidence=0.5), "confidence"),
        (lambda: Goals("EUR", largest_step=0.0), "largest_step"),
        (lambda: Goals("EUR", largest_step=float("nan")), "largest_step"),
        (lambda: Goals("EUR", roas_floor=-1.0), "roas_floor"),
        (lambda: Goals("EUR", total=eur(-1)), "total"),
        (lambda: Goals("EUR", cpa_ceiling=Money.of(5, "USD")), "5.00 USD is not in EUR"),
        (lambda: Goals("EUR", limits=(limit("all", floor=Money.of(5, "USD")),)), "not in EUR"),
        (lambda: limit("all"), "bounds nothing"),
        (lambda: limit("all", floor=eur(-1)), "negative"),
        (lambda: limit("all", floor=eur(2), ceiling=eur(1)), "above ceiling"),
        (lambda: limit("all", share_floor=1.5), "between 0 and 1"),
        (lambda: limit("all", share_floor=0.5, share_ceiling=0.4), "share_floor is above"),
    ],
)
def test_a_goal_that_makes_no_sense_is_refused_with_its_mend(build: object, names: str) -> None:
    with pytest.raises(GoalsError, match=names) as refused:
        build()
    assert "Mend:" in str(refused.value)


def test_the_digest_follows_every_wish() -> None:
    plain = Goals("EUR")
    assert plain.digest() == Goals("EUR").digest()
    assert plain.digest() != Goals("EUR", objective=Objective.PROFIT).digest()
    assert plain.digest() != Goals("EUR", limits=(limit("all", ceiling=eur(1)),)).digest()


def test_the_step_box_is_the_step_within_the_limits() -> None:
    wishes = Goals("EUR", limits=(limit("campaign:a", floor=eur(90)), limit("campaign:b", ceiling=eur(210))))
    room = goals.box(wishes, TARGETS, CURRENT, TODAY)
    assert room.lower.tolist() == pytest.approx([90, 140, 35, 105])
    assert room.upper.tolist() == pytest.approx([130, 210, 65, 195])
    assert [b.code for b in room.lower_because[0]] == ["floor:campaign:a"]
    assert [b.code for b in room.upper_because[1]] == ["ceiling:campaign:b"]
    assert [b.code for b in room.upper_because[2]] == ["step"]


def test_a_floor_beyond_the_step_is_walked_towards() -> None:
    room = goals.box(Goals("EUR", limits=(limit("campaign:a", floor=eur(300)),)), TARGETS, CURRENT, TODAY)
    assert (room.lower[0], room.upper[0]) == pytest.approx((130, 130))
    assert [b.code for b in room.lower_because[0]] == ["step"]
    down = goals.box(Goals("EUR", limits=(limit("campaign:b", ceiling=eur(20)),)), TARGETS, CURRENT, TODAY)
    assert (down.lower[1], down.upper[1]) == pytest.approx((140, 140))


@pytest.mark.parametrize(
    ("bounds", "quantum", "left"),
    [
        ({"ceiling": eur(100)}, 10_000, "133.59"),  # 190.83 x 0.7 = 133.581: down to the last cent within the step
        ({"floor": eur(400)}, 10_000, "248.07"),  # 190.83 x 1.3 = 248.079
        ({"ceiling": eur(100)}, 5_000_000, "135"),
        ({"floor": eur(400)}, 300_000_000, "248.079"),  # no multiple of 300 lies within the step
    ],
)
def test_what_a_step_leaves_of_a_limit_beyond_it_is_an_amount_that_the_platform_takes(
    bounds: dict[str, Money], quantum: int, left: str
) -> None:
    one = (target("a", 190.83, quantum=quantum),)
    room = goals.box(Goals("EUR", limits=(limit("campaign:a", **bounds),)), one, np.array([190.83]), TODAY)
    assert room.lower[0] == room.upper[0] == pytest.approx(float(left), abs=1e-9)
    assert [b.code for b in room.upper_because[0]] == ["step"]


@pytest.mark.parametrize(
    ("room", "quantum", "taken", "refused"),
    [
        ((70, 130), 10_000, ("70", "100.005", "130"), ("69.99", "130.01")),
        ((70.5, 130), 10_000_000, ("80", "130"), ("70", "140")),
        ((71, 79), 10_000_000, ("70", "75"), ("60", "80")),  # no multiple of 10 lies in it: the one below stands in
        ((75, 75), 10_000_000, ("70", "75"), ("60", "80")),
    ],
)
def test_a_room_takes_what_rounding_goes_to(
    room: tuple[float, float], quantum: int, taken: tuple[str, ...], refused: tuple[str, ...]
) -> None:
    one = target("a", 100, quantum=quantum)
    for amounts, there in ((taken, True), (refused, False)):
        for amount in amounts:
            assert goals.takes(free(room), 0, one, eur(amount)) is there, amount


def test_no_pin_gives_way_to_a_quantum() -> None:
    pin = Goals("EUR", pins=(Pin(Scope.parse("campaign:a"), "ada", "sale"),))
    one = (target("a", 33.337),)
    room = goals.box(pin, one, np.array([33.337]), TODAY)
    assert goals.takes(room, 0, one[0], eur("33.337"))
    assert not goals.takes(room, 0, one[0], eur("33.33"))
    assert goals.ends(room, 0, one[0]) == (eur("33.337"), eur("33.337"))


def test_a_pin_wins_over_everything_until_its_last_day() -> None:
    pin = Pin(Scope.parse("campaign:a"), "ada", "sale", until=TODAY)
    wishes = Goals("EUR", limits=(limit("campaign:a", floor=eur(120)),), pins=(pin,))
    room = goals.box(wishes, TARGETS, CURRENT, TODAY)
    assert (room.lower[0], room.upper[0]) == (100, 100)
    assert room.upper_because[0][0].words == "pinned by ada until 2026-03-02: sale"
    tomorrow = goals.box(wishes, TARGETS, CURRENT, date(2026, 3, 3))
    assert tomorrow.lower[0] == 120


def test_platform_minimum_and_ceiling_that_cross_are_named() -> None:
    crossed = (target("a", 100, minimum=80), *TARGETS[1:])
    with pytest.raises(GoalsError, match=r"A: the platform takes no less than 80.00 EUR, but its ceiling is 50.00 EUR"):
        goals.wide_box(Goals("EUR", limits=(limit("budget:a", ceiling=eur(50)),)), crossed, CURRENT, TODAY)


def test_the_wide_box_reaches_five_times_a_budget_or_an_equal_share_but_no_more_than_all() -> None:
    room = goals.wide_box(Goals("EUR"), TARGETS, CURRENT, TODAY)
    assert room.upper.tolist() == pytest.approx([500, 500, 500, 500])
    many = tuple(target(f"t{k}", 10) for k in range(100))
    wide = goals.wide_box(Goals("EUR"), many, np.full(100, 10.0), TODAY)
    assert set(wide.upper) == {50.0}


def test_rows_say_what_the_goals_say() -> None:
    wishes = Goals(
        "EUR",
        limits=(
            limit("channel:social", ceiling=eur(180), share_floor=0.3),
            limit("channel:search", floor=eur(250)),
            limit("campaign:a", ceiling=eur(70)),
        ),
        roas_floor=2.5,
        cpa_ceiling=eur(8),
    )
    found = {row.name: row for row in goals.rows(wishes, TARGETS, eur(500))}
    assert list(found) == [
        "total", "ceiling:channel:social", "share-floor:channel:social", "floor:channel:search", "roas", "cpa",
    ]  # fmt: skip
    assert (found["total"].spend.tolist(), found["total"].bound) == ([1, 1, 1, 1], 500)
    assert (found["ceiling:channel:social"].spend.tolist(), found["ceiling:channel:social"].bound) == (
        [0, 0, 1, 1],
        180,
    )
    assert (found["share-floor:channel:social"].spend.tolist()) == [0, 0, -1, -1]
    assert found["share-floor:channel:social"].bound == -150
    assert found["share-floor:channel:social"].words == "channel social at least 30% of the total: 150.00 EUR a day"
    assert (found["share-floor:channel:social"].share, found["share-floor:channel:social"].grain) == (-0.3, 0.01)
    assert found["floor:channel:search"].bound == -250
    assert found["floor:channel:search"].share == 0.0
    roas, cpa = found["roas"], found["cpa"]
    assert (roas.outcome, roas.spend.tolist(), roas.credit.tolist()) == (Outcome.VALUE, [2.5] * 4, [1] * 4)
    assert (cpa.outcome, cpa.spend.tolist(), cpa.credit.tolist()) == (Outcome.CONVERSIONS, [1] * 4, [8] * 4)


def test_envelopes_are_the_linear_rows_in_money() -> None:
    wishes = Goals("EUR", limits=(limit("tag:brand", share_ceiling=0.25), limit("channel:social", floor=eur(90))))
    found = goals.envelopes(wishes, TARGETS, eur(500))
    assert [(e.name, str(e.ceiling), str(e.floor)) for e in found] == [
        ("total", "500.00 EUR", "None"),
        ("share-ceiling:tag:brand", "125.00 EUR", "None"),
        ("floor:channel:social", "None", "90.00 EUR"),
    ]
    assert [key.budget_id for key in found[2].keys] == ["c", "d"]


def test_a_scope_that_covers_nothing_is_told() -> None:
    wishes = Goals("EUR", limits=(limit("channel:serach", floor=eur(1)),), pins=(Pin(Scope.parse("tag:x"), "a", "r"),))
    assert [f.message[:22] for f in goals.unmatched(wishes, TARGETS)] == [
        "The limit on channel:s",
        "The pin on tag:x cover",
    ]


def free(*ends: tuple[float, float]) -> Box:
    why = ((Because("x", "x"),),) * len(ends)
    return Box(np.array([low for low, _ in ends]), np.array([high for _, high in ends]), why, why)


def test_rounding_gives_the_largest_remainders_what_the_cuts_left() -> None:
    three = (target("a", 1, quantum=1_000_000), target("b", 1, quantum=1_000_000), target("c", 1, quantum=1_000_000))
    plan = np.array([10.6, 20.9, 8.5])
    row = Row("total", "total", np.ones(3), 40.0)
    amounts = goals.to_quantum(plan, three, free((0, 50), (0, 50), (0, 50)), (row,))
    assert [m.micros // 1_000_000 for m in amounts] == [11, 21, 8]


def test_a_budget_that_stays_keeps_its_exact_amount() -> None:
    odd = target("a", "33.337", quantum=10_000)
    (kept,) = goals.to_quantum(np.array([33.337]), (odd,), free((33.337, 33.337)), ())
    assert kept.micros == 33_337_000


def test_budgets_that_stay_are_paid_for_by_those_that_move() -> None:
    """Nine budgets stay although a little less was wanted of each: the tenth must not use what they did not free."""
    ten = tuple(target(f"t{k}", 100 if k < 9 else 50) for k in range(10))
    plan = np.array([99.996] * 9 + [60.036])
    row = Row("total", "total", np.ones(10), 960.0)
    amounts = goals.to_quantum(plan, ten, free(*[(50, 150)] * 10), (row,))
    assert [m.micros for m in amounts] == [100_000_000] * 9 + [60_000_000]


@given(
    st.lists(
        st.tuples(st.floats(0, 1000), st.sampled_from([1_000, 10_000, 50_000, 1_000_000])), min_size=1, max_size=12
    ),
    st.floats(0.5, 1.5),
)
def test_rounding_breaks_no_row_and_no_side(plan: list[tuple[float, int]], slack: float) -> None:
    targets = tuple(target(f"t{k}", 0, quantum=quantum) for k, (_, quantum) in enumerate(plan))
    budget = np.array([amount for amount, _ in plan])
    quantum = np.array([q for _, q in plan]) / 1e6
    room = free(*[(max(b - q - 1, 0), b + q + 1) for b, q in zip(budget, quantum, strict=True)])
    total = float(budget.sum()) * max(slack, 1.0)
    amounts = goals.to_quantum(budget, targets, room, (Row("total", "", np.ones(len(plan)), total),))
    got = np.array([m.micros for m in amounts]) / 1e6
    assert got.sum() <= total + 1e-6
    assert all(m.micros % t.budget.quantum_micros == 0 for m, t in zip(amounts, targets, strict=True))
    assert (got >= room.lower - 1e-6).all()
    assert (got <= room.upper + 1e-6).all()
    assert (np.abs(got - budget) <= quantum + 1e-6).all()


@given(
    st.lists(st.tuples(st.integers(0, 10_000_000), st.integers(-6_000, 6_000)), min_size=2, max_size=20),
    st.integers(0, 2**32 - 1),
)
def test_a_plan_within_the_total_stays_within_it_whoever_stays(plan: list[tuple[int, int]], seed: int) -> None:
    """Budgets close to what they are now keep it; one large budget with room pays for the difference."""
    rng = np.random.default_rng(seed)
    targets = (*(target(f"t{k}", now / 1e6) for k, (now, _) in enumerate(plan)), target("large", 777))
    wanted = np.array([max(now + off, 0) for now, off in plan] + [int(rng.integers(5e8, 9e8))]) / 1e6
    total = float(wanted.sum())
    amounts = goals.to_quantum(
        wanted, targets, free(*[(0, 2_000)] * len(targets)), (Row("total", "", np.ones(len(targets)), total),)
    )
    assert sum(m.micros for m in amounts) <= total * 1e6 + 1


def test_a_floor_of_a_group_gets_its_quanta_before_the_largest_remainders_do() -> None:
    """The floor asks for 31 of 10.34 + 10.33 + 10.33; 114 in all leaves 11 + 10 + 10 with 21 + 21 + 21 + 20."""
    plan = np.array([10.34, 10.33, 10.33, 20.9, 20.8, 20.7, 20.6])
    seven = tuple(target(f"t{k}", 1, quantum=1_000_000) for k in range(7))
    member = np.array([1, 1, 1, 0, 0, 0, 0.0])
    rows = (Row("total", "", np.ones(7), 114.0), Row("floor", "", -member, -31.0))
    amounts = goals.to_quantum(plan, seven, free(*[(0, 99)] * 7), rows)
    assert [m.micros // 1_000_000 for m in amounts] == [11, 10, 10, 21, 21, 21, 20]


def test_what_single_quanta_do_not_reach_is_searched_for() -> None:
    """Of 25 + 15 at most, tens and sevens: the floor of 15 asks for 21, and so leaves 10 of the 25 that went to 20."""
    two = (target("ten", 1, quantum=10_000_000), target("seven", 1, quantum=7_000_000))
    rows = (Row("total", "", np.ones(2), 40.0), Row("floor", "", np.array([0, -1.0]), -15.0))
    amounts = goals.to_quantum(np.array([25.0, 15.0]), two, free((0, 50), (0, 50)), rows)
    assert [m.micros // 1_000_000 for m in amounts] == [10, 21]


def test_an_amount_that_would_stay_gives_way_where_a_limit_asks_for_it() -> None:
    """Both stand within half a quantum of what is wanted; 15 in all and 5 of the first leave 10, not 11."""
    two = (target("a", 5, quantum=1_000_000), target("b", 11, quantum=1_000_000))
    rows = (Row("total", "", np.ones(2), 15.6), Row("floor", "", np.array([-1.0, 0]), -5.0))
    amounts = goals.to_quantum(np.array([5.0, 10.6]), two, free((0, 20), (0, 20)), rows)
    assert [m.micros // 1_000_000 for m in amounts] == [5, 10]


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(st.integers(0, 1_200), st.sampled_from([1, 2, 3, 5]), st.integers(0, 6)), min_size=2, max_size=4
    ),
    st.tuples(*[st.integers(0, 150)] * 3),
)
def test_rounding_keeps_floors_and_ceilings_of_groups_wherever_amounts_do(
    plan: list[tuple[int, int, int]], slack: tuple[int, int, int]
) -> None:
    """Against all amounts there are, of budgets up to 18 a day: the plan keeps all rows, by up to 1.50 more."""
    targets = tuple(target(f"t{k}", q * now, quantum=q * 1_000_000) for k, (_, q, now) in enumerate(plan))
    wanted = np.array([amount / 100 for amount, _, _ in plan])
    sides = [(max(w - 4, 0.0), w + 6) for w in wanted]
    first, everybody = np.arange(len(plan)) < len(plan) - 1, np.ones(len(plan))
    rows = (
        Row("total", "", everybody, float(wanted.sum()) + slack[0] / 100),
        Row("floor", "", -first.astype(float), -float(wanted[first].sum()) + slack[1] / 100),
        Row("ceiling", "", 1.0 - first * 1.0 + np.eye(len(plan))[0], float(wanted[[0, -1]].sum()) + slack[2] / 100),
    )
    got = np.array([m.micros for m in goals.to_quantum(wanted, targets, free(*sides), rows)]) / 1e6

    def kept(amounts: np.ndarray) -> bool:
        return all(row.spend @ amounts <= row.bound + 1e-6 for row in rows)

    choices = [
        [q * n for n in range(20) if low - 1e-9 <= q * n <= high + 1e-9]
        for (low, high), (_, q, _) in zip(sides, plan, strict=True)
    ]
    if any(kept(np.array(each)) for each in product(*choices)):
        assert kept(got)
        assert all(amount in choice for amount, choice in zip(got, choices, strict=True))
