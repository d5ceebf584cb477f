"""Answers of HiveServer2 as Arrow columns, straight from the bytes of the wire.

HiveServer2 sends a result by columns (``TColumn``: a list of values and a bitmap of nulls). Thrift's Python library
makes an object of every value; here numbers are one ``numpy`` view, and strings, which each follow their length, are
split for a whole column at once. Belongs here: Thrift's binary protocol as far as ``FetchResults`` needs it. Does not:
connections (``hive_session``) or statements.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pyhive.hive import Cursor

_FILL = 1 << 18
_STOP, _BOOL, _BYTE, _DOUBLE, _I16, _I32, _I64, _STRING, _STRUCT, _LIST = 0, 2, 3, 4, 6, 8, 10, 11, 12, 15
_FIXED = {_BOOL: ">i1", _BYTE: ">i1", _DOUBLE: ">f8", _I16: ">i2", _I32: ">i4", _I64: ">i8"}
_EXCEPTION_MESSAGE = 3
# Fields of TCLIService.thrift.
_RESPONSE_STATUS, _RESPONSE_RESULTS, _ROW_SET_COLUMNS = 1, 3, 3
_BINARY_COLUMN = 8


class Transport(Protocol):
    """The reading half of a Thrift transport."""

    def read(self, sz: int) -> bytes:
        """At least one and at most ``sz`` bytes."""
        ...


def fetch_columns(cursor: "Cursor", rows: int) -> Iterator[list[pa.Array]]:
    """The rest of a query's result as lists of columns, ``rows`` rows at a time.

    The next answer is asked for before this one is read, so that the server works while we do.

    Raises:
        pyhive.exc.OperationalError: the server reports an error.
        thrift.transport.TTransport.TTransportException, OSError: the connection is lost.
    """
    from pyhive.hive import OperationalError
    from TCLIService import ttypes

    connection = cursor._connection
    reply = ReplyReader(connection._transport)

    def ask() -> None:
        connection.client.send_FetchResults(
            ttypes.TFetchResultsReq(
                operationHandle=cursor._operationHandle,
                orientation=ttypes.TFetchOrientation.FETCH_NEXT,
                maxRows=rows,
            )
        )

    ask()
    more = True
    while more:
        ask()
        columns, status = reply.read()
        if status != ttypes.TStatusCode.SUCCESS_STATUS:
            raise OperationalError(reply.failure())
        more = bool(columns) and len(columns[0]) > 0
        if more:
            yield columns
    reply.read()


class ReplyReader:
    """Reads replies to ``FetchResults`` from a transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._bytes = b""
        self._at = 0
        self._status: dict[int, object] = {}

    def read(self) -> tuple[list[pa.Array], int]:
        """Columns and status code of the next reply.

        Raises:
            thrift.Thrift.TApplicationException: the server could not make sense of the request.
        """
        from thrift.Thrift import TApplicationException

        version = self._number(_I32)
        self._value(_STRING)
        self._value(_I32)
        if version & 0xFF == _EXCEPTION_MESSAGE:
            answer = self._value(_STRUCT)
            raise TApplicationException(int(answer.get(2, 0)), bytes(answer.get(1, b"")).decode("utf-8", "replace"))
        columns: list[pa.Array] = []
        self._status = {}
        for _, kind in self._fields():
            if kind != _STRUCT:
                self._value(kind)
                continue
            for field, inner in self._fields():
                if field == _RESPONSE_STATUS:
                    self._status = self._value(inner)
                elif field == _RESPONSE_RESULTS:
                    columns = self._row_set()
                else:
                    self._value(inner)
        code = self._status.get(1, 0)
        assert isinstance(code, int)
        return columns, code

    def failure(self) -> object:
        """The last reply's status in the form PyHive gives its errors."""
        from TCLIService import ttypes

        def text(field: int) -> str:
            value = self._status.get(field, b"")
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""

        return ttypes.TFetchResultsResp(
            status=ttypes.TStatus(
                statusCode=self._status.get(1), sqlState=text(3), errorCode=self._status.get(4), errorMessage=text(5)
            )
        )

    def _row_set(self) -> list[pa.Array]:
        columns: list[pa.Array] = []
        for field, kind in self._fields():
            if field == _ROW_SET_COLUMNS:
                self._take(1)
                columns = [self._column() for _ in range(self._number(_I32))]
            else:
                self._value(kind)
        return columns

    def _column(self) -> pa.Array:
        result: pa.Array | None = None
        for column, _ in self._fields():
            values: tuple[int, NDArray, NDArray | None] | None = None
            nulls = b""
            for field, kind in self._fields():
                if field == 1:
                    values = self._values()
                else:
                    nulls = self._value(kind)
            assert values is not None
            result = _array(*values, nulls, binary=column == _BINARY_COLUMN)
        assert result is not None
        return result

    def _values(self) -> tuple[int, NDArray, NDArray | None]:
        """Element type, then numbers and None, or offsets and text bytes."""
        kind = self._take(1)[0]
        count = self._number(_I32)
        if kind == _STRING:
            return (kind, *self._strings(count))
        data = self._take(count * np.dtype(_FIXED[kind]).itemsize)
        return kind, np.frombuffer(data, _FIXED[kind]), None

    def _strings(self, count: int) -> tuple[NDArray, NDArray]:
        lengths: list[NDArray] = []
        texts: list[NDArray] = []
        missing = count
        while missing:
            self._ensure(4)
            window = np.frombuffer(self._bytes, np.uint8, offset=self._at)
            starts, sizes, end = split_strings(window, missing)
            if not len(starts):
                self._ensure(len(window) + 1)
                continue
            keep = np.ones(end, bool)
            for byte in range(4):
                keep[starts + byte] = False
            texts.append(window[:end][keep])
            lengths.append(sizes)
            missing -= len(starts)
            self._at += end
        offsets = np.zeros(count + 1, np.int64)
        if count:
            np.cumsum(np.concatenate(lengths), out=offsets[1:])
        return offsets, np.concatenate(texts) if texts else np.empty(0, np.uint8)

    def _fields(self) -> Iterator[tuple[int, int]]:
        while (kind := self._take(1)[0]) != _STOP:
            yield self._number(_I16), kind

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._take(self._number(_I32))
        if kind == _STRUCT:
            return {field: self._value(inner) for field, inner in self._fields()}
        if kind == _LIST:
            inner = self._take(1)[0]
            return [self._value(inner) for _ in range(self._number(_I32))]
        return self._number(kind)

    def _number(self, kind: int) -> int:
        size = np.dtype(_FIXED[kind]).itemsize
        return int.from_bytes(self._take(size), "big", signed=True)

    def _take(self, count: int) -> bytes:
        self._ensure(count)
        taken = self._bytes[self._at : self._at + count]
        self._at += count
        return taken

    def _ensure(self, count: int) -> None:
        """Have ``count`` unread bytes at hand."""
        there = len(self._bytes) - self._at
        if there >= count:
            return
        chunks = [self._bytes[self._at :]]
        while there < count:
            chunk = self._transport.read(max(count - there, _FILL))
            if not chunk:
                raise EOFError("the server hung up in the middle of an answer")
            chunks.append(chunk)
            there += len(chunk)
        self._bytes, self._at = b"".join(chunks), 0


