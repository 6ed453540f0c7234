"""A SQL warehouse, read only: the rows of a table in Fivetran's `ad_reporting` layout, or of any query.

    options.py    the settings: where it is, and which columns hold what
    query.py      rows of a query, laid down as a file of text columns
    connector.py  the contract

What a query gives is read as the files connector reads an export: the same columns, units, checks and words.
"""

from connectors.warehouse.connector import build

__all__ = ["build"]
