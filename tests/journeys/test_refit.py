"""`outlay refit` around a model that answers what a test wants, and once around the real one."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

from optimizer.agent import refitting
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cli import refit as command
from optimizer.agent.clock import SystemClock
from optimizer.agent.cycle import House
from optimizer.agent.store import SqlStore
from optimizer.plan.priors import ChannelPrior, ResponsePriors, Spread
from optimizer.ports import StoreError
from optimizer.refit import MODEL, Check, LiftTest, Progress, Refit, Sampling
from tests.journeys.shops import Answered, Outlay, Shop

FINE, ERROR, BLOCKED, STOPPED = 0, 1, 4, 130
AGREE = Check("r-hat", 1.002, 1.01, True, "All chains agree.")
FEW = Check("ess-bulk", 35.0, 400.0, False, "Too few effective draws; write a larger `draws`.")
SOME = Spread(0.0, 1.0)


def draws() -> xarray.DataTree:
    posterior = xarray.Dataset({"half": (("chain", "draw", "channel"), np.arange(24.0).reshape(2, 6, 2))})
    return xarray.DataTree.from_dict({"posterior": posterior})


@dataclass
class Model:
    """A slow tier that answers what it is told to, and remembers what it was given."""

    checks: tuple[Check, ...] = (AGREE,)
    half: float = 0.0
    notes: tuple[str, ...] = ()
    channels: tuple[str, ...] = ("search",)
    idata: Any = field(default_factory=draws)
    given: list[tuple[Any, tuple[LiftTest, ...], Sampling]] = field(default_factory=list)

    def fit(
        self, snapshot: Any, lifts: tuple[LiftTest, ...], sampling: Sampling, rng: np.random.Generator, tell: Progress
    ) -> Refit:
        self.given.append((snapshot, lifts, sampling))
        tell(5, 10)
        each = tuple(ChannelPrior(name, Spread(self.half, 0.5), SOME, Spread(0.3, 0.1)) for name in self.channels)
        fitted = Refit(self.idata, self.checks, None, self.notes)
        priors = ResponsePriors(snapshot.known_at, MODEL, each) if fitted.passed else None
        return replace(fitted, priors=priors)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    standing_in = Model()
    monkeypatch.setattr(refitting, "fit", standing_in.fit)
    return standing_in


@pytest.fixture
def known(outlay: Outlay, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop whose exports are in the store, on the day after the last of them."""
    monkeypatch.setattr(House, "today", lambda _house: shop.today)
    with open_house(shop.config) as house:
        (connector,) = house.connectors.values()
        house.store.ingest(connector.pull(shop.today - timedelta(days=120), shop.today))
        house.store.note_entities(connector.entities())
        house.store.note_budgets("shop", connector.budgets(), house.clock.now())
    return shop


def refit(outlay: Outlay, shop: Shop, *words: object) -> Answered:
    return outlay("refit", "-c", shop.config, "--as-of", shop.today, "--seed", 7, *words)


def squeezed(text: str) -> str:
    """A text without the spaces that make columns of it."""
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


def files(shop: Shop) -> list[str]:
    return sorted(path.name for path in (shop.folder / ".outlay" / "refits").glob("*") if path.name != ".lock")


def nothing_written(shop: Shop) -> bool:
    with open_house(shop.config) as house:
        return not house.store.refits() and not files(shop) and not list(shop.folder.rglob("*.part"))


def test_priors_that_pass_are_recorded_shown_and_stand(outlay: Outlay, known: Shop, model: Model) -> None:
    model.notes = ("Campaign brand is left out.",)
    answer = refit(outlay, known)
    assert answer.code == FINE, answer.err
    shown = squeezed(answer.out)
    for words in ("r-hat passed 1.002 1.01 All chains agree.", "- Campaign brand is left out.", "seed 7, in"):
        assert words in shown, answer.out
    assert "search before - - - -\nnow 1.00 [0.53, 1.90] 1.00 [0.28, 3.60] 0.30 [0.17, 0.43] -\n" in shown
    assert "from now on, plans start from these shapes where conversions alone are learnt from." in answer.out
    assert "Carry-over is in every forecast; lift counts where [goal] says counts = incremental." in answer.out
    model.half = 1.0
    second = refit(outlay, known)
    assert "search before 1.00 [0.53, 1.90]" in squeezed(second.out)
    assert "now 2.72 [1.43, 5.16]" in squeezed(second.out)
    with open_house(known.config) as house:
        newest, first = house.store.refits()
        seen = house.store.latest_priors(house.clock.now())
    assert seen is not None
    assert (seen, seen.model, seen.channels[0].log_half.mean) == (newest.priors, MODEL, 1.0)
    assert (first.seed, first.checks, first.code_version) == (7, (AGREE,), "0.1.0")
    assert first.priors is not None
    assert (known.folder / ".outlay" / first.file).is_file()


