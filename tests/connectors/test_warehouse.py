"""A warehouse through SQLAlchemy: the suite of every connector on DuckDB and SQLite, and what can be wrong."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, ProgrammingError

from connectors.conformance import ConnectorConformance
from connectors.contract import BuildContext
from connectors.credentials import Redactor
from connectors.errors import AskMarketer, BadInput, RetryLater
from connectors.money import Money
from connectors.warehouse import build
from connectors.warehouse import connector as warehouse
from connectors.warehouse.options import secrets_of

FIRST = date(2025, 3, 27)  # the clocks change within the period
DAYS = 6
NOW = datetime(2025, 4, 2, 6, tzinfo=UTC)
COLUMNS = (
    "date_day DATE, platform VARCHAR, account_id VARCHAR, campaign_id VARCHAR, campaign_name VARCHAR,"
    " ad_group_id VARCHAR, ad_id VARCHAR, clicks INTEGER, impressions INTEGER, spend DECIMAL(18, 6),"
    " conversions DECIMAL(18, 6), conversions_value DECIMAL(18, 6)"
)
PASSWORD = "canary-password-99"


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        self.now += timedelta(seconds=1)
        return self.now


def _fill(url, more=0):
    engine = create_engine(url)
    with engine.begin() as db:
        db.execute(text("DROP TABLE IF EXISTS ad_reporting__ad_report"))
        db.execute(text(f"CREATE TABLE ad_reporting__ad_report ({COLUMNS})"))
        for number in range(DAYS):
            for campaign in ("c1", "c2", "c3"):
                for ad in ("x", "y"):
                    db.execute(
                        text(
                            "INSERT INTO ad_reporting__ad_report VALUES (:day, 'google_ads', 'a1', :campaign, 'Brand',"
                            " 'g', :ad, :clicks, 900, 33.51, :conversions, NULL)"
                        ),
                        {
                            "day": (FIRST + timedelta(number)).isoformat(),
                            "campaign": campaign,
                            "ad": f"{campaign}{ad}",
                            "clicks": number,
                            "conversions": number + more + 0.5,
                        },
                    )
    engine.dispose()


def _connector(folder, url, **options):
    told = {"url": url, "currency": "EUR", "time_zone": "Europe/Berlin", **options}
    return build(BuildContext("warehouse", told, folder, "config.toml [connectors.warehouse]", Clock()))


class TestOnDuckDB(ConnectorConformance):
    scheme = "duckdb"

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder, self.made, self.urls = tmp_path, 0, {}

    def make(self, currency):
        self.made += 1
        url = f"{self.scheme}:///{self.folder}/{self.made}.db"
        _fill(url)
        connector = _connector(self.folder, url, currency=currency)
        self.urls[id(connector)] = url
        return connector

    def days(self):
        return FIRST, FIRST + timedelta(DAYS - 1)

    def restate(self, connector):
        _fill(self.urls[id(connector)], more=1)

    def live(self, connector, key):
        return next(budget.amount for budget in connector.budgets() if budget.key == key)

    def edit_behind(self, connector, key, amount):
        raise AssertionError("nobody edits a budget that is not there")


class TestOnSQLite(TestOnDuckDB):
    scheme = "sqlite"


@pytest.fixture(params=["duckdb", "sqlite"])
def url(request, tmp_path):
    return f"{request.param}:///{tmp_path}/ads.db"


def test_rows_are_those_of_the_table_to_the_cent(tmp_path, url):
    _fill(url)
    rows = list(_connector(tmp_path, url).pull(FIRST, FIRST + timedelta(1)))
    assert len(rows) == 12
    assert {row.spend_micros for row in rows} == {33_510_000}
    assert {row.value_micros for row in rows} == {None}
    assert {row.series.channel for row in rows} == {"google_ads"}
    assert sorted({(row.day, row.conversions_micros) for row in rows}) == [
        (FIRST, 500_000),
        (FIRST + timedelta(1), 1_500_000),
    ]


def test_a_query_of_ones_own(tmp_path, url):
    _fill(url)
    query = (
        "SELECT date_day AS day, campaign_id, SUM(spend) AS cost, SUM(conversions) AS conversions"
        " FROM ad_reporting__ad_report WHERE date_day BETWEEN :since AND :until GROUP BY date_day, campaign_id"
    )
    connector = _connector(tmp_path, url, query=query)
    rows = list(connector.pull(FIRST, FIRST))
    assert {(row.series.campaign_id, row.spend_micros) for row in rows} == {(c, 67_020_000) for c in ("c1", "c2", "c3")}
    assert not connector.capabilities.reports_clicks
    assert connector.budgets()[0].amount == Money.of("67.02", "EUR")


def test_days_without_rows_are_no_rows(tmp_path, url):
    _fill(url)
    assert list(_connector(tmp_path, url).pull(date(2030, 1, 1), date(2030, 1, 2))) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"table": "nowhere"}, "the database refuses it"),
        ({"query": "SELECT 1 AS one WHERE :since < :until"}, "no column"),
        ({"query": "SELECT 1"}, ":since and :until"),
        ({"delimiter": ";"}, "delimiter.*setting of files"),
        ({"speed": 3}, "speed"),
        ({"url": "no url"}, "no URL of a database"),
        ({"url": f"postgresql://u:{PASSWORD}@127.0.0.1/db"}, "a password stands in it"),
        ({"url": f"postgresql://u:a@b:{PASSWORD}@127.0.0.1/db"}, "no URL of a database"),
        ({"url": f"postgresql://u@127.0.0.1:{PASSWORD}/db"}, "no URL of a database"),
        ({"url": f"duckdb:///md:x?motherduck_token={PASSWORD}"}, "a secret stands in it"),
        ({"url": f"postgresql://u@127.0.0.1/db?password={PASSWORD}"}, "a secret stands in it"),
        ({"url": f"bigquery://project?credentials_base64={PASSWORD}"}, "a secret stands in it"),
        ({"date_format": "%d.%m.%Y"}, "set query to a SELECT"),
        ({"url": "redshift://u@127.0.0.1/db"}, r"pip install 'outlay\[warehouse\]'"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, url, options, words):
    _fill(url)
    with pytest.raises(BadInput, match=words) as met:
        list(_connector(tmp_path, **{"url": url, **options}).pull(FIRST, FIRST))
    assert PASSWORD not in f"{met.value!r} {met.value.__context__!r}"


def test_a_database_that_is_away_is_told_without_its_password(tmp_path, monkeypatch):
    monkeypatch.setenv("WAREHOUSE_URL", f"postgresql+psycopg://reader:{PASSWORD}@127.0.0.1:9/ads")
    connector = _connector(tmp_path, {"env": "WAREHOUSE_URL"})
    with pytest.raises(RetryLater, match="cannot be opened") as met:
        list(connector.pull(FIRST, FIRST))
    error = met.value
    while error is not None:
        assert PASSWORD not in f"{error} {error!r}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    (found,) = connector.diagnose()
    assert found.verdict == "wrong"


def test_ids_that_a_float_has_rounded_are_refused(tmp_path, url):
    _fill(url)
    query = (
        "SELECT date_day, CAST(1 AS DOUBLE) + 0.5 AS campaign_id, spend, conversions FROM ad_reporting__ad_report"
        " WHERE date_day BETWEEN :since AND :until"
    )
    with pytest.raises(BadInput, match="ids are stored as floats"):
        list(_connector(tmp_path, url, query=query).pull(FIRST, FIRST))


def test_a_check_says_what_the_query_carries(tmp_path, url):
    _fill(url)
    (found,) = _connector(tmp_path, url).diagnose()
    assert found.verdict == "well"
    assert "campaign_id" in found.message


def test_a_password_is_hidden_in_every_spelling():
    url = make_url("postgresql://u:canary%40pass+%2Fword@h/db?sslpassword=canary%20two&sslkey=/a/path&passfile=/b/path")
    hidden = Redactor(secrets_of(url))
    for spelt in ("canary@pass+/word", "canary%40pass%2B%2Fword", "canary two", "canary+two", "canary%20two"):
        assert hidden.clean(f"at {spelt}.") == "at ***."
    assert hidden.clean("/a/path /b/path") == "/a/path /b/path"


def test_a_driver_that_finds_no_credentials_asks_for_them(tmp_path, monkeypatch):
    def refuses(*_, **__):
        raise RuntimeError(f"no credentials in nowhere.json for {PASSWORD}")

    monkeypatch.setenv("WAREHOUSE_URL", f"bigquery://project?credentials_path=nowhere.json&token={PASSWORD}")
    monkeypatch.setattr(warehouse, "create_engine", refuses)
    with pytest.raises(AskMarketer, match="credentials that it looks for") as met:
        _connector(tmp_path, {"env": "WAREHOUSE_URL"})
    assert PASSWORD not in f"{met.value!r} {met.value.__context__!r}"
    assert "nowhere.json" in str(met.value)


def _asked(connector, monkeypatch, failure):
    def fails(_):
        raise failure

    monkeypatch.setattr(type(connector._warehouse.engine), "connect", fails)
    return connector


@pytest.mark.parametrize(
    ("failure", "family"),
    [
        (OperationalError("", {}, Exception("connection refused")), RetryLater),
        (OperationalError("", {}, Exception("password authentication failed for user u")), AskMarketer),
        (ProgrammingError("", {}, Exception("no such database")), AskMarketer),
        (RuntimeError("the driver's own"), AskMarketer),
    ],
)
def test_how_a_database_cannot_be_opened_is_told_apart(tmp_path, url, monkeypatch, failure, family):
    _fill(url)
    with pytest.raises(family, match="cannot be opened"):
        list(_asked(_connector(tmp_path, url), monkeypatch, failure).pull(FIRST, FIRST))


def test_what_it_carries_is_asked_for_once_and_only_when_wanted(tmp_path, url):
    connector = _connector(tmp_path, url)  # there is no table yet
    assert not connector.capabilities.reports_clicks
    _fill(url)
    assert connector.capabilities.reports_clicks
    connector._warehouse.engine.dispose()
    assert connector.capabilities.reports_clicks


def test_the_last_day_of_hours_is_whole(tmp_path, url):
    engine = create_engine(url)
    with engine.begin() as db:
        db.execute(text("CREATE TABLE hours (date TIMESTAMP, campaign_id VARCHAR, spend INTEGER, conversions INTEGER)"))
        for day in range(-1, 4):
            for hour in range(24):
                moment = datetime.combine(FIRST + timedelta(days=day), time(hour))
                db.execute(text("INSERT INTO hours VALUES (:at, 'c', 1, 0)"), {"at": moment.isoformat(" ")})
    engine.dispose()
    connector = _connector(tmp_path, url, table="hours", rows="hourly")
    rows = {row.day: row.spend_micros for row in connector.pull(FIRST, FIRST + timedelta(1))}
    assert rows == {FIRST: 24_000_000, FIRST + timedelta(1): 24_000_000}


def test_a_password_across_the_cut_of_an_error_is_not_shown(tmp_path, url, monkeypatch):
    connector = _connector(tmp_path, url)
    hiding = replace(connector._warehouse, redactor=Redactor([PASSWORD]))
    assert PASSWORD[:6] not in hiding._words(RuntimeError("." * (300 - len(PASSWORD) // 2) + PASSWORD))
