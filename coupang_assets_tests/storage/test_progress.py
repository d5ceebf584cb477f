"""What long steps say: how far, how fast, how long yet, and not too often."""

import time

import pytest

from coupang_assets.storage import progress
from coupang_assets.storage.progress import RowProgress, watched


def test_rows_so_far_rate_and_remaining_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 2.0, 12.0, 12.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(moments))
    told: list[str] = []
    rows = RowProgress(told.append, total=4_000)
    rows.add(500)
    assert told == [], "not after two seconds"
    rows.add(500)
    assert told == ["1,000 of 4,000 rows, 83 rows/s, about 36 s left"]


def test_where_nobody_knows_the_total_nothing_is_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    rows = RowProgress(told.append)
    rows.add(7)
    rows.say("day 1 of 2")
    (line,) = told
    assert line.startswith("day 1 of 2, 7 rows, ")
    assert "left" not in line


@pytest.mark.parametrize(("percent", "words"), [(25.0, "25 % after 0 s, about 0 s left"), (None, "at work for 0 s")])
def test_a_long_block_is_told_of_and_a_short_one_not(
    monkeypatch: pytest.MonkeyPatch, percent: float | None, words: str
) -> None:
    told: list[str] = []
    with watched(lambda: percent, told.append):
        pass
    assert told == []
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.01)
    with watched(lambda: percent, told.append):
        deadline = time.monotonic() + 10
        while not told and time.monotonic() < deadline:
            time.sleep(0.01)
    assert told[0] == words
    silent = len(told)
    time.sleep(0.05)
    assert len(told) == silent, "nothing more when it has ended"
