"""A function of a row over all rows of a file."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any

from tqdm import tqdm

from diffumask_core.corpus.blocks import Block, split_blocks
from diffumask_core.corpus.local import run_locally
from diffumask_core.corpus.output import OutputFolder
from diffumask_core.corpus.worker import BlockWorker, RowFunction
from diffumask_core.errors import InputError

Engine = Callable[[BlockWorker, Sequence[Block], int | None], Iterator[int]]
"""Runs each of some blocks on so many workers (None: as many as there is room for), and yields the number of each
block when it is done."""

# The numbers in the names of parts have five digits, so that names sort as the rows do.
_MOST_BLOCKS = 100_000


@dataclass(frozen=True)
class CorpusReport:
    """What a run made of a corpus, earlier runs that it took up included.

    Attributes:
        rows: How many rows came out.
        failures: How many did not.
        totals: The sums that the row function asks for.
        errors: The file with the line and the reason of each failure; None where there is none.
    """

    rows: int
    failures: int
    totals: Mapping[str, float]
    errors: Path | None


def map_corpus(
    function: Callable[..., RowFunction],
    options: Mapping[str, Any],
    source: str | PathLike[str],
    output: str | PathLike[str],
    *,
    engine: Engine = run_locally,
    workers: int | None = None,
    block_rows: int = 100,
) -> CorpusReport:
    """Applies a function to the rows of a file of JSON lines.

    Each block of rows becomes a file ``part-00000.jsonl`` of the output folder, in order and whole. A run that was cut
    off goes on where it was when it is called again: only the blocks that were running then, one for each worker,
    are repeated. Engines and numbers of workers may change in between, and make no difference to the output.

    Args:
        function: A class of row functions, such as `RowCompressor`. Every worker makes one.
        options: Its keyword arguments, as plain data.
        source: The file. Blank lines are passed over.
        output: The folder; a new one, an empty one, or that of a run with the same arguments.
        engine: What runs the blocks.
        workers: How many run at once; by default as many as the engine has cores.
        block_rows: How many lines a block has.

    Raises:
        DataError: The file cannot be read, or is empty.
        InputError: An argument is not possible.
        ResumeError: The folder has other things in it.
        WorkerError: A block took its worker down again and again.
    """
    for name, value in (("workers", workers), ("block_rows", block_rows)):
        if value is not None and value < 1:
            raise InputError(f"{name}={value} is not possible: pass at least 1.")
    path, folder = Path(source).absolute(), OutputFolder(Path(output).absolute())
    blocks, fingerprint = split_blocks(path, block_rows)
    if len(blocks) > _MOST_BLOCKS:
        raise InputError(
            f"block_rows={block_rows} makes {len(blocks)} blocks of {path}, more than {_MOST_BLOCKS}: raise it."
        )
    folder.claim(
        {
            "diffumask": version("diffumask"),
            "input": fingerprint,
            "block_rows": block_rows,
            "function": f"{function.__module__}.{function.__qualname__}",
            "options": _plain(options),
        }
    )
    receipts = folder.receipts()
    left = [block for block in blocks if block.number not in receipts]
    lines, lines_left = (sum(block.lines for block in some) for some in (blocks, left))
    with tqdm(total=lines, initial=lines - lines_left, unit="row") as bar:
        for number in engine(BlockWorker(function, options, path, folder), left, workers) if left else ():
            receipts[number] = folder.receipt(number)
            bar.update(blocks[number].lines)
    done = [receipts[block.number] for block in blocks]
    errors = [error for receipt in done for error in receipt.errors]
    folder.write_errors(errors)
    return CorpusReport(
        rows=sum(receipt.rows for receipt in done),
        failures=len(errors),
        totals={name: sum(receipt.totals[name] for receipt in done) for name in done[0].totals},
        errors=Path(output) / folder.errors.name if errors else None,
    )


def _plain(options: Mapping[str, Any]) -> Any:
    try:
        return json.loads(json.dumps(options))
    except TypeError as error:
        msg = f"The options {dict(options)!r} are not plain data ({error}), which a run needs to be taken up again."
        raise InputError(msg) from error
