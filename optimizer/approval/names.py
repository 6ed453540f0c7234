"""Who is named: people, and the written policies that are none."""

from __future__ import annotations

from typing import Final

from optimizer.approval.refusal import Code, Refusal

POLICY_NAMES: Final = "policy:"
"""How the names of written policies begin; people may not bear them."""


def known_as(name: str) -> str:
    """What a name is compared by: case and blanks make no other person."""
    return " ".join(name.split()).casefold()


def of_policy(name: str) -> bool:
    """Whether a name is that of a written policy."""
    return known_as(name).startswith(POLICY_NAMES)


def nameless(name: str) -> Refusal | None:
    """Refuse what nobody answers for."""
    return None if name.strip() else Refusal(Code.NAMELESS, "Nobody is named.", "Say who decides.")


def no_person(name: str) -> Refusal | None:
    """Refuse what no person answers for: without a name, or in that of a written policy."""
    if (refusal := nameless(name)) is not None or not of_policy(name):
        return refusal
    return Refusal(Code.NAMELESS, f"{name} is the name of a written policy.", "Give your own name.")