def test_the_draws_are_kept_with_what_they_are_from(outlay: Outlay, known: Shop, model: Model) -> None:
    told = refit(outlay, known, "--json").data
    tree = xarray.open_datatree(told["file"], engine="h5netcdf")
    assert (tree.attrs["refit"], tree.attrs["seed"], tree.attrs["evidence"]) == (told["id"], "7", told["evidence"])
    np.testing.assert_array_equal(tree["posterior"]["half"], model.idata["posterior"]["half"])
    tree.close()
    assert model.idata.attrs == {}, "the model's own answer is not written into"


def test_what_is_fitted_is_what_settings_and_words_say(outlay: Outlay, known: Shop, model: Model) -> None:
    known.append(
        "[refit]\ndraws = 30\ntune = 20\nchains = 3\ncores = 8\ntarget_accept = 0.95\ndays = 60\ncampaigns = 2\n"
    )
    refit(outlay, known)
    refit(outlay, known, "--draws", 11)
    (first, _, sampling), (again, _, fewer) = model.given
    assert sampling == Sampling(draws=30, tune=20, chains=3, cores=3, target_accept=0.95, days=60, campaigns=2)
    assert fewer == replace(sampling, draws=11)
    assert first.today == known.today
    assert (first.priors, again.priors) == (None, None), "old priors are no evidence of new ones"


def test_a_refused_refit_leaves_the_priors_of_before_and_status_says_why(
    outlay: Outlay, known: Shop, model: Model
) -> None:
    assert "Priors: none fitted yet" in outlay("status", "-c", known.config).out
    first = refit(outlay, known, "--json").data
    model.checks, model.half = (AGREE, FEW), 1.0
    answer = refit(outlay, known)
    assert answer.code == BLOCKED
    assert "ess-bulk failed 35 400 Too few effective draws; write a larger `draws`." in squeezed(answer.out)
    assert "nothing is handed to the learning. The priors of 20" in answer.out
    assert "now " not in answer.out
    status = outlay("status", "-c", known.config)
    assert status.code == FINE
    assert f"Priors: fitted {first['fitted_at'][:10]}" in status.out
    assert "was refused: Too few effective draws; write a larger `draws`." in status.out
    told = outlay("status", "-c", known.config, "--json").data["refit"]
    assert told["priors"] == first["priors"]
    assert (told["last"]["passed"], told["last"]["priors"], told["overdue"]) == (False, None, False)
    due = datetime.fromisoformat(told["last"]["fitted_at"]) + timedelta(days=7)
    assert told["due"] == due.isoformat()
    assert f"The next refit is due on {due:%Y-%m-%d}." in status.out
    assert len(files(known)) == 2, "the draws that were refused are kept, to be looked at"


def test_without_draws_there_is_no_file_and_what_is_no_number_is_null(
    outlay: Outlay, known: Shop, model: Model
) -> None:
    model.idata = None
    model.checks = (Check("evidence", 12.0, float("inf"), False, "There are only 12 days to learn from."),)
    answer = refit(outlay, known, "--json")
    assert answer.code == BLOCKED
    assert (answer.data["file"], answer.data["recorded"]) == (None, True)
    assert answer.data["checks"][0]["limit"] is None
    assert files(known) == []
    assert "It starts from" not in refit(outlay, known).out
    assert "No priors were fitted before; it starts from the plain ones." in refit(outlay, known).out


