"""Appraisals around their models: what each model is given, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from connectors.errors import AskMarketer, ConnectorError
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
        return Appraised(subject, _made(house, settings, subject, today, rng, progress))
    except ConnectorError as error:  # the other subject may well be told
        return Appraised(subject, None, str(error))


def _made(
    house: House, settings: Settings, subject: Subject, today: date, rng: np.random.Generator, progress: Progress
) -> Appraisal:
    if subject is Subject.CUSTOMER:
        return lifetime.appraise(house, today, rng, settings.lifetime, progress)
    model = settings.attribution.chosen
    if model is None:
        raise AskMarketer("no model credits orders", mend="name one as model of [attribution].")
    return crediting.appraise(house, settings.attribution, model, today, rng)
