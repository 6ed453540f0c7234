"""The storage shapes: one SQLModel class per table. Values are checked where they are born, and again by CHECKs here.

Instants are integer microseconds since 1970-01-01 UTC, days are proleptic ordinals (`date.toordinal`), amounts and
counts are integer micros. An id that a record lacks is the empty text, so that UNIQUE sees it.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, ClassVar

import sqlalchemy
from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, MetaData, Text, UniqueConstraint, text
from sqlalchemy.orm import declared_attr
from sqlmodel import Field, SQLModel

from connectors.contract import BudgetKind, EntityKind, EntityStatus, Level
from optimizer.plan.office import Outcome
from optimizer.plan.people import Role
from optimizer.plan.record import IntentState, State

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
_NO_ROWID = {"sqlite_with_rowid": False}
OPEN_INTENTS = "state IN ('planned', 'sending')"
LABELLED = "label <> ''"
BUDGET_OR_AD = (
    "CASE WHEN ad_id IS NULL"
    " THEN budget_id IS NOT NULL AND currency IS NOT NULL AND base IS NOT NULL AND target IS NOT NULL"
    " AND base_status IS NULL AND target_status IS NULL"
    " ELSE budget_id IS NULL AND currency IS NULL AND base IS NULL AND target IS NULL"
    " AND base_status IN ('active', 'paused') AND target_status IN ('active', 'paused')"
    " AND base_status IS NOT NULL AND target_status IS NOT NULL END"
)


class Table(SQLModel):
    """Base of the tables; each is named by its class in snake case and lives in a metadata of its own."""

    model_config = {"defer_build": True}  # a table validates nothing, and to build what would takes as long as all else
    metadata: ClassVar[MetaData] = MetaData(naming_convention=_NAMES)

    @declared_attr.directive
    def __tablename__(cls) -> str:  # noqa: N805 - SQLAlchemy calls it with the class
        """Return the class's name in snake case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


def core(kind: type[Table]) -> sqlalchemy.Table:
    """Return a class's table for statements on plain rows, which are read ten times as fast as objects."""
    return Table.metadata.tables[str(kind.__tablename__)]


