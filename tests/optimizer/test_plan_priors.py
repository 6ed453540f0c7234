from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from optimizer.plan.priors import ChannelPrior, ResponsePriors, Spread
from optimizer.plan.refits import Check, RefitRecord

WIDE = Spread(0.0, 1.0)


@pytest.mark.parametrize(("mean", "sd"), [(float("nan"), 1.0), (0.0, 0.0), (0.0, -1.0), (0.0, float("inf"))])
def test_a_spread_that_is_none_cannot_be_made(mean, sd):
    with pytest.raises(ValueError, match="finite mean and a positive sd"):
        Spread(mean, sd)


def test_all_of_an_effect_cannot_come_later():
    with pytest.raises(ValueError, match="share below 1"):
        ChannelPrior("search", WIDE, WIDE, carry_over=Spread(1.0, 0.1))


def test_priors_name_each_channel_once_in_order():
    search, social = ChannelPrior("search", WIDE, WIDE), ChannelPrior("social", WIDE, WIDE)
    fitted = datetime(2026, 1, 1, tzinfo=UTC)
    priors = ResponsePriors(fitted, "hierarchy/1", (search, social))
    assert priors.of("social") is social
    assert priors.of("video") is None
    for wrong in ((social, search), (search, search)):
        with pytest.raises(ValueError, match="each channel once"):
            ResponsePriors(fitted, "hierarchy/1", wrong)


FITTED = datetime(2026, 1, 1, tzinfo=UTC)
PASSED, FAILED = Check("r-hat", 1.0, 1.01, True, "They agree."), Check("ess-bulk", 9.0, 400.0, False, "Sample more.")
KEPT = RefitRecord("F-1", FITTED, "m/1", "0.1", 7, "a" * 64, 1.5, (PASSED,), ResponsePriors(FITTED, "m/1", ()))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fitted_at": datetime(2026, 1, 1)}, "must be in UTC"),  # noqa: DTZ001 - it must raise
        ({"fitted_at": FITTED.astimezone(ZoneInfo("Asia/Tokyo"))}, "must be in UTC"),
        ({"fitted_at": FITTED.astimezone(timezone(timedelta(0), "GMT"))}, "must be in UTC"),
        ({"seed": -1}, "seed and seconds"),
        ({"seed": 2**63}, "seed and seconds"),
        ({"seconds": float("nan")}, "seed and seconds"),
        ({"evidence": "abc"}, "'abc' is no digest"),
        ({"fitted_at": FITTED + timedelta(days=1)}, "of another time or model"),
        ({"model": "m/2"}, "of another time or model"),
        ({"checks": (PASSED, FAILED)}, "must not be handed on"),
    ],
)
def test_a_refit_that_cannot_be_cannot_be_made(changes, words):
    with pytest.raises(ValueError, match=words):
        replace(KEPT, **changes)


def test_a_refit_that_was_refused_says_why():
    refused = replace(KEPT, checks=(PASSED, FAILED), priors=None)
    assert (KEPT.passed, refused.passed) == (True, False)
    assert (KEPT.objections, refused.objections) == ((), ("Sample more.",))
