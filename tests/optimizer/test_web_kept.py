"""What is rendered once for all who look: never oftener, never what has changed, and nobody else's rights."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from threading import Barrier, Thread

import pytest
from markupsafe import Markup

from optimizer.agent.foretelling import WEEKS
from optimizer.agent.web import plans
from optimizer.agent.web.kept import Kept, one_at_a_time
from optimizer.agent.web.server import served
from optimizer.plan.record import Record, State
from optimizer.plan.snapshot import Snapshot
from optimizer.ports import SnapshotQuery
from tests.optimizer.web_world import World, world


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as found:
        yield found


def test_a_part_is_rendered_once_and_the_oldest_goes_first() -> None:
    kept, rendered = Kept(2), []

    def ask(name: str) -> Markup:
        def render() -> Markup:
            rendered.append(name)
            return Markup(f"<p>{name}</p>")

        return kept.part(name, render)

    assert [ask(name) for name in "aabacab"] == [f"<p>{name}</p>" for name in "aabacab"]
    assert "".join(rendered) == "abcb"  # b was asked for last before c came


def test_who_asks_while_it_is_rendered_waits_for_it() -> None:
    kept, rendered, together = Kept(1), [], Barrier(4)

    def look() -> None:
        together.wait()
        kept.part("a", lambda: (rendered.append(1), Markup("a"))[1])

    threads = [Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rendered == [1]


def test_many_who_ask_a_cache_at_once_read_once() -> None:
    read, together = [], Barrier(4)
    ask = one_at_a_time(lru_cache(1)(read.append))

    def look() -> None:
        together.wait()
        ask("a")

    threads = [Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read == ["a"]


def test_a_part_that_failed_is_tried_again() -> None:
    kept = Kept(1)
    with pytest.raises(ZeroDivisionError):
        kept.part("a", lambda: 1 // 0)
    assert kept.part("a", lambda: Markup("a")) == "a"


def moved(record: Record) -> list[int]:
    return [n for n, line in enumerate(record.recommendation.decision.lines) if line.changes]


def lines_of(text: str) -> str:
    found = re.search(r'<table class="lines".*</table>', text, re.DOTALL)
    assert found is not None
    return found.group(0)


def test_each_sees_the_lines_by_their_own_rights_and_as_they_stand(here: World) -> None:
    record = here.plan()
    path = f"/recommendations/{record.recommendation.rec_id}"
    ana, ben, vic = (here.client(name) for name in ("ana", "ben", "vic"))
    boxes = lines_of(ana.get(path).text)
    assert 'name="line"' in boxes
    assert lines_of(ben.get(path).text) == boxes
    assert 'name="line"' not in lines_of(vic.get(path).text)
    fields = {"plan_hash": record.recommendation.plan_hash, "line": moved(record)}
    assert ben.act(f"{path}/approve", seen=path, **fields).status_code == 303
    approved = lines_of(vic.get(path).text)
    assert approved.count('title="approved"') == len(moved(record))
    assert lines_of(ana.get(path).text) == approved


def test_each_sees_the_lines_in_their_own_locale(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.config.write_text(here.config.read_text().replace('locale = "en-GB"', ""))
        record = here.plan()
        ana = here.client("ana")
        path = f"/recommendations/{record.recommendation.rec_id}"
        seen = {tag: lines_of(ana.get(path, headers={"Accept-Language": tag}).text) for tag in ("en", "de", "ja")}
        assert len(set(seen.values())) == 3
        assert re.search(r"\d\.\d%", seen["en"])
        assert re.search(r"\d,\d%", seen["de"])


def test_smaller_moves_are_folded_and_chosen_with_the_others(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "_SHOWN", 1)
    record = here.plan()
    path = f"/recommendations/{record.recommendation.rec_id}"
    ana = here.client("ana")
    text = ana.get(path).text
    assert lines_of(text).count('<tr class="line') == 1
    first, *others = (record.recommendation.decision.lines[n] for n in moved(record))
    assert first.name in lines_of(text)
    folded = re.search(r'<details class="folded">.*?</details>', text, re.DOTALL)
    assert folded is not None
    assert re.search(rf"{len(others)} smaller moves?,", folded.group(0))
    assert others
    for line in others:
        assert line.name in folded.group(0)
        assert line.reason.split(":")[0] in folded.group(0)
    boxes = [int(number) for number in re.findall(r'name="line" value="(\d+)"[^>]* checked', text)]
    assert boxes == moved(record)
    fields = {"plan_hash": record.recommendation.plan_hash, "line": boxes}
    assert ana.act(f"{path}/approve", seen=path, **fields).status_code == 303
    assert here.premises.store.record(record.recommendation.rec_id).state is State.APPROVED
    assert ana.get(f"{path}?revision=1").text.count('title="approved"') == len(boxes)


def test_an_editor_sees_every_budget_at_once(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "_SHOWN", 1)
    record = here.plan()
    text = here.client("ana").get(f"/recommendations/{record.recommendation.rec_id}?edit=true").text
    assert lines_of(text).count('<tr class="line') == 3
    assert "smaller moves" not in text


def test_the_first_reader_of_a_plan_waits_for_no_reading_where_it_was_looked_at_ahead(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, client, store = here.plan(), here.client("ben"), here.premises.store
    client.get("/account")  # who asks is known
    read, look = [], store.snapshot
    every = 2 + WEEKS  # the plan's evidence, what is known now, and the past mornings of the scorecard

    def counted(query: SnapshotQuery) -> Snapshot:
        found = look(query)
        read.append(query)
        return found

    monkeypatch.setattr(store, "snapshot", counted)
    with served([here.premises], here.clock, "127.0.0.1:0"):
        until = time.monotonic() + 120
        while len(read) < every and time.monotonic() < until:
            time.sleep(0.05)
    for path in (f"/recommendations/{record.recommendation.rec_id}", "/", "/scorecard"):
        assert client.get(path).status_code == 200
    assert len(read) == every
