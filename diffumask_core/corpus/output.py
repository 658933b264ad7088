"""The folder of a run: its parts, and what is needed to take the run up again."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from diffumask_core.errors import InputError, ResumeError


def to_line(row: Mapping[str, Any]) -> bytes:
    """A line of JSON lines, without its end."""
    # UTF-8 cannot hold a lone surrogate; its escape is the one that JSON has for it.
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class Receipt:
    """What became of a block. It is written last: a block with a receipt is done.

    Attributes:
        rows: How many rows came out.
        totals: The sums of the row function's figures.
        errors: For each row that did not come out its ``line`` and the ``reason``.
    """

    rows: int
    totals: dict[str, float]
    errors: list[dict[str, Any]]


@dataclass(frozen=True)
class OutputFolder:
    """A folder with a part for each block.

    What is not for readers is in names that begin with an underscore, which tools that read folders of files pass
    over. Every file appears at once and whole.
    """

    path: Path

    @property
    def errors(self) -> Path:
        """The rows that did not come out."""
        return self.path / "errors.jsonl"

    @property
    def _manifest(self) -> Path:
        return self.path / "_diffumask.json"

    @property
    def _blocks(self) -> Path:
        return self.path / "_blocks"

    def claim(self, manifest: Mapping[str, Any]) -> None:
        """Makes this the folder of a run, or takes that run up.

        Args:
            manifest: What the output depends on.

        Raises:
            InputError: It cannot be written.
            ResumeError: It holds something else, or parts of a run that had another manifest.
        """
        with _writing(self.path):
            if self._manifest.exists():
                earlier = json.loads(self._manifest.read_bytes())
                if earlier != manifest and any(self.path.glob("part-*")):
                    raise ResumeError(
                        f"{self.path} holds the output of another run ({_difference(earlier, manifest)}): choose "
                        "another folder, or delete it to start anew."
                    )
            elif self.path.exists() and not {self._blocks.name}.issuperset(os.listdir(self.path)):
                raise ResumeError(f"{self.path} is not empty, and not the output of such a run: choose another folder.")
            self._blocks.mkdir(parents=True, exist_ok=True)
            for leftover in (*self._blocks.glob("*.tmp"), *self._blocks.glob("*.attempts")):
                leftover.unlink()
        self._write(self._manifest, [to_line(manifest)])

    def receipts(self) -> dict[int, Receipt]:
        """The receipts of the blocks that are done, by their number."""
        return {int(file.stem): self.receipt(int(file.stem)) for file in sorted(self._blocks.glob("*.json"))}

    def receipt(self, number: int) -> Receipt:
        """The receipt of a block that is done."""
        return Receipt(**json.loads(self._receipt(number).read_bytes()))

    def note_attempt(self, number: int) -> int:
        """Notes that a block is begun, in a file since its worker may die of it.

        Returns:
            How often it was begun since the run was.

        Raises:
            InputError: It cannot be written.
        """
        with _writing(self._attempts(number)), self._attempts(number).open("ab") as file:
            file.write(b".")
            return file.tell()

    def write_block(self, number: int, lines: Sequence[bytes], receipt: Receipt) -> None:
        """Writes a block's part, and then its receipt.

        Raises:
            InputError: They cannot be written.
        """
        self._write(self.path / f"part-{number:05}.jsonl", lines)
        self._write(self._receipt(number), [to_line(asdict(receipt))])
        self._attempts(number).unlink(missing_ok=True)

    def write_errors(self, errors: Sequence[Mapping[str, Any]]) -> None:
        """Writes `errors`, if there are any."""
        if errors:
            self._write(self.errors, list(map(to_line, errors)))

    def _receipt(self, number: int) -> Path:
        return self._blocks / f"{number:05}.json"

    def _attempts(self, number: int) -> Path:
        return self._blocks / f"{number:05}.attempts"

    def _write(self, path: Path, lines: Sequence[bytes]) -> None:
        # Two workers may write the same block: a cluster repeats what it only believes to be lost.
        unfinished = self._blocks / f"{path.name}.{uuid4().hex}.tmp"
        with _writing(path):
            with unfinished.open("wb") as file:
                file.writelines(line + b"\n" for line in lines)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        msg = f"Cannot write {path}: {error.strerror}. All workers need to see the folder under this path."
        raise InputError(msg) from error


def _difference(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    before, after = ({**manifest, **manifest["options"]} for manifest in (earlier, now))
    names = [name for name in {**before, **after} if name != "options" and before.get(name) != after.get(name)]
    return ", ".join(f"{name} was {before.get(name)!r} and is {after.get(name)!r}" for name in names)
