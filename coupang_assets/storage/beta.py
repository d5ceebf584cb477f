"""Dagster's warnings about features that are beta in the pinned version, accepted knowingly.

Used where this project builds on them: partitioned checks, observable sources, the first month's missing
upstream, dagster-pandas types.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from dagster import BetaWarning, PreviewWarning


@contextmanager
def beta_accepted() -> Iterator[None]:
    """Silence those warnings in the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BetaWarning)
        warnings.simplefilter("ignore", PreviewWarning)
        yield
