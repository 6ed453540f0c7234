"""A world in time: resumed, shared and replayed to the same bytes; a damaged or foreign state is refused."""

import hashlib
import json
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from connectors.contract import BudgetChange
from connectors.errors import AskMarketer, BadInput
from connectors.money import Money
from simulations.market.play import play
from simulations.platform.connector import SimulatedConnector
from simulations.scenarios import SCENARIOS, named

START = date(2025, 3, 3)
ROOT = Path(__file__).parents[2]


def _open(file: Path | None = None, *, seed: int = 5, scenario: str = "tiny-yen", start: date = START):
    return SimulatedConnector(SCENARIOS[scenario], seed=seed, start=start, state_file=file)


def _set(platform, index: int, amount: int, key: str) -> None:
    live = platform.budgets()[index]
    platform.set_budget(BudgetChange(key, live.key, live.amount, Money.of(amount, live.amount.currency)))


def _bytes(platform) -> str:
    rows = list(platform.pull(START, platform.today))
    assert rows
    return hashlib.sha256(repr((rows, platform.budgets())).encode()).hexdigest()


def _some_life(reopen) -> str:
    """Days, sets and edits; between them the platform may be closed and opened again."""
    platform = reopen()
    platform.advance(2)
    _set(platform, 0, 31_000, "one")
    platform = reopen()
    _set(platform, 1, 9_000, "two")
    platform.edit("b1003", Money.of(15_500, "JPY"))
    platform.advance()
    platform = reopen()
    _set(platform, 0, 12_345, "three")
    platform.advance(5)
    return _bytes(reopen())


def test_a_world_that_is_left_and_resumed_equals_one_that_is_not(tmp_path):
    stayed = _open()
    resumed = _some_life(lambda: _open(tmp_path / "world.json"))
    assert resumed == _some_life(lambda: stayed)
    assert resumed != _bytes(_open())


def test_other_seeds_are_other_worlds():
    assert _bytes(_open(seed=5)) != _bytes(_open(seed=6))


def test_the_same_world_in_another_process(tmp_path):
    here = _open(tmp_path / "world.json")
    here.advance(3)
    _set(here, 0, 25_000, "k")
    here.advance(2)
    code = f"""
import hashlib
from datetime import date
from pathlib import Path
from simulations.platform.connector import SimulatedConnector
from simulations.scenarios import SCENARIOS
p = SimulatedConnector(
    SCENARIOS["tiny-yen"], seed=5, start=date(2025, 3, 3), state_file=Path({str(tmp_path / "world.json")!r})
)
print(hashlib.sha256(repr((list(p.pull(date(2025, 3, 3), p.today)), p.budgets())).encode()).hexdigest())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60, env=os.environ
    )
    assert done.stdout.strip() == _bytes(here)


def test_two_who_share_a_world_see_what_the_other_does(tmp_path):
    one, other = _open(tmp_path / "world.json"), _open(tmp_path / "world.json")
    _set(one, 0, 31_000, "a")
    assert other.budgets()[0].amount == Money.of(31_000, "JPY")
    other.advance(4)
    assert one.today == other.today
    _set(one, 0, 30_000, "b")
    assert _bytes(one) == _bytes(other)
    assert one.budgets()[0].etag == other.budgets()[0].etag


def test_a_new_world_is_on_disk_at_once_and_holds_only_what_it_follows_from(tmp_path):
    platform = _open(tmp_path / "world.json")
    platform.advance(30)
    state = json.loads((tmp_path / "world.json").read_text())
    assert (state["day"], state["edits"], state["seed"]) == (40, [], 5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["world.json", "world.json.lock"]


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda text: text[: len(text) // 2], None),
        (lambda _: "", None),
        (lambda text: text.replace('"seed": 5', '"seed": -5'), "seed"),
        (lambda text: text.replace('"seed"', '"seeds"'), "seed"),
        (lambda text: text.replace('"seed": 5', '"seed": 6'), "seed"),
        (lambda text: text.replace('"campaign": 0', '"campaign": 77'), "edits"),
        (lambda text: text.replace('"day": 12', '"day": 3'), "edits"),
        (lambda text: text.replace('"day": 12', '"day": 500'), "edits"),
    ],
)
def test_a_damaged_state_is_refused_and_left_as_it_is(tmp_path, spoil, field):
    file = tmp_path / "world.json"
    platform = _open(file)
    platform.advance(2)
    _set(platform, 0, 31_000, "a")
    file.write_text(spoiled := spoil(file.read_text()))
    with pytest.raises(BadInput, match="Mend") as caught:
        _open(file)
    assert caught.value.field == field
    assert "world.json" in caught.value.where
    assert file.read_text() == spoiled


@pytest.mark.parametrize(
    ("changed", "field"),
    [({"seed": 6}, "seed"), ({"scenario": "demo"}, "scenario"), ({"start": START + timedelta(1)}, "start")],
)
def test_another_worlds_state_is_refused(tmp_path, changed, field):
    _open(tmp_path / "world.json")
    with pytest.raises(BadInput, match=field):
        _open(tmp_path / "world.json", **changed)


def test_a_scenario_that_was_redefined_is_refused(tmp_path):
    _open(tmp_path / "world.json")
    redefined = named("tiny-yen", season_sd=0.5)
    with pytest.raises(BadInput, match="another definition"):
        SimulatedConnector(redefined, seed=5, start=START, state_file=tmp_path / "world.json")


def test_a_file_that_cannot_be_written_asks_for_another(tmp_path):
    with pytest.raises(AskMarketer, match="state_file"):
        _open(tmp_path / "no" / "such" / "folder.json")
    with pytest.raises(AskMarketer, match="state_file"):
        _open(tmp_path)


@contextmanager
def _full_disk():
    """Let no file of this process grow, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_change_that_cannot_be_saved_has_not_happened(tmp_path):
    file = tmp_path / "world.json"
    platform = _open(file)
    before, saved = platform.budgets(), file.read_text()
    with _full_disk(), pytest.raises(AskMarketer) as caught:
        _set(platform, 0, 31_000, "a")
    with _full_disk(), pytest.raises(AskMarketer):
        platform.advance()
    assert "state_file" in str(caught.value)
    assert platform.budgets() == before
    assert platform.world.state.day == 10
    assert file.read_text() == saved
    assert sorted(path.name for path in tmp_path.iterdir()) == ["world.json", "world.json.lock"]
    _set(platform, 0, 31_000, "a")
    assert _bytes(platform) == _bytes(_open(file))