def test_a_refit_is_due_after_so_many_days(
    outlay: Outlay, known: Shop, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    known.append("[refit]\nevery_days = 3\n")
    refit(outlay, known)
    later = datetime.now(UTC) + timedelta(days=3, minutes=1)
    monkeypatch.setattr(SystemClock, "now", lambda _self: later)
    assert f"The next refit was due on {later:%Y-%m-%d}: outlay refit" in outlay("status", "-c", known.config).out


def test_a_dry_run_writes_nothing(outlay: Outlay, known: Shop, model: Model) -> None:
    answer = refit(outlay, known, "--dry-run")
    assert answer.code == FINE
    assert answer.out.rstrip().endswith("All checks passed. Nothing was written.")
    assert not (known.folder / ".outlay" / "refits").exists()
    assert nothing_written(known)
    told = refit(outlay, known, "--dry-run", "--json").data
    assert (told["recorded"], told["due"]) == (False, None)
    assert outlay("status", "-c", known.config, "--json").data["refit"]["overdue"] is True


def test_a_refit_of_a_past_day_does_not_replace_the_priors_that_stand(
    outlay: Outlay, known: Shop, model: Model
) -> None:
    past = known.today - timedelta(days=30)
    first = outlay("refit", "-c", known.config, "--as-of", past, "--json").data
    assert first["recorded"], "there were none to replace"
    model.half = 1.0
    answer = outlay("refit", "-c", known.config, "--as-of", past)
    assert answer.code == FINE, answer.err
    assert f"A refit of a past day, {past}, does not replace the priors that stand" in answer.out
    assert answer.out.rstrip().endswith("this was a dry run. Nothing was written.")
    assert outlay("status", "-c", known.config, "--json").data["refit"]["priors"] == first["priors"]
    assert len(files(known)) == 1
    again = refit(outlay, known, "--json").data
    assert again["recorded"], "a refit of today does"


def test_channels_that_lose_their_priors_are_named(outlay: Outlay, known: Shop, model: Model) -> None:
    model.channels = ("search", "social")
    assert refit(outlay, known, "--json").data["lost"] == []
    model.channels = ("search",)
    shown = refit(outlay, known)
    assert "Without priors now\n- social\n" in squeezed(shown.out)
    model.channels = ("social",)
    assert refit(outlay, known, "--json").data["lost"] == ["search"]


def test_only_so_many_files_are_kept_and_those_in_force(outlay: Outlay, known: Shop, model: Model) -> None:
    known.append("[refit]\nkeep = 2\n")
    in_force = Path(refit(outlay, known, "--json").data["file"]).name
    model.checks = (FEW,)
    (known.folder / ".outlay" / "refits" / ".F-20260101-000000-00000001.nc.part").write_text("of a killed process")
    refused = [Path(outlay("refit", "-c", known.config, "--seed", n, "--json").data["file"]).name for n in (8, 9, 10)]
    assert files(known) == sorted([in_force, *refused[1:]])


def test_the_bar_tells_how_far_sampling_is_and_json_is_quiet(
    outlay: Outlay, known: Shop, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int, str]] = []

    @contextmanager
    def progress() -> Iterator[Any]:
        yield lambda *step: told.append(step)

    monkeypatch.setattr(command, "progress", progress)
    refit(outlay, known, "--draws", 500)
    assert told == [(0, 4 * 1500, "compiling the model"), (5, 10, "sampling")]
    told.clear()
    refit(outlay, known, "--json")
    assert told == []


# What is stopped or goes wrong leaves nothing half written


