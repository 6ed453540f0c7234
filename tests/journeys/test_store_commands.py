"""The commands around the store: its version, backups, the proof of its history, and decisions made again."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect

from optimizer.agent.store import backup, current, migrate, open_sql
from optimizer.agent.store.places import database_at, is_there
from optimizer.plan.audit import prove
from tests.journeys.shops import Outlay, Shop
from tests.optimizer.test_store_sql import row, step
from tests.postgres_server import Server

FINE, ERROR, PENDING = 0, 1, 2


@dataclass(frozen=True)
class Place:
    """A store of one kind, and how to reach behind its back."""

    kind: str
    url: str

    def raw(self, statement: str) -> None:
        """Run a statement with the triggers gone, as whoever has the file or the server's keys can."""
        if self.kind == "postgresql":
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute("SET session_replication_role = replica")
                connection.execute(statement)
            return
        connection = sqlite3.connect(self.url.removeprefix("sqlite:///"))
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        with connection:
            for (name,) in triggers:
                connection.execute(f"DROP TRIGGER {name}")
            connection.execute(statement)
        connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The store of the shop's settings."""
    if request.param == "sqlite":
        return Place("sqlite", f"sqlite:///{shop.folder}/.outlay/outlay.sqlite")
    url = request.getfixturevalue("postgres")
    monkeypatch.setenv("OUTLAY_STORE__URL", url)
    return Place("postgresql", url)


def test_a_decision_is_made_again_to_the_byte_and_its_history_is_proved(
    outlay: Outlay, shop: Shop, place: Place
) -> None:
    planned = outlay("plan", "-c", shop.config, "--as-of", shop.today, "--json")
    assert planned.code == PENDING, planned.err
    made = planned.data["recommendation"]
    told = outlay("explain", "-c", shop.config, "--recompute", "--json")
    assert told.code == FINE, told.out
    assert told.data["recomputed"] == {
        "same": True, "plan_hash": made["plan_hash"], "causes": [], "differences": [],
    }  # fmt: skip
    edited = outlay("edit", "latest", "-c", shop.config, "--keep", "brand", "--as", "ada", "--json")
    assert edited.code == PENDING, edited.err

    # What is read, named and wished for later does not matter.
    text = shop.rows.read_text(encoding="utf-8")
    shop.rows.write_text(text.replace("retargeting", "winback"), encoding="utf-8")
    shop.append("\n[goal]\nrisk_aversion = 0.5\n[guardrails]\nlargest_step = 0.1\n")
    assert outlay("plan", "-c", shop.config, "--as-of", shop.today).code in (FINE, PENDING)
    for revision in (1, 2):
        words = ("explain", made["rec_id"], "--revision", revision, "-c", shop.config, "--recompute")
        again = outlay(*words)
        assert again.code == FINE, again.out
        assert "The same bytes came out." in again.out
    basis = outlay("explain", made["rec_id"], "-c", shop.config, "--json").data["basis"]
    assert (basis["goals"]["risk_aversion"], basis["goals"]["largest_step"]) == (0.0, 0.3)

    proof = outlay("audit", "verify", "-c", shop.config, "--json")
    assert (proof.code, proof.data["holds"]) == (FINE, True)
    head = proof.data["head"]
    outlay("reject", "latest", "-c", shop.config, "--reason", "launch week", "--as", "bob")
    assert outlay("audit", "verify", "-c", shop.config, "--head", head[:12]).code == FINE
    listed = outlay("audit", "show", "-c", shop.config, "--by", "bob")
    assert "launch week" in listed.out
    assert "ada" not in listed.out
    entries = outlay("audit", "show", "-c", shop.config, "--action", "edit", "--json").data["entries"]
    assert [(entry["actor"], entry["recommendation"]) for entry in entries] == [("ada", made["rec_id"])]
    assert outlay("audit", "show", "-c", shop.config, "--until", "2020-01-01").out == "No entry matches.\n"

    place.raw("UPDATE fact SET spend = spend + 1000000, known_from = known_from + 1")
    changed = outlay("explain", made["rec_id"], "--revision", 1, "-c", shop.config, "--recompute", "--json")
    assert changed.code == ERROR
    assert "The evidence is not what it was" in changed.data["recomputed"]["causes"][0]
    assert "decision.input_digest" in {d["path"] for d in changed.data["recomputed"]["differences"]}
    place.raw("UPDATE event SET actor = 'bob' WHERE id = 2")
    broken = outlay("audit", "verify", "-c", shop.config)
    assert broken.code == ERROR
    assert "entry 2 does not say what was sealed" in broken.out


