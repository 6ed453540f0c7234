"""A warehouse through SQLAlchemy: the suite of every connector on DuckDB and SQLite, and what can be wrong."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import create_engine, text

from connectors.conformance import ConnectorConformance
from connectors.contract import BuildContext
from connectors.errors import AskMarketer, BadInput
from connectors.money import Money
from connectors.warehouse import build

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
        ({"url": "redshift://u@127.0.0.1/db"}, r"pip install 'outlay\[warehouse\]'"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, url, options, words):
    _fill(url)
    with pytest.raises(BadInput, match=words) as met:
        list(_connector(tmp_path, **{"url": url, **options}).pull(FIRST, FIRST))
    assert PASSWORD not in str(met.value)


def test_a_database_that_is_away_is_told_without_its_password(tmp_path, monkeypatch):
    monkeypatch.setenv("WAREHOUSE_URL", f"postgresql+psycopg://reader:{PASSWORD}@127.0.0.1:9/ads")
    connector = _connector(tmp_path, {"env": "WAREHOUSE_URL"})
    with pytest.raises(AskMarketer, match="cannot be opened") as met:
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
