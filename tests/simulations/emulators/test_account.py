"""The account behind an emulator: the same market as the simulated platform's, under numeric ids, with a history."""

from collections import Counter
from datetime import date

from simulations.emulators.account import Account
from simulations.platform.connector import SimulatedConnector
from simulations.scenarios import named

START = date(2025, 3, 3)
SCENARIO = named("tiny-yen", history_days=20)


def _account(**knobs):
    return Account(named("tiny-yen", history_days=20, **knobs), seed=11, start=START)


def test_it_reports_what_the_simulated_platform_reports():
    account, platform = _account(), SimulatedConnector(SCENARIO, seed=11, start=START)
    for _ in range(2):
        ours = Counter(
            (line.day, line.spend, line.impressions, line.clicks, line.conversions, line.value)
            for line in account.lines(START, date(2025, 12, 31))
        )
        theirs = Counter(
            (r.day, r.spend_micros, r.impressions_micros, r.clicks_micros, r.conversions_micros, r.value_micros)
            for r in platform.pull(START, date(2025, 12, 31))
        )
        assert ours == theirs
        assert len(ours) > 40
        account.advance(3)
        platform.advance(3)


def test_every_id_is_of_one_thing():
    account = _account()
    ids = {
        **{c.campaign_id: "campaign" for c in account.campaigns()},
        **{c.budget_id: "budget" for c in account.campaigns()},
    }
    assert len(ids) == 2 * len(account.campaigns())
    ads = account.ads()
    assert len({ad.ad_id for ad in ads}) == len(ads)
    assert {ad.campaign_id for ad in ads} == {c.campaign_id for c in account.campaigns()}
    assert not ids.keys() & {one for ad in ads for one in (ad.ad_id, ad.ad_group_id, ad.creative_id, ad.audience_id)}
    assert len({(ad.campaign, ad.ad_group_name) for ad in ads}) == len({ad.ad_group_id for ad in ads})


def test_changes_are_entered_in_order_with_what_was_before():
    account = _account()
    first = account.campaigns()[0]
    account.set_budget(0, first.budget_micros + 1_000_000, key="one")
    account.advance(1)
    account.set_budget(0, first.budget_micros, by="hand")
    account.switch(0, runs=False, key="off")
    one, two = account.budget_changes()
    assert (one.old, one.new, one.by, one.key) == (
        first.budget_micros,
        first.budget_micros + 1_000_000,
        "api",
        "one",
    )
    assert (two.old, two.new, two.by, two.key) == (one.new, one.old, "hand", "")
    assert one.at < two.at < account.now
    (off,) = account.status_changes()
    assert (off.old, off.new, off.key) == (1, 0, "off")
    assert not account.ads()[0].active


def test_a_campaign_learns_after_a_large_step_of_its_budget():
    account = _account()
    assert not account.learning(0)
    account.set_budget(0, 2 * account.campaigns()[0].budget_micros)
    assert account.learning(0)
    assert not account.learning(1)
    account.advance(8)
    assert not account.learning(0)


def test_the_world_lives_on_in_its_file(tmp_path):
    first = Account(SCENARIO, seed=11, start=START, state_file=tmp_path / "world.json")
    first.set_budget(0, 5_000_000_000, key="k")
    again = Account(SCENARIO, seed=11, start=START, state_file=tmp_path / "world.json")
    assert again.campaigns()[0].budget_micros == 5_000_000_000
    assert again.budget_changes() == first.budget_changes()
