"""A refit around its model: what the model is given, and what is kept of its answer.

`compute` only reads. `keep` writes the draws first, whole or not at all, and then the record that names them: a stop at
any moment leaves the priors of before in force.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from connectors.errors import AskMarketer
from optimizer.agent import cycle
from optimizer.agent.cycle import House
from optimizer.agent.settings.refit import LiftTestTable
from optimizer.goals import ScopeKind
from optimizer.measure.lift import Ageing, aged, as_test
from optimizer.plan.priors import AdPriors, ResponsePriors
from optimizer.plan.refits import RefitRecord
from optimizer.plan.snapshot import Snapshot
from optimizer.ports import StoreError
from optimizer.refit import AD_MODEL, MODEL, LiftTest, Progress, Refit, Sampling, fit, fit_ads
from simulations import disk
from simulations.runs.folder import alone

FOLDER: Final = "refits"
"""Of the draws, beside the database."""

_PREFIX: Final = "F-"
_ENGINE: Final = "h5netcdf"
_ALL: Final = 1_000_000  # refits, of which there is one a week


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asks for: how much is sampled, with which experiments, and from which seed."""

    sampling: Sampling
    tests: tuple[LiftTestTable, ...]
    seed: int
    ageing: Ageing = field(default_factory=Ageing)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted[P: (ResponsePriors, AdPriors)]:
    """A refit that was computed and not yet kept.

    Attributes:
        record: What will be kept of it.
        before: The priors that stood when it began.
        notes: What was left out, in sentences.
        idata: The draws as ArviZ data (`xarray.DataTree`), or None.
        priors: Those of the record.
        ads: The same of ads, beside that of the response; None where there are none.
    """

    record: RefitRecord
    before: P | None
    notes: tuple[str, ...]
    idata: Any | None
    priors: P | None
    ads: Fitted[AdPriors] | None = None


def compute(house: House, today: date, order: Order, progress: Progress) -> Fitted[ResponsePriors]:
    """Fit the slow tier to what the store knows, budgets and then ads; writes nothing.

    The priors of before are kept out of the evidence: they were learnt from the same days, which would count twice.

    Raises:
        AskMarketer: The store knows of no budget to learn about.
    """
    began, before = house.clock.now(), house.store.latest_priors(house.clock.now())
    seen = replace(cycle.snapshot(house, today), priors=None, ad_priors=None)
    if not seen.targets:
        raise AskMarketer("the store knows of no budget yet", mend="read the platforms with `outlay plan` first.")
    told, left_out = lifts_of(order.tests, seen)
    tests, too_old = ageing_of((*told, *own_lifts(seen)), today, order.ageing)
    answer = fit(seen, tests, order.sampling, np.random.default_rng(order.seed), progress)
    now = house.clock.now()
    priors = None if answer.priors is None else replace(answer.priors, fitted_at=now)
    record = _record(house, order, seen, (answer, priors), (MODEL, began, now))
    ads = _compute_ads(house, seen, order, progress)
    return Fitted(record, before, (*left_out, *too_old, *answer.notes), answer.idata, priors, ads)


def _compute_ads(house: House, seen: Snapshot, order: Order, progress: Progress) -> Fitted[AdPriors] | None:
    """Fit the model of ads; None where no row names an ad.

    Its verdict is its own: the response of budgets may pass where ads do not, and the other way round.
    """
    began, before = house.clock.now(), house.store.latest_ad_priors(house.clock.now())
    # Draws of its own, whatever the other model took.
    answer = fit_ads(seen, order.sampling, np.random.default_rng([order.seed, 1]), progress)
    if answer is None:
        return None
    now = house.clock.now()
    priors = None if answer.priors is None else replace(answer.priors, fitted_at=now)
    record = _record(house, order, seen, (answer, priors), (AD_MODEL, began, now))
    return Fitted(record, before, answer.notes, answer.idata, priors)


def lifts_of(tests: Sequence[LiftTestTable], seen: Snapshot) -> tuple[tuple[LiftTest, ...], tuple[str, ...]]:
    """Return the tests as the model takes them, and why others are left out, in sentences."""
    taken, left_out = [], []
    for test in tests:
        places = _places(test, seen)
        name = f"The lift test of {test.scope} from {test.first_day}"
        if test.last_day >= seen.today:
            left_out.append(f"{name} is left out: it is not over yet.")
        elif len(places) != 1:
            why = "is no campaign of that id or name" if not places else "are several of that name; write the id"
            left_out.append(f"{name} is left out: there {why}.")
        else:
            taken.append(_lift(test, *places[0]))
    return tuple(taken), tuple(left_out)


def own_lifts(seen: Snapshot) -> tuple[LiftTest, ...]:
    """Return what lift tests that were run and read here say, as the model takes them."""
    return tuple(
        as_test(record.plan, record.end.reading)
        for record in seen.lift_tests
        if record.end is not None and record.end.reading is not None
    )


