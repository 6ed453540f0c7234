"""LinkedIn's Marketing interface on loopback: versioned Rest.li over HTTP.

server.py    addresses, headers, faults in the platform's shape
books.py     accounts, campaigns, creatives and `adAnalytics` as they go over the wire
restli.py    the notation of lists, records and URNs in a query
"""

from simulations.emulators.linkedin.server import start

__all__ = ["start"]
