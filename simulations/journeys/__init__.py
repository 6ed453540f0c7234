"""Persons and the channels that they meet, with what each channel truly adds: it is switched off, and all else stays.

`world` says what a world of journeys is, `walk` lets its persons live. A model of attribution is told the touches and
the orders, as a web analytics tool would tell them, and judged by the orders that each channel truly added.
"""

from simulations.journeys.walk import Lived, live
from simulations.journeys.world import Channel, World, drawn

__all__ = ["Channel", "Lived", "World", "drawn", "live"]
