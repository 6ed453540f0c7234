"""The agent that runs by itself: one desk for each portfolio, one clock for all of them."""

from optimizer.agent.daemon.serve import serve

__all__ = ["serve"]
