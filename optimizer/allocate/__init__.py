"""Where the money should go: the best plan over tabulated curves under coupling constraints, with its certificate.

`solve` is the door; docs/allocation.md explains the method.
"""

from optimizer.allocate.solver import solve

__all__ = ["solve"]