def split_strings(window: NDArray[np.uint8], limit: int) -> tuple[NDArray, NDArray, int]:
    """Split bytes in which every string follows its length (4 bytes, big endian).

    The lengths' own zero bytes are taken as guesses of where strings begin, all at once. A guess counts only where the
    string before it ends exactly there; where the chain breaks (a NUL in a text, a length of 256), one string is
    followed by hand and the guesses are taken up again. So the result is exact, whatever the text.

    Returns:
        Positions of at most ``limit`` lengths whose strings lie in ``window`` in full, those lengths, and the position
        after the last of them.
    """
    size = len(window)
    none = np.empty(0, np.int64)
    if size < 4:
        return none, none, 0
    # The number that each byte and the three after it would be.
    length_at = np.ndarray(size - 3, ">u4", buffer=window, strides=(1,))
    guesses = _guesses(window)
    ends = guesses + 4 + length_at[guesses]
    breaks = np.flatnonzero(ends[:-1] != guesses[1:])
    starts: list[NDArray] = []
    at = count = 0
    while count < limit and at + 4 <= size:
        first = int(np.searchsorted(guesses, at))
        if first < len(guesses) and guesses[first] == at:
            after = int(np.searchsorted(breaks, first))
            last = int(breaks[after]) if after < len(breaks) else len(guesses) - 1
            found = guesses[first : min(last + 1, first + limit - count)]
        else:
            found = np.array([at], np.int64)
        starts.append(found)
        count += len(found)
        at = int(found[-1]) + 4 + int(length_at[found[-1]])
    chain = np.concatenate(starts) if starts else none
    if at > size:
        chain, at = chain[:-1], int(chain[-1])
    return chain, length_at[chain].astype(np.int64), at


def _guesses(window: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Where lengths may begin: in every run of zero bytes, one for each 4 (empty strings), one for a rest of 2 or 3."""
    edges = np.diff(np.concatenate(([False], window == 0, [False])).astype(np.int8))
    begins = np.flatnonzero(edges == 1)
    runs = np.flatnonzero(edges == -1) - begins
    counts = runs // 4 + (runs % 4 >= 2)
    total = int(counts.sum())
    within = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    guesses = np.repeat(begins, counts) + 4 * within
    return guesses[guesses + 4 <= len(window)]


def _array(kind: int, values: NDArray, text: NDArray | None, nulls: bytes, binary: bool) -> pa.Array:
    count = len(values) - (text is not None)
    absent = np.zeros(count, bool)
    bits = np.unpackbits(np.frombuffer(nulls, np.uint8), bitorder="little")[:count]
    absent[: len(bits)] = bits
    if text is None:
        native = values.astype(bool) if kind == _BOOL else values.astype(values.dtype.newbyteorder("="))
        return pa.array(native, mask=absent if absent.any() else None)
    validity = pa.py_buffer(np.packbits(~absent, bitorder="little")) if absent.any() else None
    return pa.Array.from_buffers(
        pa.large_binary() if binary else pa.large_string(),
        count,
        [validity, pa.py_buffer(values), pa.py_buffer(np.ascontiguousarray(text))],
    )
