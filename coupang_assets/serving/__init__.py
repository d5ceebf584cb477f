"""The prediction service: titles in over HTTP, category paths with scores out.

Belongs here: the HTTP surface, batching, and which model answers. Does not: any classifier (``classifiers``), or where
a model's files are (``storage``).
"""
