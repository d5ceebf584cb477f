"""Titles of requests that wait at the same time are answered together, by one thread.

A model answers a hundred titles in little more time than one. While a batch is at work the next one gathers, so no
request waits for a timer, and batches grow with the load. Belongs here: that, and refusing what would wait too long.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from coupang_assets.classifiers.protocol import Prediction

Rank = Callable[[Sequence[str], int], list[list[Prediction]]]
"""Titles and top k to predictions, a list a title."""


class Overloaded(Exception):
    """More titles wait than may wait; the caller should come again."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    titles: Sequence[str]
    top_k: int
    answer: asyncio.Future[list[list[Prediction]]]


class MicroBatcher:
    """Answers requests in batches of at most ``batch_titles``, in the order they came.

    Args:
        rank: what answers; called by one thread at a time.
        batch_titles: titles of a batch; a request that is larger is a batch by itself.
        waiting_titles: titles that may wait, beyond which :class:`Overloaded` is raised.
        observe: told the size of each batch.
    """

    def __init__(
        self, rank: Rank, batch_titles: int, waiting_titles: int, observe: Callable[[int], None] = lambda size: None
    ) -> None:
        self._rank = rank
        self._batch_titles = batch_titles
        self._limit = waiting_titles
        self._observe = observe
        self._queue: deque[_Waiting] = deque()
        self._waiting = 0
        self._worker: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="predict")

    @property
    def waiting(self) -> int:
        """Titles that wait now."""
        return self._waiting

    async def submit(self, titles: Sequence[str], top_k: int) -> list[list[Prediction]]:
        """Predictions of each title.

        Raises:
            Overloaded: too many titles wait already.
        """
        if self._waiting and self._waiting + len(titles) > self._limit:
            raise Overloaded
        answer: asyncio.Future[list[list[Prediction]]] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(titles, top_k, answer))
        self._waiting += len(titles)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await answer

    async def close(self) -> None:
        """Answer what waits, then end the thread."""
        if self._worker is not None:
            await self._worker
        self._thread.shutdown(wait=False)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while batch := self._next_batch():
            titles = [title for waiting in batch for title in waiting.titles]
            self._observe(len(titles))
            try:
                ranked = await loop.run_in_executor(
                    self._thread, self._rank, titles, max(waiting.top_k for waiting in batch)
                )
            except Exception as error:  # Whatever a model raises belongs to those who asked, not to this loop.
                for waiting in batch:
                    if not waiting.answer.done():
                        waiting.answer.set_exception(error)
                continue
            position = 0
            for waiting in batch:
                own = ranked[position : position + len(waiting.titles)]
                position += len(waiting.titles)
                if not waiting.answer.done():  # Its client may have gone.
                    waiting.answer.set_result([predictions[: waiting.top_k] for predictions in own])

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._queue and (not batch or size + len(self._queue[0].titles) <= self._batch_titles):
            waiting = self._queue.popleft()
            self._waiting -= len(waiting.titles)
            if waiting.answer.cancelled():
                continue
            batch.append(waiting)
            size += len(waiting.titles)
        return batch
