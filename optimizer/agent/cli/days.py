"""Days that options of commands name."""

from __future__ import annotations

from datetime import date

from connectors.errors import BadInput


def day(text: str, where: str, field: str) -> date:
    """Return the day that an option names.

    Args:
        text: Of the form YYYY-MM-DD.
        where: The command.
        field: The option.

    Raises:
        BadInput: It is no day.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        mend = "write it as YYYY-MM-DD."
        raise BadInput(f"{text!r} is not a day", where=where, field=field, mend=mend) from None


def day_until(text: str | None, today: date, where: str, field: str) -> date:
    """Return the day that an option names, `today` where it names none.

    Raises:
        BadInput: It is no day, or one to come, of which nothing is known yet.
    """
    if text is None:
        return today
    named = day(text, where, field)
    if named > today:
        mend = f"write a day up to {today}."
        raise BadInput(f"{named} is still to come", where=where, field=field, mend=mend)
    return named
