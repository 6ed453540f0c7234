"""Guards are taken away by `make mutation-test`, or here if asked to; docs/safety.md tells of all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.machine.mutations import MUTATIONS, noticed, table

PAGE = (Path(__file__).parents[2] / "docs" / "safety.md").read_text(encoding="utf-8")
INVARIANTS = range(1, 15)


@pytest.mark.skipif("OUTLAY_MUTATIONS" not in os.environ, reason="takes minutes; OUTLAY_MUTATIONS=1 runs it")
@pytest.mark.parametrize("mutation", [m for m in MUTATIONS if m.quick], ids=lambda mutation: mutation.name)
def test_a_guard_that_is_gone_is_noticed(mutation):
    assert noticed(mutation)


def test_every_invariant_has_a_guard_that_is_taken_away():
    assert {mutation.invariant for mutation in MUTATIONS} == set(INVARIANTS)
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)


def test_the_page_tells_of_every_mutation():
    assert table() in PAGE, f"write into docs/safety.md:\n{table()}"
