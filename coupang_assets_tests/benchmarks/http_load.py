"""Load on one path of a loopback service: keep-alive connections that send the same request again and again.

Written on asyncio's protocols, because on a machine of two cores a client that parses as much as the service does
measures itself.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np


@dataclass
class LoadResult:
    """What came back.

    Attributes:
        seconds: of the whole load.
        statuses: answers by HTTP status; ``0`` for a connection that broke.
        latencies_s: of each answer with status 200.
    """

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)

    @property
    def answered_per_s(self) -> float:
        return self.statuses[200] / self.seconds

    def percentile_ms(self, percent: float) -> float:
        return float(np.percentile(self.latencies_s, percent)) * 1000 if self.latencies_s else float("nan")

    @property
    def errors(self) -> int:
        """Answers that are neither 200 nor 429, and broken connections."""
        return sum(count for status, count in self.statuses.items() if status not in (200, 429))


class _Connection(asyncio.Protocol):
    def __init__(self, result: LoadResult) -> None:
        self._result = result
        self._buffer = b""
        self._answer: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    async def ask(self, request: bytes) -> None:
        assert self._transport is not None
        began = time.perf_counter()
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        await self._answer
        if self._status == 200:
            self._result.latencies_s.append(time.perf_counter() - began)
        self._result.statuses[self._status] += 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        lower = head.lower()
        at = lower.index(b"content-length:") + len(b"content-length:")
        length = int(lower[at : (lower.find(b"\r\n", at) if b"\r\n" in lower[at:] else len(lower))])
        if len(body) >= length:
            self._status = int(head[9:12])
            self._buffer = b""
            self._done()

    def connection_lost(self, exc: Exception | None) -> None:
        self._status = 0
        self._done()

    def _done(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def http_request(port: int, path: str, body: bytes) -> bytes:
    """A POST of JSON, as bytes."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def closed_loop(port: int, requests: list[bytes], clients: int, seconds: float) -> LoadResult:
    """``clients`` that each send their next request as soon as the last is answered."""
    result = LoadResult()
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: _Connection(result), "127.0.0.1", port
        )
        turn = number
        while time.perf_counter() < end:
            await connection.ask(requests[turn % len(requests)])
            turn += clients
        connection.close()

    began = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(clients)))
    result.seconds = time.perf_counter() - began
    return result


async def open_loop(port: int, requests: list[bytes], per_s: float, connections: int, seconds: float) -> LoadResult:
    """Requests at a rate that does not wait for answers, over ``connections``; where all are taken, one waits."""
    result = LoadResult()
    idle: asyncio.Queue[_Connection] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        _, connection = await loop.create_connection(lambda: _Connection(result), "127.0.0.1", port)
        idle.put_nowait(connection)
    asking: set[asyncio.Task[None]] = set()

    async def ask(connection: _Connection, request: bytes) -> None:
        await connection.ask(request)
        idle.put_nowait(connection)

    began = time.perf_counter()
    sent = 0
    while (now := time.perf_counter() - began) < seconds:
        due = int(now * per_s)
        while sent < due and not idle.empty():
            task = asyncio.create_task(ask(idle.get_nowait(), requests[sent % len(requests)]))
            asking.add(task)
            task.add_done_callback(asking.discard)
            sent += 1
        await asyncio.sleep(0.002)
    await asyncio.gather(*asking)
    result.seconds = time.perf_counter() - began
    while not idle.empty():
        idle.get_nowait().close()
    return result
