"""Which unknowns an arm's log rate is the sum of, and the linear algebra of their joint posterior.

An arm's log rate is x_a = eta_group(a) + the effects of its creative, audience and family: x = Z v with one 1 per row
and kind of unknown. Most unknowns belong to one group only (its own level, the creatives that only it runs): ordered
by group they make small blocks, solved all together. Those that span groups (an audience that many campaigns reach)
are few; they are solved last, through their Schur complement. Both steps are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy

from bandits.groups import FloatArray, Groups, IntArray

_FEW: Final = 100  # unknowns in all that are solved densely
_MOST_SPANNING: Final = 500  # unknowns that span groups and are solved densely; the rest is kept apart by group
_LARGEST_DENSE: Final = 20_000_000  # numbers of a dense array: 160 MB

Matrix = Any  # scipy.sparse.csr_array, which carries no types


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Which unknowns each arm's log rate is the sum of; D unknowns, the last S of which span groups.

    Attributes:
        groups: Of the A arms.
        kind: 0 for the level of a group, 1, 2, ... for the factors, shape (D,).
        home: The group of each unknown that belongs to one, not decreasing, shape (D - S,).
        local: Z of the unknowns of one group, (A, D - S), sparse.
        spanning: Z of those that span groups, (A, S), dense.
    """

    groups: Groups
    kind: IntArray
    home: IntArray
    local: Matrix
    spanning: FloatArray

    @classmethod
    def of(cls, groups: Groups, factors: Sequence[IntArray]) -> Design:
        """Lay out the unknowns of arms and their factors' labels, shape (A,) each; negative ones stand alone."""
        columns, kinds, homes = [groups.index], [np.zeros(groups.starts.size, dtype=np.int64)], [_range(groups)]
        taken = groups.starts.size
        for kind, labels in enumerate(factors, start=1):
            codes, home = _homes(labels, groups)
            columns.append(taken + codes)
            kinds.append(np.full(home.size, kind))
            homes.append(home)
            taken += home.size
        kind_of, home_of = np.concatenate(kinds), np.concatenate(homes)
        if home_of.size <= _FEW:
            home_of = np.full(home_of.size, -1)
        order = np.argsort(np.where(home_of < 0, groups.starts.size, home_of), kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(order.size)
        within = int((home_of >= 0).sum())
        z = _ones(np.stack([place[each] for each in columns], axis=1), order.size)
        return cls(groups, kind_of[order], home_of[order][:within], z[:, :within], z[:, within:].toarray())

    @property
    def level(self) -> IntArray:
        """Place of each group's own level among the unknowns, shape (G,)."""
        return np.flatnonzero(self.kind == 0)

    def log_rate(self, unknowns: FloatArray) -> FloatArray:
        """Return Z v, shape (A,), of the unknowns, shape (D,)."""
        return np.asarray(self.local @ unknowns[: self.home.size] + self.spanning @ unknowns[self.home.size :])

    def gather(self, values: FloatArray) -> FloatArray:
        """Return Z' of values of the arms: (A,) -> (D,)."""
        return np.concatenate([self.local.T @ values, self.spanning.T @ values])

    def solved(self, weight: FloatArray, precision: FloatArray) -> Solved:
        """Invert Z' diag(weight) Z + diag(precision).

        Args:
            weight: >= 0, shape (A,).
            precision: > 0, shape (D,).
        """
        inner = self.home.size
        weighted = self.spanning * weight[:, np.newaxis]
        schur = self.spanning.T @ weighted + np.diag(precision[inner:])
        inverse, root, log_det = self.local[:0, :0], self.local[:0, :0], 0.0
        reach = np.zeros((inner, schur.shape[0]))
        if inner:
            diagonal = scipy.sparse.diags_array
            blocks = self.local.T @ diagonal(weight) @ self.local + diagonal(precision[:inner])
            inverse, root, log_det = _invert_blocks(blocks.tocoo(), self.home)
            cross = self.local.T @ weighted
            reach = inverse @ cross
            schur -= cross.T @ reach
        factor = np.linalg.cholesky(schur)
        return Solved(self, inverse, root, reach, factor, log_det + 2 * float(np.log(np.diag(factor)).sum()))


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """An inverted precision H of the unknowns, in parts.

    Attributes:
        design: Of the unknowns.
        inverse: Of H's blocks of single groups, sparse.
        root: Lower Cholesky factors of these inverses, sparse.
        reach: inverse times H's block between single groups' and spanning unknowns, (D - S, S).
        schur: Lower Cholesky factor of what remains for the spanning unknowns, (S, S).
        log_det: Of H.
    """

    design: Design
    inverse: Matrix
    root: Matrix
    reach: FloatArray
    schur: FloatArray
    log_det: float

    def apply(self, slope: FloatArray) -> FloatArray:
        """Return H^-1 slope, (D,) -> (D,)."""
        inner = self.design.home.size
        outer = scipy.linalg.cho_solve((self.schur, True), slope[inner:] - self.reach.T @ slope[:inner])
        return np.concatenate([self.inverse @ slope[:inner] - self.reach @ outer, outer])

    def roots(self) -> tuple[Matrix, FloatArray]:
        """Return L (A, D - S), sparse, and M (A, S) with Z H^-1 Z' = L L' + M M'."""
        own = (self.design.local @ self.root).tocsr()
        far = self.design.spanning - self.design.local @ self.reach
        return own, scipy.linalg.solve_triangular(self.schur, far.T, lower=True).T


def _range(groups: Groups) -> IntArray:
    return np.arange(groups.starts.size)


def _ones(columns: IntArray, width: int) -> Matrix:
    arms, each = columns.shape
    place = np.arange(arms + 1) * each
    return scipy.sparse.csr_array((np.ones(columns.size), columns.ravel(), place), shape=(arms, width))


def _homes(labels: IntArray, groups: Groups) -> tuple[IntArray, IntArray]:
    """Code of each arm's level (A,), and the group of each level, -1 where it spans groups.

    Where too many levels span groups, those in the most groups do; the others have an effect of their own in each
    group.
    """
    most = min(_MOST_SPANNING, _LARGEST_DENSE // max(groups.arms, 1))
    alone = np.where(labels < 0, -1 - np.arange(labels.size), labels)
    codes = np.unique(alone, return_inverse=True)[1]
    wide = _groups_of(codes, groups)
    wide[np.argsort(-wide, kind="stable")[most:]] = 1
    apart = wide[codes] == 1
    pairs = np.where(apart, groups.index, -1) + (groups.starts.size + 1) * codes
    kept, codes = np.unique(pairs, return_inverse=True)
    home = kept % (groups.starts.size + 1)
    return codes, np.where(home == groups.starts.size, -1, home)


def _groups_of(codes: IntArray, groups: Groups) -> IntArray:
    """Number of groups in which each level stands."""
    pairs = np.unique(codes * groups.starts.size + groups.index)
    return np.bincount(pairs // max(groups.starts.size, 1), minlength=int(codes.max(initial=-1)) + 1)


def _invert_blocks(matrix: Matrix, home: IntArray) -> tuple[Matrix, Matrix, float]:
    """Inverse of a block-diagonal positive matrix, the lower Cholesky factor of that inverse, and the log determinant.

    Blocks are taken together by size, padded to a power of two with ones on the diagonal.
    """
    blocks = Groups.of(home)
    size, row, column = blocks.sizes, matrix.row, matrix.col
    block = blocks.index[row]
    padded = 1 << np.ceil(np.log2(size)).astype(np.int64)
    rows, columns, inverses, roots, log_det = [], [], [], [], 0.0
    for width in np.unique(padded):
        members = np.flatnonzero(padded == width)
        rank = np.full(size.size, -1)
        rank[members] = np.arange(members.size)
        held = np.flatnonzero(rank[block] >= 0)
        dense = np.zeros((members.size, width, width))
        steps = np.arange(width)
        dense[:, steps, steps] = steps >= size[members, np.newaxis]
        at = blocks.starts[block[held]]
        dense[rank[block[held]], row[held] - at, column[held] - at] += matrix.data[held]
        inverse = np.linalg.inv(dense)
        root = np.linalg.cholesky((inverse + inverse.transpose(0, 2, 1)) / 2)
        log_det -= 2 * float(np.log(np.diagonal(root, axis1=1, axis2=2)).sum())
        held_by = steps < size[members, np.newaxis]
        real = held_by[:, :, np.newaxis] & held_by[:, np.newaxis]
        which, i, j = np.nonzero(real)
        rows.append(blocks.starts[members[which]] + i)
        columns.append(blocks.starts[members[which]] + j)
        inverses.append(inverse[real])
        roots.append(root[real])
    where = (np.concatenate(rows), np.concatenate(columns))
    return (
        scipy.sparse.csr_array((np.concatenate(inverses), where), shape=matrix.shape),
        scipy.sparse.csr_array((np.concatenate(roots), where), shape=matrix.shape),
        log_det,
    )
