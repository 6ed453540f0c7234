"""Where the money should go: the best plan over tabulated curves under coupling constraints, with its certificate.

`solve` is the door, `solve_averse` the one for those who shun risk; docs/allocation.md explains the method.
"""

from optimizer.allocate.risk import Risk, solve_averse
from optimizer.allocate.solver import solve

__all__ = ["Risk", "solve", "solve_averse"]
