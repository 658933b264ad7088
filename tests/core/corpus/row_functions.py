"""Functions of a row that workers can import, and that note and break what a test wants."""

import os
import signal
from pathlib import Path
from typing import Any, ClassVar

Row = dict[str, Any]


class Shout:
    """Adds the text in capitals. What it does goes into a log, since it may be done in other processes."""

    sums: ClassVar = ("letters",)

    def __init__(self, log: str) -> None:
        self._log = Path(log)

    def __call__(self, row: Row) -> Row:
        with self._log.open("a") as log:
            log.write(f"{row.get('id')}\n")
        if not isinstance(row.get("text"), str):
            raise ValueError("There is no text.")
        return {**row, "shout": row["text"].upper(), "letters": len(row["text"])}


class Fragile(Shout):
    """Kills its process at some row, the first times that it sees it."""

    def __init__(self, log: str, at: int, times: int = 1) -> None:
        super().__init__(log)
        self._at = at
        self._times = times

    def __call__(self, row: Row) -> Row:
        done = super().__call__(row)
        if row["id"] == self._at and seen(self._log).count(self._at) <= self._times:
            os.kill(os.getpid(), signal.SIGKILL)
        return done


class Faulty(Shout):
    """Has a bug that a row brings out."""

    def __call__(self, row: Row) -> Row:
        return {**super().__call__(row), "next": row["next"]}


def seen(log: Path | str) -> list[int]:
    """The rows that were worked on, by their id, in order of time."""
    return [int(line) for line in Path(log).read_text().split()]
