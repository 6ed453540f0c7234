"""Which targets are fitted, how their days are laid out, and what becomes of a lift test."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from optimizer.plan.problem import Outcome
from optimizer.refit.contract import LiftTest, Sampling
from optimizer.refit.evidence import LAGS, gather
from optimizer.response.history import read
from optimizer.response.prior import reference_spend
from tests.optimizer.snapshots import CHANNELS, CURVES, TODAY, VALUE, snapshot

NAMES = sorted(CURVES)
FEW = Sampling(campaigns=1)


def _lift(**change: object) -> LiftTest:
    first = TODAY - timedelta(days=28)
    spend = float(snapshot().panel.spend[:2, -28:-14].sum()) + 1400.0  # all that the channel would have spent
    lift = LiftTest("search", first, first + timedelta(days=13), spend, -1400.0, -60.0, 12.0)
    return replace(lift, **change)  # type: ignore[arg-type]


def test_all_targets_with_enough_days_are_fitted() -> None:
    seen = snapshot()
    evidence = gather(seen, (), Sampling(days=60))
    assert evidence.names == tuple(NAMES)
    assert evidence.channels == ("search", "social")
    assert [evidence.channels[c] for c in evidence.channel] == [CHANNELS[n] for n in NAMES]
    assert evidence.counts.shape == (4, 60)
    assert evidence.notes == ()
    # The reference is that of the fast tier, over the whole history.
    assert evidence.reference == pytest.approx(reference_spend(read(seen), seen.current))
    spend = seen.panel.spend[:, -60:] / evidence.reference[:, None]
    assert evidence.lags[:, LAGS:, 3] == pytest.approx(spend[:, LAGS - 3 : -3])
    before = seen.panel.spend[:, -60 - LAGS + 1 : -60][:, ::-1] / evidence.reference[:, None]
    assert evidence.lags[:, 0, 1:] == pytest.approx(before), "spend before the fitted days is known and felt"
    assert evidence.counts == pytest.approx(seen.panel.conversions[:, -60:])


def test_the_largest_of_a_channel_stand_for_it_and_thin_ones_are_named() -> None:
    seen = snapshot()
    seen.panel.conversions[NAMES.index("brand")] = np.nan
    evidence = gather(seen, (), FEW)
    assert evidence.names == ("generic", "prospecting")
    assert any("search: 1 of 2 targets have too few" in note for note in evidence.notes)
    assert any("social: the 1 targets with the most conversions stand for 2" in note for note in evidence.notes)


def test_fractions_are_rounded_without_losing_conversions() -> None:
    seen = snapshot()
    seen.panel.conversions[0] = 0.3
    evidence = gather(seen, (), Sampling(days=90))
    assert evidence.counts[0].sum() == 27
    assert set(evidence.counts[0].tolist()) == {0, 1}


def test_days_without_a_row_feel_what_was_spent_before_and_are_not_counted() -> None:
    seen = snapshot()
    seen.panel.spend[0, -3:] = np.nan
    seen.panel.conversions[0, -3:] = np.nan
    evidence = gather(seen, (), Sampling(days=90))
    assert evidence.active[0, -3:].tolist() == [1.0, 1.0, 1.0]
    assert not evidence.counted[0, -3:].any()
    assert evidence.lags[0, -1, :3].tolist() == [0.0, 0.0, 0.0]


def test_a_channels_test_is_split_over_its_campaigns_as_their_spend_was() -> None:
    seen = snapshot()
    evidence = gather(seen, (_lift(),), Sampling())
    (trial,) = evidence.trials
    assert [evidence.names[n] for n in trial.targets] == ["brand", "generic"]
    during = seen.panel.spend[:2, -28:-14].sum(axis=1)
    share = during / during.sum()
    assert trial.spend * evidence.reference[:2] == pytest.approx(_lift().spend / 14 * share)
    assert trial.change * evidence.reference[:2] == pytest.approx(-1400.0 / 14 * share)
    assert (trial.days, trial.whole, trial.incremental, trial.se) == (14, pytest.approx(1.0), -60.0, 12.0)
    assert trial.middle == evidence.counts.shape[1] - 28 + 7


def test_a_test_of_a_part_of_the_market_is_compared_where_all_its_spend_lies() -> None:
    whole = gather(snapshot(), (_lift(),), Sampling()).trials[0]
    # The same relative change in a third of the regions: a third of the spend, of the change and of what it brought.
    during = float(snapshot().panel.spend[:2, -28:-14].sum())
    third = (during + 1400.0 / 3.0) / 3.0
    part = gather(snapshot(), (_lift(spend=third, spend_change=-1400.0 / 3.0),), Sampling()).trials[0]
    assert part.whole == pytest.approx(1.0 / 3.0)
    assert part.spend.sum() == pytest.approx(3.0 * third / _lift().spend * whole.spend.sum())
    assert part.change == pytest.approx(whole.change)


def test_a_test_before_the_history_is_taken_at_its_word() -> None:
    first = TODAY - timedelta(days=400)
    early = _lift(first_day=first, last_day=first + timedelta(days=13), spend=500.0, spend_change=-100.0)
    assert gather(snapshot(), (early,), Sampling()).trials[0].whole == pytest.approx(1.0)


def test_what_is_not_fitted_is_made_up_for_by_the_share_of_spend() -> None:
    seen = snapshot()
    evidence = gather(seen, (_lift(),), FEW)
    during = seen.panel.spend[:2, -28:-14].sum(axis=1)
    assert evidence.trials[0].whole == pytest.approx(during.sum() / during[NAMES.index("generic")])


def test_a_lift_of_value_is_turned_into_conversions() -> None:
    evidence = gather(snapshot(), (_lift(outcome=Outcome.VALUE, incremental=-60.0 * VALUE, se=VALUE),), Sampling())
    assert evidence.trials[0].incremental == pytest.approx(-60.0)
    assert evidence.trials[0].se == pytest.approx(1.0)


def test_tests_of_what_is_not_fitted_are_left_out_and_named() -> None:
    lifts = (_lift(channel="display"), _lift(campaign="brand"), _lift(campaign="nobody"))
    evidence = gather(snapshot(), lifts, Sampling())
    assert len(evidence.trials) == 1
    assert evidence.trials[0].targets.tolist() == [NAMES.index("brand")]
    assert sum("is left out" in note for note in evidence.notes) == 2
