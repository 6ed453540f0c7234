"""The conjugate filter: a Gamma scale in each cell of a grid, folded forward one day at a time.

Observation, for target k on day d, with a known exposure e and a basis g_j that depends on the day's spend:

    y ~ NegBin(mean = lambda g_j e, size R)

NegBin is not conjugate to Gamma; its information about the mean is that of a Poisson count multiplied by
omega = 1 / (1 + mu / R), so a day enters as omega y events over omega e exposure. Given the cell j, lambda is
Gamma(alpha, beta_j), and its marginal likelihood weighs the cells: Rao-Blackwellisation over the scale.

Time passes in three ways (`Dynamics`). Drift: each day the variance of log lambda grows by about q (alpha and beta
shrink by 1 + q alpha; West and Harrison, Bayesian Forecasting and Dynamic Models, 1997, chapter 6). Fading: the
evidence about shapes loses a little of itself each day, which moves the weights towards their prior (power discounting:
Smith, JRSS B 41, 1979). Breaks: with a small chance the scale jumps overnight; where a day says so, the two stories are
mixed and collapsed to one Gamma by moments (multi-process models of class II: West and Harrison, chapter 12).

The weights are softmax(evidence + log prior): faded likelihood and prior part exactly, so that the prior of the cells
may be pooled over targets after the fold.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.response.breaks import Seen, hinted, mixed
from optimizer.response.scales import Basis, Days, Dynamics, State, drift

BLOCK: Final = 1024
"""Targets folded together: enough that a call of NumPy costs little for each, few enough for the processor's cache. Of
few cells four times as many."""

THREADS: Final = 2
"""Blocks folded at the same time; NumPy gives the interpreter free while it computes."""

STRETCH: Final = 14
"""Days that are folded before what was kept out of the arrays is put back into them."""

WIDE: Final = 32
"""From so many cells on, those of one target lie together in memory, in single precision; of fewer, the targets of one
cell lie together, in double precision: the counts that rates are learnt from may be thousands a day."""

LEVELLED: Final = 4
"""Days after which the scores of a target are taken from its leading cell again, so that they stay small numbers."""

Table = npt.NDArray[np.floating[Any]]

_FAR, _CHANCE = 3.0, 10.0
"""A count beyond so many times the forecast, and so many more, is not chance."""


def fold(state: State, days: Days, excess: FloatArray, basis: Basis, dynamics: Dynamics) -> State:
    """Fold days in order; folding a history in two pieces equals folding it at once, but for rounding.

    Args:
        state: Belief before the first day.
        days: Observations; a day of zero exposure only lets time pass.
        excess: phi = 1 / R, shape (K,).
        basis: The J cells.
        dynamics: How the scale moves.
    """
    size = BLOCK if len(basis.log_prior) >= WIDE else 4 * BLOCK
    parts = [slice(low, low + size) for low in range(0, len(state.alpha), size)]

    tables = _Tables.of(basis)

    def folded(part: slice) -> State:
        return _fold_block(_part(state, part), _turned(days, part), _Rule(excess[part], basis, tables, dynamics))

    if len(parts) < 2:
        return folded(slice(None))
    with ThreadPoolExecutor(THREADS) as pool:
        blocks = list(pool.map(folded, parts))
    return State(
        *(np.concatenate([getattr(b, name) for b in blocks]) for name in ("alpha", "beta", "evidence", "begun"))
    )


def _part(state: State, part: slice) -> State:
    return State(state.alpha[part], state.beta[part], state.evidence[part], state.begun[part])


def _turned(days: Days, part: slice) -> Days:
    """Some targets' observations, a day to a row."""
    return Days(
        np.ascontiguousarray(days.place[part].T),
        np.ascontiguousarray(days.count[part].T),
        np.ascontiguousarray(days.exposure[part].T),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Tables:
    """A basis as it is read each day: g in the precision of the block, and the logarithm of just that, both (G, J)."""

    g: Table
    log_g: Table

    @classmethod
    def of(cls, basis: Basis) -> _Tables:
        if len(basis.log_prior) < WIDE:
            return cls(basis.g, basis.log_g)
        g = basis.g.astype(np.float32)
        return cls(g, np.log(g.astype(np.float64)).astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class _Rule:
    """What stays the same from day to day; `excess` is of shape (K,)."""

    excess: FloatArray
    basis: Basis
    tables: _Tables
    dynamics: Dynamics


def _fold_block(state: State, days: Days, rule: _Rule) -> State:
    """Fold a block of targets, whose observations have a day to a row."""
    exposed = (days.exposure > 0).any(axis=1)
    for low in range(0, len(exposed), STRETCH):
        stretch = range(low, min(low + STRETCH, len(exposed)))
        if not exposed[low : low + STRETCH].any():
            for _ in stretch:
                state = drift(state, rule.dynamics)
            continue
        block = _Block(state, rule)
        for day in stretch:
            block.wait()
            if exposed[day]:
                block.take_in(Seen(days.place[day], days.count[day], days.exposure[day]))
        state = block.state()
    return state


class _Block:
    """A block of K targets while a stretch of days is folded into it.

    Time shrinks all rates of a target, and fades all evidence, by one factor. These factors are kept apart, so that a
    day without exposure costs nothing and any other reads and writes each array but a few times:

        beta = kept x rates,    evidence = faded x scores + a constant of the target

    Many cells are kept in single precision: a logarithm takes a third of the time, and half as much memory is moved. A
    logarithm that is a little off comes in once with each sign, `kept` begins so that all are near zero, and scores are
    taken from those of the leading cell every few days: after a year the evidence is within a few thousandths of what
    double precision gives wherever a cell is not ruled out.

    Of the marginal's alpha log beta + y log g - (alpha + y) log(beta + e g) the logarithms of the rates before the day
    are those after the day before: each day takes one logarithm per cell.
    """

    def __init__(self, state: State, rule: _Rule) -> None:
        targets, cells = state.beta.shape
        self._rule, self._dynamics = rule, rule.dynamics
        self._alpha, self._begun = state.alpha, state.begun
        self._touched = np.zeros(targets, dtype=np.bool_)
        self._kept, self._faded = state.beta.mean(axis=1), 1.0
        self._drift = np.where(state.begun, rule.dynamics.drift, 0.0)
        self._rows, self._taken = np.arange(targets), 0
        kind = rule.tables.g.dtype
        self._rates = _laid((state.beta / self._kept[:, None]).astype(kind))
        self._scores = _laid(state.evidence.astype(kind))
        self._leads = np.empty_like(self._scores)
        self._log = np.log(self._rates)
        self._spare = np.empty_like(self._rates)
        self._read = np.empty((targets, cells), dtype=kind)

    def wait(self) -> None:
        """Let one day pass; see `scales.drift`."""
        shrink = 1.0 / (1.0 + self._drift * self._alpha)
        self._alpha = self._alpha * shrink
        self._kept *= shrink
        self._faded *= self._dynamics.fade

    def take_in(self, seen: Seen) -> None:
        """Take in one day: the plain conjugate update, and with a break where the day hints at one."""
        g = np.take(self._rule.tables.g, seen.place, axis=0, out=self._read, mode="clip").T
        prior = (self._rule.basis.log_prior / self._faded).astype(g.dtype)
        lead = np.add(self._scores, prior[:, None], out=self._leads).argmax(axis=0)
        if self._taken % LEVELLED == 0:
            self._scores -= np.where(self._touched, self._scores[lead, self._rows], 0.0)
        self._taken += 1
        rate = g[lead, self._rows] / (self._kept * self._rates[lead, self._rows])
        mean = seen.exposure * self._alpha * rate
        # The size of the day is the forecast's: were it the count's, low counts would weigh more and pull the level
        # down. Only where no chance explains the count, it corrects a forecast that knows nothing yet.
        size = np.minimum(np.maximum(mean, (seen.count - _CHANCE) / _FAR), (seen.count + _CHANCE) * _FAR)
        omega = 1.0 / (1.0 + self._rule.excess * np.maximum(size, 0.0))
        day = Seen(seen.place, omega * seen.count, omega * seen.exposure)
        jumped = hinted(self._alpha, day.exposure * rate, day.count, self._dynamics)
        if not jumped.size:
            self._update(day, g)
            return
        told = Seen(day.place[jumped], day.count[jumped], day.exposure[jumped])
        after = mixed(self._of(jumped), told, self._rule.basis, self._dynamics)
        self._update(day, g)
        self._put(jumped, after)

    def state(self) -> State:
        """Return the belief; evidence of targets that had a day is zero at its most likely cell."""
        evidence = self._faded * self._scores.astype(np.float64)
        evidence -= np.where(self._touched, evidence.max(axis=0), 0.0)
        beta, evidence = (np.ascontiguousarray(a.T) for a in (self._kept * self._rates, evidence))
        return State(self._alpha, beta, evidence, self._begun | self._touched)

    def _update(self, day: Seen, g: Table) -> None:
        """The plain update of all targets; those without exposure stay as they are."""
        kind = g.dtype
        np.multiply(g, (day.exposure / self._kept).astype(kind), out=self._spare)
        self._rates += self._spare
        after = np.log(self._rates, out=self._spare)
        change = np.subtract(self._log, after, out=self._log)
        change *= (self._alpha / self._faded).astype(kind)
        self._scores += change
        gain = np.take(self._rule.tables.log_g, day.place, axis=0, out=self._read, mode="clip").T
        gain -= after
        gain *= (day.count / self._faded).astype(kind)
        self._scores += gain
        self._log, self._spare = after, change
        self._alpha = self._alpha + day.count
        if not self._touched.all():
            self._touched |= day.exposure > 0
            self._drift[self._touched] = self._dynamics.drift

    def _of(self, rows: IntArray) -> State:
        beta = (self._kept[rows] * self._rates[:, rows]).T
        evidence = self._faded * self._scores[:, rows].T.astype(np.float64)
        return State(self._alpha[rows], beta, evidence, self._touched[rows])

    def _put(self, rows: IntArray, state: State) -> None:
        self._alpha[rows] = state.alpha
        rates = (state.beta / self._kept[rows, None]).T
        self._rates[:, rows], self._log[:, rows] = rates, np.log(rates)
        self._scores[:, rows] = state.evidence.T / self._faded


def _laid(table: Table) -> Table:
    """A copy of a table (K, J) as (J, K), in memory as `WIDE` says."""
    return table.copy().T if table.shape[1] >= WIDE else np.array(table.T, order="C")
