"""All tables of `config.toml` as one value, and what must hold between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from pydantic import Field, model_validator

from optimizer.agent.settings.attribution import AttributionTable
from optimizer.agent.settings.calendar import EventTable, HolidaysTable
from optimizer.agent.settings.connectors import ConnectorName, ConnectorTable
from optimizer.agent.settings.daemon import AutonomyTable, DaemonTable, NotifyTable, WebhookTable, WindowsTable
from optimizer.agent.settings.flights import FlightTable, PacingTable
from optimizer.agent.settings.goal import BanditsTable, GoalTable, LimitTable, PinTable, PortfolioTable
from optimizer.agent.settings.kpis import KpiTable
from optimizer.agent.settings.layers import Layered
from optimizer.agent.settings.lifetime import LifetimeTable
from optimizer.agent.settings.lift import LiftTable
from optimizer.agent.settings.oidc import OidcTable
from optimizer.agent.settings.payments import PaymentTable
from optimizer.agent.settings.refit import LiftTestTable, RefitTable, repeated
from optimizer.agent.settings.reports import ReportTable
from optimizer.agent.settings.safety import AdsTable, ApprovalTable, GuardrailsTable
from optimizer.agent.settings.scorecard import ScorecardTable
from optimizer.agent.settings.store import StoreTable
from optimizer.agent.settings.web import WebTable
from optimizer.goals import Valuing
from optimizer.plan.appraisal import Subject


def _named_apart(table: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two [[{table}]] tables are named {twice[0]!r}. Mend: give one another name")


class Settings(Layered):
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
    def _one_webhook_per_address(self) -> Self:
        urls = [hook.url for hook in self.webhooks]
        place = next((place for place, url in enumerate(urls) if url in urls[:place]), None)
        if place is not None:
            raise ValueError(f"webhooks[{place + 1}] has the url of another one. Mend: remove one of the two tables")
        return self

    @model_validator(mode="after")
    def _no_lift_test_twice(self) -> Self:
        place = repeated(self.lift_tests)
        if place is not None:
            raise ValueError(f"lift_tests[{place + 1}] stands there twice. Mend: remove one of the two tables")
        return self