def test_what_cannot_be_asked_of_the_history_is_told(outlay: Outlay, shop: Shop) -> None:
    for words in (("verify", "--head", "abc"), ("verify", "--head", "z" * 64), ("show", "--since", "soon")):
        answer = outlay("audit", *words, "-c", shop.config)
        assert answer.code == ERROR
        assert "Mend: write" in answer.err
    lost = outlay("audit", "verify", "-c", shop.config, "--head", "a" * 64)
    assert lost.code == ERROR
    assert "the kept head" in lost.out
    assert outlay("explain", "-c", shop.config).code == ERROR


def _fresh(kind: str, shop: Shop, request: pytest.FixtureRequest) -> str:
    if kind == "sqlite":
        return f"sqlite:///{shop.folder}/elsewhere/new.sqlite"
    return str(request.getfixturevalue("new_postgres"))


def test_a_backup_is_taken_while_others_write_and_put_back_into_an_empty_place(
    outlay: Outlay, shop: Shop, place: Place, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outlay("db", "upgrade", "-c", shop.config).code == FINE
    store = open_sql(place.url)
    store.ingest(row(n, series=row().series) for n in (1,))
    store.commit([step("R")])
    stop = threading.Event()
    written = []

    def write() -> None:
        while not stop.is_set():
            store.commit([step(f"W{len(written)}")])
            written.append(1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        file = shop.folder / "copy.outlay"
        taken = outlay("db", "backup", file, "-c", shop.config, "--json")
    finally:
        stop.set()
        writer.join()
    assert taken.code == FINE, taken.err
    assert (taken.data["version"], taken.data["rows"]["fact"]) == (migrate.HEAD, 1)
    assert 1 <= taken.data["rows"]["event"] == taken.data["rows"]["recommendation"] <= len(written) + 1
    assert sorted(path.name for path in shop.folder.glob("copy*")) == ["copy.outlay", "copy.outlay.json"]
    assert "exists already" in outlay("db", "backup", file, "-c", shop.config).err
    assert "is not empty" in outlay("db", "restore", file, "-c", shop.config).err
    store.close()

    url = _fresh(place.kind, shop, request)
    monkeypatch.setenv("OUTLAY_STORE__URL", url)
    put_back = outlay("db", "restore", file, "-c", shop.config, "--json")
    assert put_back.code == FINE, put_back.err
    assert put_back.data == taken.data
    again = open_sql(url)
    assert again.record("R").recommendation.rec_id == "R"
    assert again.brake().on
    assert "look at what was written since" in again.brake().reason
    assert prove(again.audit(limit=1_000_000)).broken is None
    again.commit([step("later")])
    again.close()
    assert "is not empty" in outlay("db", "restore", file, "-c", shop.config).err


def test_a_backup_that_is_not_whole_is_not_put_back(outlay: Outlay, shop: Shop, tmp_path: Path) -> None:
    assert "nothing to back up" in outlay("db", "backup", tmp_path / "copy", "-c", shop.config).err
    outlay("db", "upgrade", "-c", shop.config)
    assert "does not exist; make it" in outlay("db", "backup", tmp_path / "no" / "copy", "-c", shop.config).err
    file = tmp_path / "copy"
    assert outlay("db", "backup", file, "-c", shop.config).code == FINE
    (shop.folder / ".outlay" / "outlay.sqlite").unlink()
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("INSERT INTO account VALUES (1, 'ads', '1', 'USD', 'UTC')")
    connection.close()
    damaged = outlay("db", "restore", file, "-c", shop.config)
    assert damaged.code == ERROR
    assert "is not what was backed up" in damaged.err
    file.write_text("no database")
    assert "Error" in outlay("db", "restore", file, "-c", shop.config).err
    figures = tmp_path / "copy.json"
    figures.write_text("{}")
    assert "is not what a backup writes" in outlay("db", "restore", file, "-c", shop.config).err
    figures.unlink()
    assert "bring both" in outlay("db", "restore", file, "-c", shop.config).err
    assert list((shop.folder / ".outlay").iterdir()) == []


def _stands(url: str) -> str:
    """What somebody else sees of a store: nothing, or whether its writes go on."""
    if not is_there(url):
        return "nothing"
    with closing(database_at(url)) as database, database.read() as connection:
        if not inspect(connection).get_table_names():
            return "nothing"
    with closing(open_sql(url)) as store:
        brake = store.brake()
    return "stopped" if brake is not None and brake.on else "goes on"


def test_what_is_restored_is_at_no_instant_seen_without_its_brake(
    outlay: Outlay, shop: Shop, place: Place, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    outlay("db", "upgrade", "-c", shop.config)
    file = shop.folder / "copy.outlay"
    assert outlay("db", "backup", file, "-c", shop.config).code == FINE
    url = _fresh(place.kind, shop, request)
    monkeypatch.setenv("OUTLAY_STORE__URL", url)
    seen = []

    def after[**P, R](do: Callable[P, R]) -> Callable[P, R]:
        def done(*given: P.args, **named: P.kwargs) -> R:
            answer = do(*given, **named)
            seen.append(_stands(url))
            return answer

        return done

    # Whatever an agent that looks every second may see: after each of these steps, and once a file has its name.
    for name in ("contents", "_same", "_make_last"):
        monkeypatch.setattr(backup, name, after(getattr(backup, name)))
    monkeypatch.setattr(Path, "replace", after(Path.replace))
    assert outlay("db", "restore", file, "-c", shop.config).code == FINE
    seen.append(_stands(url))
    assert len(seen) >= 3
    assert set(seen) == {"nothing", "stopped"}


def test_a_backup_of_before_there_was_a_brake_is_brought_up_to_date_before_it_is_seen(
    outlay: Outlay, shop: Shop, place: Place, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = f"sqlite:///{shop.folder}/old.sqlite"
    if place.kind == "postgresql":
        old = request.getfixturevalue("postgres_server").new()
    config = Config()
    config.set_main_option("script_location", str(migrate._MIGRATIONS))
    with closing(database_at(old)) as database, database.migrate() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0007")
    file = shop.folder / "copy.outlay"
    backup.back_up(old, file)
    url = _fresh(place.kind, shop, request)
    monkeypatch.setenv("OUTLAY_STORE__URL", url)
    assert outlay("db", "restore", file, "-c", shop.config, "--json").data["version"] == "0007"
    assert (current(url), _stands(url)) == (migrate.HEAD, "stopped")


def test_what_differs_from_its_figures_leaves_the_place_empty(
    outlay: Outlay, shop: Shop, place: Place, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    outlay("db", "upgrade", "-c", shop.config)
    file, figures = shop.folder / "copy.outlay", shop.folder / "copy.outlay.json"
    assert outlay("db", "backup", file, "-c", shop.config).code == FINE
    url = _fresh(place.kind, shop, request)
    monkeypatch.setenv("OUTLAY_STORE__URL", url)
    told, whole = figures.read_text(), file.read_bytes()
    figures.write_text(told.replace('"event": 0', '"event": 1'))
    assert "is not what was backed up" in outlay("db", "restore", file, "-c", shop.config).err
    file.write_bytes(whole[: len(whole) // 2])
    assert outlay("db", "restore", file, "-c", shop.config).code == ERROR
    assert _stands(url) == "nothing"
    file.write_bytes(whole)
    figures.write_text(told)
    assert outlay("db", "restore", file, "-c", shop.config).code == FINE


def test_nothing_is_restored_beside_the_log_of_a_file_that_was_there(outlay: Outlay, shop: Shop) -> None:
    outlay("db", "upgrade", "-c", shop.config)
    file, path = shop.folder / "copy.outlay", shop.folder / ".outlay" / "outlay.sqlite"
    assert outlay("db", "backup", file, "-c", shop.config).code == FINE
    with closing(sqlite3.connect(path)) as connection:  # whoever has it open keeps a log
        connection.execute("INSERT INTO account VALUES (1, 'ads', '1', 'USD', 'UTC')")
        connection.commit()
        path.unlink()
        left = outlay("db", "restore", file, "-c", shop.config)
        assert (left.code, path.exists()) == (ERROR, False)
        assert "outlay.sqlite-wal is left of a file that was there" in left.err
    for log in path.parent.glob("outlay.sqlite-*"):
        log.unlink()
    assert outlay("db", "restore", file, "-c", shop.config).code == FINE


def test_a_version_is_told_and_brought_up_to_date(outlay: Outlay, shop: Shop, place: Place) -> None:
    if place.kind == "sqlite":
        assert outlay("db", "current", "-c", shop.config, "--json").data["version"] is None
    upgraded = outlay("db", "upgrade", "-c", shop.config, "--json")
    assert upgraded.data["version"] == migrate.HEAD == current(place.url)
    assert "as it was" in outlay("db", "upgrade", "-c", shop.config).out
    told = outlay("db", "current", "-c", shop.config, "--json")
    assert told.data == {"version": migrate.HEAD, "newest": migrate.HEAD, "up_to_date": True}


def test_a_portfolio_is_renamed_by_a_command_and_by_no_edit_alone(outlay: Outlay, shop: Shop, place: Place) -> None:
    assert "no store yet" in outlay("db", "rename", "-c", shop.config).out or place.kind == "postgresql"
    assert outlay("plan", "-c", shop.config, "--as-of", shop.today).code == PENDING
    text = shop.config.read_text(encoding="utf-8")
    shop.config.write_text(text.replace("[portfolio]", '[portfolio]\nname = "shoes"'), encoding="utf-8")
    for words in (("plan", "--as-of", shop.today), ("show",), ("approve", "latest")):
        refused = outlay(*words, "-c", shop.config)
        assert refused.code == ERROR
        assert "this one is 'shoes'" in refused.err
    assert outlay("pause", "-c", shop.config, "--reason", "stop").code == FINE, "whoever is in need is asked nothing"
    renamed = outlay("db", "rename", "-c", shop.config, "--as", "mia", "--json")
    assert (renamed.code, renamed.data) == (FINE, {"before": "main", "name": "shoes"})
    assert "as it was" in outlay("db", "rename", "-c", shop.config).out
    assert outlay("show", "-c", shop.config).code == FINE
    assert "from main to shoes" in outlay("audit", "show", "-c", shop.config, "--by", "mia").out
    assert outlay("audit", "verify", "-c", shop.config).code == FINE


def test_a_password_of_its_own_opens_the_server_and_is_never_told(
    outlay: Outlay, shop: Shop, postgres_server: Server, new_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres_server.execute("CREATE ROLE clerk LOGIN PASSWORD 'p@ss:w/rd'")
    name = new_postgres.rpartition("/")[2]
    postgres_server.execute(f'ALTER DATABASE "{name}" OWNER TO clerk')
    place = new_postgres.rpartition("@")[2]
    monkeypatch.setenv("OUTLAY_STORE__URL", f"postgresql://clerk@{place}")
    monkeypatch.setenv("OUTLAY_STORE__PASSWORD", "p@ss:w/rd")
    assert outlay("db", "upgrade", "-c", shop.config).code == FINE
    monkeypatch.setenv("OUTLAY_STORE__PASSWORD", "wrong-p@ss")
    refused = outlay("db", "current", "-c", shop.config)
    assert refused.code == ERROR
    assert "password authentication failed" in refused.err
    assert "wrong-p" not in refused.err + refused.out
    postgres_server.drop(new_postgres)
    postgres_server.execute("DROP ROLE clerk")
