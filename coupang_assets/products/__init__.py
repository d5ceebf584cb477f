"""The product table in PostgreSQL: read in one snapshot, exported to files, predictions written back.

Belongs here: everything that speaks to that database. Does not: the embedded server and its made-up rows (`sample`),
when something is read (`assets`), or how files are committed (`storage`).

| module | what |
| --- | --- |
| `connection.py` | connecting, and what can go wrong with a server, told to people |
| `source_table.py` | the table's columns, and reading them within a snapshot |
| `table_files.py` | one stream of CSV to a CSV and a Parquet file |
| `changes.py` | what has changed since an export |
| `export.py` | the whole table, or what has changed since the export before |
| `predictions.py` | predicted categories, written back |
"""
