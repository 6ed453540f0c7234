"""The values that pass between the rooms of the optimizer: frozen, checked at birth, no behaviour beyond their own.

`snapshot` is what is known, `priors` and `refits` are what the slow tier made of it, `problem` is what the allocator
solves, `recommendation` is what a person decides on, `record` is what becomes of it, `canonical`
is how each of them is written down and hashed.
"""
