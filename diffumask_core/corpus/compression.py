"""Rows whose text, messages or prompt are compressed."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, ClassVar, Unpack

from diffumask_core.compressor import Compressor
from diffumask_core.corpus.worker import Row, thread_limit
from diffumask_core.errors import InputError, kind_of
from diffumask_core.options import CompressionOptions, Options, check_names
from diffumask_core.prompt.prompt import Prompt, Shot
from diffumask_core.result import CompressionResult
from diffumask_core.tokens import get_counter


class RowCompressor:
    """Compresses what is in a row; it loads the model when it is made, so make one in each process.

    A row has one of these, the first of which counts, and may have a ``query`` of its own:

    - a text, in the field ``text`` or another one;
    - ``messages`` in a format of `Compressor.compress_messages`;
    - a prompt in parts: ``instructions``, ``shots`` (texts, or objects with the fields of `Shot`) and ``query``.

    It comes back with all its fields and those of `added`: ``compressed`` is the text, or the list of messages, that
    is left; the others are those of `CompressionResult`.
    """

    added: ClassVar = ("compressed", "original_tokens", "compressed_tokens", "protected_tokens", "budget")
    sums: ClassVar = ("original_tokens", "compressed_tokens")

    def __init__(
        self,
        *,
        field: str = "text",
        model: str | PathLike[str] | None = None,
        device: str | None = None,
        **options: Unpack[CompressionOptions],
    ) -> None:
        """Loads the model.

        Args:
            field: Where the text of a row is.
            model: As in `Compressor.from_pretrained`.
            device: As in `Compressor.from_pretrained`.
            **options: As in `Compressor.compress`; ``query`` is for rows that have none.

        Raises:
            InputError: An option is not possible.
            ModelError: There is no such model.
        """
        # Here, so that a wrong option is not taken for a fault of each row.
        check_names(options)
        get_counter(Options(**options).tokenizer)
        self._field = field
        self._options = options
        self._compressor = Compressor.from_pretrained(model, device, threads=thread_limit())

    def __call__(self, row: Row) -> Row:
        """Compresses a row.

        Raises:
            InputError: There is nothing to compress in it, or not in a form that can be.
            BudgetError: What may not go is longer than the budget.
        """
        check_added(row, self.added)
        result = self._compress(row)
        compressed = result.text if result.messages is None else result.messages
        values = [compressed, *(getattr(result, name) for name in self.added[1:])]
        return {**row, **dict(zip(self.added, values, strict=True))}

    def _compress(self, row: Row) -> CompressionResult:
        options = self._options
        if row.get("query") is not None:
            options = {**options, "query": row["query"]}
        # A table has a value for every row: where there is none it is null.
        if (text := row.get(self._field)) is not None:
            if not isinstance(text, str):
                raise InputError(f"{self._field} is {kind_of(text)}: it must be a string.")
            return self._compressor.compress(text, **options)
        if (messages := row.get("messages")) is not None:
            return self._compressor.compress_messages(messages, **options)
        if row.get("instructions") is not None or row.get("shots") is not None:
            return self._compressor.compress(_prompt(row), **options)
        raise InputError(f"The row has no {self._field}, messages, instructions or shots: nothing can be compressed.")


def check_added(row: Row, added: Sequence[str]) -> None:
    """Checks that a row has none of the fields that it is to get.

    Raises:
        InputError: It has.
    """
    if taken := [name for name in added if name in row]:
        raise InputError(f"The row has a field {taken[0]!r} already: rename it.")


def _prompt(row: Row) -> Prompt:
    shots = [] if row.get("shots") is None else row["shots"]
    if not isinstance(shots, list):
        raise InputError(f"shots is {kind_of(shots)}: it must be a list.")
    parts = {name: row[name] for name in ("instructions", "query") if row.get(name) is not None}
    return Prompt(shots=[Shot(**shot) if _has_fields(shot) else shot for shot in shots], **parts)


def _has_fields(shot: Any) -> bool:
    if isinstance(shot, dict) and (unknown := shot.keys() - Shot.__dataclass_fields__.keys()):
        raise InputError(f"A shot has a field {min(unknown)!r}: it has text, or question, rationale and answer.")
    return isinstance(shot, dict)
