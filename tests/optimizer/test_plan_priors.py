from datetime import UTC, datetime

import pytest

from optimizer.plan.priors import ChannelPrior, ResponsePriors, Spread

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
