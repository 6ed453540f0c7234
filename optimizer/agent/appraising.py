"""Appraisals around their models: what each model is given, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from connectors.errors import ConnectorError
from optimizer.agent import crediting, lifetime
from optimizer.agent.cycle import House
from optimizer.agent.settings import Settings
from optimizer.plan.appraisal import Appraisal, Subject
from optimizer.refit.contract import Progress


@dataclass(frozen=True, slots=True)
class Appraised:
    """What came of one appraisal.

    Attributes:
        subject: What it is about.
        made: The appraisal; None where there is none, and that of before stands.
        why: Why there is none, with the mend; empty where there is one.
    """

    subject: Subject
    made: Appraisal | None
    why: str = ""


def appraise(
    house: House, settings: Settings, subject: Subject, today: date, seed: int, progress: Progress
) -> Appraised:
    """Appraise one subject from what the connectors tell; writes nothing.

    Args:
        house: The wired house, whose connectors are read.
        settings: `[attribution]` and `[lifetime]`.
        subject: What is appraised.
        today: Orders of this day and later are not read.
        seed: Of what is drawn.
        progress: Told how far sampling is.
    """
    rng = np.random.default_rng([seed, list(Subject).index(subject)])
    try:
        match subject:
            case Subject.CREDIT:
                made = crediting.appraise(house, settings.attribution, today, rng)
                why = "no connector tells both touches and orders. Mend: docs/attribution.md says which do"
            case Subject.CUSTOMER:
                made = lifetime.appraise(house, today, rng, settings.lifetime, progress)
                why = "the draws of the model cannot be believed. Mend: `outlay lifetime` says which check failed"
    except ConnectorError as error:  # the other subject may well be told
        return Appraised(subject, None, str(error))
    return Appraised(subject, made, "" if made is not None else why)
