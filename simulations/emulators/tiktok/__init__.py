"""TikTok's Business interface v1.3 on loopback: HTTP 200 to almost everything, and a code in the body.

server.py  addresses, the envelope, faults in the platform's shape
books.py   advertisers, campaigns, ad groups, ads and reports as they go over the wire
"""

from simulations.emulators.tiktok.server import start

__all__ = ["start"]
