"""What goes wrong at Meta, in the four families; the codes are of the pages on errors of its two APIs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Literal

from facebook_business.exceptions import FacebookRequestError
from requests.exceptions import ConnectTimeout, RequestException
from urllib3.exceptions import NewConnectionError

from connectors.errors import AskMarketer, ConnectorError, OutcomeUnknown, RetryLater, Stop
from connectors.meta.usage import seconds_asked

How = Literal["answered", "unsent", "lost"]

THROTTLES: Final = frozenset({4, 17, 32, 341, 613, *range(80_000, 80_015)})
TOKEN: Final = frozenset({102, 190, 463, 467})
PERMISSIONS: Final = frozenset({3, 10, *range(200, 300)})
PASSING: Final = frozenset({1, 2, 2601})
VERSION_ENDED: Final = 2635
INVALID: Final = 100
NOT_THERE: Final = 33
BUDGET_TOO_OFTEN: Final = 1_487_632
"""Subcode: the budget was changed four times within an hour, and is locked for one."""

HOUR: Final = 3600.0

_TOO_MUCH: Final = frozenset({(100, 1_487_534), (1, 99), (2, 1_504_018), (2, 1_504_033)})
"""Codes with subcodes: too many rows, or more than is found in time."""

_TOKEN_WORDS: Final = {
    458: "the app was removed from the user's settings",
    459: "the user must log in at facebook.com first",
    460: "the password was changed since",
    463: "it has expired",
    464: "the user's account is not confirmed",
    467: "it is no longer valid",
    492: "its session is invalid",
}
_NEW_TOKEN: Final = (
    "make a new token of a system user with ads_read and ads_management, and put it where access_token says"  # noqa: S105
)


class TooMuch(Stop):
    """The platform will not gather so many rows at once: ask for fewer days."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One call that failed.

    Attributes:
        how: Answered by the platform; provably never sent; or lost, so that nobody knows what became of it.
        status: Of HTTP, where there was an answer.
        code, subcode, message, transient: Of the platform's error, where there was one.
        trace: The platform's name of the call.
        wait: How long the platform asks to stay away, seconds.
    """

    how: How
    message: str
    status: int = 0
    code: int = 0
    subcode: int = 0
    transient: bool = False
    trace: str = ""
    wait: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def of_answer(error: FacebookRequestError) -> Failure:
    """Return what the platform's answer says."""
    headers = error.http_headers() or {}
    body = error.body()
    told = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(told, Mapping):
        return of_status(error.http_status() or 0, headers)
    return Failure(
        how="answered",
        message=str(told.get("error_user_msg") or told.get("message") or "no reason was given"),
        status=error.http_status() or 0,
        code=_integer(told.get("code")),
        subcode=_integer(told.get("error_subcode")),
        transient=bool(told.get("is_transient", False)),
        trace=str(told.get("fbtrace_id", "")),
        wait=seconds_asked(headers),
        headers=headers,
    )


def of_status(status: int, headers: Mapping[str, str]) -> Failure:
    """Return what an answer without the platform's own error says: a page of a proxy, or a `success` that is false."""
    return Failure(
        "answered", f"an answer that is none of the Graph API's (HTTP {status})", status=status, headers=headers
    )


def of_wire(error: RequestException) -> Failure:
    """Return what a broken connection says. Its own text is never shown: it may hold the token."""
    inner = getattr(error.args[0] if error.args else None, "reason", None)
    never = isinstance(error, ConnectTimeout) or isinstance(inner, NewConnectionError)
    how: How = "unsent" if never else "lost"
    return Failure(how, f"the connection {'was not made' if never else 'broke'} ({type(error).__name__})")


def family(failure: Failure, what: str, *, writing: bool, gathering: bool = False) -> ConnectorError:
    """Return the error to raise.

    Args:
        failure: What went wrong; its message must hold no secret any more.
        what: What was being done, and whose connector it was.
        writing: Whether a lost call may have had an effect.
        gathering: Whether insights were asked for: of them alone there may be too much at once.
    """
    words = f"{what}: {failure.message}{_codes(failure)}"
    if failure.how == "unsent":
        return RetryLater(words)
    if failure.how == "lost":
        return OutcomeUnknown(f"{words}; the change may stand or not") if writing else RetryLater(words)
    if gathering and (failure.code, failure.subcode) in _TOO_MUCH:
        return TooMuch(words)
    return _throttled(failure, words) or _refused(failure, words) or _passing(failure, words, writing=writing)


def _throttled(failure: Failure, words: str) -> ConnectorError | None:
    if failure.code not in THROTTLES:
        return None
    if failure.subcode == BUDGET_TOO_OFTEN:
        return RetryLater(words, retry_after_seconds=failure.wait or HOUR)
    return RetryLater(words, retry_after_seconds=failure.wait)


def _refused(failure: Failure, words: str) -> ConnectorError | None:
    """Return the error of a refusal for good; None where it may pass."""
    if failure.code in TOKEN and failure.subcode in _TOKEN_WORDS:
        words = f"{words}: {_TOKEN_WORDS[failure.subcode]}"
    mend = _mend(failure)
    if mend is not None:
        return AskMarketer(words, mend=mend)
    passes = (
        failure.code in PASSING
        or failure.transient
        or failure.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        or not failure.code
    )
    return None if passes else Stop(words)


def _mend(failure: Failure) -> str | None:
    """What a person must do; None where nobody can."""
    if failure.code in TOKEN:
        return _NEW_TOKEN
    if failure.code in PERMISSIONS:
        return "assign the ad account to the token's user, with ads_read, and with ads_management to write"
    if failure.code == VERSION_ENDED:
        return "update Outlay: this version of the Marketing API has ended"
    if failure.code == INVALID and "appsecret" in failure.message.lower():
        return "put the secret of the token's own app where app_secret says"
    return None


def _passing(failure: Failure, words: str, *, writing: bool) -> ConnectorError:
    if writing:
        return OutcomeUnknown(f"{words}; the change may stand or not")
    return RetryLater(words, retry_after_seconds=failure.wait)


def _codes(failure: Failure) -> str:
    told = []
    if failure.code:
        told.append(f"code {failure.code}" + (f"/{failure.subcode}" if failure.subcode else ""))
    if failure.trace:
        told.append(f"trace {failure.trace}")
    return f" ({', '.join(told)})" if told else ""


def _integer(value: Any) -> int:
    return value if isinstance(value, int) else 0
