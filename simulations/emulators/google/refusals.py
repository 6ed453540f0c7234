"""Errors as the platform sends them: a gRPC status with a GoogleAdsFailure in the trailing metadata."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import grpc

from simulations.emulators.google import messages

FAILURE_KEY: Final = f"google.ads.googleads.{messages.VERSION}.errors.googleadsfailure-bin"
REQUEST_ID_KEY: Final = "request-id"


class Refusal(Exception):  # noqa: N818 - it is answered, not raised to anybody
    """What a request is answered instead.

    Attributes:
        status: The gRPC status.
        failure: What goes into the trailing metadata; None for failures of the connection.
    """

    def __init__(self, status: grpc.StatusCode, words: str, failure: Any = None) -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        self.failure = failure


def refusal(
    status: grpc.StatusCode,
    kind: str,
    code: str,
    words: str,
    *,
    place: tuple[tuple[str, int | None], ...] = (),
    detail: Callable[[Any], None] | None = None,
) -> Refusal:
    """Return a refusal with one error.

    Args:
        status: The gRPC status.
        kind: The field of ErrorCode, such as `query_error`.
        code: The name of its constant.
        words: The message.
        place: The fields at fault, with their index where they are repeated.
        detail: Fills the error's details.
    """
    failure = messages.Failure()
    add(failure, kind, code, words, place=place, detail=detail)
    return Refusal(status, words, failure)


def add(
    failure: Any,
    kind: str,
    code: str,
    words: str,
    *,
    place: tuple[tuple[str, int | None], ...] = (),
    detail: Callable[[Any], None] | None = None,
) -> None:
    """Add one error to a failure; the arguments are those of `refusal`."""
    error = failure.errors.add()
    constants = messages.ErrorCode.DESCRIPTOR.fields_by_name[kind].enum_type.values_by_name
    setattr(error.error_code, kind, constants[code].number)
    error.message = words
    for name, index in place:
        element = error.location.field_path_elements.add()
        element.field_name = name
        if index is not None:
            element.index = index
    if detail is not None:
        detail(error.details)


def throttled(seconds: float, *, spent: bool = False) -> Refusal:
    """Return the refusal of a request too many, with the wait that the platform asks for.

    Args:
        seconds: How long to wait.
        spent: The operations of the day are spent, rather than those of the moment.
    """

    def detail(details: Any) -> None:
        quota = details.quota_error_details
        quota.rate_name = "Number of operations for basic access" if spent else "Requests per account"
        quota.retry_delay.FromNanoseconds(int(seconds * 1e9))

    code = "RESOURCE_EXHAUSTED" if spent else "RESOURCE_TEMPORARILY_EXHAUSTED"
    words = f"Too many requests. Retry in {seconds:g} seconds."
    return refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "quota_error", code, words, detail=detail)


def unauthenticated(code: str, words: str) -> Refusal:
    """Return the refusal of a credential; `code` is a constant of AuthenticationError."""
    return refusal(grpc.StatusCode.UNAUTHENTICATED, "authentication_error", code, words)


def forbidden(code: str, words: str) -> Refusal:
    """Return the refusal of what a credential may not do; `code` is a constant of AuthorizationError."""
    return refusal(grpc.StatusCode.PERMISSION_DENIED, "authorization_error", code, words)


def broken() -> Refusal:
    """Return the platform's own failure."""
    return refusal(grpc.StatusCode.INTERNAL, "internal_error", "INTERNAL_ERROR", "An internal error has occurred.")


def cut() -> Refusal:
    """Return what a client sees of a connection that broke: whether the request was taken up, it cannot know."""
    return Refusal(grpc.StatusCode.UNAVAILABLE, "recvmsg:Connection reset by peer")
