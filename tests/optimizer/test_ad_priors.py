"""Priors of ads on their way: refused where they cannot be, part of the evidence, and the start of the shares."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from optimizer.agent.standing import standing
from optimizer.agent.store import MemoryStore
from optimizer.goals import Sharing
from optimizer.plan.priors import AdPriors, ResponsePriors, Spread
from optimizer.plan.recommendation import ArmShare
from optimizer.plan.refits import ADS, Check, RefitRecord
from optimizer.response import learn
from optimizer.shares import arm_shares
from tests.optimizer.ad_worlds import AdTruth, ad_snapshot
from tests.optimizer.snapshots import NOW, snapshot

ALIKE = AdPriors(NOW, f"{ADS}/1", "impression", Spread(np.log(60.0), 0.1), Spread(-1.0, 0.2), None, 0.0)
UNLIKE = replace(ALIKE, log_strength=Spread(np.log(1.0), 0.1))
MOVING = replace(ALIKE, log_strength=Spread(np.log(16.0), 0.1), log_drift=Spread(np.log(0.2), 0.1), excess=0.1)
AGREE, FEW = Check("r-hat", 1.0, 1.01, True, "They agree."), Check("ess-bulk", 9.0, 400.0, False, "Sample more.")


def record(priors: AdPriors | ResponsePriors | None, name: str = "F-1", days: int = 0) -> RefitRecord:
    at = NOW + timedelta(days=days)
    priors = None if priors is None else replace(priors, fitted_at=at)
    checks = (AGREE,) if priors is not None else (AGREE, FEW)
    return RefitRecord(name, at, f"{ADS}/1", "0.1", 7, "a" * 64, 1.0, checks, priors)


def test_a_record_holds_priors_of_what_its_model_is_of() -> None:
    assert record(ALIKE).about_ads
    with pytest.raises(ValueError, match="not what its model 'ads-hierarchy/1' is of"):
        record(ResponsePriors(NOW, f"{ADS}/1", ()))
    with pytest.raises(ValueError, match="'m/1' is of"):
        replace(record(ALIKE), model="m/1", priors=replace(ALIKE, model="m/1"))
    with pytest.raises(ValueError, match="not negative, not -1"):
        replace(ALIKE, excess=-1.0)


def test_priors_of_ads_are_evidence() -> None:
    plain = snapshot(ads=True)
    digests = {replace(plain, ad_priors=priors).digest() for priors in (None, ALIKE, UNLIKE)}
    assert len(digests) == 3


def shares(priors: AdPriors | None, weekly: float = 1.0) -> tuple[ArmShare, ...]:
    seen = ad_snapshot(AdTruth(ad=0.25), np.random.default_rng(3), budgets=2, weeks=4, weekly=weekly)
    seen = replace(seen, ad_priors=priors)
    return arm_shares(seen, learn(seen), Sharing(), np.random.default_rng(1))


def test_shares_start_from_what_was_learnt_of_ads() -> None:
    """A few conversions an ad: those of a shop whose ads are alike differ by less than those of one whose are not."""
    spread = {
        name: np.std([np.log(arm.rate) for arm in shares(priors)[:4]])
        for name, priors in (("alike", ALIKE), ("plain", None), ("unlike", UNLIKE))
    }
    assert spread["alike"] < spread["plain"] < spread["unlike"]


def test_a_drift_that_was_learnt_makes_evidence_fade_and_intervals_widen() -> None:
    still = replace(MOVING, log_drift=Spread(np.log(1e-4), 0.1))
    wide, narrow = (shares(priors, weekly=70.0)[0] for priors in (MOVING, still))
    assert (wide.high90 - wide.low90) / wide.rate > 1.2 * (narrow.high90 - narrow.low90) / narrow.rate


def test_ads_of_which_more_was_taken_back_than_came_are_shared_out_by_learnt_priors_too() -> None:
    seen = ad_snapshot(AdTruth(ad=0.25), np.random.default_rng(3), budgets=2, weeks=4, weekly=1.0)
    assert seen.arms is not None
    conversions = np.where(np.isnan(seen.arms.conversions), np.nan, -1.0)
    seen = replace(seen, arms=replace(seen.arms, conversions=conversions), ad_priors=MOVING)
    known = arm_shares(seen, learn(seen), Sharing(), np.random.default_rng(1))
    assert known
    assert np.isfinite([arm.share for arm in known]).all()


def test_standing_tells_ads_and_response_apart() -> None:
    store = MemoryStore()
    store.record_refit(record(ALIKE))
    store.record_refit(record(None, "F-2", days=7))
    response = replace(record(None, "F-3", days=1), model="m/1")
    store.record_refit(response)
    found = standing(store, NOW + timedelta(days=8), every_days=7)
    assert (found.last, found.priors) == (response, None)
    assert found.last_of_ads is not None
    assert (found.last_of_ads.refit_id, found.ad_priors) == ("F-2", ALIKE)
