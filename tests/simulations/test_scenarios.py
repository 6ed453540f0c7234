"""Every knob is checked, named and documented, and counts."""

from __future__ import annotations

import pickle
from dataclasses import fields, replace
from math import inf, nan
from typing import Any, get_origin, get_type_hints

import pytest

from simulations.saturation import Family
from simulations.scenarios import (
    GROUPS,
    SCENARIOS,
    Channel,
    FamilyShare,
    FurtherConversion,
    Holiday,
    Scenario,
    ScenarioError,
    named,
    with_knobs,
)

DEMO = SCENARIOS["demo"]
SUDDEN = with_knobs(DEMO, history_days=0, break_probability=0.0)
SEARCH = DEMO.channels[0]
SIGNUP = FurtherConversion("signup", 3.0, 5.0)
FAMILY = FamilyShare(Family.LOG, 1.0)
DATACLASSES: list[tuple[str, Any]] = [
    ("", DEMO),
    ("channels.", SEARCH),
    ("channels.further.", SIGNUP),
    ("demand.holidays.", Holiday(12, 1)),
    ("saturation.families.", FAMILY),
    *((f"{group}.", getattr(DEMO, group)) for group in GROUPS),
]
FIELDS = [
    pytest.param(held, knob.name, get_type_hints(type(held))[knob.name], prefix + knob.name, id=prefix + knob.name)
    for prefix, held in DATACLASSES
    for knob in fields(held)
]


