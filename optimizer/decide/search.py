"""The search for the plan: first the aim, then what today allows on the way to it (docs/decision.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from connectors.money import Money
from optimizer import goals, guardrails
from optimizer.allocate import solve
from optimizer.decide import trying
from optimizer.decide.aiming import aimed, bounded, closed, in_reach
from optimizer.decide.case import Case
from optimizer.decide.market import Market, Space, market, space, tabulated
from optimizer.decide.promises import asked_share, credited, judged, probability, uncertain_rows
from optimizer.goals import Because, Box, GoalsError
from optimizer.guardrails import BoolArray
from optimizer.plan.problem import Allocation, Collision, Outcome, Row
from optimizer.plan.recommendation import Finding, Severity
from optimizer.plan.snapshot import FloatArray
from optimizer.trials import Trial

_WIDE_POINTS: Final = 64
_STEP_POINTS: Final = 33
_CREDIT_ROUNDS: Final = 10
_CREDIT_SETTLED: Final = 1e-3
_PRUNINGS: Final = 4
_HOPES: Final = (1.0, 0.5, 0.25, 0.0)
_CONTRADICTION: Final = "contradiction"
_LEAST_KEPT: Final = 0.5
_COUNTED: Final = Because("max-changes", "other moves are worth more, and no more changes are allowed")
_SMALL: Final = Because("smallest-step", "a smaller move than that is not worth a platform's learning")
_TOWARDS: Final = Because("aim", "the aim lies there")


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Budgets in currency units, shape (K,), and how they were found.

    Attributes:
        box: What today allows each budget.
        aim: The solver's answer without steps, with its certificate; it counts uncertainty as `explore` says.
        outside: Where a present budget breaks a limit of its own: which, by index.
        prices: What each row's room is worth by the expected curves alone, shape (rows,).
        sober: The aim without hope and trials, all else the same.
        explored: Share of the spend that hope or a trial puts elsewhere than that aim would.
        findings: What was noticed on the way.
        trials: Which targets are on trial.
        given: How many budgets the aim was solved around because a trial was to take them somewhere.
    """

    budget: FloatArray
    box: Box
    aim: Allocation
    outside: Mapping[int, Because]
    prices: FloatArray
    sober: Allocation
    explored: float
    findings: tuple[Finding, ...]
    trials: tuple[Trial, ...] = ()
    given: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Aim:
    """Where the money should be if steps did not matter, and the rows that keep the promises on the way."""

    answer: Allocation
    rows: tuple[Row, ...]


def search(case: Case, rng: np.random.Generator) -> Plan | Finding:
    """Find today's budgets; a finding says why there are none.

    Hope is lessened, and with it the room for trials, until no more of the spend than `explore_limit` stands where
    hope alone puts it. Where nothing may, it is not begun with: each try solves all anew, which takes long with risk
    aversion.

    Raises:
        GoalsError: A line that a person fixed breaks a limit of its own.
    """
    ground = _ground(case)
    world = int(rng.integers(2**63))
    for hope in _HOPES if case.goals.explore_limit > 0.0 else _HOPES[-1:]:
        found = _search(replace(case, forecast=replace(case.forecast, hope=hope, world=world)), ground, rng)
        # With less hope a promise may be kept that was not with more; limits that contradict each other never hold.
        if found.code == _CONTRADICTION if isinstance(found, Finding) else found.explored <= case.goals.explore_limit:
            break
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Ground:
    """What is the same whatever is hoped for.

    `own` is each budget's room if steps did not matter, `wide` that of what may move, `step` today's. `rows` are those
    of the aim; `sober` is the aim of the expected curves alone under them, None where no trial is thought of.
    """

    own: Box
    wide: Box
    step: Box
    rows: tuple[Row, ...]
    sober: Allocation | None
    trials: tuple[Trial, ...]


def _ground(case: Case) -> _Ground:
    step = guardrails.room(case.snapshot, case.goals, case.guards, case.now)
    _check_fixed(case, step)
    own = goals.wide_box(case.goals, case.snapshot.targets, case.snapshot.current, case.snapshot.today)
    wide, rows = aimed(case, step)
    sober = _expected_alone(case, wide, rows) if trying.may_try(case) else None
    trials = () if sober is None or sober.collision is not None else trying.worth_trying(case, wide, sober)
    return _Ground(own, wide, closed(case, step, step), rows, sober, trials)


