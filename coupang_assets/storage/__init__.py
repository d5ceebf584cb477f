"""Where datasets lie: the month folders, atomic commits with manifests, table files, and Dagster's IO managers.

Does not belong here: how a dataset is made, and what it means.
"""
