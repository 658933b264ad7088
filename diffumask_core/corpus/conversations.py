"""Rows with conversations, such as the recorded runs of agents, whose old messages are shortened."""

from collections.abc import Collection
from os import PathLike
from typing import ClassVar, Unpack

from diffumask_core.compressor import Compressor
from diffumask_core.conversation.aging import Amount
from diffumask_core.corpus.compression import check_added
from diffumask_core.corpus.worker import Row, thread_limit
from diffumask_core.errors import InputError
from diffumask_core.options import CompressionOptions, Options
from diffumask_core.tokens import get_counter


class ConversationCompressor:
    """Shortens the conversation of a row as `Conversation` does; it loads the model when it is made.

    A row is a run of an agent, or one of the agent's requests, in ``messages`` or another field. All messages stay,
    with their calls and their ids, and only the texts of old ones get shorter. Decisions are remembered: of the
    requests of one run in a row each message is paid for once.

    A row comes back with all its fields and those of `added`: ``compressed`` is the list of messages, ``shortened``
    says how many of them are shorter, and the others are the tokens before and after.
    """

    added: ClassVar = ("compressed", "original_tokens", "compressed_tokens", "shortened")
    sums: ClassVar = ("original_tokens", "compressed_tokens")

    def __init__(
        self,
        *,
        field: str = "messages",
        keep: Amount = ("messages", 2),
        exclude_tools: Collection[str] = (),
        model: str | PathLike[str] | None = None,
        device: str | None = None,
        **options: Unpack[CompressionOptions],
    ) -> None:
        """Loads the model.

        Args:
            field: Where the messages of a row are.
            keep: As in `Compressor.conversation`.
            exclude_tools: As in `Compressor.conversation`.
            model: As in `Compressor.from_pretrained`.
            device: As in `Compressor.from_pretrained`.
            **options: As in `Compressor.conversation`.

        Raises:
            InputError: An option is not possible.
            ModelError: There is no such model.
        """
        # Here, so that a wrong option is not taken for a fault of each row.
        get_counter(options.get("tokenizer", Options.tokenizer))
        self._field = field
        compressor = Compressor.from_pretrained(model, device, threads=thread_limit())
        self._conversation = compressor.conversation(keep=keep, exclude_tools=exclude_tools, **options)

    def __call__(self, row: Row) -> Row:
        """Shortens the conversation of a row.

        Raises:
            InputError: There is none in it, or a message is of no known format.
            BudgetError: What may not go of a message is longer than its budget, under ``on_overflow="raise"``.
        """
        check_added(row, self.added)
        messages = row.get(self._field)
        if not isinstance(messages, list) or not messages:
            raise InputError(f"{self._field} is {str(messages)[:60]!r}: it must be a list of the messages of a run.")
        view = self._conversation.at(messages)
        values = (view.messages, view.original_tokens, view.tokens, view.shortened)
        return {**row, **dict(zip(self.added, values, strict=True))}
