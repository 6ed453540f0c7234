"""The accounts, campaigns and series that a reading meets, numbered, each built once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from connectors.contract import Account, Level, Series
from connectors.files.cells import Fault, IntArray
from connectors.files.options import Options
from connectors.money import exponent

SERIES_FIELDS: Final = (
    "account_id",
    "currency",
    "time_zone",
    "campaign_id",
    "channel",
    "ad_group_id",
    "ad_id",
    "creative_id",
    "audience_id",
)
"""The fields whose texts, in this order, make a series."""


class Book:
    """Numbers series in the order in which they are met, over all files of one reading.

    Attributes:
        series: By code.
        accounts: By id.
        campaigns: The number of each campaign by account id and campaign id.
    """

    def __init__(self, connector: str, options: Options) -> None:
        self.series: list[Series] = []
        self.accounts: dict[str, Account] = {}
        self.campaigns: dict[tuple[str, str], int] = {}
        self._connector = connector
        self._options = options
        self._codes: dict[tuple[str, ...], int] = {}
        self._grain: dict[int, tuple[Level, bool]] = {}
        self._tables: dict[str, IntArray] = {}

    def code(self, texts: tuple[str, ...]) -> int:
        """Return the number of a series by the texts of `SERIES_FIELDS`, empty where a file has no such column.

        Raises:
            Fault: An id is missing, a currency or zone is unknown or not its account's, or the campaign's other
                rows are split differently.
        """
        known = self._codes.get(texts)
        if known is None:
            known = self._codes[texts] = self._meet(dict(zip(SERIES_FIELDS, texts, strict=True)))
        return known

    def campaign_codes(self) -> IntArray:
        """The number of each series' campaign, shape (series,)."""
        return self._table("campaign", lambda s: self.campaigns[s.account.account_id, s.campaign_id])

    def exponents(self) -> IntArray:
        """The decimals of the minor unit of each series' currency, shape (series,)."""
        return self._table("exponent", lambda s: exponent(s.account.currency))

    def zones(self) -> tuple[str, ...]:
        """The time zones of all accounts, each once."""
        return tuple(dict.fromkeys(account.time_zone for account in self.accounts.values()))

    def zone_codes(self) -> IntArray:
        """The position in `zones` of each series' zone, shape (series,)."""
        numbers = {name: number for number, name in enumerate(self.zones())}
        return self._table("zone", lambda s: numbers[s.account.time_zone])

    def _table(self, name: str, number: Callable[[Series], int]) -> IntArray:
        table = self._tables.get(name, np.empty(0, dtype=np.int64))
        if len(table) < len(self.series):
            more = [number(series) for series in self.series[len(table) :]]
            table = self._tables[name] = np.concatenate([table, np.array(more, dtype=np.int64)])
        return table

    def _meet(self, texts: dict[str, str]) -> int:
        account = self._account(texts)
        if not texts["campaign_id"]:
            raise Fault("is empty", "give every row its campaign.", field="campaign_id")
        series = Series(
            account=account,
            campaign_id=texts["campaign_id"],
            channel=texts["channel"] or self._options.channel or self._connector,
            ad_group_id=texts["ad_group_id"] or None,
            ad_id=texts["ad_id"] or None,
            creative_id=texts["creative_id"] or None,
            audience_id=texts["audience_id"] or None,
            conversion_definition=self._options.conversion_definition,
            attribution_setting=self._options.attribution_setting,
        )
        self._check_grain(series)
        self.series.append(series)
        return len(self.series) - 1

    def _check_grain(self, series: Series) -> None:
        """Hold each campaign to one level: rows of two levels would count its spend twice."""
        campaign = self.campaigns.setdefault((series.account.account_id, series.campaign_id), len(self.campaigns))
        grain = (series.level, series.audience_id is not None)
        if self._grain.setdefault(campaign, grain) != grain:
            raise Fault(
                f"this row of campaign {series.campaign_id!r} is by {_words(grain)}, others are by "
                f"{_words(self._grain[campaign])}: their sum would count twice",
                "leave out the rows of one level, or give the row the id that is missing.",
                field="campaign_id",
            )

    def _account(self, texts: dict[str, str]) -> Account:
        account_id = texts["account_id"] or self._options.account or self._connector
        currency = self._constant("currency", texts["currency"], self._options.currency, account_id, "EUR")
        time_zone = self._constant(
            "time_zone", texts["time_zone"], self._options.time_zone, account_id, "Europe/Berlin"
        )
        known = self.accounts.get(account_id)
        if known is None:
            known = self.accounts[account_id] = _account(self._connector, account_id, currency, time_zone)
        _same("currency", currency, known.currency, account_id)
        _same("time_zone", time_zone, known.time_zone, account_id)
        return known

    def _constant(self, field: str, text: str, constant: str | None, account_id: str, example: str) -> str:
        if text and constant:
            _same(field, text, constant, account_id)
        if value := text or constant:
            return value
        raise Fault(
            f"nothing says the {field.replace('_', ' ')} of account {account_id!r}",
            f'set {field} = "{example}" (whichever it is), or columns.{field} to the column that holds it.',
            field=field,
        )


def _account(connector: str, account_id: str, currency: str, time_zone: str) -> Account:
    try:
        exponent(currency)
    except ValueError as error:
        raise Fault(str(error), "write the three-letter code, in capitals.", field="currency") from None
    try:
        return Account(connector, account_id, currency, time_zone)
    except ValueError as error:
        raise Fault(str(error), "write the name of the zone.", field="time_zone") from None


def _same(field: str, value: str, expected: str, account_id: str) -> None:
    if value != expected:
        raise Fault(
            f"is {value!r}, but account {account_id!r} is in {expected!r}",
            "an account has one currency and one zone: correct the row, or give it another account_id.",
            field=field,
        )


def _words(grain: tuple[Level, bool]) -> str:
    level, by_audience = grain
    return f"{level.value.replace('_', ' ')}{' and audience' if by_audience else ''}"
