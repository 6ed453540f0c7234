"""What spend brings: the daily history of budget targets, folded into a posterior over their response curves.

`learn` is pure and refolds everything; `Belief` answers with moments and draws. docs/models.md has the formulae.
"""

from optimizer.response.belief import Belief
from optimizer.response.learning import MODEL_VERSION, learn

__all__ = ["MODEL_VERSION", "Belief", "learn"]
