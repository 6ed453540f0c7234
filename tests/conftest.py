"""What all tests share: Hypothesis draws the same examples for the same code, so that a green run stays green."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile("same")
