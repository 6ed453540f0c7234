"""The Graph API's errors: their codes, words and shape."""

from __future__ import annotations

from typing import Any


class GraphError(Exception):
    """An error as the Graph API tells it.

    Args:
        message: For developers.
        code, subcode: What programs go by.
        kind: The error's type.
        status: Of HTTP.
        title, words: For users, where there are any.
        transient: Whether the same call may succeed later.
    """

    def __init__(
        self,
        message: str,
        code: int,
        subcode: int | None = None,
        *,
        kind: str = "OAuthException",
        status: int = 400,
        title: str | None = None,
        words: str | None = None,
        transient: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.subcode = subcode
        self.kind = kind
        self.status = status
        self.title = title
        self.words = words
        self.transient = transient

    def body(self, trace: str) -> dict[str, Any]:
        """Return the error as it goes over the wire."""
        told: dict[str, Any] = {"message": str(self), "type": self.kind, "code": self.code}
        if self.subcode is not None:
            told["error_subcode"] = self.subcode
        told["is_transient"] = self.transient
        if self.words is not None:
            told |= {"error_user_title": self.title, "error_user_msg": self.words}
        return {"error": {**told, "fbtrace_id": trace}}


def invalid(message: str, subcode: int | None = None, words: str | None = None) -> GraphError:
    """Return the error of a parameter that is wrong."""
    return GraphError(f"(#100) {message}", 100, subcode, title="Invalid parameter", words=words)


def not_there(node: str, method: str) -> GraphError:
    """Return the error of an id that is of nothing, or of nothing that this token may see."""
    return GraphError(
        f"Unsupported {method.lower()} request. Object with ID {node!r} does not exist, cannot be loaded due to "
        "missing permissions, or does not support this operation.",
        100,
        33,
        kind="GraphMethodException",
    )


def expired() -> GraphError:
    """Return the error of a token that has expired."""
    return GraphError("Error validating access token: Session has expired.", 190, 463)


def broken() -> GraphError:
    """Return the error of a failure within the platform."""
    return GraphError("An unknown error occurred", 1, status=500, transient=True)


def throttled(use: str, *, writing: bool) -> GraphError:
    """Return the error of a call too many."""
    if use == "ads_insights":
        words = "There have been too many calls from this app. Wait a bit and try again."
        return GraphError("(#4) Application request limit reached", 4, 1_504_022, words=words, title="Too many calls")
    if writing:
        words = "There have been too many calls from this ad account. Please wait a bit and try again."
        return GraphError("(#80004) There have been too many calls to this ad-account.", 80_004, 2_446_079, words=words)
    return GraphError("(#17) User request limit reached", 17, 2_446_079, words="User request limit reached")


def changed_too_often() -> GraphError:
    """Return the error of a budget that was changed too often within an hour."""
    words = "You can only change your ad set budget 4 times per hour. Please wait and try again."
    return GraphError("(#613) Calls to this api have exceeded the rate limit.", 613, 1_487_632, words=words)


def too_many_rows() -> GraphError:
    """Return the error of insights with too many rows."""
    return GraphError(
        "Invalid parameter",
        100,
        1_487_534,
        title="Too many rows",
        words="The reporting data you are trying to fetch has too many rows. Please use asynchronous query or restrict "
        "amount of ad IDs or time ranges to fetch the data.",
    )