def ageing_of(tests: Sequence[LiftTest], today: date, ageing: Ageing) -> tuple[tuple[LiftTest, ...], tuple[str, ...]]:
    """Return the tests as they count today, and a sentence for each that has expired."""
    counted, expired = [], []
    for test in tests:
        now = aged(test, today, ageing)
        if now is None:
            name = f"The lift test of {test.campaign or test.channel!r} from {test.first_day}"
            expired.append(f"{name} is left out: it ended {ageing.expire_days} days ago or earlier.")
        else:
            counted.append(now)
    return tuple(counted), tuple(expired)


@contextmanager
def place(database: Path) -> Iterator[Path]:
    """Yield the folder of the draws beside a database, made where it is missing, for one refit at a time.

    Raises:
        AskMarketer: It cannot be made or written in, or another refit is at work.
    """
    folder = database.parent / FOLDER
    with alone(folder):
        for left in folder.glob(f".{_PREFIX}*.part"):  # by a process that was killed
            left.unlink(missing_ok=True)
        yield folder


def keep(house: House, fitted: Fitted[ResponsePriors], folder: Path, files: int) -> None:
    """Write the draws, record the refit, that of ads after it, and delete older files of draws; inside `place`.

    Args:
        house: The wired house.
        fitted: What was computed.
        folder: From `place`.
        files: How many files are kept; the draws behind the priors in force stay beyond that.

    Raises:
        AskMarketer: The draws cannot be written.
        StoreError: The record cannot; the draws are taken away again.
    """
    _keep(house, fitted.record, fitted.idata, folder)
    if fitted.ads is not None:
        _keep(house, fitted.ads.record, fitted.ads.idata, folder)
    _prune(house, folder, files)


def _keep(house: House, record: RefitRecord, idata: Any | None, folder: Path) -> None:
    path = folder.parent / record.file
    if idata is not None:
        _write(record, idata, path)
    try:
        house.store.record_refit(record)
    except StoreError:
        if idata is not None:
            path.unlink(missing_ok=True)
        raise


def _record[P: (ResponsePriors, AdPriors)](
    house: House, order: Order, seen: Snapshot, found: tuple[Refit[P], P | None], fit_of: tuple[str, datetime, datetime]
) -> RefitRecord:
    (answer, priors), (model, began, now) = found, fit_of
    evidence = seen.digest()
    name = f"{_PREFIX}{now:%Y%m%d-%H%M%S}-{evidence[:8]}{'-ads' if model == AD_MODEL else ''}"
    return RefitRecord(
        refit_id=name,
        fitted_at=now,
        model=model,
        code_version=house.code_version,
        seed=order.seed,
        evidence=evidence,
        seconds=max((now - began).total_seconds(), 0.0),
        checks=answer.checks,
        priors=priors,
        file="" if answer.idata is None else f"{FOLDER}/{name}.nc",
    )


def _places(test: LiftTestTable, seen: Snapshot) -> list[tuple[str, str | None]]:
    """Channel and campaign that a test may be about; a channel is taken at its word."""
    name = test.scope.name
    if test.scope.kind is ScopeKind.CHANNEL:
        return [(name, None)]
    found = {
        (target.channel, campaign)
        for target in seen.targets
        for campaign, called in zip(target.campaigns, target.campaign_names, strict=True)
        if name in (campaign, called)
    }
    return sorted(found)


def _lift(test: LiftTestTable, channel: str, campaign: str | None) -> LiftTest:
    return LiftTest(
        channel=channel,
        first_day=test.first_day,
        last_day=test.last_day,
        spend=float(test.spend),
        spend_change=float(test.spend_change),
        incremental=test.incremental,
        se=test.se,
        outcome=test.outcome,
        campaign=campaign,
    )


def _write(record: RefitRecord, idata: Any, path: Path) -> None:
    """Write the draws as NetCDF, with what they are from among the attributes."""
    about = {"refit": record.refit_id, "model": record.model, "evidence": record.evidence}
    tree = idata.copy()
    tree.attrs = {**tree.attrs, **about, "seed": str(record.seed), "outlay": record.code_version}
    try:
        with disk.whole(path) as part:
            tree.to_netcdf(part, engine=_ENGINE)
    except OSError as error:
        words = f"{path} cannot be written: {error.strerror or error}"
        raise AskMarketer(words, mend="free some space, and make the folder writable.") from None


def _prune(house: House, folder: Path, files: int) -> None:
    """Delete all files of draws but those of the newest refits and of those whose priors are in force."""
    refits = house.store.refits(_ALL)
    passed = [[r.file for r in refits if r.passed and r.about_ads is ads] for ads in (False, True)]
    in_force = [file for files_of in passed for file in files_of[:1]]
    wanted = {Path(file).name for file in [*in_force, *[refit.file for refit in refits if refit.file][:files]]}
    for draws in folder.glob(f"{_PREFIX}*.nc"):
        if draws.name not in wanted:
            draws.unlink(missing_ok=True)
