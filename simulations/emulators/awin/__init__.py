"""Awin's advertiser interface on loopback.

server.py  addresses, the pace that it keeps, failures in the network's shape
sales.py   a simulated market's purchases as transactions: pending, then approved or declined
"""

from simulations.emulators.awin.server import start

__all__ = ["start"]
