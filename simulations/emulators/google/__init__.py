"""Google Ads on loopback: its gRPC interface (API v26) over TLS, and the endpoint where access tokens are renewed.

    gaql.py      the query language's form
    schema.py    what may be asked of which resource
    tables.py    what each resource holds
    facts.py     metrics, summed from the market's report
    answers.py   a query answered, row by row
    mutates.py   changes of budgets and of the statuses of ads
    refusals.py  errors in the platform's shape
    service.py   every request: credentials, quota, faults, then its answer
    oauth.py, tls.py  access tokens; a certificate for localhost

Needs `outlay[google]`. A client's process must trust the certificate: set `environment` before it first uses gRPC.
"""

from simulations.emulators.google.emulator import GoogleEmulator, start
from simulations.emulators.google.tables import Traits

__all__ = ["GoogleEmulator", "Traits", "start"]
