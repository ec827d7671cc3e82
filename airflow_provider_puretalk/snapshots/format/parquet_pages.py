"""What the pages of a Parquet file unpack to, as their own headers say.

pyarrow takes the memory that a page's header names before it unpacks the page, whatever the footer says of the column. So
where a size limit is set the headers are held against the footer first, and the footer against the limit.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from typing import Any, BinaryIO

from airflow_provider_puretalk import size_limit
from airflow_provider_puretalk.exceptions import PuretalkSnapshotError

#: Bytes that are read for a header. Those of our writers take some dozen, with two ids of a bounded length as statistics.
_HEADER = 8 << 10
#: Parquet ends with the length of its footer, and four letters.
_TAIL, _LETTERS = 8, b"PAR1"

# Thrift's compact protocol: what a field's type takes.
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 12
_NUMBERS = (4, 5, 6)
#: Fields of a page's header.
_UNPACKED, _PACKED = 2, 3


def check_footer(file: Any) -> None:
    """Check how long a footer is before it is parsed, if there is a limit.

    :param file: a seekable binary file.
    :raises SizeLimitError: it is longer than this thread may read.
    """
    if size_limit.piece() is None:
        return
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL))
    length, letters = int.from_bytes(file.read(4), "little"), file.read(4)
    if letters == _LETTERS:  # Otherwise it is no such file, which pyarrow says.
        size_limit.check_piece(length)
    file.seek(0)


def check_pages(file: BinaryIO | Any, metadata: Any, groups: Iterable[int], where: str = "This") -> None:
    """Check that the pages of some row groups unpack to what the footer says, if there is a limit.

    :param where: the file in the message.
    :raises PuretalkSnapshotError: they unpack to more, or are no pages.
    """
    if size_limit.piece() is None:
        return
    for group in groups:
        described = metadata.row_group(group)
        for index in range(described.num_columns):
            column = described.column(index)
            if column.file_path:
                raise _damage(where)
            begins = [one for one in (column.dictionary_page_offset, column.data_page_offset) if one]
            at = min(begins, default=0)
            end, left = at + column.total_compressed_size, column.total_uncompressed_size
            while at < end:
                file.seek(at)
                header = _Header(file.read(_HEADER))
                try:
                    fields = header.numbers()
                    packed, unpacked = fields[_PACKED], fields[_UNPACKED]
                except (IndexError, KeyError, RecursionError):
                    raise _damage(where) from None
                left -= unpacked
                if packed < 0 or unpacked < 0 or left < 0:
                    raise _damage(where)
                at += header.position + packed


def _damage(where: str) -> PuretalkSnapshotError:
    return PuretalkSnapshotError(
        f"{where} is not a Parquet file, or it is torn: its pages are not what it says of them."
    )


class _Header:
    """A page's header.

    :ivar position: after what was read of it.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def numbers(self) -> dict[int, int]:
        """Read a struct, and return the numbers in it by the ids of their fields.

        :raises IndexError: it does not end.
        """
        found, field = dict[int, int](), 0
        while (head := self._byte()) & 15 != _STOP:
            field = field + (head >> 4) if head >> 4 else self._number()
            if head & 15 in _NUMBERS:
                found[field] = self._number()
            else:
                self._skip(head & 15)
        return found

    def _skip(self, kind: int, *, in_list: bool = False) -> None:
        if kind in _NUMBERS:
            self._number()
        elif kind == _BYTE or (kind in (_TRUE, _FALSE) and in_list):
            self.position += 1
        elif kind == _DOUBLE:
            self.position += 8
        elif kind == _BINARY:
            size = self._varint()
            self.position += size
        elif kind in (_LIST, _SET):
            head = self._byte()
            for _ in range(self._varint() if head >> 4 == 15 else head >> 4):
                self._skip(head & 15, in_list=True)
                self._check()
        elif kind == _STRUCT:
            self.numbers()
        elif kind not in (_TRUE, _FALSE):
            raise IndexError  # A map: no header has one.

    def _check(self) -> None:
        if self.position > len(self._data):
            raise IndexError

    def _byte(self) -> int:
        self.position += 1
        return self._data[self.position - 1]

    def _varint(self) -> int:
        value = 0
        for shift in itertools.count(0, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise AssertionError

    def _number(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
