"""Scenarios are written as TOML and read back the same; a bad file is refused by name, file and key."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.saturation import Family
from simulations.scenarios import (
    SCENARIOS,
    Channel,
    FamilyShare,
    FurtherConversion,
    Holiday,
    Scenario,
    ScenarioError,
    find,
    named,
    parse_scenario,
    read_scenario,
    with_knobs,
    write_scenario,
)

WHOLE = """
name = "two-shops"
summary = "Two channels, written by hand."
average_budget = 150
horizon_days = 200

[demand]
season_sd = 0.3
[[demand.holidays]]
month = 12
day = 24
factor = 0.4

[saturation]
families = [{ family = "hill", weight = 2, slope = [1.5, 3] }, { family = "log", weight = 1 }]

[ads]
creatives = [1, 3]
wear_out_half_life_days = inf

[[channels]]
name = "search"
campaigns = 3
cost_per_conversion = 16
value_per_conversion = 60
click_rate = 0.04
conversion_rate = 0.05
[[channels.further]]
name = "signup"
per_purchase = 3
value = 5

[[channels]]
name = "social"
campaigns = 2
cost_per_conversion = 22.5
value_per_conversion = 60
click_rate = 0.01
conversion_rate = 0.03
"""


def _refused(text: str) -> ScenarioError:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "test")
    return caught.value


def test_a_file_says_what_it_says_and_the_rest_is_the_default() -> None:
    search = Channel("search", 3, 16.0, 60.0, 0.04, 0.05, further=(FurtherConversion("signup", 3.0, 5.0),))
    plain = Scenario(
        "two-shops",
        "Two channels, written by hand.",
        (search, Channel("social", 2, 22.5, 60.0, 0.01, 0.03)),
        average_budget=150.0,
        horizon_days=200,
    )
    families = (FamilyShare(Family.HILL, 2.0, (1.5, 3.0)), FamilyShare(Family.LOG, 1.0))
    holidays = (Holiday(12, 24, factor=0.4),)
    by_hand = with_knobs(plain, season_sd=0.3, holidays=holidays, families=families, creatives=(1, 3))
    assert parse_scenario(WHOLE) == by_hand
    assert parse_scenario(WHOLE).digest() == by_hand.digest()


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda s: s.name)
def test_every_named_scenario_comes_back_from_its_text(scenario: Scenario) -> None:
    text = write_scenario(scenario)
    back = parse_scenario(text)
    assert (back, back.digest()) == (scenario, scenario.digest())
    assert write_scenario(back) == text


def _ranges(low: float, high: float) -> st.SearchStrategy[tuple[float, ...]]:
    return st.lists(st.floats(low, high), min_size=2, max_size=2).map(lambda pair: tuple(sorted(pair)))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda t: t.isprintable() and t.strip())
KINDS = st.builds(
    FurtherConversion, TEXTS.filter(lambda name: name != "purchase"), st.floats(1e-6, 10), st.floats(0, 1000)
)
CHANNELS = st.builds(
    Channel,
    TEXTS,
    st.integers(1, 10_000),
    st.floats(10.0, 1e9),
    st.floats(1e-4, 1e4),
    st.floats(1e-3, 0.5),
    st.floats(1e-3, 0.5),
    harvest=st.floats(0, 0.2),
    further=st.lists(KINDS, max_size=3, unique_by=lambda kind: kind.name).map(tuple),
)
FAMILIES = st.sampled_from(Family).flatmap(
    lambda family: st.builds(
        FamilyShare,
        st.just(family),
        st.floats(1e-9, 1e9),
        _ranges(0.05, 1.0 if family is Family.POWER else 12.0),
    )
)
KNOBS: dict[str, st.SearchStrategy[Any]] = {
    "name": TEXTS,
    "summary": st.text().filter(str.isprintable),
    "channels": st.lists(CHANNELS, min_size=1, max_size=4, unique_by=lambda channel: channel.name).map(tuple),
    "average_budget": st.floats(5.0, 9e4),  # 9e9 impressions at the least cost and rates: few enough to count
    "holidays": st.lists(
        st.builds(Holiday, st.integers(1, 12), st.integers(1, 28), factor=st.floats(0.05, 20)), max_size=3
    ).map(tuple),
    "ratio": _ranges(0.01, 2.0),
    "families": st.lists(FAMILIES, min_size=1).map(tuple),
    "month_days": st.floats(28.0) | st.just(inf),
    "traffic_size": st.floats(0.1) | st.just(inf),
    "quality_elasticity": _ranges(-0.5, 0.9),
    "break_factors": st.lists(st.floats(0.01, 100), min_size=1).map(tuple),
    "wear_out_half_life_days": st.floats(1.0) | st.just(inf),
    "creatives": st.lists(st.integers(1, 50), min_size=2, max_size=2).map(lambda pair: tuple(sorted(pair))),
}
ANY = st.builds(
    lambda base, knobs: with_knobs(base, **knobs),
    st.sampled_from([SCENARIOS["demo"], SCENARIOS["everything"]]),
    st.fixed_dictionaries({}, optional=KNOBS),
)


@given(ANY)
def test_any_scenario_comes_back_from_its_text(scenario: Scenario) -> None:
    text = write_scenario(scenario)
    tomllib.loads(text)
    back = parse_scenario(text)
    assert (back, back.digest()) == (scenario, scenario.digest())


def test_a_file_may_give_only_what_differs_and_takes_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "autumn.toml"
    path.write_text('based_on = "demo"\naverage_budget = 300\n[demand]\nseason_sd = 0.3\n', encoding="utf-8")
    read = read_scenario(path)
    assert read == named("demo", name="autumn", summary=read.summary, average_budget=300.0, season_sd=0.3)
    assert read.summary == f"Based on demo. {SCENARIOS['demo'].summary}"


def test_a_channel_of_the_base_gives_what_its_table_does_not() -> None:
    base = SCENARIOS["signups-and-purchases"]
    text = """
    based_on = "signups-and-purchases"
    [[channels]]
    name = "social"
    campaigns = 7
    further = [{ name = "signup", value = 9 }, { name = "call", per_purchase = 0.5, value = 20 }]
    """
    social = base.channels[1]
    further = (replace(social.further[0], value=9.0), FurtherConversion("call", 0.5, 20.0))
    assert parse_scenario(text, "test").channels == (replace(social, campaigns=7, further=further),)


def test_lists_of_the_base_are_replaced_whole() -> None:
    text = 'based_on = "black-friday"\ndemand = { holidays = [] }'
    assert parse_scenario(text, "test").demand.holidays == ()
    assert parse_scenario(text, "test").demand.year_amplitude == SCENARIOS["black-friday"].demand.year_amplitude


BASED = 'based_on = "demo"\n'


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        (BASED + "[[demand.holidays]]\nmonth = 1\nday = 1\nfactor = -1", "demand.holidays.factor", "from 0.05 to 20"),
        (BASED + "shocks = { break_factors = [-0.5] }", "shocks.break_factors", "from 0.01 to 100, not -0.5"),
        (BASED + "horizon_days = 20", "tracking.restatement_days", "must lie within horizon_days (20)"),
        (BASED + "seson = 1", "seson", "There are ads, average_budget, based_on"),
        (BASED + "[demand]\nseson_sd = 1", "demand.seson_sd", "did you mean season_sd?"),
        (BASED + "season_sd = 1", "season_sd", "season_sd belongs in [demand]"),
        (BASED + "[ads]\nseason_sd = 1", "ads.season_sd", "season_sd belongs in [demand]"),
        (BASED + "[ads]\ncurrency = 'EUR'", "ads.currency", "currency belongs to the scenario itself"),
        (BASED + "[demands]\n'a b' = 1", "demands", "did you mean demand?"),
        (BASED + "[demand]\n'a b' = 1", 'demand."a b"', "There are drift_reversion"),
        (BASED + "limits = { floor = 1.5 }", "limits.floor", "the floors of all campaigns together must not exceed"),
        (BASED + "minimum_budget = 241", "minimum_budget", "must not exceed the budget"),
        (BASED + "horizon_days = 200.0", "horizon_days", "must be a whole number, not 200.0"),
        (BASED + "average_budget = '1,000'", "average_budget", "must be a number, not '1,000'"),
        (BASED + "average_budget = true", "average_budget", "must be a number, not true"),
        (BASED + "average_budget = nan", "average_budget", "must be from 0.0001 to 1e+09"),
        (BASED + "currency = 3", "currency", "must be text, not a whole number"),
        (BASED + "demand = 3", "demand", "must be a table"),
        (BASED + "channels = 3", "channels", "must be a list of tables, each begun by [[channels]]"),
        (BASED + "channels = [3]", "channels", "must be a table"),
        (BASED + "channels = []", "channels", "at least one channel"),
        (BASED + "[channels]\nname = 'search'", "channels", "must be a list of tables"),
        (BASED + "[[channels]]\nname = 'new'", "channels.campaigns", "is missing"),
        (BASED + "ads = { creatives = [1] }", "ads.creatives", "must be a list of 2, not of 1"),
        (BASED + "ads = { creatives = [1, 2.5] }", "ads.creatives", "must be a whole number, not 2.5"),
        (BASED + "ads = { creatives = 2 }", "ads.creatives", "must be a list, not a whole number"),
        (BASED + "ads = { creatives = [3, 2] }", "ads.creatives", "the first not above the second, not 3, 2"),
        (BASED + "saturation = { families = [{ family = 'hil', weight = 1 }] }", "saturation.families.family", "hill"),
        (BASED + "time_zone = 1979-05-27", "time_zone", "must be text, not a date"),
        (BASED + "horizon_days = 0x" + "f" * 5000, "horizon_days", "too large"),
        (BASED + "average_budget = 0x" + "f" * 5000, "average_budget", "too large"),
        (BASED + "average_budget = " + "9" * 5000, "scenario", "a number too long"),
        (BASED + "channels = " + "[" * 5000 + "]" * 5000, "scenario", "lists too deep"),
        ("based_on = 'dmeo'", "based_on", "did you mean demo?"),
        ("based_on = ['demo']", "based_on", "must be the name of a scenario"),
        ("summary = 'No channels.'", "channels", "is missing"),
        ("", "summary", "is missing"),
        ("channels = [", "scenario", "is not TOML: Invalid value (at end of document)"),
        ("a = 1\na = 2", "scenario", "is not TOML"),
    ],
)
def test_a_bad_file_is_refused_by_its_key(text: str, field: str, words: str) -> None:
    error = _refused(text)
    assert error.field == field
    assert words in str(error)


def test_the_error_names_the_file_and_the_table_in_it(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(WHOLE.replace("per_purchase = 3", "per_purchase = -3"), encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        read_scenario(path)
    assert caught.value.where == f"{path}, [[channels]] 1, [[channels.further]] 1"
    assert str(caught.value).startswith(f"{caught.value.where}: channels.further.per_purchase: must be from ")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "cannot be read: No such file"),
        (lambda path: path.mkdir(), "cannot be read: Is a directory"),
        (lambda path: path.write_bytes(b"name = '\xff'"), "cannot be read: 'utf-8' codec"),
        (lambda path: path.write_bytes(b"\x00\x01\x02"), "is not TOML"),
    ],
    ids=["none", "a folder", "not UTF-8", "no text"],
)
def test_what_is_no_file_of_a_scenario_is_refused(make: Callable[[Path], object], words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    make(path)
    with pytest.raises(ScenarioError) as caught:
        find("a.toml", tmp_path)
    assert caught.value.where == str(path)
    assert words in str(caught.value)


def test_a_file_from_another_system_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode())
    assert read_scenario(path) == parse_scenario(WHOLE)


def test_a_scenario_is_found_by_name_or_by_path(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    path = tmp_path / "own" / "shop.toml"
    path.write_text(WHOLE, encoding="utf-8")
    assert find("demo", tmp_path) == SCENARIOS["demo"]
    assert find("own/shop.toml", tmp_path) == find(str(path), Path("elsewhere")) == parse_scenario(WHOLE)
    with pytest.raises(ScenarioError, match=r"did you mean demo\?.*or the path of a file that ends in \.toml"):
        find("demoo", tmp_path)
    with pytest.raises(ScenarioError, match=r"null"):
        find("\0.toml", tmp_path)


SPOILT = ["true", "-1", "0", "3", "1e999", "nan", "inf", "-inf", "0.5", "9e15", "0xff", "'x'", "''", "1979-05-27"]
SPOILT += ["07:32:00", "[]", "[1]", "[2, 1]", "[[1]]", "{}", "{ a = 1 }"]
SCALARS = st.sampled_from(SPOILT) | st.floats().map(repr)
LINES = write_scenario(SCENARIOS["everything"]).splitlines()


def _read(text: str) -> Scenario | ScenarioError:
    try:
        return parse_scenario(text, "test")
    except ScenarioError as error:
        return error


@given(st.data())
def test_a_spoilt_file_is_read_whole_or_refused_by_key(data: st.DataObject) -> None:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        key, equals, _ = lines[at].partition(" = ")
        other = [f"{key} = {data.draw(SCALARS)}"] if equals else []
        lines[at : at + 1] = data.draw(st.sampled_from([other, [], [lines[at], lines[at]], [data.draw(st.text())]]))
    read = _read("\n".join(lines))
    if isinstance(read, Scenario):
        assert parse_scenario(write_scenario(read)) == read
    else:
        assert read.field
        assert read.message


@given(st.text() | st.text("abns=[]{}\"'.,\n 01#_-"))
def test_no_text_gives_anything_but_a_clear_error(text: str) -> None:
    for read in (_read(text), _read(BASED + text)):
        assert isinstance(read, Scenario) or read.message
