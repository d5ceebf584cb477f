"""Our errors as Dagster's: what is deterministic fails at once, what may pass is tried again with backoff.

Belongs here: the translation, used by assets and IO managers alike. Does not: the decision what is transient
where it happens (whoever raises ``TransientError`` decides).
"""

import errno
import random
from collections.abc import Iterator
from contextlib import contextmanager

from dagster import Failure, MetadataValue, RetryRequested

from coupang_assets.errors import CoupangAssetsError, TransientError

MAX_RETRIES = 3
FIRST_WAIT_SECONDS = 2.0


@contextmanager
def as_dagster_failures(retry_number: int) -> Iterator[None]:
    """Translate errors of the block.

    Args:
        retry_number: retries of this step so far; each waits twice as long as the one before, with jitter.

    Raises:
        dagster.RetryRequested: for what may pass by itself, at most ``MAX_RETRIES`` times.
        dagster.Failure: not to be retried, for what a person must change.
    """
    try:
        yield
    except (TransientError, ConnectionError, TimeoutError) as error:
        wait = FIRST_WAIT_SECONDS * 2**retry_number * random.uniform(0.8, 1.2)
        raise RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=wait) from error
    except CoupangAssetsError as error:
        raise _failure(error.what, error.remedy) from error
    except OSError as error:
        raise _failure(*_explain(error)) from error


def _failure(what: str, remedy: str) -> Failure:
    return Failure(
        description=f"{what}\nWhat to do: {remedy}" if remedy else what,
        metadata={"what to do": MetadataValue.text(remedy)} if remedy else None,
        allow_retries=False,
    )


def _explain(error: OSError) -> tuple[str, str]:
    where = error.filename or "a file"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left writing {where}; the previous version is untouched", "free disk space and run again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{where} may not be written or read: {error.strerror}", "correct its permissions, or set COUPANG_ROOT"
    return f"{where}: {error.strerror or error}", "correct the file or folder and run again"
