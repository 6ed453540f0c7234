"""The settings: precedence, exactness, and one clear message per mistake."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import fields
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from connectors.files.options import Options
from connectors.money import Money
from optimizer.agent.settings import (
    Settings,
    SettingsError,
    goals,
    guardrails,
    lift_tests,
    load,
    load_store,
    sample,
    store_url,
)
from optimizer.agent.settings.errors import default_text, keys
from optimizer.agent.settings.goal import GoalTable
from optimizer.agent.settings.refit import LiftTestTable
from optimizer.agent.settings.store import StoreTable
from optimizer.goals import Explore, Goals, Scope, ScopeKind
from optimizer.guardrails import Guardrails
from optimizer.plan.problem import Outcome
from optimizer.plan.recommendation import Objective

ROOT = Path(__file__).resolve().parent.parent

LIFT_TEST = """
scope = "channel:social"
first_day = 2026-03-02
last_day = 2026-03-15
spend = 7000
spend_change = -7000
incremental = -95
se = 24
"""


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("OUTLAY_"):
            monkeypatch.delenv(name)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def _read(config: Path, text: str) -> Settings:
    config.write_text(text, encoding="utf-8")
    return load(config)


def _problems(config: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        _read(config, text)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def _lift(**changes: str) -> str:
    """A [[lift_tests]] table with other values for some keys."""
    rows = dict(row.split(" = ") for row in LIFT_TEST.strip().splitlines()) | changes
    return "[[lift_tests]]\n" + "".join(f"{key} = {value}\n" for key, value in rows.items())


def _uncommented(text: str) -> str:
    return re.sub(r"(?m)^#(?=\S)", "", text)


# The sample, the defaults and the documentation say the same


def test_an_empty_file_means_the_defaults(config: Path) -> None:
    assert _read(config, "") == Settings()


def test_the_sample_says_nothing_but_the_defaults(config: Path) -> None:
    assert _read(config, sample()) == Settings()


def test_the_sample_at_the_root_is_the_one_that_is_packaged() -> None:
    assert (ROOT / "config.toml").read_text(encoding="utf-8") == sample()


def test_every_default_is_written_out_in_the_sample() -> None:
    tables = tomllib.loads(sample())
    written = {f"{name}.{key}" for name, table in tables.items() for key in table}
    single = {
        "portfolio",
        "goal",
        "pacing",
        "bandits",
        "guardrails",
        "ads",
        "approval",
        "autonomy",
        "windows",
        "daemon",
        "notify",
        "web",
        "oidc",
        "store",
        "refit",
        "attribution",
        "lift",
        "scorecard",
        "lifetime",
    }
    defaults = Settings().model_dump(include=single, exclude_none=True)
    assert written == {f"{name}.{key}" for name, table in defaults.items() for key in table}


def test_the_uncommented_sample_is_valid_and_names_every_key(config: Path) -> None:
    read = _read(config, _uncommented(sample()))
    tables = tomllib.loads(_uncommented(sample()))
    named = set()
    for name, table in tables.items():
        rows = table if isinstance(table, list) else [*table.values()] if name == "connectors" else [table]
        named |= {f"{name}.{key}" for row in rows for key in row}
    assert set(keys(Settings)) - {"connectors.options"} <= named
    example = Options.model_validate(read.connectors["exports"].options)
    assert (example.folder, example.columns.conversions) == ("exports", ("purchases", "leads"))


@pytest.mark.parametrize("line", [line for line in sample().splitlines() if re.match(r"#[a-z_]+ = ", line)])
def test_each_example_is_valid_by_itself(config: Path, line: str) -> None:
    before = sample()[: sample().index(line)]
    heads = re.findall(r"(?m)^#?(\[.*\])$", before)
    needed = {
        "[[limits]]": {"scope": 'scope = "all"', "floor": "floor = 1"},
        "[[pins]]": {"scope": 'scope = "all"', "author": 'author = "a"', "reason": 'reason = "r"'},
        "[[flights]]": {
            "name": 'name = "a"',
            "amount": "amount = 1",
            "first_day": "first_day = 2026-11-20",
            "last_day": "last_day = 2026-11-30",
        },
        "[[events]]": {
            "name": 'name = "a"',
            "first_day": "first_day = 2026-11-23",
            "last_day": "last_day = 2026-11-30",
        },
        "[[holidays]]": {"country": 'country = "DE"'},
        "[[reports]]": {"name": 'name = "a"', "when": 'when = "mon 07:00"'},
        "[[payments]]": {"scope": 'scope = "all"', "model": 'model = "cpa"', "rate": "rate = 0.5"},
        "[[kpis]]": {
            "name": 'name = "a"',
            "metric": 'metric = "cpa"',
            "target": "target = 1",
            "by": "by = 2026-12-24",
        },
        "[oidc]": {"issuer": 'issuer = ""'},
        "[[webhooks]]": {"url": 'url = "https://a.example"', "secret": 'secret = "0123456789abcdef"'},
        "[[lift_tests]]": {row.partition(" ")[0]: row for row in LIFT_TEST.strip().splitlines()},
        "[connectors.exports]": {"kind": 'kind = "files"'},
        "[connectors.exports.columns]": {"kind": '[connectors.exports]\nkind = "files"'},
    }.get(heads[-1], {})
    key = line[1:].partition(" ")[0]
    rest = [text for name, text in needed.items() if name != key]
    assert _read(config, "\n".join([heads[-1], line[1:], *rest])) != Settings()


def test_the_documentation_lists_every_key_with_its_default_and_meaning() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    documented = re.findall(r"(?m)^\| `(\w+)` \| (.*) \| (.+) \|$", page)
    expected = []
    for key, field in keys(Settings).items():
        if key == "connectors.options":
            continue
        default = "required" if field.is_required() else default_text(field)
        shown = default if default in ("required", "unset") else f"`{default}`"
        expected.append((key.partition(".")[2], shown, field.description))
    assert sorted(documented) == sorted(expected)


def test_the_guardrails_are_the_core_s_own_field_by_field() -> None:
    assert guardrails(Settings()) == Guardrails()
    table = Settings().guardrails.model_dump()
    assert set(table) - {"largest_step"} == {item.name for item in fields(Guardrails)}


def test_the_default_goals_are_the_core_s_own() -> None:
    assert goals(Settings()) == Goals(currency="USD")


# From tables to goals


def test_goals_carry_everything_that_was_written(config: Path) -> None:
    read = _read(
        config,
        """
        portfolio.currency = "JPY"
        guardrails.largest_step = 0.2
        [goal]
        objective = "profit"
        total_per_day = 90000
        value_per_conversion = "1200.5"
        margin = 0.4
        roas_floor = 2
        cpa_ceiling = 800.25
        confidence = 0.9
        explore = "thompson"
        [[limits]]
        scope = "channel: search"
        floor = 10
        share_ceiling = 0.5
        [[pins]]
        scope = "campaign:77"
        author = "Anna"
        reason = "launch"
        until = 2027-01-31
        """,
    )
    asked = goals(read)
    assert asked.objective is Objective.PROFIT
    assert asked.explore is Explore.THOMPSON
    assert asked.total == Money(90_000_000_000, "JPY")
    assert asked.value_per_conversion == Money(1_200_500_000, "JPY")
    assert asked.cpa_ceiling == Money(800_250_000, "JPY")
    assert (asked.margin, asked.roas_floor, asked.confidence, asked.largest_step) == (0.4, 2.0, 0.9, 0.2)
    (limit,) = asked.limits
    assert (limit.scope, limit.floor, limit.ceiling) == (
        Scope(ScopeKind.CHANNEL, "search"),
        Money(10_000_000, "JPY"),
        None,
    )
    assert (limit.share_floor, limit.share_ceiling) == (None, 0.5)
    (pin,) = asked.pins
    assert (str(pin.scope), pin.author, pin.reason, pin.until) == ("campaign:77", "Anna", "launch", date(2027, 1, 31))


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(micros=st.integers(1, 10**18 - 1), quoted=st.booleans())
def test_amounts_are_read_to_the_last_micro(config: Path, micros: int, quoted: bool) -> None:
    written = f"{Decimal(micros).scaleb(-6):f}"
    read = _read(config, f"goal.total_per_day = {written!r}" if quoted else f"goal.total_per_day = {written}")
    assert goals(read).total == Money(micros, "USD")


def test_a_relative_database_starts_from_the_file_s_folder(tmp_path: Path) -> None:
    def url(text: str) -> str:
        return store_url(StoreTable(url=text), tmp_path)

    assert url("sqlite:///.outlay/outlay.sqlite") == f"sqlite:///{tmp_path.resolve()}/.outlay/outlay.sqlite"
    for absolute in ("sqlite:////var/lib/outlay.sqlite", "sqlite:///:memory:", "sqlite://", "postgresql://db/outlay"):
        assert url(absolute) == absolute


def test_the_store_is_found_whatever_other_tables_the_environment_speaks_of(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kill switch needs `[store]` alone: a token of a connector in the environment must not be in its way."""
    secrets = config.parent / "secrets"
    secrets.mkdir()
    for name, text in {"connectors__shop__token": "hush", "store__password": "from-a-file"}.items():
        (secrets / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("OUTLAY_SECRETS_DIR", str(secrets))
    monkeypatch.setenv("OUTLAY_CONNECTORS__SHOP__TOKEN", "hush")
    monkeypatch.setenv("OUTLAY_STORE__URL", "postgresql://outlay@db/ads")
    config.write_text("[goal]\nmargin = 7\n[connectors.shop]\nkind = 'files'", encoding="utf-8")
    assert store_url(load_store(config), config.parent) == "postgresql://outlay:from-a-file@db/ads"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Settings().goal.margin = 0.5  # type: ignore[misc] - it must raise


# Precedence


def test_environment_over_secret_files_over_the_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = config.parent / "secrets"
    secrets.mkdir()
    for name, text in {"goal__margin": "0.2", "goal__confidence": "0.7\n", "connectors__shop__token": "hush\n"}.items():
        (secrets / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("OUTLAY_SECRETS_DIR", str(secrets))
    monkeypatch.setenv("OUTLAY_GOAL__MARGIN", "0.3")
    monkeypatch.setenv("OUTLAY_CONNECTORS__SHOP__REGION", "eu")
    text = '[goal]\nmargin = 0.1\nconfidence = 0.6\nroas_floor = 3\n[connectors.shop]\nkind = "files"\ntoken = "file"'
    read = _read(config, text)
    assert (read.goal.margin, read.goal.confidence, read.goal.roas_floor) == (0.3, 0.7, 3.0)
    assert read.connectors["shop"].options == {"token": "hush", "region": "eu"}
    assert "hush" not in repr(read)


def test_lists_and_whole_tables_of_the_environment_are_json(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTLAY_APPROVAL__APPROVERS", '["Anna", "Ben"]')
    monkeypatch.setenv("OUTLAY_GOAL", '{"margin": 0.4}')
    monkeypatch.setenv("OUTLAY_LIMITS", '[{"scope": "tag:brand", "floor": "0.1"}]')
    monkeypatch.setenv("OUTLAY_PORT", "tcp://10.0.0.1")  # what an orchestrator sets is none of ours
    read = _read(config, "[goal]\nconfidence = 0.9")
    assert read.approval.approvers == ("Anna", "Ben")
    assert (read.goal.margin, read.goal.confidence) == (0.4, 0.9)
    assert goals(read).limits[0].floor == Money(100_000, "USD")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("OUTLAY_GOAL__MARGIN", "2", "environment variable OUTLAY_GOAL__MARGIN, goal.margin: must be less than or"),
        ("OUTLAY_GOAL__MARGINN", "0.2", "goal.marginn: there is no such key. Mend: write margin."),
        ("OUTLAY_GAOL__MARGIN", "0.2", "OUTLAY_GAOL__MARGIN: there is no table 'gaol'. Mend: write goal."),
        ("OUTLAY_GOAL", "{margin}", "environment or secret files: error parsing"),
        ("OUTLAY_SECRETS_DIR", "no-such-folder", "no-such-folder"),
    ],
)
def test_mistakes_in_the_environment_name_the_variable(
    config: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    (problem,) = _problems(config, "")
    assert says in problem
    assert "Mend: " in problem


# Mistakes in the file


LENGTHS = [key for key in keys(Settings) if re.search(r"(days|hours|minutes|seconds)$", key)]


@pytest.mark.parametrize("key", LENGTHS)
def test_a_length_of_time_that_no_calendar_holds_is_refused(config: Path, key: str) -> None:
    table, _, name = key.partition(".")
    (problem,) = _problems(config, f"[{table}]\n{name} = 1{'0' * 15}")
    assert re.search(rf"{table}\.{name}: must be less than or equal to \d+, not 1", problem)
    assert "Mend: correct it, or remove it for the default" in problem


@pytest.mark.parametrize(
    "key",
    [key for key, field in keys(Settings).items() if field.annotation is int or str(field.annotation).endswith("int]")],
)
def test_a_count_that_no_machine_holds_is_refused(config: Path, key: str) -> None:
    table, _, name = key.partition(".")
    assert "must be less than or equal to" in _problems(config, f"[{table}]\n{name} = 1{'0' * 15}")[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[goal]\nobjectiv = 'x'", "goal.objectiv: there is no such key. Mend: write objective."),
        ("[goals]\nmargin = 1", "goals: there is no such key. Mend: write goal."),
        (
            "[portfolio]\ncpa_ceiling = 1",
            "cpa_ceiling: there is no such key. Mend: move it: goal.cpa_ceiling is meant.",
        ),
        (
            "[store]\nfrobnicate = 1",
            "store.frobnicate: there is no such key. Mend: remove it; the keys here are url, password.",
        ),
        ("_env_file = 'x'", "_env_file: there is no such key"),
        ("[goal]\nobjective = 'clicks'", "goal.objective: must be 'conversions', 'revenue' or 'profit', not 'clicks'"),
        ("[goal]\nmargin = true", "goal.margin: a number or text is needed"),
        ("[goal]\nmargin = nan", "goal.margin: must be a finite number"),
        ("[goal]\nmargin = 0", "goal.margin: must be greater than 0, not 0. Mend: correct it, or remove it for the"),
        ("[goal]\nconfidence = 1.0", "goal.confidence: must be less than 1, not 1.0"),
        ("[goal]\nconfidence = 0.4", "goal.confidence: must be greater than 0.5, not 0.4"),
        ("[goal]\nconfidence = 0.5", "goal.confidence: must be greater than 0.5, not 0.5"),
        ("[goal]\ntotal_per_day = -5", "goal.total_per_day: must be greater than 0, not -5"),
        ("[goal]\ntotal_per_day = 0.0000001", "goal.total_per_day: Decimal input should have no more than 6 decimal"),
        ("[goal]\ntotal_per_day = 1e18", "goal.total_per_day: Decimal input should have no more than 18 digits"),
        ("[goal]\ntotal_per_day = '12,50'", "goal.total_per_day: must be a valid decimal, not '12,50'"),
        ("[portfolio]\ncurrency = 'usd'", "portfolio.currency: 'usd' is not an ISO 4217 currency code"),
        ("[portfolio]\ntime_zone = 'Mars'", "portfolio.time_zone: 'Mars' is not an IANA time zone"),
        ("[portfolio]\nhistory_days = 30.5", "portfolio.history_days: must be a valid integer"),
        ("[guardrails]\nspend_spike = 1.0", "guardrails.spend_spike: must be greater than 1"),
        ("[approval]\napprovers = ['Anna', ' ']", "approval.approvers[2]: must not be empty"),
        ("[approval]\napprovers = ['Policy:Autopilot']", "approval.approvers[1]: 'Policy:Autopilot' is the name of a"),
        ("goal = 3", "goal: must be a table"),
        ("[limits]\nscope = 'all'", "limits: must be a list; tables of a list stand in double brackets"),
        ("[[limits]]\nfloor = 1", "limits[1].scope: it is missing. Mend: write it; whose budgets"),
        ("[[limits]]\nscope = 'chanel:x'\nfloor = 1", "limits[1].scope: 'chanel:x' names no scope"),
        ("[[limits]]\nscope = 'all'", "limits[1]: it bounds nothing. Mend: write floor"),
        ("[[limits]]\nscope = 'all'\nfloor = 2\nceiling = 1.5", "limits[1]: floor 2 is above ceiling 1.5. Mend: "),
        ("[[limits]]\nscope = 'all'\nshare_floor = 0.2\nshare_ceiling = 0.1", "share_floor 0.2 is above share_ceiling"),
        ("[[limits]]\nscope='all'\nfloor=1\n[[limits]]\nscope='all'\nceiling=2", "all stands in two [[limits]] tables"),
        ("[[pins]]\nscope = 'all'\nauthor = 'a'\nreason = 'r'\nuntil = 'soon'", "pins[1].until: must be a valid date"),
        ("[connectors.Shop]\nkind = 'files'", "connectors.Shop: a name is made of small letters and digits"),
        ("[connectors.shop]\nfolder = 'x'", "connectors.shop.kind: it is missing. Mend: write it"),
        (
            "[refit]\ndraws = 9",
            "refit.draws: must be greater than or equal to 10, not 9. Mend: correct it, or remove it",
        ),
        ("[scorecard]\nhold_back = 0.6", "scorecard.hold_back: must be less than or equal to 0.5, not 0.6"),
        ("[refit]\nchains = 1", "refit.chains: must be greater than or equal to 2"),
        ("[refit]\ntarget_accept = 1", "refit.target_accept: must be less than 1"),
        ("[refit]\nevery_days = 0", "refit.every_days: must be greater than or equal to 1"),
        ("[refit]\nlift_tests = 'a.csv'", "lift_tests: there is no such key. Mend: write lift_tests_file."),
        (_lift().replace('scope = "channel:social"\n', ""), "lift_tests[1].scope: it is missing"),
        (_lift(scope="'tag:brand'"), "lift_tests[1]: tag:brand cannot be tested. Mend: write channel:NAME"),
        (_lift(last_day="2026-03-01"), "lift_tests[1]: last_day 2026-03-01 is before first_day 2026-03-02. Mend: "),
        (_lift(first_day="'soon'"), "lift_tests[1].first_day: must be a valid date"),
        (_lift(spend_change="0.0"), "lift_tests[1]: spend_change is 0, so that nothing was tested. Mend: "),
        (_lift(spend_change="-7000.01"), "spend 7000 and spend_change -7000.01 together are below 0. Mend: a holdout"),
        (_lift(se="0"), "lift_tests[1].se: must be greater than 0, not 0. Mend: write it; standard error"),
        (_lift(incremental="inf"), "lift_tests[1].incremental: must be a finite number"),
        (_lift(outcome="'clicks'"), "lift_tests[1].outcome: must be 'conversions' or 'value', not 'clicks'"),
        (_lift() + _lift(), "lift_tests[2] stands there twice. Mend: remove one"),
        ("[goal\n", "not valid TOML: Expected ']' at the end of a table declaration (at line 1, column 6)"),
        ("\n[goal]\nmargin = 1\nmargin = 2\n", "not valid TOML: Cannot overwrite a value (at line 4"),
    ],
)
def test_each_mistake_names_file_key_and_mend(config: Path, text: str, says: str) -> None:
    (problem,) = _problems(config, text)
    assert problem.startswith(str(config))
    assert says in problem
    assert "Mend: " in problem


def _tests(config: Path, rows: str, text: str = "") -> tuple[LiftTestTable, ...]:
    (config.parent / "lifts.csv").write_text(rows, encoding="utf-8")
    return lift_tests(_read(config, f"{text}\n[refit]\nlift_tests_file = 'lifts.csv'"), config.parent)


HEADER = "scope,first_day,last_day,spend,spend_change,incremental,se,outcome\n"
ROW = "campaign:77,2026-01-05,2026-01-11,100.10,50,12,3.5,\n"


def test_lift_tests_of_a_file_come_after_those_of_the_settings(config: Path) -> None:
    first, second, third = _tests(config, "\ufeff" + HEADER + ROW + "\n" + ROW.replace(",\n", ",value\n"), _lift())
    assert (str(first.scope), first.spend_change) == ("channel:social", -7000)
    assert (str(second.scope), second.first_day, second.spend) == (
        "campaign:77",
        date(2026, 1, 5),
        Decimal("100.10"),
    )
    assert (second.outcome, third.outcome) == (Outcome.CONVERSIONS, Outcome.VALUE)
    assert lift_tests(Settings(), config.parent) == ()
    assert _tests(config, HEADER) == ()


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (HEADER + ROW.replace("3.5", "-1"), "lifts.csv, line 2.se: must be greater than 0, not '-1'. Mend: "),
        (HEADER + "\n" + ROW.replace("12,", "many,"), "lifts.csv, line 3.incremental: must be a valid number"),
        (HEADER + ROW.replace("12,", ","), "lifts.csv, line 2.incremental: it is missing. Mend: write it; what the"),
        (HEADER.replace("se,", "error,") + ROW, "lifts.csv, line 2.error: there is no such key. Mend: "),
        (HEADER + ROW.replace(",\n", ",value,7\n"), "line 2.cells beyond the header: there is no such key"),
        (HEADER + ROW + ROW, "lifts.csv: the test of campaign:77 from 2026-01-05 stands there or in config.toml"),
        (HEADER + ROW.replace("-11", "-01"), "line 2: last_day 2026-01-01 is before first_day 2026-01-05"),
    ],
)
def test_mistakes_in_a_file_of_lift_tests_name_the_line(config: Path, rows: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _tests(config, rows)
    assert says in str(caught.value)
    assert all("Mend: " in problem for problem in caught.value.problems)


def test_a_file_of_lift_tests_that_cannot_be_read_is_told(config: Path) -> None:
    read = _read(config, "[refit]\nlift_tests_file = 'none.csv'")
    with pytest.raises(SettingsError, match=r"none\.csv: cannot be read: No such file.*Mend: correct lift_tests_file"):
        lift_tests(read, config.parent)
    (config.parent / "none.csv").write_bytes(b"scope\ncaf\xe9\n")
    with pytest.raises(SettingsError, match=r"none\.csv: not a CSV file in UTF-8.*Mend: save it"):
        lift_tests(read, config.parent)


def test_a_goal_that_makes_no_sense_names_the_file() -> None:
    odd = Settings().model_copy(update={"goal": GoalTable.model_construct(confidence=0.4)})
    with pytest.raises(SettingsError, match=r"^shop\.toml: confidence must be above 0\.5.*Mend: "):
        goals(odd, "shop.toml")


def test_all_mistakes_are_told_at_once(config: Path) -> None:
    problems = _problems(config, "[goal]\nmargin = 3\nexplore = 'x'\n[store]\nurl = ''\n")
    assert [re.search(r", ([\w.]+):", problem)[1] for problem in problems] == [
        "goal.margin",
        "goal.explore",
        "store.url",
    ]


@pytest.mark.parametrize("key", ["connectors.a.token", "connectors.a.kind", "connectors.a", "connectors"])
def test_no_message_shows_what_a_connector_was_given(config: Path, key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _read(config, f"{key} = 987654321")
    assert "987654321" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_missing_file_says_how_to_write_one(config: Path) -> None:
    with pytest.raises(SettingsError, match=r"no such file\. Mend: write one with `outlay init`"):
        load(config)


def test_a_folder_is_no_settings_file(config: Path) -> None:
    config.mkdir()
    with pytest.raises(SettingsError, match="cannot be read"):
        load(config)


def test_text_that_is_not_utf8_is_told_by_its_byte(config: Path) -> None:
    config.write_bytes(b"# caf\xe9\n")
    with pytest.raises(SettingsError, match="byte 5 is not UTF-8"):
        load(config)


def test_a_byte_order_mark_and_windows_line_ends_are_read(config: Path) -> None:
    config.write_bytes(b"\xef\xbb\xbf[goal]\r\nmargin = 0.5\r\n")
    assert load(config).goal.margin == 0.5
