"""What a check reads of a connector: a week, and no more."""

from datetime import date
from types import SimpleNamespace

from optimizer.agent.cli.checks import _connector

TODAY = date(2025, 3, 20)


def test_a_check_reads_a_week_of_rows_and_not_the_history():
    asked = []

    def pull(since, until):
        asked.append((since, until))
        return iter(())

    house = SimpleNamespace(today=lambda: TODAY, history_days=400)
    connector = SimpleNamespace(name="shop", accounts=tuple, budgets=tuple, pull=pull)
    *_, rows = _connector(house, connector)
    assert asked == [(date(2025, 3, 13), date(2025, 3, 19))]
    assert (rows.well, "last 7 days" in rows.message) == (True, True)
