"""How sharply the curves can bend: a proven bound on z^2 |f''(z)| / f(z).

With f(z) = m(g(z)), m(g) = g (g + .1)^-e, E a bound on the elasticity z g' / g and C one on z^2 |g''| / g:

    z^2 |f''| / f  <=  |e| M E^2 + M C,    M = max(1, 1 - e),

since g m' / m = ((1 - e) g + .1) / (g + .1) <= M and g^2 |m''| / m = |e| g ((1 - e) g + .2) / (g + .1)^2 <= |e| M.
By family, with q = z^n / (1 + z^n) for Hill and s the steepness of the logistic curve:

    Hill      z^2 g''/g = n (1 - q) (n (1 - 2 q) - 1): at q = 0 n (n - 1), and -(n + 1)^2 / 8 at its least; E = n
    power     n (n - 1); E = n
    log       z^2 / (1 + z)^2 / log(1 + z) <= 1/2, as log(1 + z) >= 2 z / (2 + z); E = 1
    logistic  g'' <= s g' gives (z g')' <= g' (1 + s z), hence z g' <= (1 + s z) g. Up to z = 1: E = 1 + s, C = s E.
              Beyond it g >= g(1) = tanh(s/2) / 2, g' = s/4 sech^2(v/2) and |g''| = s g' tanh(v/2) with v = s (z - 1);
              z^2 <= 2 + 2 v^2 / s^2, sech^2 tanh <= .3850 and v^2 sech^2 tanh <= 1.5058 give
              C = (.3850 s^2 + 1.5058) / tanh(s/2). There g is concave: z g' <= g - g(1) + g'(1), hence
              E = g'(1) / g(1) = s / (2 tanh(s/2)), less than 1 + s.

Michaelis-Menten is Hill with n = 1. The mean of such functions at multiples of z, and a positive multiple, keep to the
same bound.
"""

from __future__ import annotations

import numpy as np

from simulations.noise import FloatArray
from simulations.saturation import FAMILIES, Curves, Family


def bend(curves: Curves, elasticity: FloatArray) -> FloatArray:
    """Return the bound for each campaign, shape (K,).

    Args:
        curves: Their saturation.
        elasticity: e of their quality, below 1, shape (K,).
    """
    slope = np.where(curves.family == FAMILIES.index(Family.MICHAELIS_MENTEN), 1.0, curves.slope)
    logistic = curves.family == FAMILIES.index(Family.LOGISTIC)
    log = curves.family == FAMILIES.index(Family.LOG)
    power = curves.family == FAMILIES.index(Family.POWER)

    hill = np.maximum(slope * np.abs(slope - 1.0), (slope + 1.0) ** 2 / 8.0)
    steep = np.maximum(slope * (1.0 + slope), (0.3850 * slope**2 + 1.5058) / np.tanh(slope / 2.0))
    most = np.select([logistic, log, power], [steep, np.full_like(slope, 0.5), slope * np.abs(slope - 1.0)], hill)
    rise = np.select([logistic, log], [1.0 + slope, np.ones_like(slope)], slope)
    outer = np.maximum(1.0, 1.0 - elasticity)
    bound: FloatArray = outer * (np.abs(elasticity) * rise**2 + most)
    return bound
