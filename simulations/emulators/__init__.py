"""Ad platforms on loopback: servers that speak a platform's wire protocol over a simulated market.

    account.py   what stands behind every emulator: one account, its market, its history of changes
    faults.py    what goes wrong on the wire, and on which call
    serving.py   servers in a thread, on loopback, with a certificate where one is needed
    PLATFORM/    one platform each: ids, units, paging, error codes and shapes as its users meet them

An emulator knows nothing of the connector that will speak to it: both are written from the platform's documentation.
"""
