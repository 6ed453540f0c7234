"""Many portfolios in one agent: one that fails, hangs or makes no sense holds up no other, and each is told apart."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, date, datetime, timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Event
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from connectors.errors import AskMarketer, RetryLater
from optimizer.agent import cycle
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cli import office as commands
from optimizer.agent.clock import SetClock
from optimizer.agent.daemon.claims import Claims, Shared
from optimizer.agent.daemon.crew import Crew, CrewExecutor
from optimizer.agent.daemon.desk import Desk
from optimizer.agent.daemon.health import Door, Figures, alive, at_a_stand, ready
from optimizer.agent.daemon.seen import Seen
from optimizer.agent.settings import SettingsError
from optimizer.agent.settings.daemon import DaemonTable
from optimizer.agent.workers import here
from optimizer.plan.office import Outcome
from optimizer.ports import CallLost, StoreError
from simulations.platform.connector import SimulatedConnector
from simulations.scenarios import named

serve_module = import_module("optimizer.agent.daemon.serve")

START = date(2025, 9, 1)
CONFIG = """
[portfolio]
name = "{name}"
currency = "{currency}"
time_zone = "{zone}"
history_days = 40
[goal]
objective = "{objective}"
value_per_conversion = 2000
[guardrails]
min_gain_probability = 0.0
min_gain_share = 0.0
[web]
listen = ""

[daemon]
decide_at = ["{at}"]
refit = "never"
listen = ""
[connectors.market]
kind = "simulated"
scenario = "tiny-yen"
seed = {seed}
start = 2025-09-01
history_days = 20
"""


def write(folder: Path, name: str, **other: object) -> Path:
    """A portfolio's settings, in a folder of its own."""
    said = {"currency": "JPY", "zone": "Asia/Tokyo", "objective": "conversions", "at": "06:00", "seed": 1} | other
    (folder / name).mkdir(parents=True, exist_ok=True)
    config = folder / name / "config.toml"
    config.write_text(CONFIG.format(name=name, **said))
    return config


def morning() -> SetClock:
    market = SimulatedConnector(named("tiny-yen", history_days=20), seed=1, start=START)
    return SetClock(market.now + timedelta(minutes=5))


@pytest.fixture
def leaving():
    desks: list[Desk] = []
    yield desks
    for desk in desks:
        desk.leave()


def jobs(desk: Desk) -> dict[str, Outcome]:
    return {job: run.outcome for job, run in desk.seen.runs.items()}


