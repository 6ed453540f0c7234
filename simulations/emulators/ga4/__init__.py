"""Google Analytics 4's Data API on loopback: gRPC without TLS, the method `RunReport`."""

from simulations.emulators.ga4.server import start

__all__ = ["start"]
