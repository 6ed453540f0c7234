"""One guard of each invariant is taken away here, all by `make mutation-test`; docs/safety.md tells of all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.machine.mutations import MUTATIONS, noticed, table

PAGE = (Path(__file__).parents[2] / "docs" / "safety.md").read_text(encoding="utf-8")
INVARIANTS = range(1, 15)


ONE_EACH = {mutation.invariant: mutation for mutation in reversed(MUTATIONS) if mutation.by_machine}
"""The first of each invariant that the machine judges; the tests of the others guard themselves."""


@pytest.mark.parametrize("mutation", ONE_EACH.values(), ids=lambda mutation: mutation.name)
def test_a_guard_that_is_gone_is_noticed(mutation):
    assert noticed(mutation)


def test_every_invariant_has_a_guard_that_is_taken_away():
    assert {mutation.invariant for mutation in MUTATIONS} == set(INVARIANTS)
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)


def test_the_page_tells_of_every_mutation():
    assert table() in PAGE, f"write into docs/safety.md:\n{table()}"
