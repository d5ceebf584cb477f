import struct

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from coupang_assets.warehouse.thrift_columns import ReplyReader, split_strings

# What makes guessing hard: empty strings, NULs in texts, lengths whose low byte is zero.
TEXTS = st.one_of(
    st.sampled_from(["", "0012", "\0", "a\0\0\0b", "x" * 255, "x" * 256, "y" * 512, "z" * 65_536]),
    st.text(max_size=80),
)


def encoded(values: list[bytes]) -> bytes:
    return b"".join(struct.pack(">i", len(value)) + value for value in values)


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS.map(lambda text: text.encode("utf-8", "replace")), max_size=40), st.data())
def test_strings_are_split_where_thrift_would(values: list[bytes], data: st.DataObject) -> None:
    raw = encoded(values)
    cut = data.draw(st.integers(0, len(raw)))
    limit = data.draw(st.integers(0, len(values)))
    starts, lengths, end = split_strings(np.frombuffer(raw, np.uint8)[:cut], limit)
    whole = [i for i in range(min(limit, len(values))) if len(encoded(values[: i + 1])) <= cut]
    assert [raw[at + 4 : at + 4 + length] for at, length in zip(starts, lengths, strict=True)] == values[: len(whole)]
    assert end == len(encoded(values[: len(whole)]))


class Trickle:
    """Gives a message in pieces of a size that never fits."""

    def __init__(self, message: bytes, piece: int) -> None:
        self._left = message
        self._piece = piece

    def read(self, sz: int) -> bytes:
        given, self._left = self._left[: min(sz, self._piece)], self._left[min(sz, self._piece) :]
        return given


def reply(columns: list) -> bytes:
    """What thrift's own library writes for a FetchResults answer."""
    from TCLIService import TCLIService, ttypes
    from thrift.protocol.TBinaryProtocol import TBinaryProtocol
    from thrift.Thrift import TMessageType
    from thrift.transport.TTransport import TMemoryBuffer

    buffer = TMemoryBuffer()
    protocol = TBinaryProtocol(buffer)
    result = TCLIService.FetchResults_result(
        success=ttypes.TFetchResultsResp(
            status=ttypes.TStatus(statusCode=ttypes.TStatusCode.SUCCESS_STATUS, infoMessages=["정보"]),
            hasMoreRows=False,
            results=ttypes.TRowSet(startRowOffset=0, rows=[], columns=columns),
        )
    )
    protocol.writeMessageBegin("FetchResults", TMessageType.REPLY, 0)
    result.write(protocol)
    protocol.writeMessageEnd()
    return buffer.getvalue()


def test_every_type_with_nulls_is_read_in_any_pieces() -> None:
    from TCLIService import ttypes

    message = reply(
        [
            ttypes.TColumn(stringVal=ttypes.TStringColumn(values=["가전", "", "x" * 300], nulls=b"\x02")),
            ttypes.TColumn(i32Val=ttypes.TI32Column(values=[1, -2, 0], nulls=b"\x04")),
            ttypes.TColumn(i64Val=ttypes.TI64Column(values=[1 << 40, 0, 3], nulls=b"\x00")),
            ttypes.TColumn(doubleVal=ttypes.TDoubleColumn(values=[1.5, 0.0, -2.25], nulls=b"\x00")),
            ttypes.TColumn(boolVal=ttypes.TBoolColumn(values=[True, False, True], nulls=b"")),
            ttypes.TColumn(byteVal=ttypes.TByteColumn(values=[1, -1, 2], nulls=b"\x00")),
            ttypes.TColumn(i16Val=ttypes.TI16Column(values=[300, -300, 0], nulls=b"\x00")),
            ttypes.TColumn(binaryVal=ttypes.TBinaryColumn(values=[b"\x00\xff", b"", b"a"], nulls=b"\x00")),
        ]
    )
    for piece in (1, 7, 64, 1 << 20):
        columns, status = ReplyReader(Trickle(message, piece)).read()
        assert status == 0
        for column in columns:
            column.validate(full=True)
        assert [column.to_pylist() for column in columns] == [
            ["가전", None, "x" * 300],
            [1, -2, None],
            [1 << 40, 0, 3],
            [1.5, 0.0, -2.25],
            [True, False, True],
            [1, -1, 2],
            [300, -300, 0],
            [b"\x00\xff", b"", b"a"],
        ]
        assert columns[0].type == pa.large_string()
