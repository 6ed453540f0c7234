"""Microsoft Advertising's interface on loopback: JSON over HTTP, v13.

server.py    addresses, headers, faults in the platform's shape, signing in
books.py     accounts, campaigns, ad groups, ads and budgets as they go over the wire
reports.py   reports as packed files
"""

from simulations.emulators.microsoft.server import start

__all__ = ["start"]
