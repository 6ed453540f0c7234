"""What customers are worth: their orders summed up, how often they buy again, for how much, and for how long.

`customers` sums orders up; `buying` (BG/NBD), `spending` (Gamma-Gamma) and `renewing` (shifted-beta-geometric) are the
models of one customer; `models` and `fitting` sample them over all, pooled by group. docs/lifetime.md has the formulae.
"""