@pytest.mark.parametrize(
    ("knobs", "field"),
    [
        ({"year_amplitude": 1.2}, "demand.year_amplitude"),
        ({"break_probability": 1.0, "break_factors": (-0.5,)}, "shocks.break_factors"),
        ({"restatement_days": 365, "horizon_days": 300}, "tracking.restatement_days"),
        ({"channels": (replace(SEARCH, delay_mean_days=60.0),), "horizon_days": 59}, "channels.delay_mean_days"),
        ({"channels": (replace(SEARCH, attribution_days=61),), "horizon_days": 60}, "channels.attribution_days"),
        (
            {"channels": (replace(SEARCH, further=(replace(SIGNUP, delay_mean_days=70.0),)),), "horizon_days": 60},
            "channels.further.delay_mean_days",
        ),
        ({"returned_share": 0.1, "returned_after_days": 200, "horizon_days": 180}, "tracking.returned_after_days"),
        ({"break_probability": 0.1, "break_days": (10, 401)}, "shocks.break_days"),
        ({"launch_share": 0.1, "launch_days": (10, 401)}, "shocks.launch_days"),
        ({"adstock_share": 0.1, "adstock_mean_days": 50.0, "horizon_days": 40}, "funnel.adstock_mean_days"),
        ({"history_days": 401}, "history.history_days"),
        ({"budgets": 3}, "budgets"),
        ({"floor": 1.01}, "limits.floor"),
        ({"minimum_budget": 500.0}, "minimum_budget"),
        ({"currency": "euro"}, "currency"),
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"name": " "}, "name"),
        ({"channels": ()}, "channels"),
        ({"channels": (SEARCH, SEARCH)}, "channels"),
        ({"channels": (replace(SEARCH, harvest=0.5), replace(SEARCH, name="b", harvest=0.5))}, "channels.harvest"),
        ({"horizon_days": 0}, "horizon_days"),
        ({"average_budget": inf}, "average_budget"),
        (
            {"channels": (replace(SEARCH, click_rate=1e-6, conversion_rate=1e-6),)},
            "channels.cost_per_conversion",
        ),
        ({"channels": (replace(SEARCH, value_per_conversion=1e9),)}, "channels.cost_per_conversion"),
        ({"drift_sd": 0.13, "drift_reversion": 0.0}, "demand.drift_sd"),
        ({"drift_sd": 0.51, "drift_reversion": 0.02}, "demand.drift_sd"),
        ({"marketer_edit_sd": 3.0, "marketer_edit_days": 1, "history_days": 20}, "history.marketer_edit_sd"),
        ({"creatives": (3, 2)}, "ads.creatives"),
        ({"audiences": (0, 1)}, "ads.audiences"),
        ({"audience_part": 0.5}, "ads.audience_part"),
        ({"families": (replace(FAMILY, weight=0.0),)}, "saturation.families"),
        ({"rate_size": 2.0}, "funnel.rate_size"),
        ({"ratio": (1.2, 0.9)}, "delivery.ratio"),
        ({"ratio": (0.0, 0.0)}, "delivery.ratio"),
        ({"break_factors": ()}, "shocks.break_factors"),
    ],
)
def test_a_market_that_cannot_be_is_refused_by_the_name_of_its_knob(knobs: dict[str, Any], field: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        with_knobs(SUDDEN, **knobs)
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("held", "change", "field"),
    [
        (SEARCH, {"name": ""}, "channels.name"),
        (SEARCH, {"campaigns": 0}, "channels.campaigns"),
        (SEARCH, {"cost_per_conversion": -1.0}, "channels.cost_per_conversion"),
        (SEARCH, {"click_rate": 0.9}, "channels.click_rate"),
        (SEARCH, {"further": (SIGNUP, SIGNUP)}, "channels.further"),
        (SIGNUP, {"name": "purchase"}, "channels.further.name"),
        (SIGNUP, {"per_purchase": 0.0}, "channels.further.per_purchase"),
        (FAMILY, {"slope": (0.0, 2.0)}, "saturation.families.slope"),
        (FAMILY, {"family": Family.POWER, "slope": (0.5, 1.01)}, "saturation.families.slope"),
        (Holiday(2, 1), {"day": 30}, "demand.holidays.day"),
        (Holiday(2, 1), {"factor": -0.5}, "demand.holidays.factor"),
    ],
)
def test_a_bad_part_is_refused_by_the_name_of_its_knob(held: Any, change: dict[str, Any], field: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        replace(held, **change)
    assert caught.value.field == field


def _wrong(hint: Any) -> list[object]:
    """Values that no knob of this type takes."""
    if hint is str:
        return [3, "two\nlines", None]
    if hint is int:
        return [1.0, True, "1", 2**64, 16**5000]
    if hint is float:
        return ["1", False, nan, -1e300, 16**5000, None]
    if get_origin(hint) is tuple:
        return [3, "abc", ("x", object()), (True, True), (nan, nan), [1, 2]]
    return [3, "x", None]


@pytest.mark.parametrize(("held", "name", "hint", "field"), FIELDS)
def test_every_knob_refuses_what_is_not_of_its_type(held: Any, name: str, hint: Any, field: str) -> None:
    for value in _wrong(hint):
        with pytest.raises(ScenarioError) as caught:
            replace(held, **{name: value})
        assert caught.value.field == field


@pytest.mark.parametrize(("held", "name", "hint", "field"), FIELDS)
def test_every_knob_is_documented(held: Any, name: str, hint: Any, field: str) -> None:
    before_the_colon = [line.split(":")[0].split(", ") for line in str(type(held).__doc__).splitlines()]
    assert [name] in [[word.strip() for word in words if word.strip() == name] for words in before_the_colon]


def test_names_of_knobs_are_unique_over_all_groups() -> None:
    own = [knob.name for knob in fields(Scenario)]
    names = [knob.name for group in GROUPS.values() for knob in fields(group)]
    assert len(set(own + names)) == len(own) + len(names)
    assert set(GROUPS) < set(own)


def test_named_scenarios_are_found_and_changed_by_knob() -> None:
    assert named("demo") == DEMO
    changed = named("demo", average_budget=99.0, season_sd=0.3, ratio=(0.5, 1.5))
    assert (changed.average_budget, changed.demand.season_sd, changed.delivery.ratio) == (99.0, 0.3, (0.5, 1.5))
    assert with_knobs(changed, average_budget=240.0, season_sd=0.12, ratio=(0.9, 1.05)) == DEMO


def test_demand_may_wander_as_far_as_it_can_be_counted() -> None:
    # 0.124 sqrt(400) = 2.48; 0.49 / sqrt(1 - 0.98^2) = 2.46
    for step, pull in ((0.124, 0.0), (0.49, 0.02)):
        assert with_knobs(DEMO, drift_sd=step, drift_reversion=pull).demand.drift_sd == step


def test_a_name_that_is_nearly_right_is_answered_with_the_right_one() -> None:
    with pytest.raises(ScenarioError, match=r"did you mean black-friday\? There are adstock, .*wide-300"):
        named("black-fridy")
    with pytest.raises(ScenarioError, match=r"^seson_sd: .*did you mean season_sd\?"):
        named("demo", seson_sd=0.1)


def test_some_campaigns_must_be_left_to_spend_what_the_starved_do_not() -> None:
    assert with_knobs(DEMO, starved=DEMO.campaigns - 1).saturation.starved == 11
    with pytest.raises(ScenarioError, match=r"^saturation.starved: must be less than the 12 campaigns, not 12"):
        with_knobs(DEMO, starved=DEMO.campaigns)


def test_the_digest_hangs_on_every_knob_but_the_words() -> None:
    assert replace(DEMO, summary="other words").digest() == DEMO.digest()
    channels = (replace(SEARCH, click_rate=0.046), *DEMO.channels[1:])
    changes: list[dict[str, Any]] = [{"season_sd": 0.13}, {"step": 0.2}, {"name": "other"}, {"channels": channels}]
    assert len({DEMO.digest(), *(with_knobs(DEMO, **change).digest() for change in changes)}) == 5


def test_a_whole_number_and_an_equal_float_are_one_scenario() -> None:
    whole = with_knobs(DEMO, average_budget=200, traffic_size=40, ratio=(1, 1), break_factors=(1, 2))
    written_out = with_knobs(DEMO, average_budget=200.0, traffic_size=40.0, ratio=(1.0, 1.0), break_factors=(1.0, 2.0))
    assert whole.digest() == written_out.digest()
    assert type(whole.average_budget) is float


def test_an_error_survives_the_way_back_from_another_process() -> None:
    error = ScenarioError("demand.season_sd", "is wrong").at("[demand]").at("a.toml")
    back = pickle.loads(pickle.dumps(error))
    assert (str(back), back.field, back.where) == (str(error), "demand.season_sd", "a.toml, [demand]")
    assert str(back) == "a.toml, [demand]: demand.season_sd: is wrong"


def test_campaigns_and_definitions_are_counted_over_channels() -> None:
    channels = (
        replace(SEARCH, further=(SIGNUP,)),
        Channel("social", 2, 1.0, 1.0, 0.1, 0.1, further=(SIGNUP, replace(SIGNUP, name="install"))),
    )
    scenario = replace(DEMO, channels=channels)
    assert scenario.campaigns == SEARCH.campaigns + 2
    assert scenario.definitions == ("purchase", "signup", "install")
