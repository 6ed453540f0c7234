"""The simulated platform as a connector: rows, restatements, budgets, settings."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from connectors.contract import BudgetChange, BudgetKey, BuildContext, Connector, EntityKind, EntityStatus, Level
from connectors.errors import BadInput, Drifted, Stop
from connectors.money import Money
from simulations.platform.connector import SimulatedConnector, build
from simulations.scenarios import SCENARIOS, Channel, FurtherConversion, named, with_knobs, write_scenario

START = date(2025, 3, 3)


@pytest.fixture
def platform():
    return SimulatedConnector(SCENARIOS["demo"], seed=8, start=START)


@pytest.fixture
def tiny():
    return SimulatedConnector(SCENARIOS["tiny-yen"], seed=8, start=START)


def _change(target, amount: str, key: str = "k", expected: Money | None = None) -> BudgetChange:
    return BudgetChange(key, target.key, expected or target.amount, Money.of(amount, target.amount.currency))


def test_it_is_a_connector_with_one_account(platform):
    assert isinstance(platform, Connector)
    (account,) = platform.accounts()
    assert (account.currency, account.time_zone, account.connector) == ("EUR", "Europe/Berlin", "simulated")
    assert platform.capabilities.restatement_days == 30


def test_rows_are_of_past_days_at_ad_level_and_no_key_comes_twice(platform):
    rows = list(platform.pull(START - timedelta(9), platform.today + timedelta(9)))
    assert {row.day for row in rows} == {START + timedelta(n) for n in range(60)}
    assert len({(row.series, row.day) for row in rows}) == len(rows)
    assert {row.series.level for row in rows} == {Level.AD}
    assert all(row.series.creative_id and row.series.audience_id for row in rows)
    assert list(platform.pull(platform.today, platform.today)) == []
    assert list(platform.pull(START + timedelta(5), START)) == []
    assert list(platform.pull(START - timedelta(30), START - timedelta(10))) == []
    assert list(platform.pull_as_of(START, START + timedelta(9), START)) == []


def test_a_row_is_fetched_on_the_accounts_morning(platform, tiny):
    assert platform.now == datetime(2025, 5, 2, 4, 0, tzinfo=UTC)  # 06:00 in Berlin's summer
    assert tiny.now == datetime(2025, 3, 12, 21, 0, tzinfo=UTC)  # 06:00 of the 13th in Tokyo
    assert {row.fetched_at for row in tiny.pull(START, tiny.today)} == {tiny.now}


def test_ads_creatives_and_audiences_have_their_entities_parents_first(platform):
    seen = set()
    kinds = dict.fromkeys(EntityKind, 0)
    for entity in platform.entities():
        assert entity.parent_id is None or entity.parent_id in seen
        assert (entity.kind, entity.entity_id) not in seen
        seen |= {entity.entity_id, (entity.kind, entity.entity_id)}
        kinds[entity.kind] += 1
    series = {row.series for row in platform.pull(START, platform.today)}
    for kind, name in (
        (EntityKind.CAMPAIGN, "campaign_id"),
        (EntityKind.AD_GROUP, "ad_group_id"),
        (EntityKind.AD, "ad_id"),
        (EntityKind.CREATIVE, "creative_id"),
        (EntityKind.AUDIENCE, "audience_id"),
    ):
        assert {(kind, getattr(one, name)) for one in series} <= seen
    assert kinds[EntityKind.CAMPAIGN] == 12
    assert kinds[EntityKind.AD] >= 12 * 4


def test_a_campaigns_tags_are_its_theme_and_market(platform):
    first = next(iter(platform.entities()))
    assert (first.name, first.tags) == ("Search | Brand | DE", ("brand", "de"))


def test_readings_hold_the_restatements_and_end_with_what_a_pull_says_now(platform):
    readings = [(reading.morning, list(reading.rows)) for reading in platform.readings(14)]
    assert len(readings) == 60
    assert all(a < b for (a, _), (b, _) in pairwise(readings))
    morning, rows = readings[-1]
    assert rows == list(platform.pull(platform.today - timedelta(14), platform.today))
    assert morning == platform.now
    stated = {}
    restated = 0
    for morning, rows in readings:
        for row in rows:
            assert row.fetched_at == morning
            before = stated.get((row.series, row.day))
            if before is not None:
                assert (row.spend_micros, row.clicks_micros) == (before.spend_micros, before.clicks_micros)
                assert row.conversions_micros >= before.conversions_micros
                restated += row.conversions_micros > before.conversions_micros
            stated[row.series, row.day] = row
    assert restated > 1000


def test_what_was_said_on_a_morning_stays_so(platform):
    then = list(platform.pull(START, platform.today))
    morning = platform.today
    platform.advance(20)
    assert list(platform.pull_as_of(START, morning, morning)) == then
    assert list(platform.pull(START, morning)) != then
    with pytest.raises(ValueError, match="nobody can know"):
        platform.pull_as_of(START, morning, platform.today + timedelta(1))


def test_a_stream_that_was_begun_tells_the_morning_on_which_it_was_begun(platform):
    rows = platform.pull(START, START + timedelta(70))
    platform.advance(5)
    assert max(row.day for row in rows) == START + timedelta(59)


def test_a_budget_set_today_holds_from_today_on(platform):
    target = platform.budgets()[0]
    receipt = platform.set_budget(_change(target, "20.50"))
    live = platform.budgets()[0]
    assert receipt.amount == live.amount == Money.of("20.50", "EUR")
    assert live.etag != target.etag
    assert platform.budgets()[1].etag == "sim-0"
    platform.advance(2)
    spent = sum(r.spend_micros for r in platform.pull(platform.today - timedelta(2), platform.today)
                if r.series.campaign_id in target.covers)  # fmt: skip
    assert 2 * 0.89 * 20.5e6 < spent < 2 * 1.06 * 20.5e6


def test_a_set_has_one_effect_however_often_it_is_sent(platform):
    change = _change(platform.budgets()[0], "99")
    receipts = {platform.set_budget(change) for _ in range(3)}
    assert len(receipts) == 1
    assert len(platform.world.state.edits) == 1
    platform.check_budget(change)


@pytest.mark.parametrize(
    ("days", "step", "learns"), [(7, 1.19, 0), (7, 1.25, 7), (7, 0.75, 7), (2, 1.25, 2), (0, 1.25, 0)]
)
def test_a_platform_that_tells_of_learning_does_so_for_its_days_after_a_large_step(days, step, learns):
    platform = SimulatedConnector(named("demo", learning_days=days), seed=8, start=START)
    one, other, *_ = platform.budgets()
    target = Money(round(one.amount.micros * step / one.quantum_micros) * one.quantum_micros, "EUR")
    platform.set_budget(BudgetChange("k", one.key, one.amount, target))
    told = []
    for _ in range(9):
        now = {budget.key: budget.learning for budget in platform.budgets()}
        assert not now[other.key]
        told.append(now[one.key])
        platform.advance()
    assert told == [True] * learns + [False] * (9 - learns)


def test_a_set_is_refused_when_somebody_else_was_first(platform):
    target = platform.budgets()[0]
    platform.edit(target.budget_id, Money.of("55", "EUR"))
    change = _change(target, "99")
    for call in (platform.check_budget, platform.set_budget):
        with pytest.raises(Drifted) as caught:
            call(change)
        assert caught.value.live_micros == 55_000_000
        assert caught.value.expected_micros == target.amount.micros
    assert platform.budgets()[0].amount == Money.of("55", "EUR")


def test_a_set_that_was_undone_by_hand_is_not_made_again(platform):
    target = platform.budgets()[0]
    platform.set_budget(_change(target, "99"))
    platform.edit(target.budget_id, target.amount)
    with pytest.raises(Drifted, match="made already"):
        platform.set_budget(_change(target, "99"))
    platform.set_budget(_change(target, "99", key="another intent"))


def test_an_idempotency_key_serves_one_change(platform):
    target = platform.budgets()[0]
    platform.set_budget(_change(target, "99"))
    with pytest.raises(Stop, match="another change"):
        platform.set_budget(_change(target, "98", expected=Money.of("99", "EUR")))


@pytest.mark.parametrize(
    ("amount", "message"), [("20.505", "multiple"), ("4.99", "least"), ("0", "least"), ("-20", "least")]
)
def test_amounts_that_the_platform_does_not_take(platform, amount, message):
    target = platform.budgets()[0]
    for call in (platform.check_budget, platform.set_budget):
        with pytest.raises(Stop, match=message):
            call(_change(target, amount))
    with pytest.raises(Stop, match=message):
        platform.edit(target.budget_id, Money.of(amount, "EUR"))
    assert platform.budgets()[0] == target


def test_yen_have_no_decimals(tiny):
    target = tiny.budgets()[0]
    assert target.quantum_micros == 1_000_000
    with pytest.raises(Stop, match="multiple"):
        tiny.set_budget(_change(target, "1000.5"))
    assert tiny.set_budget(_change(target, "1001")).amount == Money.of(1001, "JPY")


@pytest.mark.parametrize(
    "knobs",
    [
        {"start_noise_sd": 1.5, "minimum_budget": 100.0, "history_days": 0},
        {"average_budget": 200.005, "minimum_budget": 200.001, "marketer_edit_sd": 1.0},
        {"average_budget": 0.004, "minimum_budget": 1e-7, "start_noise_sd": 1.0},
    ],
)
def test_no_world_begins_with_a_budget_that_its_platform_refuses(knobs):
    platform = _make("demo", **knobs)
    for target in platform.budgets():
        assert target.amount >= target.minimum
        platform.set_budget(_change(target, str(target.amount.amount)))
    assert platform.world.truth.history.min(initial=2**62) >= platform.budgets()[0].minimum.micros


def test_unknown_budgets_and_foreign_currencies_are_refused(platform):
    target = platform.budgets()[0]
    for key in (
        BudgetKey("simulated", target.key.account_id, "b999"),
        BudgetKey("simulated", "another", "b1001"),
        BudgetKey("google", target.key.account_id, "b1001"),
    ):
        with pytest.raises(Stop, match="no budget"):
            platform.set_budget(BudgetChange("k", key, target.amount, target.amount))
    with pytest.raises(Stop, match="EUR"):
        platform.set_budget(BudgetChange("k", target.key, target.amount, Money.of(100, "USD")))
    with pytest.raises(Stop, match="no budget"):
        platform.edit("b999", target.amount)


def test_comparison_with_doing_nothing_and_with_the_oracle(platform):
    before = platform.budgets()
    since = platform.today
    poor = min(before, key=lambda target: target.amount)
    platform.set_budget(_change(poor, "5"))
    platform.advance(3)
    total = sum(target.amount.micros for target in before) / 1e6
    found = platform.compare(since, platform.today - timedelta(1), total=total, lower=5.0, upper=5 * 240.0)
    assert found.actual.shape == (3,)
    assert found.of_best < 1
    assert found.spend.sum() < found.spend_unchanged.sum()
    assert np.all(found.bound >= found.best)
    for days in ((START, START), (since, platform.today)):
        with pytest.raises(ValueError, match="stretch of days"):
            platform.compare(*days, total=total)


def _context(home: Path, **options: object) -> BuildContext:
    return BuildContext("shop", options, home, "config.toml [connectors.shop]")


def test_it_is_built_from_settings(tmp_path):
    platform = build(
        _context(tmp_path, scenario="tiny-yen", seed=3, start="2025-02-01", state_file="w.json", history_days=4)
    )
    assert platform.name == "shop"
    assert platform.today == date(2025, 2, 5)
    assert (tmp_path / "w.json").exists()
    assert platform.budgets()[0].key == BudgetKey("shop", "tiny-yen-3", "b1001")
    platform.close()
    platform.close()


def test_all_settings_have_a_default(tmp_path):
    platform = build(_context(tmp_path))
    assert platform.accounts()[0].account_id == "demo-1"
    assert list(tmp_path.iterdir()) == []


def test_it_is_built_from_a_scenario_in_a_file(tmp_path):
    scenario = with_knobs(SCENARIOS["tiny-yen"], name="mine", season_sd=0.3)
    (tmp_path / "mine.toml").write_text(write_scenario(scenario), encoding="utf-8")
    platform = build(_context(tmp_path, scenario="mine.toml", state_file="w.json"))
    assert platform.world.truth.scenario == scenario
    assert platform.accounts()[0].account_id == "mine-1"
    (tmp_path / "mine.toml").write_text(write_scenario(with_knobs(scenario, season_sd=0.4)), encoding="utf-8")
    with pytest.raises(BadInput, match="another definition"):
        build(_context(tmp_path, scenario="mine.toml", state_file="w.json"))


def test_a_scenario_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "mine.toml").write_text('based_on = "demo"\n[demand]\nseason_sd = -1.0\n', encoding="utf-8")
    for name, said in (("mine.toml", "season_sd"), ("none.toml", "none.toml")):
        with pytest.raises(BadInput, match=said) as caught:
            build(_context(tmp_path, scenario=name))
        assert caught.value.field == "scenario"
        assert caught.value.where == "config.toml [connectors.shop]"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"scenario": "nowhere"}, "scenario"),
        ({"scenarios": "demo"}, "scenarios"),
        ({"seed": -1}, "seed"),
        ({"seed": "many"}, "seed"),
        ({"start": "2025-02-30"}, "start"),
        ({"start": "9999-12-01", "scenario": "black-friday"}, "start"),
        ({"history_days": 100_000}, "history_days"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, options, field):
    with pytest.raises(BadInput, match="Mend") as caught:
        build(_context(tmp_path, **options))
    assert caught.value.field == field
    assert caught.value.where == "config.toml [connectors.shop]"


def _make(scenario: str = "tiny-yen", seed: int = 8, **knobs: object) -> SimulatedConnector:
    return SimulatedConnector(named(scenario, **knobs), seed=seed, start=START)


def _campaigns(platform) -> dict[str, EntityStatus]:
    return {e.entity_id: e.status for e in platform.entities() if e.kind is EntityKind.CAMPAIGN}


def _by_day(platform, campaign: str, measure: str, definition: str = "purchase") -> dict[int, int]:
    found: dict[int, int] = {}
    for row in platform.pull(START, platform.today):
        if (row.series.campaign_id, row.series.conversion_definition) == (campaign, definition):
            day = (row.day - START).days
            found[day] = found.get(day, 0) + getattr(row, measure)
    return found


def test_a_campaign_is_not_there_before_it_is_launched():
    platform = _make(launch_share=0.34, launch_days=(12, 12))
    (late,) = np.flatnonzero(~platform.world.truth.runs[:, 0])
    campaign, budget = f"{1001 + late}", f"b{1001 + late}"
    amount = Money.of(5_000, "JPY")
    change = BudgetChange("k", BudgetKey("simulated", "tiny-yen-8", budget), amount, amount)
    for _ in range(2):
        assert campaign not in _campaigns(platform)
        assert len(platform.budgets()) == 2
        assert not any(campaign in entity.entity_id or campaign == entity.parent_id for entity in platform.entities())
        for call in (platform.check_budget, platform.set_budget):
            with pytest.raises(Stop, match="no budget"):
                call(change)
        with pytest.raises(Stop, match="no budget"):
            platform.edit(budget, amount)
        platform.advance()
    assert _campaigns(platform)[campaign] is EntityStatus.ACTIVE
    assert budget in {target.budget_id for target in platform.budgets()}
    assert _by_day(platform, campaign, "spend_micros") == {}
    platform.edit(budget, amount)
    platform.advance(2)
    assert sorted(_by_day(platform, campaign, "spend_micros")) == [12, 13]


def test_what_a_campaign_has_is_shown_once_it_is_launched():
    platform = _make("demo", launch_share=0.5, launch_days=(61, 61))
    before = {(e.kind, e.entity_id) for e in platform.entities()}
    platform.advance(2)
    after = list(platform.entities())
    everything = list(SimulatedConnector(SCENARIOS["demo"], seed=8, start=START).entities())
    assert before < {(e.kind, e.entity_id) for e in after}
    assert after == everything


def test_a_paused_campaign_is_shown_as_such_keeps_its_budget_and_delivers_nothing():
    platform = _make(pause_share=1.0, pause_length=(4, 4), horizon_days=60, break_probability=0.0)
    runs = platform.world.truth.runs
    campaign = int(np.argmax(~runs[:, 15:50].all(axis=1)))
    first = int(np.flatnonzero(~runs[campaign, 15:])[0]) + 15
    platform.advance(first - 10)
    name = f"{1001 + campaign}"
    assert _campaigns(platform)[name] is EntityStatus.PAUSED
    target = platform.budgets()[campaign]
    platform.set_budget(_change(target, "5000"))
    platform.advance(3)
    assert max(_by_day(platform, name, "spend_micros")) == first - 1
    platform.advance(3)
    assert _campaigns(platform)[name] is EntityStatus.ACTIVE
    spent = _by_day(platform, name, "spend_micros")
    assert set(spent) & set(range(first, first + 6)) == {first + 4, first + 5}
    assert 0 < spent[first + 4] <= 5000 * 1_050_000


def test_a_world_at_its_end_shows_what_ran_last():
    platform = _make(launch_share=0.34, launch_days=(110, 110))
    platform.advance(110)
    assert len(_campaigns(platform)) == len(platform.budgets()) == 3


SIGNUPS = Channel(
    "search", 2, 1_800.0, 7_000.0, 0.04, 0.04, further=(FurtherConversion("signup", per_purchase=2.0, value=300.0),)
)


def _with_signups(**knobs: object) -> SimulatedConnector:
    channels = (SIGNUPS, SCENARIOS["tiny-yen"].channels[1])
    return _make(channels=channels, history_days=30, **knobs)


def test_further_conversions_have_series_of_their_own_that_deliver_nothing():
    platform = _with_signups()
    rows = list(platform.pull(START, platform.today))
    found = {(row.series.channel, row.series.conversion_definition) for row in rows}
    assert found == {("search", "purchase"), ("search", "signup"), ("social", "purchase")}
    signups = [row for row in rows if row.series.conversion_definition == "signup"]
    assert all((r.spend_micros, r.impressions_micros, r.clicks_micros) == (0, 0, 0) for r in signups)
    assert all(row.conversions_micros > 0 for row in signups)
    assert len({(row.series, row.day) for row in rows}) == len(rows)


def test_rows_sum_to_what_the_days_brought():
    platform = _with_signups(returned_share=0.2, adstock_share=0.3, outages=3.0)
    platform.advance(20)
    today = platform.world.index_of(platform.today)
    rows = list(platform.pull(START, platform.today))
    days = platform.world.days()
    assert sum(row.spend_micros for row in rows) == sum(day.spend.sum() for day in days)
    assert sum(row.impressions_micros for row in rows) == 10**6 * sum(day.impressions.sum() for day in days)
    for kind, name in enumerate(("purchase", "signup")):
        mine = [row for row in rows if row.series.conversion_definition == name]
        reported = [day.reported(today) for day in days]
        assert sum(row.conversions_micros for row in mine) == 10**6 * sum(n[:, kind].sum() for n, _ in reported)
        assert sum(row.value_micros for row in mine) == sum(value[:, kind].sum() for _, value in reported)


def test_the_attribution_window_is_told():
    platform = _make(
        channels=(
            Channel("search", 2, 1_800.0, 7_000.0, 0.04, 0.04, attribution_days=7),
            Channel("social", 1, 2_400.0, 6_000.0, 0.012, 0.03),
        )
    )
    told = {row.series.channel: row.series.attribution_setting for row in platform.pull(START, platform.today)}
    assert told == {"search": "7-day-click", "social": "14-day-click"}


def test_rows_are_restated_until_the_last_return_and_never_vanish():
    platform = _make(returned_share=0.9, returned_after_days=5, history_days=1)
    assert platform.capabilities.restatement_days == 14 + 5
    assert _make().capabilities.restatement_days == 14
    settled: dict = {}
    fell = 0
    for _ in range(25):
        now = {(r.series, r.day): r.conversions_micros for r in platform.pull(START, START)}
        assert settled.keys() <= now.keys()
        fell += any(now[key] < settled[key] for key in settled)
        settled = now
        platform.advance()
    assert fell > 0
    last = platform.capabilities.restatement_days + 1
    then = [list(platform.pull_as_of(START, START, START + timedelta(day))) for day in (last, last + 1)]
    assert [row.conversions_micros for row in then[0]] == [row.conversions_micros for row in then[1]]


def test_conversions_that_the_memory_of_ads_brings_stand_on_days_without_spend():
    platform = _make(pause_share=1.0, pause_length=(20, 20), adstock_share=0.6, seed=2)
    runs = platform.world.truth.runs
    campaign = int(np.argmax((~runs[:, 12:]).sum(axis=1)))
    first = int(np.flatnonzero(~runs[campaign, 12:])[0]) + 12
    platform.advance(first + 8 - 10)
    rows = [
        r
        for r in platform.pull(START + timedelta(first), platform.today)
        if r.series.campaign_id == f"{1001 + campaign}"
    ]
    assert sum(row.conversions_micros for row in rows) > 0
    assert {(row.spend_micros, row.impressions_micros, row.clicks_micros) for row in rows} == {(0, 0, 0)}


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_named_scenario_is_a_platform(name):
    platform = _make(name, history_days=4)
    platform.advance(2)
    (account,) = platform.accounts()
    rows = list(platform.pull(START, platform.today))
    assert {row.series.account for row in rows} == {account}
    assert {row.series.campaign_id for row in rows} <= set(_campaigns(platform))
    assert {target.covers for target in platform.budgets()} == {(campaign,) for campaign in _campaigns(platform)}
    days = platform.world.days()
    assert len(days) == 6
    assert sum(row.spend_micros for row in rows) == sum(day.spend.sum() for day in days) > 0
    assert sum(row.conversions_micros for row in rows) == 10**6 * sum(day.reported(6)[0].sum() for day in days)
