"""The history: runs as rows of typed tables, asked with SQL, drawn on a page, sent to a catalog.

`columns` names the tables, `gather` makes rows of a run, `tables` are these as Arrow, `store` is
the folder that keeps them, `query` asks it, `page` draws it, `iceberg` sends it on. Nothing here is
evidence: it can be made again from the bundles at any time, and no verdict rests on it.
pyarrow, duckdb and PyIceberg are extras, so everything but `columns` and `gather` is imported when
a command needs it, through `audit.extras`.
"""
