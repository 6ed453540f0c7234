"""The scorecard from the store to the page, the API and the command line, as the days pass."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pytest

from optimizer import approval
from optimizer.agent import cycle, foretelling, writing
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cli import scorecard as command
from optimizer.agent.foretelling import WEEKS, doubts_of_intervals, forecasts
from optimizer.agent.scoring import read
from optimizer.measure.scorecard import Foretold
from optimizer.plan.people import Role
from optimizer.plan.recommendation import Severity
from optimizer.plan.record import Record, State
from tests.optimizer.web_world import SETTINGS, World, simulated, world

HOLDING = '\n[scorecard]\nhold_back = 0.5\n[autonomy]\nmode = "autopilot"\n'
API = "/api/v1/scorecard"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as found:
        yield found


def carried_out(here: World) -> Record:
    record = here.plan()
    cycle.settle(here.house, record.recommendation.rec_id, approval.Approve("ben", record.recommendation.plan_hash))
    return here.carry_out(record)


def mornings(here: World, count: int) -> None:
    """Let days pass, each read on the morning after."""
    for _ in range(count):
        with open_house(here.config, here.clock) as house:
            market = simulated(house)
            market.advance()
            here.clock.at = market.now
            cycle.pull(house, market.today)


def asked(here: World, since: str | None = None, *, as_csv: bool = False) -> command.Answer:
    """What the command answers while the page's clock stands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "open_house", lambda config: open_house(config, here.clock))
        return command.scorecard(here.config, since, as_csv)


def test_nothing_was_carried_out_and_the_page_says_what_is_to_come(here: World) -> None:
    visitor = here.client("vic")
    text = visitor.get("/scorecard").text
    assert "Nothing was carried out yet" in text
    assert "No advice was rejected or left to expire" in text
    told = here.client().http.get(f"{here.root}{API}", headers=here.token("vic", Role.VIEWER)).json()
    assert (told["carried_out"], told["gained"], told["alarm"]) == ([], None, False)
    assert asked(here).data["card"]["scored"] == []


def test_what_was_carried_out_is_scored_once_its_days_are_in(here: World) -> None:
    left = here.plan(seed=2)
    cycle.settle(here.house, left.recommendation.rec_id, approval.Reject("ben", "not now"))
    here.clock.at += timedelta(minutes=1)
    record = carried_out(here)
    rec_id, made = record.recommendation.rec_id, record.recommendation.decision
    visitor = here.client("vic")
    young = visitor.get("/scorecard").text
    assert "first figure on" in young
    assert rec_id in young
    mornings(here, 12)
    old = here.client("vic").get("/scorecard").text
    assert "matures on" in old
    assert left.recommendation.rec_id in old
    told = here.client().http.get(f"{here.root}{API}", headers=here.token("vic", Role.VIEWER)).json()
    (scored,) = told["carried_out"]
    assert scored["recommendation"] == rec_id
    assert 0 < scored["days"] <= 11
    assert date.fromisoformat(scored["written"]) == made.as_of
    assert scored["came"]["low90"] < scored["came"]["mean"] < scored["came"]["high90"]
    assert len(scored["lines"]) == sum(line.changes for line in made.lines)
    assert [(each["recommendation"], each["days"]) for each in told["left"]] == [(left.recommendation.rec_id, 0)]
    answer = asked(here)
    assert answer.data["card"]["scored"][0]["came"]["mean"] == pytest.approx(scored["came"]["mean"])
    json.dumps(answer.data, allow_nan=False)
    assert asked(here, "2999-01-01").data["card"]["scored"] == []
    rows = list(csv.DictReader(io.StringIO(str(asked(here, as_csv=True).shown))))
    assert [row["kind"] for row in rows] == ["carried out", "left"]
    assert float(rows[0]["came"]) == pytest.approx(scored["came"]["mean"])
    assert here.premises.scorecard() is here.premises.scorecard()  # kept while nothing is known anew


def test_a_day_that_is_none_is_told_with_its_mend(here: World) -> None:
    with pytest.raises(Exception, match=r"'yesterday' is not a day\. Mend: write it as YYYY-MM-DD"):
        asked(here, "yesterday")


def test_a_rollback_ends_the_days_and_is_not_scored_itself(here: World) -> None:
    record = carried_out(here)
    mornings(here, 3)
    with open_house(here.config, here.clock) as house:
        back = writing.rollback(house, record.recommendation.rec_id, "ben")
    cycle.settle(here.house, back.recommendation.rec_id, approval.Approve("ana", back.recommendation.plan_hash))
    here.carry_out(back)
    mornings(here, 8)
    (only,) = read(here.house, here.premises.seen()).card.scored
    assert only.rec_id == record.recommendation.rec_id
    assert only.days <= 3
    assert all(line.changed_again for line in only.lines)
    assert only.whole_on is None


def test_forecasts_are_judged_of_weeks_that_the_store_was_there_for(here: World) -> None:
    mornings(here, 16)
    house = here.house
    seen = cycle.snapshot(house, house.today())
    weeks = list(forecasts(house.store, house.calendar, seen, house.history_days))
    assert len(weeks) == WEEKS
    assert all(week.morning.weekday() == 0 for week in weeks)
    known = [week for week in weeks if len(week.inside)]
    first_read = datetime.combine(seen.today - timedelta(days=16), time(0), UTC)
    assert known
    assert all(week.morning >= first_read.date() for week in known)
    assert doubts_of_intervals(house.store, house.calendar, seen, house.history_days) == ()


def test_autopilot_leaves_plans_to_people_while_intervals_do_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = [Foretold(date(2026, 1, 5) + timedelta(days=7 * n), np.zeros((20, 3))) for n in range(5)]
    with world(tmp_path, settings=SETTINGS + HOLDING) as here:
        monkeypatch.setattr(foretelling, "forecasts", lambda *_: iter(narrow))
        record = here.plan()
        found = [f for f in record.recommendation.decision.findings if f.code == "intervals-too-narrow"]
        assert [f.severity for f in found] == [Severity.WARNING]
        assert "only 0% held" in found[0].message
        assert isinstance(cycle.approve_by_policy(here.house, record), approval.Waits)
        alone = replace(record.recommendation.decision, findings=tuple(found))
        bare = replace(record, recommendation=replace(record.recommendation, decision=alone))
        waits = approval.consider(bare, here.house.autonomy, here.house.policy, ())
        assert isinstance(waits, approval.Waits)
        assert "90% intervals" in waits.words
        assert here.premises.record(record.recommendation.rec_id).state is State.PROPOSED
        around = here.premises.store.basis(record.recommendation.rec_id, 1)
        assert around is not None
        assert json.loads(around.around)["hold_back"] == 0.5
        assert json.loads(around.around)["noticed"][0]["code"] == "intervals-too-narrow"
        quiet = replace(here.house, autonomy=approval.Autonomy())
        again = cycle.propose(quiet, quiet.today(), seed=1)
        assert all(f.code != "intervals-too-narrow" for f in again.recommendation.decision.findings)
