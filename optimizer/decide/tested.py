"""What the counted conversions rest on: lift tests, an attribution model, or what the platforms claim."""

from __future__ import annotations

from typing import Final

import numpy as np

from optimizer.decide.case import Case
from optimizer.explain import EIGHTY, figure
from optimizer.goals import Counting, Valuing
from optimizer.plan.appraisal import Subject
from optimizer.plan.recommendation import Finding, Severity
from optimizer.response.counts import Counts

_TEST: Final = "Test a channel (`outlay lift`, or a [[lift_tests]] table), and run `outlay refit`."
_CREDIT: Final = "Name a model in [attribution], and run `outlay appraise` where touches and orders are read."
_CUSTOMERS: Final = "Run `outlay appraise` with a connector that reads orders."
_NO_LIFT: Final = Finding(
    "no-lift", Severity.WARNING, "portfolio",
    "Incremental conversions are asked for, but no lift test stands: what platforms attribute stands in.", _TEST,
)  # fmt: skip
_NO_CREDIT: Final = Finding(
    "no-credit", Severity.WARNING, "portfolio",
    "Credited conversions are asked for, but no path was reckoned: what platforms claim stands in.", _CREDIT,
)  # fmt: skip


def calibration(case: Case) -> tuple[Finding, ...]:
    """Return what the plan makes of lift tests, credit and lifetime value: what they say, or that none stands."""
    return (*_claims(case), *_customers(case))


def _claims(case: Case) -> tuple[Finding, ...]:
    lift, claims = case.forecast.belief.lift, case.forecast.claims
    match case.goals.counts:
        case Counting.ATTRIBUTED:
            return () if lift is None or not lift.told.any() else (_unused(lift),)
        case Counting.INCREMENTAL:
            return (_NO_LIFT if claims is None else _by_tests(claims),)
        case Counting.CREDITED:
            return (_NO_CREDIT if claims is None else _by_paths(case, claims),)


def _by_tests(lift: Counts) -> Finding:
    words = f"Incremental conversions are counted: by lift tests 100 attributed ones are {_lifted(lift)}."
    return _rests("lift", words, "test", lift, _TEST)


def _by_paths(case: Case, credit: Counts) -> Finding:
    told = _each(credit, "100 claimed ones of {name} count {middle} (80%: {low} to {high})", 100.0)
    words = f"Credited conversions are counted, by {_made(case, Subject.CREDIT)}: {told}."
    return _rests("credit", words, "path", credit, _CREDIT)


def _customers(case: Case) -> tuple[Finding, ...]:
    if case.goals.value is Valuing.ORDER:
        return ()
    customers, currency = case.forecast.customers, case.snapshot.currency
    if customers is None:
        words = f"Lifetime value is asked for, but none was reckoned in {currency}: the value of the order stands in."
        return (Finding("no-lifetime", Severity.WARNING, "portfolio", words, _CUSTOMERS),)
    told = _each(customers, f"a customer of {{name}} brings {{middle}} {currency} (80%: {{low}} to {{high}})", 1.0)
    words = f"A conversion counts as a new customer, by {_made(case, Subject.CUSTOMER)}: {told}."
    return (_rests("lifetime", words, "order", customers, _CUSTOMERS),)


def _rests(code: str, words: str, what: str, counts: Counts, mend: str) -> Finding:
    rest = [name for name, told in zip(counts.names, counts.told, strict=True) if not told]
    if rest:
        words += f" Of {', '.join(rest)} there is no {what}; the others' stand in, widely."
    return Finding(code, Severity.INFO, "portfolio", words, mend if rest else "")


def _unused(lift: Counts) -> Finding:
    words = f"By lift tests 100 attributed conversions are {_lifted(lift)}; this plan counts attributed ones."
    mend = 'Write counts = "incremental" in [goal] to plan by the tests.'
    return Finding("lift-unused", Severity.INFO, "portfolio", words, mend)


def _lifted(lift: Counts) -> str:
    return _each(lift, "{middle} incremental ones of {name} (80%: {low} to {high})", 100.0)


def _made(case: Case, subject: Subject) -> str:
    made = next(each for each in case.snapshot.appraisals if each.subject is subject)
    return f"{made.model} of {made.made_at.date()}"


def _each(counts: Counts, words: str, times: float) -> str:
    parts = []
    for c in np.flatnonzero(counts.told):
        middle, low, high = (
            figure(times * float(np.exp(counts.mean[c] + side * EIGHTY * counts.sd[c]))) for side in (0.0, -1.0, 1.0)
        )
        parts.append(words.format(name=counts.names[c], middle=middle, low=low, high=high))
    return ", ".join(parts)
