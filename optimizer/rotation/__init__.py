"""Which ads to pause, resume or exchange: from the shares that ads deserve to switches that a platform can make.

A pause asks for evidence; a resume is of an ad that we paused ourselves, since what a person paused has reasons that no
row tells. Each budget keeps its best ad and a challenger running.
"""

from optimizer.rotation.limits import Rotation, protection
from optimizer.rotation.rotate import rotate

__all__ = ["Rotation", "protection", "rotate"]
