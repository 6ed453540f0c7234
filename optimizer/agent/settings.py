"""What a marketer writes down: `config.toml`, read once, checked whole, never changed afterwards.

Precedence: environment (`OUTLAY_GOAL__MARGIN`) over secret files (`$OUTLAY_SECRETS_DIR/goal__margin`) over
`config.toml` over the defaults below. Amounts are read as decimals, never through a float. The descriptions of the
fields are what an error offers as its mend and what docs/configuration.md lists.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Self
from urllib.parse import quote

import pydantic_settings
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from bandits.policy import Rule
from connectors.money import Money
from optimizer.agent import secrecy
from optimizer.agent.settings_attribution import AttributionTable
from optimizer.agent.settings_calendar import EventTable, HolidaysTable
from optimizer.agent.settings_daemon import AutonomyTable, DaemonTable, NotifyTable, WebhookTable, WindowsTable
from optimizer.agent.settings_errors import SettingsError, environment_problems, from_validation
from optimizer.agent.settings_flights import FlightTable, PacingTable, flights
from optimizer.agent.settings_kpis import KpiTable
from optimizer.agent.settings_lifetime import LifetimeTable
from optimizer.agent.settings_lift import LiftTable
from optimizer.agent.settings_oidc import OidcTable
from optimizer.agent.settings_payments import PaymentTable
from optimizer.agent.settings_refit import LiftTestTable, RefitTable, read_lift_tests, repeated
from optimizer.agent.settings_reports import ReportTable
from optimizer.agent.settings_scorecard import ScorecardTable
from optimizer.agent.settings_types import (
    Amount,
    Confidence,
    Currency,
    NotNegative,
    Positive,
    PositiveAmount,
    PositiveShare,
    ScopeText,
    Share,
    Table,
    Text,
    Zone,
)
from optimizer.agent.settings_web import WebTable
from optimizer.goals import Counting, Explore, Goals, GoalsError, Limit, Pin, Sharing, Valuing
from optimizer.guardrails import Guardrails
from optimizer.plan.appraisal import Subject
from optimizer.plan.recommendation import Objective
from optimizer.rotation import Rotation

__all__ = [
    "SECRETS_DIR",
    "ConnectorTable",
    "EventTable",
    "HolidaysTable",
    "LiftTable",
    "LiftTestTable",
    "RefitTable",
    "Settings",
    "SettingsError",
    "goals",
    "guardrails",
    "lift_tests",
    "load",
    "load_store",
    "rotation",
    "sample",
    "store_url",
]

SECRETS_DIR: Final = "OUTLAY_SECRETS_DIR"
_SQLITE_FILE: Final = "sqlite:///"


class PortfolioTable(Table):
    """`[portfolio]`: what is planned as one."""

    name: Text = Field("main", description="A name for reports.")
    currency: Currency = Field("USD", description="ISO 4217 code of every amount in this file and in every plan.")
    time_zone: Zone = Field("UTC", description="IANA zone in which a day of the plan begins and ends.")
    history_days: int = Field(400, ge=28, le=3660, description="Days of history that a plan learns from, 28 to 3660.")


class GoalTable(Table):
    """`[goal]`: what is maximised, and what the plan as a whole must keep."""

    objective: Objective = Field(
        Objective.CONVERSIONS, description="What is maximised: conversions, revenue or profit."
    )
    total_per_day: PositiveAmount | None = Field(
        None, description="What all budgets together may spend a day; unset keeps the sum of the current budgets."
    )
    total_per_month: PositiveAmount | None = Field(
        None,
        description="What all budgets together may spend, and should, each calendar month, spread over its days; in "
        "place of `total_per_day`.",
    )
    value_per_conversion: PositiveAmount | None = Field(
        None, description="What a conversion is worth where the platform reports no value."
    )
    margin: PositiveShare = Field(
        1.0, description="Share of revenue that is profit before advertising, above 0 and at most 1."
    )
    roas_floor: Positive | None = Field(
        None, description="Least value per unit spent, over all budgets, met with probability `confidence`."
    )
    cpa_ceiling: PositiveAmount | None = Field(
        None, description="Most spend per conversion, over all budgets, met with probability `confidence`."
    )
    confidence: Confidence = Field(
        0.8, description="Probability with which a ROAS floor or CPA ceiling must be met, above 0.5 and below 1."
    )
    explore: Explore = Field(
        Explore.OPTIMISTIC,
        description="How uncertainty enters the objective: optimistic, knowledge-gradient, thompson or none.",
    )
    explore_limit: Share = Field(
        0.3, description="Most of the spend that may stand where only hope puts it, as a share, 0 to 1."
    )
    risk_aversion: Share = Field(
        0.0, description="Weight of the mean of the worst outcomes against the mean of all, 0 to 1; 0 shuns no risk."
    )
    risk_tail: PositiveShare = Field(
        0.2, description="Which share of the outcomes, worst first, `risk_aversion` looks at, above 0 and at most 1."
    )
    switching_cost: NotNegative = Field(
        0.0, description="Least gain of a unit moved, as a share of what a unit brings on average; 0 for any gain."
    )
    counts: Counting = Field(
        Counting.ATTRIBUTED,
        description="Which conversions the objective counts: attributed, incremental as lift tests tell, or credited.",
    )
    value: Valuing = Field(
        Valuing.ORDER,
        description="What a conversion is worth: its order, or the lifetime of a new customer (`outlay lifetime`).",
    )


class BanditsTable(Table):
    """`[bandits]`: how a budget is shared out between its ads."""

    policy: Rule = Field(
        Rule.TEMPERED,
        description="The rule of the shares: tempered, thompson, top-two, epsilon-greedy, upper-bound or uniform.",
    )
    horizon_days: NotNegative = Field(
        14.0, description="Days over which learning about an ad is to pay, as `tempered` reckons it; 0 for none."
    )
    floor: Share = Field(0.05, description="Least share of a new ad, as a part of an equal share, 0 to 1.")
    largest_step: PositiveShare = Field(
        0.7, description="Largest change of an ad's share of its budget in a day, above 0 and at most 1."
    )


class GuardrailsTable(Table):
    """`[guardrails]`: what keeps money from moving; the reasons stand in `optimizer.guardrails`."""

    largest_step: Positive = Field(
        0.3, description="Largest relative change of one budget in one recommendation (0.3: at most 30% up or down)."
    )
    largest_step_24h: Positive = Field(
        0.5, description="Largest relative change of one budget over any 24 hours, all recommendations together."
    )
    smallest_step: Share = Field(0.02, description="Relative changes below this are not proposed, 0 to 1.")
    cool_down_hours: NotNegative = Field(
        20.0, description="Hours for which a budget that was changed is left alone; 20 fits a daily run."
    )
    freshness_days: int = Field(3, ge=0, description="Days that may be missing at the end of an account's data.")
    minimum_days: int = Field(14, ge=0, description="Fewest days with rows before a budget is moved.")
    minimum_conversions: NotNegative = Field(
        10.0, description="Fewest conversions in the last 28 days before a budget is moved."
    )
    min_gain_probability: Share = Field(
        0.6, description="Least probability that the plan beats leaving all as it is, 0 to 1."
    )
    min_gain_share: Share = Field(
        0.002, description="Least expected gain, as a share of what the present budgets bring, 0 to 1."
    )
    max_changes: int = Field(
        0, ge=0, description="Most budgets that one recommendation changes, the most valuable first; 0 for no limit."
    )
    spend_spike: float = Field(
        5.0, gt=1, description="A last day above this multiple of the 28-day median spend is doubtful; above 1."
    )
    outage_days: int = Field(
        3, ge=0, description="Spend without one conversion over so many days, where many were due, is an outage."
    )
    restated_spend: Share = Field(
        0.1, description="Share by which the spend of a settled day may be told otherwise, 0 to 1; more is doubtful."
    )
    restated_conversions: Share = Field(
        0.1, description="Share by which conversions of old days may change beyond what is usual, 0 to 1."
    )
    doubt_hours: NotNegative = Field(
        48.0, description="Hours for which what was told otherwise is doubtful after it was noticed; 0 for never."
    )
    gone_days: NotNegative = Field(
        7.0, description="Days for which the budgets of an account that is told of no more stay where they are."
    )
    clock_skew_seconds: NotNegative = Field(
        300.0, description="Seconds by which a platform's times may differ from this machine's clock."
    )
    max_changes_24h: int = Field(
        0, ge=0, description="Most budgets changed over any 24 hours, all recommendations together; 0 for no limit."
    )
    learning_step: NotNegative = Field(
        0.2,
        description="Largest relative change of a budget of which its platform says that it is learning; 0 for none.",
    )


class AdsTable(Table):
    """`[ads]`: when ads are proposed to be paused or resumed; the reasons stand in docs/safety.md."""

    max_changes: int = Field(
        2, ge=0, description="Most switches of one budget's ads over 24 hours; an exchange is two; 0 proposes none."
    )
    pause_below: Share = Field(
        0.75, description="An ad that deserves less than this part of an equal share may be paused, 0 to 1 ..."
    )
    pause_p_best: Share = Field(
        0.05, description="... if it is the best of its budget with less than this probability, 0 to 1."
    )
    keep_running: int = Field(2, ge=1, description="Ads of one budget that go on running where there are so many.")
    resume_above: Positive = Field(
        1.0,
        description="A paused ad takes another's place only if it deserves this part of an equal share, or more.",
    )
    cool_down_hours: NotNegative = Field(72.0, description="Hours for which an ad that was switched is left alone.")

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.resume_above <= self.pause_below:
            words = f"resume_above {self.resume_above} is not above pause_below {self.pause_below}"
            raise ValueError(f"{words}: an ad would be paused and resumed in turn. Mend: change one of them")
        return self


class ApprovalTable(Table):
    """`[approval]`: who decides, and for how long a recommendation stands."""

    valid_hours: Positive = Field(24.0, description="Hours after which a recommendation that nobody approved expires.")
    second_approver_above: Amount | None = Field(
        None, description="Money moved a day above which a second person must approve; unset for never."
    )
    approvers: tuple[Text, ...] = Field((), description="Names of those who may approve; empty lets anybody.")


class StoreTable(Table):
    """`[store]`: where everything is kept."""

    url: Text = Field(
        "sqlite:///.outlay/outlay.sqlite",
        repr=False,
        description="Database: sqlite:///PATH, of which a path that does not begin with / starts from the folder of "
        "config.toml, or postgresql://USER@HOST:PORT/DATABASE.",
    )
    password: SecretStr | None = Field(
        None, description="The PostgreSQL user's; better set as OUTLAY_STORE__PASSWORD or in a secret file than here."
    )


class LimitTable(Table):
    """One `[[limits]]` table: bounds on a scope's budgets."""

    scope: ScopeText = Field(description="Whose budgets: all, channel:NAME, tag:NAME, campaign:ID or budget:ID.")
    floor: Amount | None = Field(None, description="Least sum of the scope's budgets a day.")
    ceiling: Amount | None = Field(None, description="Largest sum of the scope's budgets a day.")
    share_floor: Share | None = Field(None, description="Least share of the total, 0 to 1.")
    share_ceiling: Share | None = Field(None, description="Largest share of the total, 0 to 1.")
    roas_floor: Positive | None = Field(
        None, description="Least value per unit spent over the scope, met with probability `confidence`."
    )
    cpa_ceiling: PositiveAmount | None = Field(
        None, description="Most spend per conversion over the scope, met with probability `confidence`."
    )
    minimum_when_on: PositiveAmount | None = Field(
        None,
        description="Each budget of the scope is either 0, and so paused, or at least this a day. It allows a pause in "
        "one move, beyond `largest_step`; leave it unset where that is not wanted.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if all(value is None for key, value in self.model_dump().items() if key != "scope"):
            raise ValueError("it bounds nothing. Mend: write floor, ceiling, share_floor, roas_floor or another")
        if self.floor is not None and self.ceiling is not None and self.floor > self.ceiling:
            raise ValueError(f"floor {self.floor} is above ceiling {self.ceiling}. Mend: change one of them")
        if self.share_floor is not None and self.share_ceiling is not None and self.share_floor > self.share_ceiling:
            words = f"share_floor {self.share_floor} is above share_ceiling {self.share_ceiling}"
            raise ValueError(f"{words}. Mend: change one of them")
        return self


class PinTable(Table):
    """One `[[pins]]` table: budgets with their ads, or one ad, that must not be touched."""

    scope: ScopeText = Field(
        description="Whose budgets and ads: all, channel:NAME, tag:NAME, campaign:ID or budget:ID; or ad:ID for one ad."
    )
    author: Text = Field(description="Who pinned them.")
    reason: Text = Field(description="Why.")
    until: date | None = Field(None, description="Last day of the pin; unset until it is removed.")


class ConnectorTable(Table):
    """One `[connectors.NAME]` table; all keys but `kind` are the connector's own and checked by it."""

    kind: Text = Field(
        description="Which connector: files, simulated, awin, ga4, google, linkedin, meta, microsoft, tiktok, "
        "warehouse, or one that another package provides."
    )
    options: Mapping[str, Any] = Field(default_factory=dict, repr=False)

    @model_validator(mode="before")
    @classmethod
    def _split(cls, table: object) -> object:
        if not isinstance(table, Mapping):
            return table
        rest = {key: value for key, value in table.items() if key != "kind"}
        return {"options": rest} | ({"kind": table["kind"]} if "kind" in table else {})


ConnectorName = Annotated[str, Field(pattern=r"^[a-z0-9]+([_-][a-z0-9]+)*$")]


class _Layered(BaseSettings):
    """Values of the environment, over secret files, over those of the file, which `load` passes as arguments."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="OUTLAY_",
        env_nested_delimiter="__",
        secrets_prefix="",
        secrets_dir_missing="error",
        hide_input_in_errors=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the tables of the file, which `load` passes as arguments, below the environment and secret files."""
        return env_settings, NestedSecretsSettingsSource(file_secret_settings), init_settings


def _named_apart(table: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two [[{table}]] tables are named {twice[0]!r}. Mend: give one another name")


class Settings(_Layered):
    """Everything of `config.toml`; an empty file is valid. Build it with `load`."""

    portfolio: PortfolioTable = PortfolioTable()
    goal: GoalTable = GoalTable()
    bandits: BanditsTable = BanditsTable()
    pacing: PacingTable = PacingTable()
    guardrails: GuardrailsTable = GuardrailsTable()
    ads: AdsTable = AdsTable()
    approval: ApprovalTable = ApprovalTable()
    autonomy: AutonomyTable = AutonomyTable()
    windows: WindowsTable = WindowsTable()
    daemon: DaemonTable = DaemonTable()
    notify: NotifyTable = NotifyTable()
    web: WebTable = WebTable()
    oidc: OidcTable = OidcTable()
    store: StoreTable = StoreTable()
    refit: RefitTable = RefitTable()
    attribution: AttributionTable = AttributionTable()
    lift: LiftTable = LiftTable()
    scorecard: ScorecardTable = ScorecardTable()
    lifetime: LifetimeTable = LifetimeTable()
    webhooks: tuple[WebhookTable, ...] = ()
    lift_tests: tuple[LiftTestTable, ...] = ()
    limits: tuple[LimitTable, ...] = ()
    pins: tuple[PinTable, ...] = ()
    payments: tuple[PaymentTable, ...] = ()
    kpis: tuple[KpiTable, ...] = ()
    reports: tuple[ReportTable, ...] = ()
    flights: tuple[FlightTable, ...] = ()
    events: tuple[EventTable, ...] = ()
    holidays: tuple[HolidaysTable, ...] = ()
    connectors: Mapping[ConnectorName, ConnectorTable] = Field(default_factory=dict)

    @property
    def appraised(self) -> tuple[Subject, ...]:
        """What is to be appraised, in the order of `Subject`."""
        asks = {
            Subject.CREDIT: self.attribution.chosen is not None,
            Subject.CUSTOMER: self.goal.value is Valuing.LIFETIME,
        }
        return tuple(subject for subject in Subject if asks[subject])

    @model_validator(mode="after")
    def _one_limit_per_scope(self) -> Self:
        scopes = [str(limit.scope) for limit in self.limits]
        twice = sorted({scope for scope in scopes if scopes.count(scope) > 1})
        if twice:
            raise ValueError(f"{twice[0]} stands in two [[limits]] tables. Mend: put its bounds into one")
        return self

    @model_validator(mode="after")
    def _one_kpi_per_name(self) -> Self:
        _named_apart("kpis", [kpi.name for kpi in self.kpis])
        return self

    @model_validator(mode="after")
    def _one_report_per_name(self) -> Self:
        _named_apart("reports", [report.name for report in self.reports])
        return self

    @model_validator(mode="after")
    def _no_lift_test_twice(self) -> Self:
        place = repeated(self.lift_tests)
        if place is not None:
            raise ValueError(f"lift_tests[{place + 1}] stands there twice. Mend: remove one of the two tables")
        return self


def load(path: Path) -> Settings:
    """Read `config.toml` with the environment and secret files over it.

    Raises:
        SettingsError: The file is missing, no TOML, or holds an unknown key or a value that cannot be; the message
            names every such place with its mend.
    """
    tables = _tables(path)
    problems = environment_problems(Settings, os.environ)
    if problems:
        raise SettingsError(problems)
    unknown = [
        key for key in tables if key.startswith("_")
    ]  # pydantic would take `_env_file` as an argument of its own
    if unknown:
        raise SettingsError([f"{path}, {unknown[0]}: there is no such key. Mend: remove it."])
    return _checked(path, tables)


class _StoreAlone(_Layered):
    """`[store]`, whatever stands in other tables, in the environment or in secret files."""

    model_config = SettingsConfigDict(extra="ignore")

    store: StoreTable = StoreTable()


def load_store(path: Path) -> StoreTable:
    """Read `[store]` of `config.toml` and nothing else: for what must go on while other tables make no sense.

    Raises:
        SettingsError: The file is missing, no TOML, or `[store]` cannot be used.
    """
    tables = {key: table for key, table in _tables(path).items() if key == "store"}
    store = _read(_StoreAlone, path, tables).store
    secrecy.keep(_of_store(store))
    return store


def _checked(path: Path, tables: dict[str, Any]) -> Settings:
    settings = _read(Settings, path, tables)
    secrecy.keep(_secrets(settings))
    return settings


def _read[S: (Settings, _StoreAlone)](kind: type[S], path: Path, tables: dict[str, Any]) -> S:
    try:
        return kind(_secrets_dir=os.environ.get(SECRETS_DIR) or None, **tables)
    except ValidationError as error:
        raise SettingsError(from_validation(error, Settings, str(path), os.environ)) from None
    except (pydantic_settings.SettingsError, OSError, UnicodeDecodeError) as error:
        mend = f"Mend: write JSON there, or set single keys as in OUTLAY_GOAL__MARGIN=0.4; see also {SECRETS_DIR}."
        raise SettingsError([f"environment or secret files: {error}. {mend}"]) from None


def _secrets(settings: Settings) -> Iterator[str]:
    """Everything in the settings that no message may hold."""
    yield from _of_store(settings.store)
    for hook in settings.webhooks:
        yield hook.secret.get_secret_value()
        yield from secrecy.of_address(hook.url)
    if settings.oidc.client_secret is not None:
        yield settings.oidc.client_secret.get_secret_value()
    for url in settings.notify.urls:
        yield url.get_secret_value()
        yield from secrecy.of_address(url.get_secret_value())
    for table in settings.connectors.values():
        yield from secrecy.of_options(table.options)


def _of_store(store: StoreTable) -> Iterator[str]:
    yield from secrecy.logins(store.url)  # its path is no secret
    if store.password is not None:
        yield store.password.get_secret_value()


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"), parse_float=Decimal)
    except FileNotFoundError:
        raise SettingsError([f"{path}: there is no such file. Mend: write one with `outlay init`."]) from None
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}. Mend: let this user read it."]) from None
    except UnicodeDecodeError as error:
        place = f"{path}: byte {error.start} is not UTF-8"
        raise SettingsError([f"{place}. Mend: save the file as UTF-8."]) from None
    except tomllib.TOMLDecodeError as error:
        mend = "Mend: correct that line; texts stand in double quotes, tables in [brackets]."
        raise SettingsError([f"{path}: not valid TOML: {error}. {mend}"]) from None


def sample() -> str:
    """Return the commented `config.toml` that `outlay init` writes; it says nothing but the defaults."""
    return (files("optimizer.agent") / "sample.toml").read_text(encoding="utf-8")


def goals(settings: Settings, source: str = "config.toml") -> Goals:
    """Return what the marketer asks of a plan.

    Args:
        settings: What was loaded.
        source: How to name the file.

    Raises:
        SettingsError: The settings ask for what makes no sense together.
    """
    try:
        return _goals(settings)
    except GoalsError as error:
        raise SettingsError([f"{source}: {error}"]) from None


def _goals(settings: Settings) -> Goals:
    goal, currency = settings.goal, settings.portfolio.currency
    if goal.counts is Counting.CREDITED and settings.attribution.chosen is None:
        raise GoalsError('counts = "credited" asks for a model. Mend: name one as model of [attribution]')

    def money(amount: Decimal | None) -> Money | None:
        return None if amount is None else Money.of(amount, currency)

    return Goals(
        currency=currency,
        objective=goal.objective,
        total=money(goal.total_per_day),
        value_per_conversion=money(goal.value_per_conversion),
        margin=goal.margin,
        largest_step=settings.guardrails.largest_step,
        limits=tuple(
            Limit(
                scope=t.scope,
                floor=money(t.floor),
                ceiling=money(t.ceiling),
                share_floor=t.share_floor,
                share_ceiling=t.share_ceiling,
                roas_floor=t.roas_floor,
                cpa_ceiling=money(t.cpa_ceiling),
                minimum_when_on=money(t.minimum_when_on),
            )
            for t in settings.limits
        ),
        pins=tuple(Pin(t.scope, t.author, t.reason, t.until) for t in settings.pins),
        roas_floor=goal.roas_floor,
        cpa_ceiling=money(goal.cpa_ceiling),
        confidence=goal.confidence,
        explore=goal.explore,
        explore_limit=goal.explore_limit,
        risk_aversion=goal.risk_aversion,
        risk_tail=goal.risk_tail,
        switching_cost=goal.switching_cost,
        counts=goal.counts,
        value=goal.value,
        sharing=Sharing(**settings.bandits.model_dump()),
        payments=tuple(table.payment for table in settings.payments),
        flights=(flown := flights(goal.total_per_month, settings.flights, settings.pacing, currency)),
        largest_cut=settings.pacing.largest_cut if flown else None,
    )


def guardrails(settings: Settings) -> Guardrails:
    """Return the written limits of the agent; `largest_step` goes into the goals, which the allocator reads."""
    return Guardrails(**settings.guardrails.model_dump(exclude={"largest_step"}))


def rotation(settings: Settings) -> Rotation:
    """Return the written limits of switching ads."""
    return Rotation(**settings.ads.model_dump())


def lift_tests(settings: Settings, home: Path) -> tuple[LiftTestTable, ...]:
    """Return the lift tests of `config.toml` and, after them, those of the file that it names.

    Args:
        settings: What was loaded.
        home: The folder of `config.toml`.

    Raises:
        SettingsError: The file cannot be read, a row of it is no test, or a test stands there twice.
    """
    name = settings.refit.lift_tests_file
    if name is None:
        return settings.lift_tests
    path = home / name
    tests = (*settings.lift_tests, *read_lift_tests(path))
    place = repeated(tests)
    if place is not None:
        test = tests[place]
        words = f"{path}: the test of {test.scope} from {test.first_day} stands there or in config.toml already"
        raise SettingsError([f"{words}. Mend: remove one of the two."])
    return tests


def store_url(store: StoreTable, home: Path) -> str:
    """Return the database's address with a relative SQLite file made absolute and a password put in.

    Args:
        store: What was loaded.
        home: The folder of `config.toml`.
    """
    url = store.url
    secret = store.password
    scheme, server, rest = url.partition("://")
    if secret is not None and not url.startswith(_SQLITE_FILE):
        user, at, place = rest.rpartition("@")
        return f"{scheme}{server}{user.partition(':')[0]}:{quote(secret.get_secret_value(), safe='')}{at or '@'}{place}"
    name = url.removeprefix(_SQLITE_FILE)
    if name == url or name in ("", ":memory:"):
        return url
    return f"{_SQLITE_FILE}{home.resolve() / name}"
