"""Attribution at the page and in the API: the same figures, from what the store keeps."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from optimizer.agent import appraising, cycle, settings
from optimizer.agent.bootstrap import open_house
from optimizer.agent.clock import SetClock
from optimizer.agent.web import open_premises, readings
from optimizer.agent.web.drawn import Mark, counts, top_of
from optimizer.plan.appraisal import Estimate, Subject
from optimizer.plan.canonical import content_hash
from optimizer.plan.lift_tests import Base, LiftEnd, LiftReading, LiftRecord, Switchback
from tests.journeys.touched import TODAY, shop_of_paths
from tests.optimizer.kept_worth import credited, keep_worth, valued
from tests.optimizer.web_world import Visitor, World, world

API = "/api/v1/attribution"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as found:
        yield found


def told(visitor: Visitor) -> Any:
    answer = visitor.get(API)
    assert answer.status_code == 200, answer.text
    return answer.json()


def shown(visitor: Visitor) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", visitor.get("/attribution").text)))


def channels(here: World) -> list[str]:
    return sorted({target.channel for target in here.premises.seen().targets})


def test_nothing_is_kept_and_the_page_says_what_to_do(here: World) -> None:
    vic = here.client("vic")
    text, found = shown(vic), told(vic)
    assert "claimed conversions objective: conversions" in text
    for command in ("outlay attribution", "outlay appraise", "outlay lift design channel:", "outlay lifetime"):
        assert command in text
    assert (found["credit"], found["lift"], found["customers"], found["overclaims"]) == (None, None, None, [])
    assert (found["asked"], found["counts"], found["value_asked"]) == ("attributed", "attributed", "order")
    assert all(row["credited"] is None and row["attributed"]["cpa"] for row in found["channels"])
    assert {step["about"] for step in found["next"]} == {"credit", "lift", "customer"}


def test_page_and_api_tell_the_same_of_what_is_kept(here: World) -> None:
    vic = here.client("vic")
    names = channels(here)
    keep_worth(here.premises.store, here.clock.now(), "JPY", names)  # at once, though rows are read anew more seldom
    text, found = shown(vic), told(vic)
    assert "markov-2/1 2 days ago" in text
    assert (found["credit"]["model"], found["lift"]["model"]) == ("markov-2/1", "hierarchy/1")
    assert (found["credit"]["due_at"], found["lift"]["is_due"]) == (None, False)
    by_name = {row["channel"]: row for row in found["channels"]}
    for row in found["channels"]:
        for way in ("attributed", "credited", "incremental"):
            assert f"¥{row[way]['cpa']['expected']:,.0f}" in text.replace("JP¥", "¥")
            assert f"{row[way]['roas']['expected']:,.2f}" in text
            assert row[way]["cpa"]["expected"] == pytest.approx(float(row["spend"]) / row[way]["conversions"])
    first = by_name[names[0]]
    assert first["credited"]["per_claimed"]["expected"] == pytest.approx(0.6)
    assert first["incremental"]["per_claimed"]["expected"] == pytest.approx(0.3 * math.exp(0.02))
    assert [each["channel"] for each in found["overclaims"]] == names[:1]
    assert "claims too much" in text
    assert "claims more than it brings (> 99%)" in text
    assert found["whole"]["credited"]["conversions"] == pytest.approx(
        sum(row["credited"]["conversions"] for row in found["channels"])
    )


def test_what_plans_count_is_marked_and_what_is_asked_in_vain_is_said(tmp_path: Path) -> None:
    credit = '\n[goal]\ncounts = "credited"\n[attribution]\nmodel = "markov"\nmarkov_order = 2\n'
    with world(tmp_path, credit) as here:
        vic = here.client("vic")
        assert "claimed conversions asked for: credited conversions objective: conversions" in shown(vic)
        assert told(vic)["counts"] == "attributed"
        (name, *_) = channels(here)
        at = here.clock.now() - timedelta(days=8)
        here.premises.store.record_appraisal(credited(at, Estimate(name, 0.5, 0.1)))
        assert "As credited plans count this" in shown(vic)
        assert ("credited by the model" in shown(vic), "incremental by lift tests" in shown(vic)) == (True, False)
        assert "due since" in shown(vic)
        found = told(vic)
        assert (found["counts"], found["credit"]["is_due"]) == ("credited", True)
        assert datetime.fromisoformat(found["credit"]["due_at"]) == at + timedelta(days=7)


def test_what_a_customer_brings_counts_once_it_is_kept_in_the_currency(tmp_path: Path) -> None:
    with world(tmp_path, '\n[goal]\nobjective = "revenue"\nvalue = "lifetime"\n') as here:
        vic = here.client("vic")
        vain = "each worth its order asked for: each worth what a new customer brings"
        assert f"objective: revenue, {vain}" in shown(vic)
        names, now = channels(here), here.clock.now()
        for currency, days, value in (("EUR", 2, "order"), ("JPY", 1, "lifetime")):
            estimates = [Estimate(name, 90.0, 0.2) for name in names]
            here.premises.store.record_appraisal(valued(now - timedelta(days=days), currency, *estimates))
            found = told(vic)
            assert (found["value"], found["value_asked"]) == (value, "lifetime")
            assert (vain in shown(vic)) == (value == "order")
        text = shown(vic)
        for row in found["channels"]:
            assert row["customer"]["told"]
            ratio = row["attributed"]["value_to_cost"]["expected"]
            assert ratio == pytest.approx(90.0 / row["attributed"]["cpa"]["expected"])
            assert f"{ratio:.2f}" in text


def test_a_test_that_was_read_marks_its_channel_before_any_refit(here: World) -> None:
    vic = here.client("vic")
    seen = here.premises.seen()
    target, last = seen.targets[0], seen.today - timedelta(days=3)
    bases = (Base(str(target.key), target.budget.amount),)
    first = last - timedelta(days=23)
    plan = Switchback("pulses", target.channel, None, bases, first, 3, 1, (False, True) * 4, 0.8, 1.0)
    reading = LiftReading(first, last, 900.0, -300.0, -9.0, 2.0, -13.0, -5.0, 0.9, -30.0, 2.0)
    now = here.clock.now()
    record = LiftRecord("L-1", plan, content_hash(plan), now - timedelta(days=30), "ana", "0.1")
    here.premises.store.register_lift_test(record)
    here.premises.store.end_lift_test(LiftEnd("L-1", now, seen.today, "ana", "read", reading, "a" * 64))
    (found,) = told(vic)["overclaims"]
    assert (found["channel"], found["campaign"]) == (target.channel, None)
    assert "by lift test pulses the change of spend brought 9.00, of 30.0 that are claimed" in shown(vic)
    assert "outlay refit" in shown(vic)


def test_tests_of_the_settings_tell_when_a_channel_was_tested_last(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        vic = here.client("vic")
        (name, *_) = channels(here)
        days = [here.premises.seen().today - timedelta(days=back) for back in (40, 10, 2000)]
        tables = "".join(
            f'\n[[lift_tests]]\nscope = "channel:{name}"\nfirst_day = {day - timedelta(days=9)}\nlast_day = {day}\n'
            "spend = 100\nspend_change = -100\nincremental = -5\nse = 2\n"
            for day in days
        )
        here.config.write_text(here.config.read_text() + tables)
        found = {row["channel"]: row["tested_until"] for row in told(vic)["channels"]}
        assert found[name] == days[1].isoformat()
        assert [found[other] for other in found if other != name] == [None] * (len(found) - 1)
        assert "outlay refit" in shown(vic)


def test_what_was_reckoned_from_touches_and_orders_is_what_the_page_shows(tmp_path: Path) -> None:
    config = shop_of_paths(tmp_path, goal='[goal]\ncounts = "credited"')
    clock = SetClock(datetime(TODAY.year, TODAY.month, TODAY.day, 6, tzinfo=UTC))
    for export in (tmp_path / "exports").iterdir():  # what a file says is known since it was written
        os.utime(export, (clock.now().timestamp(),) * 2)
    with open_house(config, clock) as house:
        cycle.pull(house, TODAY)
        made = appraising.appraise(house, settings.load(config), Subject.CREDIT, TODAY, 1, lambda *_: None).made
        assert made is not None
        house.store.record_appraisal(made)
    with open_premises([config], clock) as (premises,):
        found = readings.attribution(premises, clock.now())
    social = {row.channel: row for row in found.channels}["social"]
    assert (social.spend, social.conversions) == ("280.00", 28.0)
    assert social.credited is not None
    assert social.credited.cpa is not None
    assert social.credited.per_claimed.expected == pytest.approx(10 / 30)  # half of twenty orders, of thirty claims
    assert social.credited.cpa.expected == pytest.approx(30.0)
    assert social.credited.told
    assert [step.about for step in found.next] == ["lift", "customer"]


def test_a_channel_s_name_stays_a_text(here: World) -> None:
    odd = '"><script>alert(1)</script>'
    seen = here.premises.seen()
    renamed = replace(seen, targets=tuple(replace(target, channel=odd) for target in seen.targets))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(here.premises, "seen", lambda: renamed)
        here.premises.store.record_appraisal(credited(here.clock.now(), Estimate(odd, 0.5, 0.1)))
        text = here.client("vic").get("/attribution").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_a_mark_stands_where_its_figure_is_and_ends_in_an_arrow_beyond_the_axis() -> None:
    mark = Mark("credited", 1.0, 0.5, 1.5, told=True)
    picture = str(counts([mark, replace(mark, name="incremental", high=9.0, told=False)], 2.0, 'a "b"'))
    assert picture.count('x1="130" x2="130"') == 1  # what is claimed, in the midst of an axis up to two
    assert '<circle cx="130" cy="9" r="4"/>' in picture
    assert '<line x1="66" x2="194" y1="9" y2="9"/>' in picture
    assert '<g class="incremental lent"><line x1="66" x2="258" y1="27" y2="27"/><path d="M253 23l5 4l-5 4"/>' in picture
    assert "a &#34;b&#34;" in picture
    assert (top_of([]), top_of([0.5, 2.0]), top_of([40.0])) == (1.2, pytest.approx(2.1), 3.0)
