"""The simulated platform as a connector: rows, restatements, budgets, settings."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from connectors.contract import BudgetChange, BudgetKey, BuildContext, Connector, EntityKind, Level
from connectors.errors import BadInput, Drifted, Stop
from connectors.money import Money
from simulations.connector import SimulatedConnector, build
from simulations.regret import Bounds
from simulations.scenarios import SCENARIOS

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
    found = platform.compare(since, platform.today - timedelta(1), Bounds(total, 5.0, 5 * 240.0))
    assert found.actual.shape == (3,)
    assert found.of_best < 1
    assert found.spend.sum() < found.spend_unchanged.sum()
    assert np.all(found.bound >= found.best)
    for days in ((START, START), (since, platform.today)):
        with pytest.raises(ValueError, match="stretch of days"):
            platform.compare(*days, Bounds(total, 5.0, 1200.0))


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


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"scenario": "nowhere"}, "scenario"),
        ({"scenarios": "demo"}, "scenarios"),
        ({"seed": -1}, "seed"),
        ({"seed": "many"}, "seed"),
        ({"start": "2025-02-30"}, "start"),
        ({"history_days": 100_000}, "history_days"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, options, field):
    with pytest.raises(BadInput, match="Mend") as caught:
        build(_context(tmp_path, **options))
    assert caught.value.field == field
    assert caught.value.where == "config.toml [connectors.shop]"
