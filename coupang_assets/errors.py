"""The kinds of failure a user meets.

Everything raised on purpose in this package is one of these, so that a run can tell what may be tried
again from what never gets better by itself. Belongs here: the classes. Does not: any message.
"""


class CoupangAssetsError(Exception):
    """Something is wrong that stays wrong until a person changes it; never retried.

    Args:
        what: what was wrong, and where (file, row, column, setting).
        remedy: what to do about it.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f"{what}\nWhat to do: {remedy}" if remedy else what)


class NotThereError(CoupangAssetsError):
    """A table or partition does not exist."""


class TransientError(CoupangAssetsError):
    """Something that may pass by itself (a server away, a connection lost); retried with backoff and a bound."""
