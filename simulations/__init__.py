"""The world that we can rewind: an advertising market whose truth is known, behind an ordinary connector.

This package never imports `bandits` or `optimizer`: the learner is not graded by its own mathematics.
"""
