"""A folder of CSV or Parquet exports as a connector, with a CSV file that holds the budgets.

`options` are its settings, `layout` finds the columns, `reading` streams the files, `performance` makes rows of them,
`survey` finds accounts, entities and implied budgets, `budgets` and `writing` keep the budgets file, `told` reads the
rows of touches and orders, of which `touching` and `ordering` make records, and `connector` joins them.
"""

from connectors.files.connector import build

__all__ = ["build"]