@pytest.mark.parametrize("swallowed", [False, True], ids=["", "though each chain takes it for enough draws"])
def test_ctrl_c_writes_nothing(
    outlay: Outlay, known: Shop, model: Model, monkeypatch: pytest.MonkeyPatch, swallowed: bool
) -> None:
    drawn = []

    def sampled(*given: Any) -> Refit:
        for chain in range(4):
            try:
                for draw in range(100):
                    drawn.append(chain)
                    given[-1](draw, 100)
                    if draw == 50:
                        os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:
                if not swallowed:
                    raise
        return model.fit(*given)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(refitting, "fit", sampled)
    answer = refit(outlay, known)
    assert answer.code == STOPPED
    assert "Stopped. Nothing was written; the priors of before stand." in answer.err
    assert len(drawn) <= 51 + 3, "each further chain ends at its first draw"
    assert nothing_written(known)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_draws_that_cannot_be_written_leave_no_part_and_no_record(
    outlay: Outlay, known: Shop, model: Model, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def half(_tree: Any, path: Path, **_: object) -> None:
        path.write_bytes(b"half of it")
        raise error

    monkeypatch.setattr(xarray.DataTree, "to_netcdf", half)
    answer = refit(outlay, known)
    if isinstance(error, OSError):
        assert answer.code == ERROR
        assert ".nc cannot be written: No space left on device. Mend: free some space" in answer.err
    else:
        assert answer.code == STOPPED
    assert nothing_written(known)


def test_a_record_that_cannot_be_written_takes_the_draws_away(
    outlay: Outlay, known: Shop, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(_store: SqlStore, _refit: object) -> None:
        raise StoreError("the file is locked")

    with monkeypatch.context() as patched:
        patched.setattr(SqlStore, "record_refit", locked)
        answer = refit(outlay, known)
    assert (answer.code, "the file is locked" in answer.err) == (ERROR, True)
    assert nothing_written(known)


def test_one_refit_runs_at_a_time(outlay: Outlay, known: Shop, model: Model) -> None:
    with refitting.place(known.folder / ".outlay" / "outlay.sqlite"):
        answer = refit(outlay, known)
    assert answer.code == ERROR
    assert "Another process is at work in" in answer.err
    assert model.given == []


def test_an_empty_store_and_words_that_are_wrong_say_the_mend(outlay: Outlay, shop: Shop, model: Model) -> None:
    answer = refit(outlay, shop)
    assert answer.code == ERROR
    assert "the store knows of no budget yet. Mend: read the platforms with `outlay plan` first." in answer.err
    answer = outlay("refit", "-c", shop.config, "--as-of", "soon")
    assert answer.code == ERROR
    assert "--as-of': 'soon' is not a day. Mend: write it as YYYY-MM-DD." in answer.err
    assert model.given == []


# Lift tests

LIFT = """
[[lift_tests]]
scope = "campaign:brand"
first_day = 2026-01-05
last_day = 2026-01-11
spend = 1400.50
spend_change = -1400.50
incremental = -30
se = 8
"""


def test_lift_tests_reach_the_model_and_those_that_cannot_be_used_are_named(
    outlay: Outlay, known: Shop, model: Model
) -> None:
    known.append(
        LIFT
        + LIFT.replace("campaign:brand", "campaign:nowhere")
        + LIFT.replace("campaign:brand", "channel:social").replace("2026-01-11", "2026-03-02")
        + '[refit]\nlift_tests_file = "lifts.csv"\n'
    )
    header = "scope,first_day,last_day,spend,spend_change,incremental,se,outcome"
    rows = f"{header}\nchannel:tv,2026-01-05,2026-01-11,9,9,1,1,value"
    (known.folder / "lifts.csv").write_text(rows, encoding="utf-8")
    answer = refit(outlay, known)
    assert answer.code == FINE, answer.err
    ((_, (brand, video), _),) = model.given
    assert (brand.channel, brand.campaign, brand.spend, brand.spend_change) == ("search", "brand", 1400.5, -1400.5)
    assert (video.channel, video.campaign, video.outcome.value) == ("tv", None, "value")
    assert "campaign:nowhere from 2026-01-05 is left out: there is no campaign of that id or name." in answer.out
    assert "channel:social from 2026-01-05 is left out: it is not over yet." in answer.out


def test_bad_lift_tests_name_file_key_and_mend_before_anything_is_fitted(
    outlay: Outlay, known: Shop, model: Model
) -> None:
    before = known.config.read_text(encoding="utf-8")
    known.append(LIFT.replace("se = 8", "se = -8"))
    answer = refit(outlay, known)
    assert answer.code == ERROR
    assert "config.toml, lift_tests[1].se: must be greater than 0, not -8. Mend: " in answer.err
    known.config.write_text(before + '[refit]\nlift_tests_file = "lifts.csv"\n', encoding="utf-8")
    answer = refit(outlay, known)
    assert answer.code == ERROR
    assert "lifts.csv: cannot be read: No such file or directory. Mend: correct lift_tests_file" in answer.err
    doctor = outlay("doctor", "-c", known.config)
    assert doctor.code == ERROR
    assert "lifts.csv: cannot be read" in doctor.out
    assert (model.given, files(known)) == ([], [])


def test_doctor_counts_the_lift_tests(outlay: Outlay, known: Shop) -> None:
    known.append(LIFT)
    answer = outlay("doctor", "-c", known.config)
    assert answer.code == FINE
    assert "1 for the next refit" in answer.out


def test_the_real_model_is_fitted_checked_and_kept(outlay: Outlay, known: Shop) -> None:
    import arviz  # here, since every other test does without it and it is slow to load

    known.append("[refit]\ndraws = 10\ntune = 10\nchains = 2\ndays = 35\ncampaigns = 1\n" + LIFT)
    answer = refit(outlay, known, "--json")
    assert answer.code == BLOCKED, "twenty draws cannot pass"
    verdicts = {check["name"]: check["passed"] for check in answer.data["checks"]}
    assert (verdicts["evidence"], verdicts["ess-bulk"]) == (True, False)
    assert (answer.data["model"], answer.data["recorded"], answer.data["priors"]) == (MODEL, True, None)
    tree = arviz.from_netcdf(answer.data["file"])
    assert {"/posterior", "/posterior_predictive", "/sample_stats", "/observed_data"} <= set(tree.groups)
    assert tree["posterior"].sizes["draw"] == 10
    assert tree.attrs["model"] == MODEL
    tree.close()
    assert outlay("status", "-c", known.config, "--json").data["refit"]["last"]["id"] == answer.data["id"]
