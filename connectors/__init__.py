"""The ad platforms, seen through one contract.

Read `contract` for what a connector is, `money` for amounts, `errors` for the four ways in which a call can
fail, `conformance` for the suite that every connector passes, and `registry` for how one is found.
"""
