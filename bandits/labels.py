"""What arms have in common beyond their group: the creative, the audience, the creative's family."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bandits.groups import IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """One integer per arm and kind of label, shape (A,) each; a negative one says that it is not known.

    The same integer is the same creative (audience, family) wherever it stands, also in another group.

    Attributes:
        arm: Identity of the arm. Two rows of one arm are refused, and so an arm in two groups.
        creative: Arms with the same creative for other audiences learn from one another.
        audience: Arms with the same audience for other creatives learn from one another.
        family: Of the creative: a concept, a format, a set of variants. A creative has one family.

    Raises:
        ValueError: The labels are not integers, differ in length, or contradict one another; names the arms.
    """

    arm: IntArray | None = None
    creative: IntArray | None = None
    audience: IntArray | None = None
    family: IntArray | None = None

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in ("arm", "creative", "audience", "family")}
        for name, values in given.items():
            if values is not None and not (values.ndim == 1 and np.issubdtype(values.dtype, np.integer)):
                raise ValueError(f"{name} must hold one integer per arm, not {values.dtype} of shape {values.shape}")
        sizes = {name: values.size for name, values in given.items() if values is not None}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"labels must be of the same arms, not {sizes}")
        if self.creative is not None and self.family is not None:
            _refuse_contradictions(self.creative, self.family, "creative", "families")

    @property
    def factors(self) -> tuple[IntArray, ...]:
        """The kinds of label by which arms can learn from one another, where given."""
        return tuple(each for each in (self.creative, self.audience, self.family) if each is not None)

    def check(self, group: IntArray) -> None:
        """Hold the labels against the arms' groups, shape (A,).

        Raises:
            ValueError: The labels are of another number of arms, an arm stands twice, or in two groups.
        """
        for values in (self.arm, *self.factors):
            if values is not None and values.shape != group.shape:
                raise ValueError(f"group names {group.size} arms, the labels {values.size}")
        if self.arm is None:
            return
        _refuse_contradictions(self.arm, group, "arm", "groups")
        names, counts = np.unique(self.arm[self.arm >= 0], return_counts=True)
        if (counts > 1).any():
            twice = names[counts > 1][0]
            at = np.flatnonzero(self.arm == twice)
            raise ValueError(f"arm {twice} stands twice, in rows {at[0]} and {at[1]}: sum its rows first")


def _refuse_contradictions(of: IntArray, within: IntArray, name: str, holders: str) -> None:
    """Raise ValueError if a label of `of` stands under two of `within`; unknown ones (negative) contradict nothing."""
    known = np.flatnonzero((of >= 0) & (within >= 0))
    order = known[np.lexsort((within[known], of[known]))]
    torn = np.flatnonzero((of[order][1:] == of[order][:-1]) & (within[order][1:] != within[order][:-1]))
    if torn.size:
        one, other = order[torn[0]], order[torn[0] + 1]
        raise ValueError(
            f"{name} {of[one]} is in two {holders}: {within[one]} (row {one}) and {within[other]} (row {other})"
        )
