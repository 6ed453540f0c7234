"""`[guardrails]`, `[ads]` and `[approval]`: what keeps money and ads from moving."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from optimizer.agent.settings.types import Amount, NotNegative, Positive, Share, Table, Text
from optimizer.approval import of_policy


class GuardrailsTable(Table):
    """`[guardrails]`: what keeps money from moving; the reasons stand in `optimizer.guardrails`."""

    largest_step: Positive = Field(
        0.3, description="Largest relative change of one budget in one recommendation (0.3: at most 30% up or down)."
    )
    largest_step_24h: Positive = Field(
        0.5, description="Largest relative change of one budget over any 24 hours, all recommendations together."
    )
    smallest_step: Share = Field(0.02, description="Relative changes below this are not proposed, 0 to 1.")
    cool_down_hours: NotNegative = Field(
        20.0,
        le=8760,
        description="Hours for which a budget that was changed is left alone, at most 8760; 20 fits a daily run.",
    )
    freshness_days: int = Field(
        3, ge=0, le=366, description="Days that may be missing at the end of an account's data, at most 366."
    )
    minimum_days: int = Field(
        14, ge=0, le=3660, description="Fewest days with rows before a budget is moved, at most 3660."
    )
    minimum_conversions: NotNegative = Field(
        10.0,
        le=1_000_000,
        description="Fewest conversions in the last 28 days before a budget is moved, at most 1000000.",
    )
    min_gain_probability: Share = Field(
        0.6, description="Least probability that the plan beats leaving all as it is, 0 to 1."
    )
    min_gain_share: Share = Field(
        0.002, description="Least expected gain, as a share of what the present budgets bring, 0 to 1."
    )
    max_changes: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Most budgets that one recommendation changes, the most valuable first, at most 1000000; 0 "
        "for no limit.",
    )
    spend_spike: float = Field(
        5.0, gt=1, description="A last day above this multiple of the 28-day median spend is doubtful; above 1."
    )
    outage_days: int = Field(
        3,
        ge=0,
        le=366,
        description="Spend without one conversion over so many days, at most 366, where many were due, is an outage.",
    )
    restated_spend: Share = Field(
        0.1, description="Share by which the spend of a settled day may be told otherwise, 0 to 1; more is doubtful."
    )
    restated_conversions: Share = Field(
        0.1, description="Share by which conversions of old days may change beyond what is usual, 0 to 1."
    )
    doubt_hours: NotNegative = Field(
        48.0,
        le=8760,
        description="Hours for which what was told otherwise is doubtful after it was noticed, at most 8760; 0 "
        "for never.",
    )
    gone_days: NotNegative = Field(
        7.0,
        le=366,
        description="Days for which the budgets of an account that is told of no more stay where they are, at "
        "most 366.",
    )
    clock_skew_seconds: NotNegative = Field(
        300.0,
        le=86_400,
        description="Seconds by which a platform's times may differ from this machine's clock, at most 86400.",
    )
    max_changes_24h: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Most budgets changed over any 24 hours, all recommendations together, at most 1000000; 0 "
        "for no limit.",
    )
    learning_step: NotNegative = Field(
        0.2,
        description="Largest relative change of a budget of which its platform says that it is learning; 0 for none.",
    )


class AdsTable(Table):
    """`[ads]`: when ads are proposed to be paused or resumed; the reasons stand in docs/safety.md."""

    max_changes: int = Field(
        2,
        ge=0,
        le=1000,
        description="Most switches of one budget's ads over 24 hours, at most 1000; an exchange is two; 0 "
        "proposes none.",
    )
    pause_below: Share = Field(
        0.75, description="An ad that deserves less than this part of an equal share may be paused, 0 to 1 ..."
    )
    pause_p_best: Share = Field(
        0.05, description="... if it is the best of its budget with less than this probability, 0 to 1."
    )
    keep_running: int = Field(
        2, ge=1, le=1000, description="Ads of one budget that go on running where there are so many, at most 1000."
    )
    resume_above: Positive = Field(
        1.0,
        description="A paused ad takes another's place only if it deserves this part of an equal share, or more.",
    )
    cool_down_hours: NotNegative = Field(
        72.0, le=8760, description="Hours for which an ad that was switched is left alone, at most 8760."
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.resume_above <= self.pause_below:
            words = f"resume_above {self.resume_above} is not above pause_below {self.pause_below}"
            raise ValueError(f"{words}: an ad would be paused and resumed in turn. Mend: change one of them")
        return self


def _person(name: str) -> str:
    if of_policy(name):
        raise ValueError(f"{name!r} is the name of a written policy, no person's. Mend: write names of people")
    return name


class ApprovalTable(Table):
    """`[approval]`: who decides, and for how long a recommendation stands."""

    valid_hours: Positive = Field(
        24.0, le=8760, description="Hours after which a recommendation that nobody approved expires, at most 8760."
    )
    second_approver_above: Amount | None = Field(
        None, description="Money moved a day above which a second person must approve; unset for never."
    )
    approvers: tuple[Annotated[Text, AfterValidator(_person)], ...] = Field(
        (), description="Names of those who may approve; empty lets anybody."
    )
