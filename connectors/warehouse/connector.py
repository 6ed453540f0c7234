"""The warehouse behind the contract of every connector: performance and names; budgets are told and never written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from connectors.contract import (
    Account,
    AdState,
    BudgetChange,
    BudgetTarget,
    BuildContext,
    Capabilities,
    Entity,
    PerformanceRow,
    Receipt,
    StatusChange,
    StatusReceipt,
)
from connectors.credentials import Redactor, missing_extra
from connectors.diagnosis import Diagnosis, Verdict
from connectors.errors import AskMarketer, BadInput, ConnectorError, Stop
from connectors.files.book import Book
from connectors.files.layout import SHARES
from connectors.files.options import ISO
from connectors.files.options import Options as FileOptions
from connectors.files.ordering import orders
from connectors.files.performance import FileReader, pull
from connectors.files.survey import Survey, survey
from connectors.files.told import ORDER_NAMES, TOUCH_NAMES
from connectors.files.touching import touches
from connectors.orders import Order
from connectors.warehouse.options import Options, read_options, secrets_of
from connectors.warehouse.query import Warehouse, columns_of

_OPTIONAL = ("value", "impressions", "clicks", *SHARES)
_NOTHING = Survey((), (), ())


def build(context: BuildContext) -> WarehouseConnector:
    """Build the connector from `[connectors.NAME]` with `kind = "warehouse"` (entry point).

    Raises:
        BadInput: A setting is unknown, missing or wrong, or the database's driver is not installed.
        AskMarketer: The secret cannot be read.
    """
    options, reading = read_options(context)
    if options.query is None and reading.date_format != ISO:
        raise BadInput(
            "days of another form than ISO 8601 cannot be compared in a table",
            where=context.source,
            field="date_format",
            mend="set query to a SELECT that casts them to DATE and compares them with :since and :until.",
        )
    url = options.address(context)
    name = f"{context.name}: {'query' if options.query else options.table}"
    redactor = Redactor(secrets_of(url))
    engine = _engine(url, context, redactor)
    return WarehouseConnector(
        context, options, reading, Warehouse(engine, name, options.table, options.query, reading, redactor)
    )


def _engine(url: URL, context: BuildContext, redactor: Redactor) -> Engine:
    driver = f"the driver of {url.drivername}"
    failure: ConnectorError
    try:
        # One connection for each reading: a cycle reads once a day, and no server keeps idle ones for us.
        return create_engine(url, poolclass=NullPool)
    except (NoSuchModuleError, ModuleNotFoundError):
        failure = missing_extra(context, "warehouse", driver)
    except ArgumentError as error:
        failure = missing_extra(context, "warehouse", f"{driver} ({redactor.clean(error)})")
    except Exception as error:  # noqa: BLE001 - some drivers look for credentials here, and raise what they like
        words = f"{context.source}: {driver} refuses the address ({type(error).__name__}: {redactor.clean(error)})"
        failure = AskMarketer(words, mend="correct url, or give the driver the credentials that it looks for")
    # Raised out here: the driver's own error may show a secret, and would be the context.
    raise failure


class WarehouseConnector:
    """A table or query of a SQL database.

    Attributes:
        name: The connector's name in the settings.
        capabilities: Nothing is written; the optional measures are those that the query carries, asked for when they
            are wanted. Until the database answers, there are none.
    """

    def __init__(self, context: BuildContext, options: Options, reading: FileOptions, warehouse: Warehouse) -> None:
        self.name = context.name
        self._clock = context.clock
        self._options, self._reading, self._warehouse = options, reading, warehouse
        self._survey: tuple[date, Survey] | None = None
        self._carried: frozenset[str] | None = None

    @property
    def capabilities(self) -> Capabilities:
        """See the class."""
        # A database that cannot be reached is told of when it is read, and asked again here.
        if self._carried is None:
            with suppress(ConnectorError):
                self._carried = columns_of(self._warehouse.layout(), _OPTIONAL)
        found = self._carried or frozenset()
        return Capabilities(
            writes_budgets=False,
            compares_and_sets=False,
            restatement_days=self._reading.restatement_days,
            reports_value="value" in found,
            reports_impressions="impressions" in found,
            reports_clicks="clicks" in found,
            reports_impression_share=not found.isdisjoint(SHARES),
        )

    def accounts(self) -> Sequence[Account]:
        """Return the accounts of the last `survey_days`."""
        return self._surveyed().accounts

    def entities(self) -> Sequence[Entity]:
        """Return campaigns and what is below them, of the last `survey_days`; names are the newest."""
        return self._surveyed().entities

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """Yield the rows of the days, both included, as the query gives them now.

        Raises:
            BadInput: A row or cell cannot be read as it stands, or two rows state one series and day differently.
            AskMarketer, RetryLater: The database cannot be reached.
        """
        now = self._clock()
        with self._warehouse.laid_down(since, until, now) as source:
            if source is not None:
                reader = FileReader(source, self._reading, Book(self.name, self._reading), now)
                yield from pull(reader, self._reading.rows == "hourly", since, until)

    def budgets(self) -> Sequence[BudgetTarget]:
        """Return what the rows say of budgets: their `budget` column's last value, else the mean spend."""
        return self._surveyed().budgets

    def check_budget(self, change: BudgetChange) -> None:
        """Refuse: a warehouse holds no budgets."""
        raise Stop(f"{change.key}: a warehouse is read only; set the budget on the platform itself")

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Refuse: a warehouse holds no budgets."""
        raise Stop(f"{change.key}: a warehouse is read only; set the budget on the platform itself")

    def ads(self) -> Sequence[AdState]:
        """Return nothing: statuses are not written here."""
        return ()

    def check_status(self, change: StatusChange) -> None:
        """Refuse: a warehouse switches no ads."""
        raise Stop(f"{change.key}: a warehouse is read only; switch the ad on the platform itself")

    def set_status(self, change: StatusChange) -> StatusReceipt:
        """Refuse: a warehouse switches no ads."""
        raise Stop(f"{change.key}: a warehouse is read only; switch the ad on the platform itself")

    def touches(self, since: date, until: date) -> Iterator[Any]:
        """See `TellsTouches.touches`; there are none where `touches_query` is not set.

        Raises:
            BadInput: The query cannot be run, or a cell cannot be read as it stands.
            AskMarketer, RetryLater: The database cannot be reached.
        """
        if self._options.touches_query is not None:
            asked = (self._options.touches_query, TOUCH_NAMES, "touch_columns", *self._wider(since, until))
            with closing(self._asking("touches_query").told(*asked)) as rows:
                yield from touches(rows, since, until, self._reading.time_zone)

    def orders(self, since: date, until: date) -> Iterator[Order]:
        """See `TellsOrders.orders`; there are none where `orders_query` is not set.

        Raises:
            BadInput: The query cannot be run, or a cell cannot be read as it stands.
            AskMarketer, RetryLater: The database cannot be reached.
        """
        if self._options.orders_query is not None:
            asked = (self._options.orders_query, ORDER_NAMES, "order_columns", *self._wider(since, until))
            with closing(self._asking("orders_query").told(*asked)) as rows:
                yield from orders(rows, self._reading, since, until)

    def diagnose(self) -> Sequence[Diagnosis]:
        """Say whether the query can be run, and how new its rows are."""
        try:
            found = self._warehouse.layout()
        except ConnectorError as error:
            return [Diagnosis("query", Verdict.WRONG, str(error), getattr(error, "mend", ""))]
        fields = ", ".join(sorted(found.columns))
        return [Diagnosis("query", Verdict.WELL, f"can be run; it carries {fields}")]

    def close(self) -> None:
        """Forget what was read; nothing is held open between calls."""
        self._survey = None
        self._warehouse.engine.dispose()

    def _asking(self, setting: str) -> Warehouse:
        """The warehouse by the name of another query, for errors."""
        return replace(self._warehouse, name=f"{self.name}: {setting}")

    @staticmethod
    def _wider(since: date, until: date) -> tuple[date, date]:
        """A day more on both sides: the database's days are not those of the zone; what lies beyond is cut off here."""
        return since - timedelta(days=1), until + timedelta(days=1)

    def _surveyed(self) -> Survey:
        """What the last days say of accounts, names and budgets; asked anew on each day."""
        now = self._clock()
        if self._survey is None or self._survey[0] != now.date():
            first = now.date() - timedelta(days=self._options.survey_days)
            # A day more, for zones that are ahead of UTC.
            with self._warehouse.laid_down(first, now.date() + timedelta(days=1), now) as source:
                sources = () if source is None else (source,)
                found = survey(sources, self._reading, self.name, now) if sources else _NOTHING
            self._survey = (now.date(), found)
        return self._survey[1]
