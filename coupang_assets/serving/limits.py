"""Limits that hold before a request is read: how many are under way, how large a body may be, how long it may take.

Plain ASGI, because a refusal must cost next to nothing when there are many.
"""

import asyncio
import json

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class RequestLimits:
    """Refuses with 429, 413 or 503 what goes beyond the limits.

    Args:
        concurrent: requests under way at a time, beyond which 429 with ``Retry-After``.
        body_bytes: of a request's body, beyond which 413.
        seconds: until the answer has begun, beyond which 503.
        unlimited: paths that are always answered, so that an overloaded service can still be watched.
    """

    def __init__(
        self, app: ASGIApp, concurrent: int, body_bytes: int, seconds: float, unlimited: frozenset[str]
    ) -> None:
        self._app = app
        self._concurrent = concurrent
        self._body_bytes = body_bytes
        self._seconds = seconds
        self._unlimited = unlimited
        self._under_way = 0
        self._too_large = f"the body is larger than {body_bytes} bytes; send fewer titles at once"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._unlimited:
            await self._app(scope, receive, send)
            return
        if self._under_way >= self._concurrent:
            await refuse(send, 429, "more requests are under way than may be; come again in a second", retry_after=1)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if length.isdigit() and int(length) > self._body_bytes:
            await refuse(send, 413, self._too_large)
            return
        self._under_way += 1
        try:
            await self._answer(scope, receive, send)
        finally:
            self._under_way -= 1

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        received, started = 0, False

        async def limited_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._body_bytes:
                raise HTTPException(413, self._too_large)
            return message

        async def noted_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            async with asyncio.timeout(self._seconds):
                await self._app(scope, limited_receive, noted_send)
        except TimeoutError:
            if not started:
                await refuse(send, 503, f"no answer within {self._seconds:g} s; come again", retry_after=1)


async def refuse(send: Send, status: int, detail: str, retry_after: int | None = None) -> None:
    """Answer with an error in the form of all errors of the service."""
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if retry_after is not None:
        headers.append((b"retry-after", str(retry_after).encode()))
    # The body may not have been read, so the connection cannot carry another request.
    if status == 413:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
