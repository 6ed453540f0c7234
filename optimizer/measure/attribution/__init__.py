"""Who is credited with an order: the paths of persons, the models that share their orders out, and what follows.

`paths` holds paths as columns, `building` makes them of touches and orders, `rules` are the models that look at one
path at a time, `markov` and `shapley` those that look at all, `credit` runs any of them with its uncertainty, and
`comparing` lays them side by side. The treatments of what is odd in such data stand in docs/attribution.md.
"""
