"""`outlay refit` where rows name ads: two models, two verdicts, and both in the status."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

from optimizer.agent import refitting
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cycle import House
from optimizer.plan.priors import AdPriors, ChannelPrior, ResponsePriors, Spread
from optimizer.refit import AD_MODEL, MODEL, Check, Progress, Refit, Sampling
from tests.journeys.shops import SETTINGS, TODAY, Outlay, Shop

FINE, BLOCKED = 0, 4
AGREE = Check("r-hat", 1.002, 1.01, True, "All chains agree.")
FEW = Check("ess-bulk", 35.0, 400.0, False, "Too few effective draws; write a larger `draws`.")
SOME = Spread(0.0, 1.0)


def draws() -> xarray.DataTree:
    posterior = xarray.Dataset({"sd": (("chain", "draw"), np.ones((2, 6)))})
    return xarray.DataTree.from_dict({"posterior": posterior})


@dataclass
class Models:
    """Both models of the slow tier, each with the verdict that it is told to give."""

    response: tuple[Check, ...] = (AGREE,)
    ads: tuple[Check, ...] = (AGREE,)
    drawn: bool = True
    given: list[Any] = field(default_factory=list)

    def fit(self, snapshot: Any, lifts: Any, sampling: Sampling, rng: np.random.Generator, tell: Progress) -> Any:
        fitted = Refit(draws(), self.response, None)
        channel = (ChannelPrior("search", SOME, SOME),)
        priors = ResponsePriors(snapshot.known_at, MODEL, channel) if fitted.passed else None
        return replace(fitted, priors=priors)

    def fit_ads(self, snapshot: Any, sampling: Sampling, rng: np.random.Generator, tell: Progress) -> Any:
        self.given.append(snapshot)
        tell(5, 10)
        fitted = Refit(draws() if self.drawn else None, self.ads, None, ("search: the ads of 1 budget are too few.",))
        learnt = AdPriors(
            snapshot.known_at, AD_MODEL, "impression", Spread(np.log(16.0), 0.1), None, Spread(-3.0, 0.1), 0.1
        )
        return replace(fitted, priors=learnt if fitted.passed else None)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Models:
    standing_in = Models()
    monkeypatch.setattr(refitting, "fit", standing_in.fit)
    monkeypatch.setattr(refitting, "fit_ads", standing_in.fit_ads)
    return standing_in


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop of one campaign with two ads, in the store."""
    monkeypatch.setattr(House, "today", lambda _house: TODAY)
    folder = tmp_path / "data"
    folder.mkdir()
    with (folder / "rows.csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        header = ["date", "channel", "campaign_id", "ad_group_id", "ad_id", "spend", "impressions", "conversions"]
        writer.writerow([*header, "daily_budget"])
        for back in range(30, 0, -1):
            day = (TODAY - timedelta(days=back)).isoformat()
            writer.writerows([day, "search", "brand", "g", ad, 20.0, 1000, 5, 50] for ad in ("a", "b"))
    (tmp_path / "config.toml").write_text(SETTINGS, encoding="utf-8")
    shop = Shop(tmp_path / "config.toml", folder / "rows.csv")
    with open_house(shop.config) as house:
        (connector,) = house.connectors.values()
        house.store.ingest(connector.pull(TODAY - timedelta(days=60), TODAY))
        house.store.note_entities(connector.entities())
        house.store.note_budgets("shop", connector.budgets(), house.clock.now())
    return shop


def test_both_pass_and_both_are_kept_and_told(outlay: Outlay, known: Shop, models: Models) -> None:
    answer = outlay("refit", "-c", known.config, "--seed", 7)
    assert answer.code == FINE, answer.err
    words = " ".join(answer.out.split())
    assert "All checks passed: shares of ads start from this." in answer.out
    assert "now 0.250 [0.234, 0.267] - 0.050 [0.044, 0.057] 0.100" in words
    assert "search: the ads of 1 budget are too few." in answer.out
    with open_house(known.config) as house:
        ads, response = house.store.refits()
        learnt = house.store.latest_ad_priors(house.clock.now())
    assert (ads.model, response.model, ads.evidence) == (AD_MODEL, MODEL, response.evidence)
    assert (ads.priors, ads.refit_id[-4:]) == (learnt, "-ads")
    assert {Path(ads.file).name, Path(response.file).name} == {
        path.name for path in (known.folder / ".outlay" / "refits").glob("*.nc")
    }
    assert f"by {AD_MODEL}." in outlay("status", "-c", known.config).out
    again = outlay("refit", "-c", known.config, "--json").data
    assert again["ads"]["passed"]
    assert [seen.ad_priors for seen in models.given] == [None, None], "old priors are no evidence of new ones"


def test_ads_that_are_refused_leave_those_of_before_and_the_response_passes(
    outlay: Outlay, known: Shop, models: Models
) -> None:
    outlay("refit", "-c", known.config)
    models.ads = (AGREE, FEW)
    answer = outlay("refit", "-c", known.config)
    assert answer.code == BLOCKED
    assert "A check failed: for ads the priors of 20" in answer.out
    status = outlay("status", "-c", known.config)
    assert "was refused, those of before stand: Too few effective draws" in status.out
    told = outlay("status", "-c", known.config, "--json").data["refit"]
    assert (told["last"]["passed"], told["last_of_ads"]["passed"], told["ad_priors"]["model"]) == (
        True, False, AD_MODEL,
    )  # fmt: skip


def test_a_refused_response_does_not_keep_ads_from_passing(outlay: Outlay, known: Shop, models: Models) -> None:
    models.response = (AGREE, FEW)
    assert outlay("refit", "-c", known.config).code == BLOCKED
    told = outlay("status", "-c", known.config, "--json").data["refit"]
    assert (told["priors"], told["ad_priors"]["metric"]) == (None, "impression")


def test_too_few_ads_are_told_and_are_no_failure(outlay: Outlay, known: Shop, models: Models) -> None:
    models.ads = (Check("evidence", 2.0, 100.0, False, "2 ads could be fitted."),)
    models.drawn = False
    answer = outlay("refit", "-c", known.config)
    assert answer.code == FINE
    assert "A check failed: shares of ads start from the plain prior." in answer.out
    assert "was refused, plain ones stand: 2 ads could be fitted." in outlay("status", "-c", known.config).out


def test_files_in_force_of_both_stay(outlay: Outlay, known: Shop, models: Models) -> None:
    known.append("[refit]\nkeep = 1\n")
    first = outlay("refit", "-c", known.config, "--json").data
    models.response = models.ads = (FEW,)
    outlay("refit", "-c", known.config)
    files = {path.name for path in (known.folder / ".outlay" / "refits").glob("*.nc")}
    assert {f"{first['id']}.nc", f"{first['ads']['id']}.nc"} <= files
    assert len(files) == 3
