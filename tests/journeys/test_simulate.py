"""`outlay simulate` and `outlay replay`, as a tester walks them: compare, stop, go on, replay, look into a day."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sysconfig
import time
from pathlib import Path

import pytest

from optimizer.agent.cli import simulate as simulating
from optimizer.agent.cli.simulate import figures_table, finite
from optimizer.agent.simulating import POLICIES
from simulations.policies.contract import Policy
from simulations.scenarios import SCENARIOS
from tests.journeys.shops import Outlay

WORDS = ("tiny-yen", "--policy", "outlay", "--policy", "equal", "--worlds", 2, "--days", 6, "--workers", 1)
PATIENCE_SECONDS = 240.0


def files_in(folder: Path) -> dict[str, bytes]:
    """The recorded files, without what differs from run to run."""
    kept = (path for path in folder.rglob("*.json") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A small run, and the object that it answered with; made once, only read by the tests."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    with pytest.MonkeyPatch.context() as patch:
        from tests.journeys.shops import command_line

        answer = command_line(patch)("simulate", *WORDS, "--out", folder, "--json")
    assert answer.code == 0, answer.err
    return folder, answer.out


def test_policies_are_compared_with_the_clairvoyant(recorded: tuple[Path, str], outlay: Outlay) -> None:
    folder, out = recorded
    told = json.loads(out)
    assert (told["scenario"], told["seeds"], told["days"], told["goal"]) == ("tiny-yen", [1, 2], 6, "conversions")
    first, second = told["policies"]
    assert (first["policy"], second["policy"]) == ("outlay", "equal")
    for policy in (first, second):
        assert 0.3 < policy["whole"]["worst"] <= policy["whole"]["mean"] <= 1.0 + told["oracle_gap"]
        assert policy["violations"] == 0
    assert first["lead"] == 0.0
    assert second["lead"] == pytest.approx(second["whole"]["mean"] - first["whole"]["mean"])
    assert first["stated"] > 0
    assert (second["stated"], second["coverage"]) == (0, None)
    shown = outlay("simulate", *WORDS, "--out", folder).out
    for words in ("tiny-yen: 2 worlds (seeds 1 to 2), 6 days, 3 campaigns", "outlay", "equal", "none", "it is proven"):
        assert words in shown
    assert f"{100 * first['whole']['mean']:.1f} ± {100 * first['whole']['error']:.1f}" in shown


def test_the_way_into_the_worst_world_is_a_line_of_its_own_however_narrow(
    recorded: tuple[Path, str], outlay: Outlay, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = recorded
    seed = json.loads(out)["policies"][0]["whole"]["worst_seed"]
    best, got = (
        json.loads((folder / where / f"{seed}.json").read_text(encoding="utf-8"))[key]
        for where, key in (("oracle", "best"), ("traces/outlay", "expected"))
    )
    day = max(range(6), key=lambda day: best[day] - got[day])
    monkeypatch.setenv("COLUMNS", "60")
    shown = outlay("simulate", *WORDS, "--out", folder).out
    assert f"  outlay replay {folder} --policy outlay --seed {seed} --day {day}" in shown.splitlines()


def test_a_run_goes_on_where_it_was_and_gives_the_same_bytes(recorded: tuple[Path, str], outlay: Outlay) -> None:
    folder, out = recorded
    before = files_in(folder)
    (folder / "traces" / "outlay" / "2.json").unlink()
    (folder / "oracle" / "1.json").write_text("{", encoding="utf-8")
    again = outlay("simulate", *WORDS, "--out", folder, "--json")
    assert again.code == 0, again.err
    assert files_in(folder) == before
    whole = [[policy["whole"] for policy in json.loads(text)["policies"]] for text in (out, again.out)]
    assert whole[0] == whole[1]


def test_another_run_does_not_go_into_the_same_folder(recorded: tuple[Path, str], outlay: Outlay) -> None:
    folder, _ = recorded
    before = files_in(folder)
    answer = outlay("simulate", *WORDS, "--seed", 5, "--out", folder)
    assert answer.code == 1
    assert "'seeds'" in answer.err
    assert "Mend:" in answer.err
    assert files_in(folder) == before


def test_a_folder_of_its_own_is_found_again(outlay: Outlay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("simulate", "tiny-yen", "--policy", "equal", "--worlds", 1, "--days", 3, "--workers", 1, "--json")
    first, again = outlay(*words), outlay(*words)
    assert first.data["folder"] == again.data["folder"]
    assert first.data["folder"].startswith("runs/tiny-yen-")
    assert outlay(*words, "--goal", "incremental-value").data["folder"] != first.data["folder"]
    assert first.data["policies"][0]["whole"]["error"] is None, "one world has no standard error"


def test_a_scenario_of_a_file_is_played(outlay: Outlay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text('based_on = "tiny-yen"\naverage_budget = 10_000.0\n', encoding="utf-8")
    answer = outlay("simulate", "mine.toml", "--policy", "roas", "--worlds", 1, "--days", 2, "--workers", 1, "--json")
    assert answer.code == 0, answer.err
    assert answer.data["scenario"] == "mine"


def test_what_there_is_is_listed(outlay: Outlay) -> None:
    shown = outlay("simulate", "--list")
    assert shown.code == 0
    data = outlay("simulate", "--list", "--json").data
    assert list(data["scenarios"]) == list(SCENARIOS)
    assert list(data["policies"]) == list(POLICIES)
    for name in (*SCENARIOS, *POLICIES):
        assert name in shown.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["tiny-ye"], "tiny-yen"),
        (["nowhere.toml"], "nowhere.toml"),
        ([], "no scenario is named"),
        (["tiny-yen", "--policy", "outlaw"], "outlay"),
        (["tiny-yen", "--days", 1000], "Mend: write another --days."),
        (["tiny-yen", "--goal", "fame"], "Mend: write another --goal."),
        (["tiny-yen", "--workers", 1, "--cluster", "tcp://127.0.0.1:1"], "exclude each other"),
        (["tiny-yen", "--worlds", 0], "--worlds"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(
    words: list[object], told: str, outlay: Outlay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = outlay("simulate", *words)
    assert answer.code == 1
    assert told in answer.err
    assert "defect" not in answer.err
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_that_nobody_answers_for_is_said(outlay: Outlay, tmp_path: Path) -> None:
    words = ("tiny-yen", "--policy", "equal", "--worlds", 1, "--days", 1, "--cluster", "no-scheme://nowhere")
    answer = outlay("simulate", *words, "--out", tmp_path / "run")
    assert answer.code == 1
    assert "Mend: start the cluster, or leave --cluster out." in answer.err


def test_a_policy_that_fails_is_named_and_what_was_done_is_kept(
    outlay: Outlay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> Policy:
        raise ZeroDivisionError("nothing to divide by")

    monkeypatch.setattr(simulating, "POLICIES", {**POLICIES, "roas": broken})
    words = ("tiny-yen", "--policy", "equal", "--policy", "roas", "--worlds", 1, "--days", 2, "--workers", 1)
    answer = outlay("simulate", *words, "--out", tmp_path)
    assert answer.code == 1
    assert "roas in world 1 of tiny-yen: ZeroDivisionError: nothing to divide by" in answer.err
    assert "what is recorded is kept" in answer.err
    assert {"run.json", "oracle/1.json", "traces/equal/1.json"} == set(files_in(tmp_path))


def test_a_replay_finds_the_same_bytes_and_names_what_differs(
    recorded: tuple[Path, str], outlay: Outlay, tmp_path: Path
) -> None:
    folder, _ = recorded
    same = outlay("replay", folder, "--workers", 1, "--json")
    assert same.code == 0, same.err
    assert same.data["differing"] == []
    assert (same.data["files"], same.data["same_code"]) == (6, True)
    copy = tmp_path / "copy"
    for name, content in files_in(folder).items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(content)
    trace = copy / "traces" / "equal" / "1.json"
    trace.write_text(trace.read_text(encoding="utf-8").replace('"day":', '"day": '), encoding="utf-8")
    (copy / "oracle" / "2.json").unlink()
    run = json.loads((copy / "run.json").read_text(encoding="utf-8"))
    (copy / "run.json").write_text(json.dumps(run | {"code": "outlay of long ago"}), encoding="utf-8")
    trace.write_text(trace.read_text(encoding="utf-8").replace('"policy":"equal"', '"policy":"eq"'), encoding="utf-8")
    answer = outlay("replay", copy, "--workers", 1)
    assert answer.code == 1
    assert "4 of 6 files" in answer.out
    assert "differs: oracle/2.json\ndiffers: traces/equal/1.json\n" in answer.out
    assert "outlay of long ago" in answer.out


def test_a_day_is_told_campaign_by_campaign(recorded: tuple[Path, str], outlay: Outlay) -> None:
    folder, _ = recorded
    told = outlay("replay", folder, "--seed", 2, "--day", 4, "--json").data
    assert (told["policy"], told["seed"], told["day"], told["as_recorded"]) == ("outlay", 2, 4, True)
    assert len(told["campaigns"]) == 3
    trace = json.loads((folder / "traces" / "outlay" / "2.json").read_text(encoding="utf-8"))
    in_force = [campaign["in_force"] for campaign in told["campaigns"]]
    assert in_force == [micros / 1e6 for micros in trace["budgets"][4]]
    assert told["why"] == trace["why"][4]
    expected = sum(campaign["expected_in_force"] for campaign in told["campaigns"])
    assert expected == pytest.approx(trace["expected"][4])
    assert sum(campaign["expected_oracle"] for campaign in told["campaigns"]) > 0
    shown = outlay("replay", folder, "--seed", 2, "--day", 4)
    assert shown.code == 0, shown.err
    for campaign in told["campaigns"]:
        assert campaign["name"] in shown.out
    assert f"Why: {told['why']}" in " ".join(shown.out.split())
    assert "together" in shown.out
    assert "90% from" not in outlay("replay", folder, "--policy", "equal", "--day", 0).out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--policy", "greedy", "--day", 1], "outlay, equal"),
        (["--policy", "outlaw", "--day", 1], "outlay, equal"),
        (["--seed", 3, "--day", 1], "1, 2"),
        (["--day", 6], "0 to 5"),
        (["--policy", "equal"], "add --day"),
    ],
)
def test_a_day_that_there_is_not_is_refused(
    words: list[object], told: str, recorded: tuple[Path, str], outlay: Outlay
) -> None:
    answer = outlay("replay", recorded[0], *words)
    assert answer.code == 1
    assert told in answer.err
    assert "defect" not in answer.err


def test_there_is_nothing_to_replay_where_nothing_was_run(outlay: Outlay, tmp_path: Path) -> None:
    answer = outlay("replay", tmp_path)
    assert answer.code == 1
    assert "there is no run here" in answer.err


def test_a_run_that_is_stopped_says_so_and_goes_on(tmp_path: Path, outlay: Outlay) -> None:
    folder = tmp_path / "run"
    worlds = 8
    words = ["simulate", "tiny-yen", "--policy", "outlay", "--worlds", str(worlds), "--days", "10", "--workers", "1"]
    program = Path(sysconfig.get_path("scripts")) / "outlay"
    traces, until = folder / "traces" / "outlay", time.monotonic() + PATIENCE_SECONDS
    with subprocess.Popen(
        [program, *words, "--out", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A suite that runs in the background of a shell ignores interrupts, and so would every program it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
        env={**os.environ, "COLUMNS": "200"},
    ) as begun:
        try:
            while not list(traces.glob("*.json")) and begun.poll() is None and time.monotonic() < until:
                time.sleep(0.01)
            os.killpg(begun.pid, signal.SIGINT)
            _, err = begun.communicate(timeout=PATIENCE_SECONDS)
        finally:
            begun.kill()  # one that does not stop is not left to the tests that follow
    assert begun.returncode not in (0, 2, 3, 4)
    assert f"Stopped. What is done is kept in {folder}; the same command goes on there." in err
    done = {path.name: path.stat().st_mtime_ns for path in traces.glob("*.json")}
    assert 1 <= len(done) < worlds
    answer = outlay(*words, "--out", folder, "--json")
    assert answer.code == 0, answer.err
    assert len(list(traces.glob("*.json"))) == worlds
    assert all((traces / name).stat().st_mtime_ns == stamp for name, stamp in done.items()), "nothing is done twice"


def test_figures_are_never_cut_and_numbers_without_a_word_become_null() -> None:
    table = figures_table({"policy": ["outlay"], "% of the\noracle": ["93.5 ± 0.2"]})
    assert [column.min_width for column in table.columns] == [6, 10]
    assert finite({"a": float("nan"), "b": [1.0, float("inf")], "c": (2, "x")}) == {
        "a": None,
        "b": [1.0, None],
        "c": [2, "x"],
    }