def _one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{value.value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _at_least_zero(*columns: str) -> tuple[CheckConstraint, ...]:
    return tuple(CheckConstraint(f"{column} >= 0", name=column) for column in columns)


def _big(**options: Any) -> Any:
    return Field(sa_type=BigInteger, **options)


def _text() -> Any:
    return Field(sa_type=Text)


class Account(Table, table=True):
    """An account with the currency and zone of everything stored under it."""

    __table_args__ = (
        UniqueConstraint("connector", "account_id"),
        CheckConstraint("length(currency) = 3", name="currency"),
        CheckConstraint("time_zone <> ''", name="time_zone"),
    )
    id: int | None = Field(default=None, primary_key=True)
    connector: str
    account_id: str
    currency: str
    time_zone: str


class Series(Table, table=True):
    """The natural key of a fact, less its day; and the channel, a label that may change."""

    __table_args__ = (
        UniqueConstraint("account", "campaign_id", "ad_group_id", "ad_id", "creative_id", "audience_id",
                         "conversion_definition", "attribution_setting", name="uq_series_natural"),
    )  # fmt: skip
    id: int | None = Field(default=None, primary_key=True)
    account: int = Field(foreign_key="account.id")
    campaign_id: str
    channel: str
    ad_group_id: str
    ad_id: str
    creative_id: str
    audience_id: str
    conversion_definition: str
    attribution_setting: str


class Fact(Table, table=True):
    """What is known now of one series on one day, and since when. A trigger keeps what an update replaces."""

    __table_args__ = (*_at_least_zero("spend", "impressions", "clicks"), _NO_ROWID)
    series_id: int = Field(primary_key=True, foreign_key="series.id")
    day: int = Field(primary_key=True)
    spend: int = _big()
    conversions: int = _big()
    value: int | None = _big()
    impressions: int | None = _big()
    clicks: int | None = _big()
    known_from: int = _big()


class FactRevision(Table, table=True):
    """What was known of one series and day from `known_from` until just before `known_to`."""

    __table_args__ = (CheckConstraint("known_from < known_to", name="interval"), _NO_ROWID)
    series_id: int = Field(primary_key=True, foreign_key="series.id")
    day: int = Field(primary_key=True)
    known_from: int = _big(primary_key=True)
    known_to: int = _big()
    spend: int = _big()
    conversions: int = _big()
    value: int | None = _big()
    impressions: int | None = _big()
    clicks: int | None = _big()


class FactPack(Table, table=True):
    """The facts of one week and of `packs.BLOCK` series once more, as a few bytes each; what is settled is read so.

    `week` is the day by 7, `block` the series by `packs.BLOCK`, whole. Triggers on `fact` take a pack away as soon as
    one of its rows changes, so that one which is there is right; `newest` is the youngest `known_from` in it.
    """

    week: int = Field(primary_key=True)
    block: int = Field(primary_key=True)
    newest: int = _big()
    packed: bytes = Field(sa_type=LargeBinary)


class FactAuction(Table, table=True):
    """Impressions that one series could have had on one day and those lost to its budget, as stated at an instant.

    A statement holds until a later one; one that says the same is not kept.
    """

    __table_args__ = (*_at_least_zero("eligible", "lost"), _NO_ROWID)
    series_id: int = Field(primary_key=True, foreign_key="series.id")
    day: int = Field(primary_key=True)
    known_from: int = _big(primary_key=True)
    eligible: int = _big()
    lost: int = _big()


class EntityReading(Table, table=True):
    """A name, its parent, tags and status as they were read; the next reading is kept only if something changed."""

    __table_args__ = (_one_of("kind", EntityKind), _one_of("status", EntityStatus), _NO_ROWID)
    account: int = Field(primary_key=True, foreign_key="account.id")
    kind: str = Field(primary_key=True)
    entity_id: str = Field(primary_key=True)
    read_at: int = _big(primary_key=True)
    name: str
    parent_id: str
    status: str
    tags: str = _text()


class Budget(Table, table=True):
    """The identity of a budget."""

    __table_args__ = (UniqueConstraint("account", "budget_id"),)
    id: int | None = Field(default=None, primary_key=True)
    account: int = Field(foreign_key="account.id")
    budget_id: str


class BudgetReading(Table, table=True):
    """A budget as it was read; the next reading is kept only if something changed.

    Where `amount` is NULL the platform no longer had it; the rest is repeated from the reading before.
    """

    __table_args__ = (
        _one_of("holder", Level),
        _one_of("kind", BudgetKind),
        *_at_least_zero("amount", "minimum"),
        CheckConstraint("quantum > 0", name="quantum"),
        _NO_ROWID,
    )
    budget: int = Field(primary_key=True, foreign_key="budget.id")
    read_at: int = _big(primary_key=True)
    name: str
    holder: str
    covers: str = _text()
    amount: int | None = _big()
    kind: str
    shared: bool
    minimum: int | None = _big()
    quantum: int = _big()
    etag: str
    learning: bool | None = None


class AdReading(Table, table=True):
    """An ad's status as it was read; the next reading is kept only if something changed.

    Where `status` is NULL the platform no longer had it; the rest is repeated from the reading before.
    """

    __table_args__ = (CheckConstraint("status IN ('active', 'paused')", name="status"), _NO_ROWID)
    account: int = Field(primary_key=True, foreign_key="account.id")
    ad_id: str = Field(primary_key=True)
    read_at: int = _big(primary_key=True)
    name: str
    campaign_id: str
    ad_group_id: str
    status: str | None
    etag: str


class Doubt(Table, table=True):
    """Why readings of an account are not believed, from `noted_at` until just before `ended_at`; NULL: it stands."""

    __table_args__ = (CheckConstraint("ended_at > noted_at", name="interval"), _NO_ROWID)
    connector: str = Field(primary_key=True)
    account_id: str = Field(primary_key=True)
    code: str = Field(primary_key=True)
    noted_at: int = _big(primary_key=True)
    ended_at: int | None = _big()
    words: str = _text()
    mend: str = _text()


class Recommendation(Table, table=True):
    """A revision: its content as canonical JSON, which nothing changes, and where it stands."""

    __table_args__ = (
        UniqueConstraint("rec_id", "revision"),
        Index("ix_recommendation_standing", "state", "created_at", "rec_id", "revision"),
        _one_of("state", State),
    )
    id: int | None = Field(default=None, primary_key=True)
    rec_id: str
    revision: int
    plan_hash: str
    created_at: int = _big()
    valid_until: int = _big()
    payload: str = _text()
    state: str
    approved_by: str | None
    approved_lines: str = _text()
    approvals: str = _text()


class Setting(Table, table=True):
    """Goals or guardrails of a decision, by their SHA-256; triggers forbid changing or deleting them."""

    __table_args__ = (CheckConstraint("length(digest) = 64", name="digest"), _NO_ROWID)
    digest: str = Field(primary_key=True)
    content: str = _text()


class Basis(Table, table=True):
    """What a revision was decided from, beside the evidence; triggers forbid changing or deleting it."""

    __table_args__ = (_NO_ROWID,)
    rec_id: str = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    known_at: int = _big()
    days: int
    goals: str = Field(foreign_key="setting.digest")
    guards: str = Field(foreign_key="setting.digest")
    around: str = Field(foreign_key="setting.digest")


class Event(Table, table=True):
    """One entry of a recommendation's history, chained to the one before; triggers forbid changing or deleting it.

    That `previous` is unique keeps the chain from forking, whoever writes.
    """

    __table_args__ = (
        Index(None, "rec_id"),
        Index(None, "at"),
        UniqueConstraint("previous"),
        CheckConstraint("length(hash) = 64", name="hash"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, primary_key=True)
    rec_id: str
    revision: int
    at: int = _big()
    actor: str
    action: str
    detail: str = _text()
    subject: str
    previous: str
    hash: str


class Intent(Table, table=True):
    """One write, of a budget's amount or of an ad's status: the columns of the other are NULL.

    At most one per budget and ad is open; `acknowledged_at` stays once the platform has confirmed.
    """

    __table_args__ = (
        UniqueConstraint("idempotency_key"),
        Index("ix_intent_revision", "rec_id", "revision"),
        Index(None, "state"),
        Index(None, "acknowledged_at"),
        Index("uq_intent_open", "connector", "account_id", "budget_id", unique=True,
              sqlite_where=text(OPEN_INTENTS), postgresql_where=text(OPEN_INTENTS)),
        Index("uq_intent_open_ad", "connector", "account_id", "ad_id", unique=True,
              sqlite_where=text(OPEN_INTENTS), postgresql_where=text(OPEN_INTENTS)),
        _one_of("state", IntentState),
        CheckConstraint(BUDGET_OR_AD, name="change"),
        CheckConstraint("length(currency) = 3", name="currency"),
        *_at_least_zero("base", "target", "attempts"),
    )  # fmt: skip
    id: int | None = Field(default=None, primary_key=True)
    idempotency_key: str
    rec_id: str
    revision: int
    connector: str
    account_id: str
    budget_id: str | None = None
    currency: str | None = None
    base: int | None = _big(default=None)
    target: int | None = _big(default=None)
    position: int
    state: str
    attempts: int
    request_id: str
    note: str = _text()
    updated_at: int | None = _big()
    acknowledged_at: int | None = _big()
    ad_id: str | None = None
    base_status: str | None = None
    target_status: str | None = None


class Refit(Table, table=True):
    """One refit of the slow tier; triggers forbid changing or deleting it. Priors that were withheld are NULL."""

    __table_args__ = (
        UniqueConstraint("refit_id"),
        Index(None, "fitted_at"),
        CheckConstraint("passed = (priors IS NOT NULL)", name="passed"),
        CheckConstraint("length(evidence) = 64", name="evidence"),
        *_at_least_zero("seed", "seconds"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, primary_key=True)
    refit_id: str
    fitted_at: int = _big()
    model: str
    code_version: str
    seed: int = _big()
    evidence: str
    seconds: float
    passed: bool
    checks: str = _text()
    priors: str | None = _text()
    file: str


class Appraisal(Table, table=True):
    """What conversions or new customers were found to be worth; triggers forbid changing or deleting it."""

    __table_args__ = (
        UniqueConstraint("subject", "made_at", name="uq_appraisal_subject"),
        CheckConstraint("subject IN ('credit', 'customer')", name="subject"),
        CheckConstraint("length(evidence) = 64", name="evidence"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, primary_key=True)
    subject: str
    model: str
    made_at: int = _big()
    evidence: str
    currency: str
    estimates: str = _text()


class Lead(Table, table=True):
    """Who leads: one row, whose epoch only grows; `seated` if it holds the lock that goes with its process."""

    __table_args__ = (CheckConstraint("id = 1", name="one"), *_at_least_zero("epoch"))
    id: int = Field(default=1, primary_key=True)
    epoch: int
    holder: str
    until: int = _big()
    seated: bool = False


class Owner(Table, table=True):
    """Whose the database is: one row with the portfolio's name, from the first that works with it."""

    __table_args__ = (CheckConstraint("id = 1", name="one"),)
    id: int = Field(default=1, primary_key=True)
    name: str = _text()


class JobRun(Table, table=True):
    """One run of a job for one moment at which it was due."""

    __table_args__ = (
        UniqueConstraint("job", "due_at"),
        Index(None, "due_at"),
        _one_of("outcome", Outcome),
        CheckConstraint("(outcome = 'running') = (ended_at IS NULL)", name="ended_at"),
        *_at_least_zero("epoch", "attempt"),
    )
    id: int | None = Field(default=None, primary_key=True)
    job: str
    due_at: int = _big()
    epoch: int
    attempt: int
    started_at: int = _big()
    ended_at: int | None = _big()
    outcome: str
    words: str = _text()


class Brake(Table, table=True):
    """One throw of the kill switch; triggers forbid changing or deleting it."""

    __table_args__ = (
        CheckConstraint("actor <> ''", name="actor"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, primary_key=True)
    stops: bool
    at: int = _big()
    actor: str
    reason: str = _text()
    until: int | None = _big(nullable=True)


class Circuit(Table, table=True):
    """Where the breaker of one account stands; a row is replaced, what became of it stands in the history."""

    __table_args__ = (
        CheckConstraint("(until IS NULL) = (wait = 0)", name="until"),
        *_at_least_zero("failures", "wait"),
    )
    subject: str = Field(primary_key=True)
    failures: int
    until: int | None = _big()
    wait: int = _big()
    why: str = _text()


class Experiment(Table, table=True):
    """One registered experiment, its plan as canonical JSON; triggers forbid changing or deleting it."""

    __table_args__ = (
        UniqueConstraint("experiment_id"),
        CheckConstraint("length(plan_hash) = 64", name="plan_hash"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, primary_key=True)
    experiment_id: str
    name: str
    plan: str = _text()
    plan_hash: str
    registered_at: int = _big()
    registered_by: str
    code_version: str


class ExperimentClosing(Table, table=True):
    """The end of an experiment; triggers forbid changing or deleting it."""

    __table_args__ = (
        UniqueConstraint("experiment_id"),
        CheckConstraint("length(evidence) = 64", name="evidence"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, primary_key=True)
    experiment_id: str
    closed_at: int = _big()
    closed_by: str
    verdict: str
    kept: str | None
    reason: str = _text()
    evidence: str


class LiftTest(Table, table=True):
    """One registered lift test, its plan as canonical JSON; triggers forbid changing or deleting it."""

    __table_args__ = (
        UniqueConstraint("lift_id"),
        CheckConstraint("length(plan_hash) = 64", name="plan_hash"),
        CheckConstraint("kind IN ('holdout', 'switchback')", name="kind"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, primary_key=True)
    lift_id: str
    kind: str
    plan: str = _text()
    plan_hash: str
    registered_at: int = _big()
    registered_by: str
    code_version: str


class LiftEnd(Table, table=True):
    """The end of a lift test, with its reading as canonical JSON; triggers forbid changing or deleting it."""

    __table_args__ = (
        UniqueConstraint("lift_id"),
        CheckConstraint("(reading IS NULL) = (evidence = '')", name="evidence"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, primary_key=True)
    lift_id: str
    ended_at: int = _big()
    day: int
    actor: str
    reason: str = _text()
    reading: str | None = _text()
    evidence: str


class Person(Table, table=True):
    """Somebody who may log in, by the name in the form in which names are compared; the password is a hash."""

    __table_args__ = (
        UniqueConstraint("name"),
        UniqueConstraint("subject"),
        _one_of("role", Role),
        CheckConstraint("password LIKE '$argon2id$%'", name="password"),
        CheckConstraint("password IS NOT NULL OR subject IS NOT NULL", name="way_in"),
        _NO_ROWID,
    )
    known_as: str = Field(primary_key=True)
    name: str
    role: str
    password: str | None
    subject: str | None
    active: bool
    created_at: int = _big()


class Session(Table, table=True):
    """A browser's session, or a token with a label, by the SHA-256 of its secret; the row goes when it ends."""

    __table_args__ = (
        Index(None, "person"),
        Index("uq_session_label", "person", "label", unique=True,
              sqlite_where=text(LABELLED), postgresql_where=text(LABELLED)),
        _one_of("role", Role),
        CheckConstraint("length(secret_hash) = 64", name="secret_hash"),
        CheckConstraint("created_at < until", name="interval"),
        CheckConstraint("label = '' OR confirmed_at IS NULL", name="confirmed_at"),
        _NO_ROWID,
    )  # fmt: skip
    secret_hash: str = Field(primary_key=True)
    person: str = Field(foreign_key="person.known_as")
    role: str
    label: str
    created_at: int = _big()
    until: int = _big()
    confirmed_at: int | None = _big()
