"""A file of lines in blocks."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import BinaryIO

from diffumask_core.errors import DataError


@dataclass(frozen=True)
class Block:
    """Lines of a file that are worked on together.

    Attributes:
        number: From 0.
        first_line: The number of its first line in the file, from 1.
        lines: How many lines it has.
        offset: Where it begins, in bytes.
    """

    number: int
    first_line: int
    lines: int
    offset: int

    def __str__(self) -> str:
        return f"block {self.number} (lines {self.first_line} to {self.first_line + self.lines - 1})"


def split_blocks(path: Path, lines_each: int) -> tuple[list[Block], str]:
    """Finds the blocks of a file.

    Returns:
        The blocks in order, and the SHA-256 of the file.

    Raises:
        DataError: The file cannot be read, or is empty.
    """
    blocks: list[Block] = []
    digest = hashlib.sha256()
    offset = 0
    with _opened(path) as file:
        for number in count():
            lines = list(islice(file, lines_each))
            if not lines:
                break
            blocks.append(Block(number, number * lines_each + 1, len(lines), offset))
            for line in lines:
                digest.update(line)
                offset += len(line)
    if not blocks:
        raise DataError(f"{path} has no rows.")
    return blocks, digest.hexdigest()


def read_block(path: Path, block: Block) -> list[bytes]:
    """Reads the lines of a block.

    Raises:
        DataError: The file cannot be read.
    """
    with _opened(path) as file:
        file.seek(block.offset)
        return list(islice(file, block.lines))


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        msg = f"Cannot read {path}: {error.strerror}. All workers need to see the file under this path."
        raise DataError(msg) from error