def _search(case: Case, ground: _Ground, rng: np.random.Generator) -> Plan | Finding:
    trials: tuple[Trial, ...] = ()
    if ground.sober is not None:
        trials = trying.admitted(case, ground.wide, ground.rows, ground.trials, ground.sober)
    aim = _aim(case, trying.pinned(ground.wide, trials), ground.rows, rng)
    if isinstance(aim, Finding) and trials:
        trials, aim = (), _aim(case, ground.wide, ground.rows, rng)
    if isinstance(aim, Finding):
        return aim
    found = _fewer_moves(case, aim, ground.step, rng)
    sober = _sober(case, ground, aim)
    stands = _hopeless(case, ground.wide, aim, sober, rng)
    made = trying.under_way(case, trials, found.budget)
    return Plan(
        budget=found.budget,
        box=found.box,
        aim=aim.answer,
        outside=_outside(ground.own, case.snapshot.current),
        prices=sober.prices,
        sober=stands,
        explored=_explored(aim.answer.spend, stands.spend, found.budget, made) if case.forecast.hopes else 0.0,
        findings=found.findings,
        trials=made,
        given=len(trials),
    )


def _hopeless(case: Case, box: Box, aim: _Aim, sober: Allocation, rng: np.random.Generator) -> Allocation:
    """Return the aim without hope and trials, all else the same."""
    if case.forecast.hopes and (case.goals.risk_aversion or case.goals.switching_cost):
        hopeless = replace(case, forecast=replace(case.forecast, hope=0.0))
        return market(hopeless, box, _WIDE_POINTS, aim.rows, rng).solve()
    return sober


def _explored(aim: FloatArray, sober: FloatArray, budget: FloatArray, trials: tuple[Trial, ...]) -> float:
    """Return the share of the spend that stands above where it would be aimed without hope, or that trials take away.

    What one budget is kept from another has, or nobody: the larger of the two sums is what is at risk, not both.
    """
    above = np.maximum(np.minimum(budget, aim) - sober, 0.0)
    below = np.maximum(sober - np.maximum(budget, aim), 0.0)
    taken = sum(float(below[trial.target]) for trial in trials)
    return float(max(float(above.sum()), taken) / max(budget.sum(), 1e-9))


def _aim(case: Case, box: Box, rows: tuple[Row, ...], rng: np.random.Generator) -> _Aim | Finding:
    """Solve for the best budgets without the step limit; each ROAS and CPA row is met with the asked probability.

    An aim that gives up half of what the present budgets bring keeps a promise by shutting down: it counts as none.
    """
    offer = market(case, box, _WIDE_POINTS, rows, rng)
    answer = offer.solve()
    if answer.collision is not None:
        return _contradiction(answer.collision)
    uncertain = uncertain_rows(case)
    if not uncertain:
        return _Aim(answer, rows)
    aim = _promised(case, offer, answer, rng)
    if aim is None or not _worth_having(case, aim.answer.spend):
        return _unsure(case, uncertain)
    return aim


def _promised(case: Case, offer: Market, first: Allocation, rng: np.random.Generator) -> _Aim | None:
    """The best aim found that keeps every promise with the asked probability; None if none was.

    A row counts expected outcomes times a credit of its own, at most 1: the credit at which it says of the plan what
    the asked quantile of the posterior draws says (a chance constraint's deterministic equivalent: Charnes and Cooper
    1959, Management Science 6). Plan and credits are found in turns; a credit that was too large gives way faster
    each time. All turns judge by the same draws.
    """
    seed, needed = int(rng.integers(2**63)), asked_share(case)
    plain = offer.problem.rows
    credit, rows, answer = np.ones(len(plain)), plain, first
    best: _Aim | None = None
    for turn in range(_CREDIT_ROUNDS):
        kept, asked = judged(case, answer.spend, np.random.default_rng(seed))
        if (kept >= needed).all():
            if best is not None and answer.value <= best.answer.value + 1e-4 * abs(best.answer.value):
                break
            best = _Aim(answer, rows)
            if np.abs(asked - credit).max() <= _CREDIT_SETTLED or (credit == 1.0).all():
                break
        else:
            asked = np.where(kept >= needed, asked, np.minimum(asked, credit) * (1.0 - 0.005 * 2**turn))
        credit = np.maximum(asked, 0.0)
        rows = tuple(credited(row, float(c)) for row, c in zip(plain, credit, strict=True))
        answer = offer.solve(rows)
        if answer.collision is not None:
            break
    return best


def _worth_having(case: Case, budget: FloatArray) -> bool:
    pair = np.stack([case.snapshot.current, budget], axis=1)
    now, then = case.forecast.outcomes(pair)[Outcome.CONVERSIONS].sum(axis=0)
    return bool(then >= _LEAST_KEPT * now)


def _sober(case: Case, ground: _Ground, aim: _Aim) -> Allocation:
    """The aim when only expectation counts: hope has no place in a price that a person reads."""
    if ground.sober is not None and aim.rows is ground.rows:
        return ground.sober
    if not case.forecast.hopes and case.goals.risk_aversion == case.goals.switching_cost == 0.0:
        return aim.answer
    return _expected_alone(case, ground.wide, aim.rows)


