"""Reading of recorded runs of agents."""

from pathlib import Path

from diffumask_core.datasets.rows import RunRow, read_rows
from diffumask_core.errors import DataError, InputError
from diffumask_core.prompt.formats import read_messages


def read_runs(file: Path, limit: int | None = None) -> list[RunRow]:
    """Reads runs from JSON lines with ``messages``, plain or compressed with xz.

    Raises:
        DataError: The file is missing or empty, or a line of it is no run; the line or the run is named.
    """
    rows = read_rows(file, RunRow)[:limit]
    for number, row in enumerate(rows, 1):
        try:
            read_messages(row.messages)
        except InputError as error:
            raise DataError(f"{file}, run {number} {row.id!r}: {error} Mend or remove its line.") from error
    return rows
