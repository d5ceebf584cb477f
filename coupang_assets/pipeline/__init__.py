"""What is done with the data: pure functions, tables in, tables out.

Ibis expressions for what is large, pandas for what is small. Does not belong here: Dagster, paths, connections.
"""
