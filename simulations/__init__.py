"""The world that we can rewind: an advertising market whose truth is known, behind an ordinary connector.

Read `scenarios` for what a market may be like, `truth` for one that is drawn, `market` for what a day brings, `oracle`
for the best that could be done, `connector` for the platform that a learner sees, `faults` for what goes wrong on it.

This package never imports `bandits` or `optimizer`: the learner is not graded by its own mathematics.
"""
