"""Sample sizes against a textbook, and the rule that may stop early against its own promises."""

from dataclasses import replace

import numpy as np
import pytest

from bandits.experiment import Metric
from bandits.sizing import Aim, fixed_sample, size

AIM = Aim(Metric.CTR, 0.1, 0.2, 1_000.0)


def test_the_textbook_sample():
    """10% against 12%, error 5%, power 80%: 3,841 an arm (Fleiss, Levin and Paik, without continuity)."""
    assert fixed_sample(AIM) == pytest.approx(2 * 3841, abs=2)


def test_counts_need_more_than_shares_and_dispersion_multiplies():
    counted = replace(AIM, metric=Metric.CONVERSIONS)
    assert fixed_sample(counted) > fixed_sample(AIM)
    assert fixed_sample(replace(counted, dispersion=2.0)) == pytest.approx(2 * fixed_sample(counted), abs=2)


def test_more_arms_and_an_uneven_split_need_more():
    even = fixed_sample(AIM)
    assert fixed_sample(replace(AIM, control_share=0.2)) > even
    assert fixed_sample(replace(AIM, arms=4, control_share=0.25)) > 1.9 * even


def test_the_rule_needs_a_little_more_and_ends_sooner_where_the_lift_is_large():
    found = size(AIM, np.random.default_rng(1))
    assert (found.fixed, found.fixed_days) == (7682, 8)
    assert found.fixed_days < found.days < 2 * found.fixed_days
    assert found.expected_days < found.days
    assert 0 < found.early < 1
    assert found.power_at_fixed < 0.8
    assert size(AIM, np.random.default_rng(1)) == found


def test_what_takes_years_is_said_to():
    found = size(replace(AIM, daily=5.0), np.random.default_rng(1))
    assert (found.fixed_days, found.days) == (1537, None)
    assert np.isnan(found.expected_days)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate": 0.0}, "rate must be above 0"),
        ({"rate": 0.9}, "stay below 1"),
        ({"minimum_effect": -0.1}, "minimum_effect must be above 0"),
        ({"daily": float("nan")}, "daily must be above 0"),
        ({"arms": 1}, "two or more"),
        ({"control_share": 1.0}, "control_share must be above 0"),
        ({"error_rate": 0.5}, "error_rate must be above 0"),
        ({"power": 0.5}, "power must be above 0.5"),
        ({"dispersion": 0.5}, "dispersion must be at least 1"),
    ],
)
def test_figures_out_of_range_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        replace(AIM, **changes)
