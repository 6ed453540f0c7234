"""The tables of `config.toml` about the agent that runs by itself: its hours, what it may decide, whom it tells."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from optimizer.agent.settings.types import Positive, Share, Table, Text
from optimizer.approval import Ads, Mode, Window

_LOOPBACK: Final = "127.0.0.1:8471"
_HERE: Final = ("localhost", "127.0.0.1", "::1")


def _clock(text: str) -> str:
    try:
        time.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time of day. Mend: write one such as 06:00") from None
    return text


def _window(text: str) -> str:
    Window.parse(text)
    return text


def address_of(text: str) -> str:
    """Return a `host:port` as it is, or an empty text.

    Raises:
        ValueError: It is neither.
    """
    host, colon, port = text.rpartition(":")
    if text and (not colon or not host or not port.isdigit() or int(port) > 65_535):
        raise ValueError(
            f"{text!r} is no address. Mend: write host:port such as {_LOOPBACK}, or an empty text for none"
        )
    return text


class DaemonTable(Table):
    """`[daemon]`: when `outlay run` does what."""

    decide_at: tuple[Annotated[Text, AfterValidator(_clock)], ...] = Field(
        ("06:00",), description="Times of day, in the portfolio's zone, at which platforms are read and a plan is made."
    )
    retry_minutes: Positive = Field(
        15.0, le=1440, description="Minutes after which a job that failed is tried again, at most 1440."
    )
    give_up_hours: Positive = Field(
        6.0, le=168, description="Hours after which a job that still fails waits for the next day, at most 168."
    )
    settle_minutes: Positive = Field(
        30.0,
        le=10_080,
        description="Minutes after its last write at which a recommendation is read back and verified, at most 10080.",
    )
    look_seconds: Positive = Field(
        1.0,
        le=60,
        description="Seconds between two looks at what is due, at most 60; the kill switch counts at once in any case.",
    )
    breaker_failures: Annotated[int, Field(ge=1, le=1000)] = Field(
        10,
        description="Failures in a row after which an account is called no more, but for a probe now and then, "
        "at most 1000.",
    )
    breaker_minutes: Positive = Field(
        5.0,
        le=1440,
        description="Minutes until the first probe of such an account, at most 1440; they double with each that fails.",
    )
    breaker_longest_minutes: Positive = Field(
        60.0, le=10_080, description="The most minutes between two probes, at most 10080; at least breaker_minutes."
    )
    refit: Literal["due", "never"] = Field(
        "due", description="When `outlay refit` is begun, in a process of its own: due (as [refit] says) or never."
    )
    workers: int = Field(
        0,
        ge=0,
        le=1000,
        description="Processes beside the agent's own in which plans are worked out, at most 1000; 0 for none.",
    )
    keep_runs_days: Positive = Field(
        90.0,
        le=3660,
        description="Days for which the runs of jobs are kept, at most 3660; the newest of each job always is.",
    )
    listen: Annotated[str, AfterValidator(address_of)] = Field(
        _LOOPBACK, description="host:port of /healthz, /readyz and /metrics; an empty text for none."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.breaker_minutes > self.breaker_longest_minutes:
            raise ValueError("breaker_minutes is above breaker_longest_minutes. Mend: write the larger one there")
        return self


class AutonomyTable(Table):
    """`[autonomy]`: what the agent may decide by itself."""

    mode: Mode = Field(
        Mode.RECOMMEND,
        description="observe (proposes nothing), recommend (people approve) or autopilot (a plan within the limits "
        "below is approved by the policy, anything else waits for a person).",
    )
    largest_step: Share = Field(0.15, description="Largest relative change of any budget that the policy approves.")
    largest_raise: Share = Field(0.1, description="Largest relative raise of any budget that the policy approves.")
    moved_share: Share = Field(
        0.1, description="Most money that the policy moves in 24 hours, as a share of all budgets, 0 to 1."
    )
    gain_probability: Share = Field(0.8, description="Least probability of a gain that the policy asks for, 0 to 1.")
    ads: Ads = Field(
        Ads.PEOPLE,
        description="Who decides on switches of ads: people (a plan with any waits as a whole) or policy.",
    )


class WindowsTable(Table):
    """`[windows]`: when writes may be sent."""

    writes: tuple[Annotated[Text, AfterValidator(_window)], ...] = Field(
        (), description="Windows such as 'mon-fri 08:00-18:00', in the portfolio's zone; empty for at all times."
    )


class NotifyTable(Table):
    """`[notify]`: whom to tell that something waits."""

    urls: tuple[SecretStr, ...] = Field(
        (), description="Where messages go, as Apprise writes it (mailto://, slack://, json://); they hold secrets."
    )
    link: str = Field(
        "",
        description="Address of a recommendation's page, put into messages; {recommendation} stands for its id. Empty "
        "for that of [web], or without one the command to type.",
    )


def _hook(text: str) -> str:
    parts = urlsplit(text)
    if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE)):
        return text
    raise ValueError("it is no https address. Mend: write one such as https://example.com/outlay")


class WebhookTable(Table):
    """One `[[webhooks]]` table: a program that is told what becomes of recommendations."""

    url: Annotated[str, AfterValidator(_hook)] = Field(
        repr=False, description="Where messages are posted: https, or http on this machine."
    )
    secret: Annotated[SecretStr, Field(min_length=16)] = Field(
        description="Shared with the receiver, 16 signs or more; messages are signed with it."
    )