def _expected_alone(case: Case, box: Box, rows: tuple[Row, ...]) -> Allocation:
    choice = space(box, _WIDE_POINTS, case.snapshot.current)
    return solve(tabulated(case, choice, case.forecast.moments(choice.grid)[0], rows))


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Today's budgets, shape (K,), the box that they were found in, and what was noticed."""

    budget: FloatArray
    box: Box
    findings: tuple[Finding, ...] = ()


def _approach(case: Case, aim: _Aim, box: Box, rng: np.random.Generator) -> _Found:
    """Find the budgets nearest to the aim within today's box, all rows kept and as much spent as the aim spends.

    Nearness is -sum_k (x_k - aim_k)^2 / current_k: every budget gives way in proportion to its size, and none moves
    away from its aim or past it; one that is to be paused runs on until the others can take its money. Money that
    steps keep from its aim goes where today's curves want it; where even
    that cannot keep the rows, today's box is solved by itself.
    """
    goal, current = aim.answer.spend, case.snapshot.current
    near = box.within(np.minimum(current, goal), np.maximum(current, goal), _TOWARDS)
    # A budget that stands in its gap has nowhere to be on the way to a pause.
    stuck = np.flatnonzero(box.pausable & (goal == 0.0) & (current < box.lower))
    near = near.closed({int(k): (0.0, _TOWARDS) for k in stuck})
    choice = space(near, _STEP_POINTS, current)
    grid = choice.grid
    weight = np.maximum(current, 1e-6 * max(float(current.max()), 1e-6))[:, None]
    nearness = -((grid - goal[:, None]) ** 2) / weight
    spent = min(float(goal.sum()), float(near.upper.sum()))
    whole = Row("spent", "the plan spends as much as its aim", -np.ones(len(goal)), -spent)
    rows = _needed((*bounded(case, aim.rows), whole), choice, nearness)
    answer = solve(tabulated(case, choice, nearness, rows))
    if answer.collision is not None:
        return _today(case, aim, box, rng)
    if spent >= float(goal.sum()) * (1 - 1e-9):
        return _Found(answer.spend, box)
    paused = box.pausable & (answer.spend == 0.0)
    filled = replace(box, lower=np.clip(answer.spend, box.lower, box.upper), off=paused)
    return replace(_today(case, aim, filled, rng), box=box)


def _needed(rows: tuple[Row, ...], choice: Space, objective: FloatArray) -> tuple[Row, ...]:
    """The rows without those that cannot matter, where all of them bound the sum of all budgets from above or below.

    With a concave objective, the best under both bounds is the best under that one of them which the best under none
    breaks. One row is solved in closed form, two by a linear programme.
    """
    signs = [float(row.spend.flat[0]) if row.spend.size else 0.0 for row in rows]
    alike = all(
        row.outcome is None and abs(sign) == 1.0 and bool((row.spend == sign).all())
        for row, sign in zip(rows, signs, strict=True)
    )
    if choice.apart.any() or not alike:
        return rows
    free = float(np.take_along_axis(choice.grid, objective.argmax(axis=1)[:, None], axis=1).sum())
    least = max((-row.bound for row, sign in zip(rows, signs, strict=True) if sign < 0), default=-np.inf)
    most = min((row.bound for row, sign in zip(rows, signs, strict=True) if sign > 0), default=np.inf)
    if least > most:
        return rows
    side = -1.0 if free < least else 1.0
    return tuple(row for row, sign in zip(rows, signs, strict=True) if sign == side) or rows


def _today(case: Case, aim: _Aim, box: Box, rng: np.random.Generator) -> _Found:
    """The best budgets of today's box by themselves; as near to the rows as they come where they cannot be kept."""
    rows = bounded(case, aim.rows)
    answer = market(case, box, _STEP_POINTS, rows, rng).solve()
    if answer.collision is None or _kept(case, answer.spend, rng):
        return _Found(answer.spend, box)
    nearest = market(case, box, _STEP_POINTS, in_reach(box, rows, case.snapshot.current), rng).solve()
    budget = answer.spend if nearest.collision is not None else nearest.spend
    return _Found(budget, box, (_out_of_reach(answer.collision),))


def _kept(case: Case, budget: FloatArray, rng: np.random.Generator) -> bool:
    """Whether budgets keep every linear row, and those that count outcomes with the asked probability."""
    if _excess(case, budget) > 1e-6:
        return False
    return probability(case, budget, uncertain_rows(case), rng) >= case.goals.confidence


def _excess(case: Case, budget: FloatArray) -> float:
    """By how much budgets, shape (K,), break linear rows, all together."""
    return sum(max(float(row.spend @ budget) - row.bound, 0.0) for row in case.rows if row.outcome is None)


