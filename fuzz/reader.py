"""Reads texts and choices out of bytes, so that what a fuzzer changes in the bytes is a small change of an input."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

SEPARATOR = b"\xff"
"""What parts two texts: a byte that no text in UTF-8 holds."""


class Reader:
    """Takes texts from the front of some bytes and choices from their end.

    Texts at the front stay where they are when a choice is added. Where the bytes end, every choice is the first one
    and every text is empty.
    """

    def __init__(self, data: bytes) -> None:
        """Makes a reader.

        Args:
            data: The bytes.
        """
        self._data = data

    def integer(self, least: int, most: int) -> int:
        """A whole number from `least` to `most`."""
        value, span = 0, most - least
        while span:
            self._data, byte = self._data[:-1], self._data[-1:] or b"\0"
            value, span = value << 8 | byte[0], span >> 8
        return least + value % (most - least + 1)

    def flag(self) -> bool:
        """Yes or no."""
        return bool(self.integer(0, 1))

    def choice(self, items: Sequence[T]) -> T:
        """One of some items."""
        return items[self.integer(0, len(items) - 1)]

    def text(self) -> str:
        """The next text. Bytes that are no UTF-8 become lone surrogates, which a Python string may hold."""
        part, _, self._data = self._data.partition(SEPARATOR)
        try:
            return part.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return part.decode("utf-8", "surrogateescape")