def test_each_has_its_own_zone_goals_and_hours_and_a_failing_one_holds_up_no_other(
    tmp_path: Path, leaving: list[Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, shared = morning(), Shared()  # 06:05 in Tokyo, 21:05 in UTC the evening before
    configs = [
        write(tmp_path, "early", seed=1),
        write(tmp_path, "late", seed=2, at="09:00"),
        write(tmp_path, "elsewhere", seed=3, zone="UTC", at="21:00", objective="profit"),
        write(tmp_path, "broken", seed=4),
        write(tmp_path, "nonsense", seed=5, zone="Mars/Olympus"),
        write(tmp_path, "foreign", seed=6, currency="EUR"),
    ]
    desks = dict(
        zip((config.parent.name for config in configs), [Desk(c, clock, shared) for c in configs], strict=True)
    )
    leaving += desks.values()
    pull = SimulatedConnector.pull

    def throttled(connector: SimulatedConnector, since: date, until: date) -> object:
        if connector.accounts()[0].account_id.endswith("-4"):
            raise RetryLater("too many requests", retry_after_seconds=1)
        return pull(connector, since, until)

    monkeypatch.setattr(SimulatedConnector, "pull", throttled)
    for desk in desks.values():
        desk.look()
    assert jobs(desks["early"]) == dict.fromkeys(("alarms", "pull", "decide", "announce"), Outcome.DONE)
    assert jobs(desks["elsewhere"])["decide"] is Outcome.DONE
    assert (jobs(desks["late"])["pull"], desks["late"].seen.runs["pull"].due_at.hour) == (Outcome.DONE, 0), (
        "yesterday's"
    )
    assert jobs(desks["broken"]) == {"alarms": Outcome.DONE, "pull": Outcome.FAILED}
    assert jobs(desks["foreign"]) == {"alarms": Outcome.DONE, "pull": Outcome.DONE, "decide": Outcome.FAILED}, (
        "its snapshot refuses"
    )
    wrong = ready(list(desks.values()), clock.now())
    assert set(wrong) == {"broken", "foreign", str(configs[4])}
    assert "too many requests" in wrong["broken"]
    assert "JPY" in wrong["foreign"]
    assert "Mars/Olympus" in wrong[str(configs[4])]
    told: list[str] = []
    monkeypatch.setattr("optimizer.agent.daemon.desk.told", lambda *words: told.append(words[0]) or "told again")
    for _ in range(3):
        desks["nonsense"].look()
    assert not told, "it is told once, and tried again after a minute"
    clock.sleep(61)
    desks["nonsense"].look()
    assert told == [str(configs[4])]
    units = {name: desks[name].seen.waiting[0].recommendation.decision.unit for name in ("early", "elsewhere")}
    assert (units["early"], "profit" in units["elsewhere"]) == ("conversions a day", True)
    with open_house(configs[3], clock) as house:
        assert "too many requests" in house.store.runs("pull")[0].words, "it stands in the history, too"
    metrics = figures(list(desks.values()))
    assert metrics["outlay_job_failed"][("broken", "pull")] == 1.0
    assert metrics["outlay_job_failed"][("early", "pull")] == 0.0
    assert metrics["outlay_trouble"][(str(configs[4]),)] == 1.0


def test_several_connectors_are_read_though_one_cannot_be(
    tmp_path: Path, leaving: list[Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(tmp_path, "shop")
    second = '[connectors.other]\nkind = "simulated"\nscenario = "tiny-yen"\nseed = 2\nhistory_days = 20\n'
    config.write_text(config.read_text() + second)
    desk = Desk(config, morning())
    leaving.append(desk)
    pull = SimulatedConnector.pull
    broken = {"market"}

    def some(connector: SimulatedConnector, since: date, until: date) -> object:
        if connector.name in broken:
            raise AskMarketer(f"{connector.name} wants a new password", mend="set one")
        return pull(connector, since, until)

    monkeypatch.setattr(SimulatedConnector, "pull", some)
    with pytest.raises(AskMarketer, match="market wants"), open_house(config, morning()) as house:
        cycle.pull(house, house.today())
    with open_house(config, morning()) as house:
        seen = cycle.snapshot(house, house.today())
    assert {target.key.connector for target in seen.targets} == {"other"}, "what could be read is kept"
    broken.add("other")
    desk.look()
    words = desk.seen.runs["pull"].words
    assert "market: market wants" in words
    assert "other: other wants" in words


def test_a_plan_that_a_worker_cannot_make_is_told_and_made_later(tmp_path: Path, leaving: list[Desk]) -> None:
    lost = [True]

    def through(do: object, job: object) -> object:
        if lost:
            raise CallLost("a worker was ended, for want of memory perhaps")
        return here(do, job)

    clock = morning()
    desk = Desk(write(tmp_path, "shop"), clock, Shared(through))
    leaving.append(desk)
    desk.look()
    assert jobs(desk) == {"alarms": Outcome.DONE, "pull": Outcome.DONE, "decide": Outcome.FAILED}
    assert desk.seen.runs["decide"].words.startswith("a worker was ended")
    lost.clear()
    clock.sleep(16 * 60)
    desk.look()
    assert jobs(desk)["decide"] is Outcome.DONE


def test_names_and_databases_are_not_shared(tmp_path: Path, leaving: list[Desk]) -> None:
    clock, shared = morning(), Shared()
    first, second = write(tmp_path, "a"), write(tmp_path, "b")
    second.write_text(second.read_text().replace('name = "b"', 'name = "a"'))
    one, other = Desk(first, clock, shared), Desk(second, clock, shared)
    leaving += [one, other]
    one.open()
    with pytest.raises(SettingsError, match=r"is named 'a', too.*a name of its own"):
        other.open()
    second.write_text(CONFIG.format(name="b", currency="JPY", zone="UTC", objective="profit", at="06:00", seed=1))
    second.write_text(f'{second.read_text()}[store]\nurl = "sqlite:///{tmp_path}/a/.outlay/outlay.sqlite"\n')
    with pytest.raises(SettingsError, match="has the same database"):
        other.open()
    for spelling in (f"{tmp_path}/b/../a/.outlay/outlay.sqlite", "../a/.outlay/outlay.sqlite"):
        second.write_text(CONFIG.format(name="b", currency="JPY", zone="UTC", objective="profit", at="06:00", seed=1))
        second.write_text(f'{second.read_text()}[store]\nurl = "sqlite:///{spelling}"\n')
        with pytest.raises(SettingsError, match="has the same database"):
            other.open()
    write(tmp_path, "b")
    other.open()
    names = figures([one, other])["outlay_leading"]
    assert set(names) == {("a",), ("b",)}


def test_a_claim_is_given_back_if_what_it_was_for_fails_and_its_old_one_stays() -> None:
    claims, mine, yours = Claims(), Path("mine.toml"), Path("yours.toml")
    with claims.taking(mine, "a", "sqlite:///a"):
        pass
    with pytest.raises(StoreError), claims.taking(mine, "b", "sqlite:///b"):
        raise StoreError("it cannot be opened")
    with pytest.raises(SettingsError), claims.taking(yours, "a", "sqlite:///c"):
        pass
    with claims.taking(mine, "b", "sqlite:///b"):
        pass
    with claims.taking(yours, "a", "sqlite:///a"):
        pass
    with pytest.raises(SettingsError, match="b"), claims.taking(yours, "b", "sqlite:///a"):
        pass


@pytest.mark.parametrize(
    "spelled",
    [
        "postgresql://outlay@db:5432/shop", "postgres://ada:word@DB/shop", "postgresql+psycopg://db/shop?sslmode=require",
        "postgresql:///shop?host=db",
    ],
)  # fmt: skip
def test_a_servers_database_is_one_however_it_is_written(spelled: str) -> None:
    claims = Claims()
    with claims.taking(Path("mine.toml"), "a", "postgresql://db/shop"):
        pass
    with pytest.raises(SettingsError, match="same database"), claims.taking(Path("yours.toml"), "b", spelled):
        pass
    with claims.taking(Path("yours.toml"), "b", "postgresql://db:5433/shop"):
        pass


def test_a_rename_to_a_name_that_is_taken_is_refused_and_the_old_one_serves_on(
    tmp_path: Path, leaving: list[Desk]
) -> None:
    clock, shared = morning(), Shared()
    desks = [Desk(write(tmp_path, name), clock, shared) for name in ("a", "b")]
    leaving += desks
    for desk in desks:
        desk.look()
    config = tmp_path / "b" / "config.toml"
    config.write_text(config.read_text().replace('name = "b"', 'name = "a"') + "# longer\n")
    desks[1]._written = 0.0
    desks[1].look()
    assert "is named 'a', too" in desks[1].seen.trouble
    assert desks[1].name == "b"
    assert desks[1].seen.leading


def test_those_that_open_are_served_though_others_do_not(tmp_path: Path, leaving: list[Desk]) -> None:
    good, bad = write(tmp_path, "good"), write(tmp_path, "bad", zone="Mars/Olympus")
    opened = serve_module._opened([bad, good], morning(), Shared())
    leaving += opened
    assert [desk.name for desk in opened] == [str(bad), "good"]
    with pytest.raises(SettingsError, match="Mars/Olympus"):
        serve_module._opened([bad], morning(), Shared())
    with pytest.raises(SettingsError, match="named twice"):
        serve_module._opened([good, good.parent / ".." / "good" / "config.toml"], morning(), Shared())


def test_a_folder_stands_for_the_settings_files_in_it(tmp_path: Path) -> None:
    one, other = write(tmp_path, "one"), write(tmp_path, "other")
    (tmp_path / "third.toml").write_text("")
    assert commands._files(tmp_path) == [one, other, tmp_path / "third.toml"]
    assert commands._files(one) == [one]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SettingsError, match="no settings file in this folder"):
        commands._files(empty)


class Waiter:
    """Work that hangs until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go = Event(), Event()

    def __call__(self) -> str:
        self.begun.set()
        self.go.wait(60)
        return "at last"


def test_what_hangs_makes_room_for_the_others_and_ends_when_it_can() -> None:
    crew, hanging = Crew(places=1, patience_seconds=0.05), [Waiter() for _ in range(3)]
    try:
        slow = [crew.submit(waiter) for waiter in hanging]
        assert crew.submit(lambda: "done").result(timeout=60) == "done"
        assert all(waiter.begun.is_set() for waiter in hanging)
        assert not any(future.done() for future in slow)
    finally:
        for waiter in hanging:
            waiter.go.set()
    assert [future.result(timeout=60) for future in slow] == ["at last"] * 3
    crew.shutdown()


def test_no_more_are_at_work_than_there_are_places_while_none_takes_long() -> None:
    crew, waiters = Crew(places=2, patience_seconds=3600.0), [Waiter() for _ in range(3)]
    futures = [crew.submit(waiter) for waiter in waiters]
    assert waiters[0].begun.wait(60)
    assert waiters[1].begun.wait(60)
    assert not waiters[2].begun.is_set()
    waiters[0].go.set()
    assert waiters[2].begun.wait(60)
    for waiter in waiters:
        waiter.go.set()
    assert [future.result(timeout=60) for future in futures] == ["at last"] * 3
    with pytest.raises(ZeroDivisionError):
        crew.submit(lambda: 1 / 0).result(timeout=60)
    crew.shutdown()


def test_the_end_does_not_wait_for_what_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optimizer.agent.daemon.crew.LAST_SECONDS", 0.05)
    crew, waiter = Crew(places=1, patience_seconds=3600.0), Waiter()
    began = crew.submit(waiter)
    never = crew.submit(waiter)
    assert waiter.begun.wait(60)
    crew.shutdown(wait=True)
    assert never.result(timeout=60) == ()
    with pytest.raises(TimeoutError):
        began.result(timeout=0)
    waiter.go.set()


def test_looks_that_were_never_begun_leave_no_error_behind(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("optimizer.agent.daemon.crew.LAST_SECONDS", 0.05)
    crew, waiter = Crew(places=1, patience_seconds=3600.0), Waiter()
    scheduler = BackgroundScheduler(timezone=UTC, executors={"default": CrewExecutor(crew)})
    crew.submit(waiter)
    assert waiter.begun.wait(60)
    handed = Event()
    monkeypatch.setattr(crew, "_fill", handed.set)
    scheduler.add_job(waiter, next_run_time=datetime.now(UTC), misfire_grace_time=None)
    scheduler.start()
    assert handed.wait(60)
    scheduler.shutdown(wait=True)
    waiter.go.set()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_the_process_is_set_up_by_the_first_file_that_makes_sense(tmp_path: Path) -> None:
    bad, good = write(tmp_path, "bad", zone="Mars/Olympus"), write(tmp_path, "good")
    good.write_text(good.read_text().replace("[daemon]", "[daemon]\nworkers = 3"))
    assert serve_module._table([bad, good]).workers == 3
    assert serve_module._table([bad]) == DaemonTable()


def test_a_first_file_that_makes_no_sense_does_not_keep_the_others_from_being_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[list[str]] = []

    def until_it_is_served(desks: list[Desk], *_words: object) -> None:
        served.append([desk.name for desk in desks])
        for desk in desks:
            desk.leave()

    monkeypatch.setattr(serve_module, "_serve", until_it_is_served)
    monkeypatch.setattr(serve_module, "configure", lambda: None)
    bad, good = write(tmp_path, "bad", zone="Mars/Olympus"), write(tmp_path, "good")
    serve_module.serve([bad, good])
    assert served == [[str(bad), "good"]]
    with pytest.raises(SettingsError, match="Mars/Olympus"):
        serve_module.serve([bad])


def test_a_platform_that_hangs_holds_up_no_other_portfolio(
    tmp_path: Path, leaving: list[Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one thread for two portfolios, of which the first one's platform does not answer."""
    monkeypatch.setattr(serve_module, "_THREADS", 1)
    monkeypatch.setattr(serve_module, "Crew", partial(Crew, patience_seconds=0.05))
    clock, waiter, pull = morning(), Waiter(), SimulatedConnector.pull

    def hangs(connector: SimulatedConnector, since: date, until: date) -> object:
        if connector.accounts()[0].account_id.endswith("-1"):
            waiter()
        return pull(connector, since, until)

    monkeypatch.setattr(SimulatedConnector, "pull", hangs)
    desks = [Desk(write(tmp_path, name, seed=seed), clock) for name, seed in (("hangs", 1), ("well", 2))]
    leaving += desks
    scheduler = serve_module._scheduler(desks, 0.05)
    scheduler.start()
    try:
        assert waiter.begun.wait(60)
        until = time.monotonic() + 60
        while jobs(desks[1]).get("announce") is not Outcome.DONE and time.monotonic() < until:
            time.sleep(0.02)
        assert jobs(desks[1])["announce"] is Outcome.DONE
        assert desks[0].busy
        clock.sleep(3700)
        assert set(alive(desks, clock.now())) >= {"hangs"}
        desks[1].look()
        assert at_a_stand(desks, clock.now()) == {}, "the process is well, and must not be begun anew"
        assert "hangs" in ready(desks, clock.now())
    finally:
        waiter.go.set()
        scheduler.shutdown(wait=True)


class Watched:
    """A desk as the door sees it."""

    def __init__(self, name: str, at: object) -> None:
        self.name, self.seen = name, Seen(at=at)

    def at_work(self, _now: object) -> bool:
        return False


def test_health_is_of_the_process_and_readiness_of_each_portfolio() -> None:
    clock = morning()
    desks = [Watched("stuck", clock.now() - timedelta(hours=2)), Watched("well", clock.now())]
    door = Door("127.0.0.1:0", desks, clock.now)
    try:
        assert _ask(door, "/healthz")[0] == 200
        code, body = _ask(door, "/readyz")
        assert (code, list(json.loads(body)["wrong"])) == (503, ["stuck"])
        desks[1].seen.at = clock.now() - timedelta(hours=1)
        code, body = _ask(door, "/healthz")
        assert (code, list(json.loads(body)["wrong"])) == (503, ["stuck", "well"])
    finally:
        door.close()


def _ask(door: Door, path: str) -> tuple[int, bytes]:
    try:
        with urlopen(f"http://127.0.0.1:{door.port}{path}", timeout=30) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


def figures(desks: list[Desk]) -> dict[str, dict[tuple[str, ...], float]]:
    """The metrics by name and labels; the text is that of a scrape, in which no series may stand twice."""
    registry = CollectorRegistry()
    registry.register(Figures(desks, morning().now))
    text = generate_latest(registry).decode()
    series = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(series) == len(set(series))
    return {
        family.name: {_labels(sample.labels): sample.value for sample in family.samples}
        for family in text_string_to_metric_families(text)
    }


def _labels(labels: dict[str, str]) -> tuple[str, ...]:
    return (labels["portfolio"], *(value for name, value in sorted(labels.items()) if name != "portfolio"))
