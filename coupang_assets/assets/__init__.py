"""When: thin asset functions, one module a step, and the checks on what they make.

Belongs here: dependencies, types and descriptions of the graph. Does not: logic (``pipeline``), files (``storage``).
Every module gives its assets for one set of settings, so that the whole graph can be built with others.
"""
