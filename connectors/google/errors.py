"""The errors of Google Ads, gRPC and google-auth, as the four families; their own words are shown without secrets."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final, NamedTuple

import grpc
from google.ads.googleads.errors import GoogleAdsException
from google.ads.googleads.v26.errors.types.errors import GoogleAdsFailure
from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError
from google.auth.exceptions import GoogleAuthError, TransportError

from connectors.credentials import Redactor
from connectors.errors import AskMarketer, ConnectorError, OutcomeUnknown, RetryLater, Stop
from connectors.manners import TokenRefused

FAILURE_KEY: Final = "google.ads.googleads.v26.errors.googleadsfailure-bin"

_CREDENTIALS: Final = "give Outlay credentials anew: docs/platforms.md, Google Ads"
_MENDS: Final = MappingProxyType(
    {
        "OAUTH_TOKEN_REVOKED": "the consent was taken back; " + _CREDENTIALS,
        "OAUTH_TOKEN_EXPIRED": _CREDENTIALS,
        "NOT_ADS_USER": "let a user of the Google Ads account give the consent",
        "CUSTOMER_NOT_FOUND": "correct customer_ids",
        "CLIENT_CUSTOMER_ID_INVALID": "correct customer_ids",
        "DEVELOPER_TOKEN_INVALID": "copy the developer token anew from the API Center of the manager account",
        "DEVELOPER_TOKEN_NOT_APPROVED": "the developer token serves test accounts only; apply for access",
        "DEVELOPER_TOKEN_PROHIBITED": "use one developer token for one Google Cloud project",
        "USER_PERMISSION_DENIED": "invite the user to the account, or set login_customer_id to the manager account",
        "CUSTOMER_NOT_ENABLED": "enable the account in Google Ads, or take it out of customer_ids",
        "ACTION_NOT_PERMITTED": "give the user standard access to the account",
    }
)
_PEOPLE: Final = frozenset({"authentication_error", "authorization_error", "header_error"})
_OF_THE_TOKEN: Final = frozenset({"OAUTH_TOKEN_EXPIRED", "OAUTH_TOKEN_INVALID"})
_TRANSIENT: Final = frozenset({"internal_error", "database_error"})
_REFUSED: Final = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})
_WRONG: Final = frozenset({grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.NOT_FOUND})
_WIRE: Final = (GoogleAPIError, grpc.RpcError, OSError)
"""What a connection raises; anything else is an answer that nobody could read, or an error of ours."""
_NOT_SENT: Final = "Getting metadata from plugin failed"
"""How gRPC words a credential that could not be renewed: as UNAVAILABLE, though no retry helps."""


class Call(NamedTuple):
    """What was asked for.

    Attributes:
        what: In words, such as `google: reading budgets of 1234567890`.
        writes: Whether it may have had an effect.
    """

    what: str
    writes: bool = False


def family(error: Exception, call: Call, redactor: Redactor) -> ConnectorError:
    """Return the family of an error. To be raised where the error is not the context: that may show a token."""
    if isinstance(error, ConnectorError):
        return error
    if isinstance(error, GoogleAuthError):
        return _of_auth(error, call, redactor)
    if isinstance(error, GoogleAdsException):
        return _of_failure(error.failure, call, redactor, error.request_id)
    return _of_status(error, call, redactor)


def _of_status(error: Exception, call: Call, redactor: Redactor) -> ConnectorError:
    """Return the family of what the official client leaves as it is, by the gRPC status and the hint beside it."""
    status, trailing = _status(error)
    words = redactor.clean(_words(error))
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED:
        wait = _delay(_failure(trailing))
        return RetryLater(f"{call.what}: Google Ads asks to wait; nothing was done", retry_after_seconds=wait)
    if status is grpc.StatusCode.UNAVAILABLE and _NOT_SENT in words:
        return _not_renewed(call, words)
    if status in _REFUSED:
        refused = TokenRefused if status is grpc.StatusCode.UNAUTHENTICATED else AskMarketer
        return refused(f"{call.what}: refused: {words}", mend=_CREDENTIALS)
    if status in _WRONG:
        return Stop(f"{call.what}: refused: {words}")
    words = f"{call.what}: {status.name if status else type(error).__name__}: {words}"
    return _lost(call, words) if call.writes or isinstance(error, _WIRE) else Stop(words)


def _not_renewed(call: Call, words: str) -> ConnectorError:
    if "TransportError" in words or "Max retries" in words:
        return RetryLater(f"{call.what}: the access token could not be renewed now; nothing was sent")
    return AskMarketer(f"{call.what}: the access token cannot be renewed: {words}", mend=_CREDENTIALS)


def _of_auth(error: GoogleAuthError, call: Call, redactor: Redactor) -> ConnectorError:
    if isinstance(error, TransportError) or error.retryable:
        return RetryLater(f"{call.what}: the access token could not be renewed now; nothing was sent")
    words = redactor.clean(error.args[0] if error.args else type(error).__name__)
    return AskMarketer(f"{call.what}: the access token cannot be renewed: {words}", mend=_CREDENTIALS)


def _of_failure(failure: Any, call: Call, redactor: Redactor, request_id: str | None) -> ConnectorError:
    """Return the family of what the platform itself refused, by its first error."""
    named = f" (request {request_id})" if request_id else ""
    if not failure.errors:
        return _lost(call, f"{call.what}: a failure that names no error{named}")
    first = failure.errors[0]
    kind, code = _code(first)
    words = f"{call.what}: {code}: {redactor.clean(first.message)}{named}"
    if kind == "quota_error":
        return RetryLater(words, retry_after_seconds=_delay(failure))
    if kind in _PEOPLE:
        refused = TokenRefused if code in _OF_THE_TOKEN else AskMarketer
        return refused(words, mend=_MENDS.get(code, _CREDENTIALS))
    if code in {"UNSUPPORTED_VERSION", "DEVELOPER_TOKEN_PARAMETER_MISSING"}:
        mend = "update Outlay" if code == "UNSUPPORTED_VERSION" else "set developer_token"
        return AskMarketer(words, mend=mend)
    return _lost(call, words) if kind in _TRANSIENT else Stop(f"{words}; nothing was written" if call.writes else words)


def _lost(call: Call, words: str) -> ConnectorError:
    if call.writes:
        return OutcomeUnknown(f"{words}; whether it took effect is not known")
    return RetryLater(words)


def _code(error: Any) -> tuple[str, str]:
    """The kind of an error and the name of its constant, of plain protobuf and of the wrapped kind alike."""
    code = getattr(type(error), "pb", lambda plain: plain)(error).error_code
    kind = code.WhichOneof("error_code")
    if kind is None:
        return "", "UNKNOWN"
    constants = code.DESCRIPTOR.fields_by_name[kind].enum_type.values_by_number
    number = getattr(code, kind)
    return kind, constants[number].name if number in constants else str(number)


def _status(error: Exception) -> tuple[grpc.StatusCode | None, Any]:
    """The gRPC status and the trailing metadata of an error, whichever layer it comes from."""
    call: Any = error
    if isinstance(error, GoogleAPICallError):
        call = error.response if error.response is not None else next(iter(error.errors), None)
    if not isinstance(call, grpc.RpcError) or not hasattr(call, "code"):
        return None, ()
    return call.code(), call.trailing_metadata() or ()


def _failure(trailing: Any) -> Any:
    """The platform's own failure in the metadata of an error that the official client leaves as it is."""
    for key, value in trailing:
        if key == FAILURE_KEY:
            return GoogleAdsFailure.deserialize(value)
    return None


def _delay(failure: Any) -> float | None:
    """How long the platform asks to wait, seconds."""
    waits = []
    for error in failure.errors if failure is not None else ():
        plain = getattr(type(error), "pb", lambda one: one)(error)
        wait = plain.details.quota_error_details.retry_delay
        waits.append(float(wait.seconds) + wait.nanos / 1e9)
    longest = max(waits, default=0.0)
    return longest or None


def _words(error: Exception) -> str:
    """Return what an error says; gRPC's own `str` has the peer and the whole of its state."""
    details = getattr(error, "details", None)
    if callable(details):
        return str(details())
    return str(getattr(error, "message", error))
