"""A recorded run comes to the same bytes again, and every day of it can be asked about."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from connectors.errors import BadInput
from simulations.runs.record import execute, read_run
from simulations.runs.replay import day_story, replay
from simulations.runs.versions import code_version
from tests.simulations.tiny_policies import START, Keep, Wander, bytes_of, makes, small_run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "go").touch()
    execute(folder / "run", small_run(seeds=2), makes(folder))
    return folder / "run"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be spoilt."""
    (tmp_path / "go").touch()
    return shutil.copytree(finished, tmp_path / "run")


def test_a_run_is_replayed_to_the_same_bytes(run: Path) -> None:
    before = bytes_of(run)
    found = replay(run, makes(run.parent), "v1")
    assert (found.files, found.differing, found.code, found.same_code) == (8, (), "v1", True)
    assert bytes_of(run) == before


def test_what_differs_is_named_and_left_as_it_is(run: Path) -> None:
    trace = run / "traces/wander/2.json"
    trace.write_text(trace.read_text().replace("a walk", "a talk", 1))
    (run / "oracle/1.json").unlink()
    before = bytes_of(run)
    found = replay(run, makes(run.parent), "v2")
    assert found.differing == ("oracle/1.json", "traces/wander/2.json")
    assert not found.same_code
    assert bytes_of(run) == before


def test_a_policy_that_has_changed_differs_everywhere(run: Path) -> None:
    found = replay(run, {**makes(run.parent), "keep": Wander}, "v1")
    assert found.differing == ("traces/keep/1.json", "traces/keep/2.json")


def test_a_day_tells_what_was_known_done_and_true(run: Path) -> None:
    recorded = read_run(run)
    story = day_story(run, "wander", 2, 7, Wander)
    trace, oracle = recorded.traces["wander"][1], recorded.oracles[1]
    first = recorded.spec.scenario.history.history_days
    assert story.step.day == story.step.seen.today == first + 7
    assert (story.date - START).days == first + 7
    assert story.as_recorded
    assert story.step.kept.budgets.tolist() == trace.budgets[7].tolist()
    assert story.step.seen.live.tolist() == (trace.budgets[6] / 1e6).tolist()
    assert story.step.expected.value.sum() == trace.expected[7]
    assert story.step.outcome.spend.sum() == trace.spend[7]
    assert story.step.proposal.why == "a walk"
    assert story.best.tolist() == (oracle.budgets[7] / 1e6).tolist()
    # The oracle's budgets are recorded in whole micros.
    assert story.best_expected.value.sum() == pytest.approx(oracle.best[7])
    assert len(story.names) == story.best.size == 3
    assert story.untouched.value.sum() <= oracle.bound[7]


def test_a_day_of_another_policy_is_not_as_recorded(run: Path) -> None:
    assert not day_story(run, "wander", 2, 7, Keep).as_recorded


def test_the_first_day_knows_where_everyone_begins(run: Path) -> None:
    story = day_story(run, "keep", 1, 0, Keep)
    assert (story.step.seen.live == story.step.kept.budgets / 1e6).all()
    assert np.array_equal(story.untouched.value, story.step.expected.value)


@pytest.mark.parametrize(
    ("policy", "seed", "day", "field", "told"),
    [
        ("best", 1, 0, "policy", "no policy best. Mend: name one of: keep, wander, hold"),
        ("keep", 9, 0, "seed", "no seed 9. Mend: name one of: 1, 2"),
        ("keep", 1, 15, "day", "no day 15. Mend: name one of: 0 to 14"),
        ("keep", 1, -1, "day", "no day -1. Mend: name one of: 0 to 14"),
    ],
)
def test_what_the_run_does_not_hold_is_refused(
    policy: str, seed: int, day: int, field: str, told: str, run: Path
) -> None:
    with pytest.raises(BadInput, match=told) as caught:
        day_story(run, policy, seed, day, Keep)
    assert caught.value.field == field


def test_a_day_of_a_damaged_or_missing_trace_is_refused(run: Path) -> None:
    (run / "traces/keep/1.json").write_text("{")
    with pytest.raises(BadInput, match=r"keep/1\.json: this is not a whole trace"):
        day_story(run, "keep", 1, 0, Keep)
    (run / "oracle/2.json").unlink()
    with pytest.raises(BadInput, match=r"oracle/2\.json: it is not there"):
        day_story(run, "keep", 2, 0, Keep)


def test_the_code_version_is_of_the_sources_and_of_what_computes() -> None:
    one, other = code_version(), code_version("bandits")
    assert one == code_version("connectors", "simulations")
    assert one != other
    assert f"numpy {np.__version__}" in one
    with pytest.raises(ModuleNotFoundError, match="no package 'nowhere'"):
        code_version("nowhere")


def test_the_code_version_follows_every_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_policies" / "deep"
    package.mkdir(parents=True)
    (tmp_path / "some_policies/__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    versions = {code_version("some_policies")}
    (package / "rule.py").write_text("STEP = 1\n")
    versions.add(code_version("some_policies"))
    (package / "rule.py").write_text("STEP = 2\n")
    versions.add(code_version("some_policies"))
    (package / "rule.py").rename(package / "other.py")
    versions.add(code_version("some_policies"))
    assert len(versions) == 4
