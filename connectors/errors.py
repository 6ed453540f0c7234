"""The four families of failure, named by what the caller does next.

A connector translates every error of its platform into one of them. Messages say what happened, where, and the
mend; they never hold a credential.
"""

from __future__ import annotations


class ConnectorError(Exception):
    """Base of the four families; never raised itself."""


class RetryLater(ConnectorError):  # noqa: N818 - named by what the caller does
    """The platform is throttling or briefly away: nothing was done, the same call may go through later."""

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class AskMarketer(ConnectorError):  # noqa: N818
    """A person must mend something first: credentials, permissions, a file, a mapping. Nothing was done."""

    def __init__(self, message: str, *, mend: str) -> None:
        super().__init__(f"{message.rstrip('.')}. Mend: {mend}")
        self.mend = mend


class BadInput(AskMarketer):
    """A file, row or field cannot be read as it stands.

    Attributes:
        where: The file, and the row where there is one, as `name:row`; rows count from 1 as an editor does,
            the header included.
        field: The column or setting at fault, or None.
    """

    def __init__(self, message: str, *, where: str, field: str | None = None, mend: str) -> None:
        place = where if field is None else f"{where}, field {field!r}"
        super().__init__(f"{place}: {message}", mend=mend)
        self.where = where
        self.field = field


class Stop(ConnectorError):  # noqa: N818
    """The platform refused for good: repeating the call cannot help. Nothing was done."""


class Drifted(Stop):
    """The live budget is not the one that was approved against: somebody else changed it. Nothing was written.

    Attributes:
        expected_micros: The budget that the approval was made from.
        live_micros: The budget that stands now.
    """

    def __init__(self, message: str, *, expected_micros: int, live_micros: int) -> None:
        super().__init__(message)
        self.expected_micros = expected_micros
        self.live_micros = live_micros


class StatusDrifted(Stop):
    """The live status is not the one that was approved against: somebody else switched the ad. Nothing was written.

    Attributes:
        expected: The status that the approval was made from.
        live: The status that stands now.
    """

    def __init__(self, message: str, *, expected: str, live: str) -> None:
        super().__init__(message)
        self.expected = expected
        self.live = live


class OutcomeUnknown(ConnectorError):  # noqa: N818
    """The answer was lost: the write may or may not stand. Read back before anything else is sent."""
