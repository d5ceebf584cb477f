"""What a long step says of itself while it works: rows so far, rate, remaining.

Belongs here: the lines and how often they come. Does not: where rows are counted.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

SECONDS_BETWEEN_LINES = 10.0

Tell = Callable[[str], object]


class RowProgress:
    """Counts rows of a known or unknown total and tells from time to time; called from any thread.

    Args:
        tell: takes a line.
        total: rows there will be; None where nobody knows.
    """

    def __init__(self, tell: Tell, total: int | None = None) -> None:
        self._tell = tell
        self._total = total
        self._started = self._told = time.monotonic()
        self.rows = 0

    def add(self, rows: int) -> None:
        """Count rows; a line, if the last is some time ago."""
        self.rows += rows
        if time.monotonic() - self._told > SECONDS_BETWEEN_LINES:
            self.say()

    def say(self, what: str = "") -> None:
        """A line now."""
        self._told = time.monotonic()
        seconds = max(self._told - self._started, 1e-3)
        rate = self.rows / seconds
        parts = [what] if what else []
        parts.append(f"{self.rows:,} rows" if self._total is None else f"{self.rows:,} of {self._total:,} rows")
        parts.append(f"{rate:,.0f} rows/s")
        if self._total is not None and rate:
            parts.append(f"about {max(self._total - self.rows, 0) / rate:,.0f} s left")
        self._tell(", ".join(parts))


@contextmanager
def watched(percent_done: Callable[[], float | None], tell: Tell) -> Iterator[None]:
    """While the block works, a line from time to time: how much of it is done and how long the rest will take.

    Args:
        percent_done: 0 to 100; None where nobody knows. Called from another thread.
    """
    ended = Event()
    started = time.monotonic()

    def follow() -> None:
        while not ended.wait(SECONDS_BETWEEN_LINES):
            seconds, percent = time.monotonic() - started, percent_done()
            if percent:
                tell(f"{percent:.0f} % after {seconds:,.0f} s, about {seconds * (100 - percent) / percent:,.0f} s left")
            else:
                tell(f"at work for {seconds:,.0f} s")

    follower = Thread(target=follow, name="progress", daemon=True)
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join()