def test_what_a_killed_process_left_half_written_is_written_over(tmp_path):
    platform = _open(tmp_path / "world.json")
    (tmp_path / ".world.json.part").write_text('{"version": 1, "scen')
    platform.advance()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["world.json", "world.json.lock"]
    assert _bytes(platform) == _bytes(_open(tmp_path / "world.json"))


def test_a_file_that_became_a_folder_is_not_replaced(tmp_path):
    file = tmp_path / "world.json"
    platform = _open(file)
    file.unlink()
    file.mkdir()
    with pytest.raises(AskMarketer, match="state_file"):
        platform.advance()


def test_time_runs_forwards_and_ends_at_the_horizon():
    platform = _open()
    with pytest.raises(ValueError, match="0 or more"):
        platform.advance(-1)
    platform.advance(110)
    with pytest.raises(AskMarketer, match="horizon"):
        platform.advance()
    assert platform.today == START + timedelta(120)
    assert list(platform.pull(START + timedelta(119), START + timedelta(119)))


EVERY_MEMORY = {"adstock_share": 0.4, "month_days": 28.0, "ratio": (0.0, 2.0), "returned_share": 0.2}


def test_what_a_market_remembers_is_resumed_too(tmp_path):
    def reopened():
        scenario = named("tiny-yen", **EVERY_MEMORY)
        return SimulatedConnector(scenario, seed=5, start=START, state_file=tmp_path / "world.json")

    stayed = SimulatedConnector(named("tiny-yen", **EVERY_MEMORY), seed=5, start=START)
    assert _some_life(reopened) == _some_life(lambda: stayed)
    assert _bytes(stayed) != _bytes(_open())


def test_any_day_can_be_lived_again_and_otherwise():
    world = SimulatedConnector(named("tiny-yen", **EVERY_MEMORY), seed=5, start=START).world
    world.advance(30)
    days, in_force = world.days(), world.in_force(START, world.date_of(39))
    assert world.carry(0).day == 0
    for index in (0, 7, 31, 39):
        carry = world.carry(index)
        again, after = play(world.truth, world.key, carry, in_force[index])
        assert (again.day, after.day) == (index, index + 1)
        assert again.spend.tobytes() == days[index].spend.tobytes()
        assert again.cell_count.tobytes() == days[index].cell_count.tobytes()
        other, _ = play(world.truth, world.key, carry, in_force[index] * 2)
        assert np.all(other.impressions >= again.impressions)
        assert other.spend.sum() > again.spend.sum()
    assert world.carry(40).day == 40
    for index in (-1, 41):
        with pytest.raises(ValueError, match="where the world stands"):
            world.carry(index)