def _fewer_moves(case: Case, aim: _Aim, box: Box, rng: np.random.Generator) -> _Found:
    """Approach the aim with no more moves than are allowed, and with none too small for a platform's learning.

    The count holds even if a limit is then reached only in several days; a small move that a limit needs is made.
    """
    found = _approach(case, aim, box, rng)
    current = case.snapshot.current
    beyond = _beyond_count(case, found.budget)
    if (beyond & (found.budget != current)).any():
        at = {int(k): (float(current[k]), _COUNTED) for k in np.flatnonzero(beyond)}
        found = _approach(case, aim, box.closed(at), rng)
    for _ in range(_PRUNINGS):
        size = np.abs(found.budget - current) / np.maximum(current, 1e-9)
        left = (size > 0) & (size < case.guards.smallest_step)
        left &= (found.box.lower <= current) & (current <= found.box.upper)
        if not left.any():
            break
        at = {int(k): (float(current[k]), _SMALL) for k in np.flatnonzero(left)}
        fewer = _approach(case, aim, found.box.closed(at), rng)
        if (fewer.findings and not found.findings) or _excess(case, fewer.budget) > _excess(case, found.budget) + 1e-6:
            break
        found = fewer
    return found


def _beyond_count(case: Case, budget: FloatArray) -> BoolArray:
    """Moves beyond the number that is left: kept are the raises that gain most, and the largest cuts for them."""
    most = guardrails.changes_left(case.snapshot, case.guards, case.now)
    if most is None:
        return np.zeros(len(budget), dtype=np.bool_)
    current = case.snapshot.current
    mean = case.forecast.moments(np.stack([current, budget], axis=1))[0]
    raises = np.where(budget > current, mean[:, 1] - mean[:, 0], -np.inf)
    cuts = np.where(budget < current, current - budget, -np.inf)
    up = min(most - most // 2, int((budget > current).sum()))
    kept = [*np.argsort(-raises, kind="stable")[:up], *np.argsort(-cuts, kind="stable")[: most - up]]
    beyond = np.ones(len(budget), dtype=np.bool_)
    beyond[kept] = False
    return beyond


def _outside(own: Box, current: FloatArray) -> Mapping[int, Because]:
    """The limit of its own that each present budget breaks, if any."""
    found: dict[int, Because] = {}
    paused = own.pausable & (current == 0.0)
    for k, budget in enumerate(current):
        if paused[k]:
            continue
        if budget < own.lower[k] - 1e-6:
            found[k] = own.lower_because[k][0]
        elif budget > own.upper[k] + 1e-6:
            found[k] = own.upper_because[k][0]
    return found


def _check_fixed(case: Case, box: Box) -> None:
    index = {target.key: k for k, target in enumerate(case.snapshot.targets)}
    for key, amount in case.fixed.items():
        if key not in index:
            raise GoalsError(f"there is no budget {key}. Mend: name one of the recommendation's lines")
        k, wanted = index[key], amount.micros / 1e6
        quantum = case.snapshot.targets[k].budget.quantum_micros
        if amount != case.snapshot.targets[k].budget.amount and amount.micros % quantum:
            step = Money(quantum, amount.currency)
            raise GoalsError(f"{key} cannot be {amount}. Mend: the platform takes multiples of {step}")
        hold = case.held[k]
        if hold is not None and hold.code == guardrails.SHARED:
            raise GoalsError(f"{key} cannot be set: {hold.words}. Mend: {hold.mend}")
        if not goals.takes(box, k, case.snapshot.targets[k], amount):
            side = box.upper_because[k] if wanted > box.upper[k] else box.lower_because[k]
            why = "; ".join(because.words for because in side)
            least, most = goals.ends(box, k, case.snapshot.targets[k])
            room = f"choose between {least} and {most}" if least < most else f"choose {least}"
            raise GoalsError(f"{key} cannot be {amount}: {why}. Mend: {room}")


def _contradiction(collision: Collision) -> Finding:
    return Finding(_CONTRADICTION, Severity.BLOCK, "portfolio", collision.words,
                   "Change one of these limits in config.toml.")  # fmt: skip


def _out_of_reach(collision: Collision) -> Finding:
    return Finding("out-of-reach", Severity.WARNING, "portfolio",
                   f"Not within today's steps: {collision.words} The plan goes as far as it may.",
                   "Let the next plans go on, or allow a larger step.")  # fmt: skip


def _unsure(case: Case, rows: list[Row]) -> Finding:
    promises = " and ".join(row.words for row in rows)
    return Finding("confidence", Severity.BLOCK, "portfolio",
                   f"No plan keeps the promise that {promises} without giving up more than half of what the "
                   "present budgets bring; nothing is moved.",
                   "Lower the confidence or the limit, lower the total by hand, or wait for evidence.")  # fmt: skip
