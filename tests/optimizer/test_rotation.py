"""Which ads are switched: the rules over what each deserves, and what the lines say."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import AdKey, AdState, BudgetKey, BudgetTarget, EntityStatus, Level
from connectors.money import Money
from optimizer.goals import Goals, GoalsError, Limit, Pin, Scope
from optimizer.plan.recommendation import AdLine, ArmShare
from optimizer.plan.running import crews
from optimizer.plan.snapshot import AdSwitch, Arm, ArmPanel, Snapshot
from optimizer.rotation import Rotation, rotate
from tests.optimizer.snapshots import ACCOUNT, NOW, TODAY, snapshot

BASE = snapshot(days=40)
BRAND = BASE.targets[0].key
ACTIVE, PAUSED = EntityStatus.ACTIVE, EntityStatus.PAUSED
GROSS = np.array([12.0, 0.0, 0.0, 0.0])
FREE, DEFAULT = Goals("EUR"), Rotation()
LONG_AGO = NOW - timedelta(days=10)


def ad(name: str, status: EntityStatus = ACTIVE, campaign: str = "brand") -> AdState:
    return AdState(ACCOUNT, name, name.upper(), campaign, None, status)


def arm(name: str, share: float, p_best: float, rate: float = 2.0, now: float = 0.25, enough: bool = True) -> ArmShare:
    metric = "conversions per 1,000 impressions"
    return ArmShare(BRAND, name, name.upper(), now, share, p_best, rate, rate * 0.8, rate * 1.2, metric, enough)


def ours(name: str, after: EntityStatus = PAUSED, at=LONG_AGO) -> AdSwitch:
    before = ACTIVE if after is PAUSED else PAUSED
    return AdSwitch(AdKey(ACCOUNT.connector, ACCOUNT.account_id, name), at, before, after)


def seen(*ads: AdState, switches: tuple[AdSwitch, ...] = ()) -> Snapshot:
    names = [one.ad_id for one in ads]
    days = BASE.panel.days
    table = np.full((len(names), days), 10.0)
    arms = tuple(Arm(0, None, name, name, None, name.upper()) for name in names)
    return replace(BASE, ads=ads, switches=switches, arms=ArmPanel(arms, table, table / 2, table, table, table * 100))


def lines(
    known: Snapshot,
    *shares: ArmShare,
    goals: Goals = FREE,
    rotation: Rotation = DEFAULT,
    doubtful: Collection[BudgetKey] = (),
    tested: Collection[tuple[BudgetKey, str]] = (),
) -> tuple[AdLine, ...]:
    return rotate(known, shares, GROSS, doubtful, tested, goals, rotation, NOW)


def done(found: tuple[AdLine, ...]) -> list[tuple[str, str]]:
    return [(line.key.ad_id, "resume" if line.proposed is ACTIVE else "pause") for line in found]


FOUR = (
    arm("a", 0.7, 0.8, 4.0),
    arm("b", 0.25, 0.19, 3.0),
    arm("c", 0.03, 0.01, 1.0),
    arm("d", 0.02, 0.01, 1.5),
)
RUN = tuple(ad(name) for name in "abcd")


def test_what_deserves_too_little_is_paused_the_one_that_brings_least_first() -> None:
    found = lines(seen(*RUN), *FOUR)
    assert done(found) == [("c", "pause"), ("d", "pause")]
    assert {(line.running, line.least) for line in found} == {(4, 2)}
    assert [line.target for line in found] == [BRAND, BRAND]
    assert "has 25% of the exposure and deserves 3%: 1 conversions per 1,000 impressions" in found[0].reason


def test_the_champion_and_a_challenger_go_on_running() -> None:
    assert done(lines(seen(*RUN[:1], *RUN[2:]), FOUR[0], *FOUR[2:])) == [("c", "pause")]
    assert done(lines(seen(RUN[0], RUN[2]), FOUR[0], FOUR[2])) == []


@pytest.mark.parametrize(
    "change", [{"enough": False}, {"p_best": 0.06}, {"share": 0.4}], ids=["new", "may be best", "deserves it"]
)
def test_without_evidence_or_reason_nothing_is_paused(change: dict[str, object]) -> None:
    assert done(lines(seen(*RUN[:3]), *FOUR[:2], replace(FOUR[2], **change))) == []


def test_an_ad_of_which_nothing_is_known_is_left_alone() -> None:
    assert done(lines(seen(*RUN), *FOUR[:3])) == [("c", "pause")]


def test_an_ad_that_stands_under_two_audiences_is_left_alone() -> None:
    assert done(lines(seen(*RUN), *FOUR, FOUR[2])) == [("d", "pause")]


def test_an_ad_of_an_open_experiment_is_neither_paused_nor_resumed() -> None:
    assert done(lines(seen(*RUN), *FOUR, tested={(BRAND, "c")})) == [("d", "pause")]
    waiting = seen(*WITH_SPARE, switches=(ours("d"),))
    assert done(lines(waiting, *FOUR[:3], SPARE, tested={(BRAND, "d")})) == [("c", "pause")]
    assert done(lines(seen(*RUN), *FOUR, tested={(BASE.targets[1].key, "c")})) == [("c", "pause"), ("d", "pause")]


def test_doubtful_data_or_no_changes_at_all_switch_nothing() -> None:
    assert lines(seen(*RUN), *FOUR, doubtful={BRAND}) == ()
    assert lines(seen(*RUN), *FOUR, rotation=Rotation(max_changes=0)) == ()


def test_the_changes_of_24_hours_count() -> None:
    before = ours("b", ACTIVE, NOW - timedelta(hours=20))
    assert done(lines(seen(*RUN, switches=(before,)), *FOUR)) == [("c", "pause")]
    assert done(lines(seen(*RUN), *FOUR, rotation=Rotation(max_changes=1))) == [("c", "pause")]


def test_an_ad_that_was_switched_rests() -> None:
    lately = ours("c", ACTIVE, NOW - timedelta(hours=60))
    assert done(lines(seen(*RUN, switches=(lately,)), *FOUR)) == [("d", "pause")]


@pytest.mark.parametrize("scope", ["ad:c", "ad:C", f"ad:{AdKey('files', 'shop', 'c')}"])
def test_a_pin_on_an_ad_holds_it(scope: str) -> None:
    goals = Goals("EUR", pins=(Pin(Scope.parse(scope), "ada", "launch"),))
    assert done(lines(seen(*RUN), *FOUR, goals=goals)) == [("d", "pause")]


@pytest.mark.parametrize("scope", ["all", "channel:search", "campaign:brand", "budget:brand"])
def test_a_pin_on_a_budget_holds_its_ads_until_it_ends(scope: str) -> None:
    pin = Pin(Scope.parse(scope), "ada", "launch", until=TODAY)
    assert lines(seen(*RUN), *FOUR, goals=Goals("EUR", pins=(pin,))) == ()
    assert lines(seen(*RUN), *FOUR, goals=Goals("EUR", pins=(replace(pin, until=date(2026, 3, 1)),)))


def test_a_limit_on_an_ad_is_refused() -> None:
    with pytest.raises(GoalsError, match="an ad has no budget to bound"):
        Limit(Scope.parse("ad:c"), ceiling=Money.of(5, "EUR"))


SPARE = arm("d", 0.5, 0.4, 4.0, now=0.0)
WITH_SPARE = (ad("a"), ad("b"), ad("c"), ad("d", PAUSED))


def test_an_ad_that_we_paused_is_exchanged_for_one_that_deserves_less() -> None:
    found = lines(seen(*WITH_SPARE, switches=(ours("d"),)), *FOUR[:3], SPARE)
    assert done(found) == [("d", "resume"), ("c", "pause")]
    assert found[0].moved == Money.of("50.00", "EUR"), "an equal part of 200 among four"
    assert found[1].moved == Money.of("10.00", "EUR"), "what it spent a day"


def test_an_ad_that_is_past_its_peak_is_exchanged_but_never_only_paused() -> None:
    strong = (FOUR[0], replace(FOUR[1], worn="past its peak: about 40% of its first rate is gone"), arm("c", 0.3, 0.3))
    found = lines(seen(*WITH_SPARE, switches=(ours("d"),)), *strong, SPARE)
    assert done(found) == [("d", "resume"), ("b", "pause")]
    assert found[1].reason.endswith("; past its peak: about 40% of its first rate is gone")
    assert lines(seen(*WITH_SPARE), *strong, SPARE) == ()
    better = replace(SPARE, share=0.24)
    assert lines(seen(*WITH_SPARE, switches=(ours("d"),)), *strong, better, rotation=Rotation(resume_above=0.76)) == ()


def test_an_exchange_needs_two_changes() -> None:
    one = Rotation(max_changes=1)
    assert done(lines(seen(*WITH_SPARE, switches=(ours("d"),)), *FOUR[:3], SPARE, rotation=one)) == [("c", "pause")]


def test_with_the_least_that_may_run_an_exchange_is_possible_and_a_pause_is_not() -> None:
    two = (ad("a"), ad("c"), ad("d", PAUSED))
    assert done(lines(seen(*two, switches=(ours("d"),)), FOUR[0], FOUR[2], SPARE)) == [("d", "resume"), ("c", "pause")]


def test_a_free_place_is_filled_by_the_best_that_we_paused_so_that_there_is_a_challenger() -> None:
    one = (ad("a"), ad("c", PAUSED), ad("d", PAUSED))
    found = lines(seen(*one, switches=(ours("c"), ours("d"))), FOUR[0], FOUR[2], replace(SPARE, share=0.2))
    assert done(found) == [("d", "resume")]
    assert (found[0].running, found[0].least) == (1, 1)
    assert done(lines(seen(*one, switches=(ours("c"),)), FOUR[0], FOUR[2], SPARE)) == [("c", "resume")]


@pytest.mark.parametrize(
    ("switches", "share"),
    [
        ((), SPARE),
        ((ours("d"), ours("d", ACTIVE, LONG_AGO + timedelta(hours=1))), SPARE),
        ((ours("d", at=NOW - timedelta(hours=50)),), SPARE),
        ((ours("d"),), replace(SPARE, share=0.2)),
        ((ours("d"),), replace(SPARE, share=0.02)),
        ((ours("d"),), replace(SPARE, enough=False)),
    ],
    ids=["a person paused it", "we were not the last", "it rests", "too little", "less than the worst", "thin"],
)
def test_what_is_not_to_be_resumed(switches: tuple[AdSwitch, ...], share: ArmShare) -> None:
    found = lines(seen(*WITH_SPARE, switches=switches), *FOUR[:3], share)
    assert ("d", "resume") not in done(found)


def test_a_budget_of_which_no_ad_runs_was_switched_off_by_somebody() -> None:
    dark = tuple(replace(one, status=PAUSED) for one in RUN)
    assert lines(seen(*dark, switches=(ours("a"),)), *FOUR) == ()


def test_the_effect_is_that_of_the_exposure_that_goes_to_the_others() -> None:
    first, second = (line.effect for line in lines(seen(*RUN), *FOUR))
    assert first is not None
    assert second is not None
    # 12 a day at a mean rate of (4 + 3 + 1 + 1.5) / 4; without c of (4 + 3 + 1.5) / 3, without d of 3.5.
    assert first.mean == pytest.approx(12 * ((8.5 / 3) / (9.5 / 4) - 1))
    assert first.mean + second.mean == pytest.approx(12 * (3.5 / (9.5 / 4) - 1))
    sd = 12 / (9.5 / 4) * np.sqrt((0.25 * 0.2) ** 2 + (0.25 / 3) ** 2 * (0.8**2 + 0.6**2 + 0.3**2)) / 1.6449
    assert (first.high95 - first.low95) / 2 == pytest.approx(1.96 * sd, rel=1e-3)
    assert (first.high80 - first.low80) / 2 == pytest.approx(1.2816 * sd, rel=1e-3)
    assert 0 < first.p_worse < 0.5


def test_what_others_bring_of_which_nothing_is_known_is_not_moved() -> None:
    """Half of the budget's exposure is an experiment's."""
    half = tuple(replace(one, share_now=one.share_now / 2) for one in FOUR)
    whole, part = (lines(seen(*RUN, ad("x")), *given)[0].effect for given in (FOUR, half))
    assert whole is not None
    assert part is not None
    assert part.mean == pytest.approx(whole.mean / 2)


def test_where_nothing_is_brought_no_effect_is_claimed() -> None:
    silent = tuple(replace(one, rate=0.0, low90=0.0, high90=0.1) for one in FOUR)
    assert {line.effect for line in lines(seen(*RUN), *silent)} == {None}


def test_an_ad_draws_on_the_budget_held_nearest_to_it() -> None:
    def budget(name: str, holder: Level, *covers: str) -> BudgetTarget:
        return BudgetTarget(ACCOUNT, name, name, holder, covers, Money.of(10, "EUR"))

    budgets = (budget("c", Level.CAMPAIGN, "k1"), budget("g", Level.AD_GROUP, "g1"), budget("a", Level.AD, "x3"))
    ads = [AdState(ACCOUNT, f"x{n}", "", "k1", group, ACTIVE) for n, group in enumerate((None, "g1", "g2", "g1", "g1"))]
    other = replace(ads[0], ad_id="x9", campaign_id="k9")
    found = crews(budgets, [*ads, other])
    assert {key.budget_id: [one.ad_id for one in crew] for key, crew in found.items()} == {
        "c": ["x0", "x2"], "g": ["x1", "x4"], "a": ["x3"],
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"max_changes": -1},
        {"pause_below": 1.5},
        {"pause_p_best": float("nan")},
        {"keep_running": 0},
        {"resume_above": 0.75},
    ],
)
def test_limits_that_make_no_sense_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        Rotation(**change)  # type: ignore[arg-type]


shares = st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 9), st.floats(0, 1), st.booleans())


@given(
    st.lists(st.tuples(st.booleans(), st.none() | shares, st.none() | st.integers(0, 200)), max_size=7),
    st.integers(0, 4),
    st.integers(1, 3),
)
def test_whatever_is_believed_enough_ads_run_and_the_day_is_kept(
    members: list[tuple[bool, tuple[float, float, float, float, bool] | None, int | None]], most: int, keep: int
) -> None:
    ads = tuple(ad(f"x{n}", ACTIVE if runs else PAUSED) for n, (runs, _, _) in enumerate(members))
    known = [arm(f"x{n}", *believed) for n, (_, believed, _) in enumerate(members) if believed is not None]
    switches = tuple(
        ours(f"x{n}", PAUSED, NOW - timedelta(hours=hours))
        for n, (_, _, hours) in enumerate(members)
        if hours is not None
    )
    found = lines(seen(*ads, switches=switches), *known, rotation=Rotation(max_changes=most, keep_running=keep))
    lately = sum(hours is not None and hours < 24 for _, _, hours in members)
    assert len(found) + lately <= max(most, lately)
    assert len({line.key for line in found}) == len(found)
    running = sum(runs for runs, _, _ in members)
    for line in found:
        assert line.changes
        running += 1 if line.proposed is ACTIVE else -1
        assert running >= min(keep, line.running)
    if found:
        assert running >= 1
