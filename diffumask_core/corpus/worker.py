"""What a worker does: a block of lines goes in, its part and its receipt are written."""

import json
import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from diffumask_core.corpus.blocks import Block, read_block
from diffumask_core.corpus.output import OutputFolder, Receipt, to_line
from diffumask_core.errors import DataError, WorkerError, kind_of

Row = dict[str, Any]

ATTEMPTS = 3


def thread_limit() -> int | None:
    """How many threads a worker may compute with, as engines (Ray, too) tell all libraries; None for any number."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return int(limit) if limit.isdigit() else None


class RowFunction(Protocol):
    """From a row to a row. It raises a `ValueError` for a row that is bad; any other error ends the run."""

    @property
    def sums(self) -> tuple[str, ...]:
        """Names of numbers in the rows that come out; they are added up over the corpus."""

    def __call__(self, row: Row) -> Row: ...


def gave_up(block: Block) -> WorkerError:
    """What an engine raises when a block has taken its worker down so many times."""
    return WorkerError(
        f"A worker died in each of {ATTEMPTS} attempts at {block}: it was killed, perhaps for want of memory, or could "
        'not start, as in a script without `if __name__ == "__main__":`. Other blocks that are done stay: run it again '
        "to go on."
    )


class BlockWorker:
    """Runs blocks, wherever it is sent to: the row function is made there, once, when the first block comes."""

    def __init__(
        self, function: Callable[..., RowFunction], options: Mapping[str, Any], source: Path, output: OutputFolder
    ) -> None:
        self._function = function
        self._options = options
        self.source = source
        self.output = output

    @cached_property
    def _apply(self) -> RowFunction:
        return self._function(**self._options)

    def __call__(self, block: Block) -> int:
        """Runs a block.

        Returns:
            The number of the block, whose part and receipt are there.

        Raises:
            DataError: The file cannot be read.
            InputError: The row function does not take the options, or the output cannot be written.
        """
        apply = self._apply
        lines: list[bytes] = []
        totals: dict[str, float] = dict.fromkeys(apply.sums, 0)
        errors = []
        for number, line in enumerate(read_block(self.source, block), block.first_line):
            if not line.strip():
                continue
            try:
                row = apply(_parse(line))
                lines.append(to_line(row))
                totals = {name: total + row[name] for name, total in totals.items()}
            except (ValueError, RecursionError) as error:
                errors.append({"line": number, "reason": str(error)})
            except Exception as error:
                error.add_note(f"This was in line {number} of {self.source}.")
                raise
        self.output.write_block(block.number, lines, Receipt(len(lines), totals, errors))
        return block.number


def _parse(line: bytes) -> Row:
    try:
        row = json.loads(line.decode("utf-8-sig"))
        to_line(row)  # JSON can escape what is no text, such as half of an emoji.
    except UnicodeError as error:
        raise DataError(f"This is not UTF-8 text: {error}.") from error
    except json.JSONDecodeError as error:
        raise DataError(f"This is not JSON: {error.msg} at character {error.pos}.") from error
    if not isinstance(row, dict):
        raise DataError(f"This is {kind_of(row)}: a row is a JSON object.")
    return row
