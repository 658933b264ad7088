"""The tools that an agent gets: shorten a text or a file, read what was left out, see what was saved."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Annotated, TypeVar

from pydantic import Field

from diffumask_core import Compressor, DiffuMaskError, InputError
from diffumask_core.conversation.left_out import LONGEST_TEXT, hash_mark, with_tail
from diffumask_core.extras import needs_extra
from diffumask_core.tokens import get_counter
from diffumask_integrations.left_out import LeftOutStore

with needs_extra("mcp", "the MCP server"):
    from mcp.server.mcpserver import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp.types import ToolAnnotations

_DEFAULT_KEEP_RATE = 0.4
_TOKENIZER = "gpt-4o"
# In UTF-8 no character has more bytes: a longer file need not be read.
_LONGEST_FILE = 4 * LONGEST_TEXT
_INSTRUCTIONS = (
    "Shortens long texts before you read them: logs, code, tables, documentation. Say in query what you look for. What "
    "is left is exact. A shortened text ends in a mark such as [… shortened, hash=…]; read_left_out gives all of it."
)
# No tool changes anything, and none asks a network.
_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)

Query = Annotated[str, Field(description="What the text is read for.")]
KeepRate = Annotated[
    float | None,
    Field(description=f"The share of the tokens that may stay, {_DEFAULT_KEEP_RATE} where nothing is said."),
]
TargetTokens = Annotated[int | None, Field(description="The most tokens of the result, in place of keep_rate.")]
Value = TypeVar("Value")


@dataclass(frozen=True)
class Statistics:
    """What the tools have saved.

    Attributes:
        texts: How many texts were shortened.
        tokens_before: Their tokens.
        tokens_after: Tokens of what was left of them.
        read_again: How often what was left out was read after all.
    """

    texts: int = 0
    tokens_before: int = 0
    tokens_after: int = 0
    read_again: int = 0


class Tools:
    """The tools; many calls may run at once."""

    def __init__(self, compressor: Compressor, root: Path | None = None) -> None:
        """Makes the tools.

        Args:
            compressor: The model.
            root: The folder whose files may be read; None for no files.

        Raises:
            InputError: There is no such folder.
        """
        if root is not None and not root.is_dir():
            raise InputError(f"There is no folder {root}: pass one whose files may be read.")
        self._compressor = compressor
        self._root = root.resolve() if root else None
        self._store = LeftOutStore()
        self._count = get_counter(_TOKENIZER).count
        self._statistics = Statistics()
        self._lock = Lock()

    def compress_text(
        self, text: str, query: Query = "", keep_rate: KeepRate = None, target_tokens: TargetTokens = None
    ) -> str:
        """Shortens a text: what serves the query stays, exactly as it was, and marks say what went."""
        return _told(lambda: self._compress(text, query, keep_rate, target_tokens))

    def compress_file(
        self, path: str, query: Query = "", keep_rate: KeepRate = None, target_tokens: TargetTokens = None
    ) -> str:
        """Reads a file of the project and shortens its text; the path is relative to the project's folder."""
        return _told(lambda: self._compress(self._read(path), query, keep_rate, target_tokens))

    def read_left_out(
        self, mark: Annotated[str, Field(description="The mark at the end of a shortened text, or its hash.")]
    ) -> str:
        """Gives back the whole of a text that was shortened, byte for byte."""
        text = self._store.get(mark)
        if text is None:
            raise ToolError(
                f"Nothing is kept under {mark[:60]!r}, or nothing any more: pass the last mark of a shortened text, "
                "such as [… shortened, hash=…], or shorten the text again."
            )
        self._add(read_again=1)
        return text

    def statistics(self) -> Statistics:
        """Tells how many tokens were saved since the server started."""
        return self._statistics

    def _compress(self, text: str, query: str, keep_rate: float | None, target_tokens: int | None) -> str:
        """What is left of a text, with a mark at its end that stands for all of it, within the same budget.

        Raises:
            InputError: The text is too long, or not even its shortest form has so few tokens.
        """
        _check_length(len(text), "characters")
        if keep_rate is None and target_tokens is None:
            keep_rate = _DEFAULT_KEEP_RATE
        mark = hash_mark(text)
        result = self._compressor.compress(
            text,
            query=query,
            keep_rate=keep_rate,
            target_tokens=target_tokens,
            tokenizer=_TOKENIZER,
            on_overflow="best_effort",
        )
        left = result.text
        if left != text:
            for_mark = self._count(with_tail(left, mark)) - result.compressed_tokens + 1
            left = with_tail(result.at(target_tokens=max(result.budget - for_mark, 1)).text, mark)
        tokens = self._count(left)
        if tokens >= result.original_tokens:
            left, tokens = text, result.original_tokens
        if target_tokens is not None and tokens > target_tokens:
            raise InputError(
                f"target_tokens={target_tokens} is too few: what is left at least, with the mark at its end, has "
                f"{tokens}. Pass that or more."
            )
        if left != text:
            self._store.put(text)
        self._add(texts=1, tokens_before=result.original_tokens, tokens_after=tokens)
        return left

    def _read(self, path: str) -> str:
        """The text of a file below the root.

        Raises:
            InputError: The path leads elsewhere, or to no text.
        """
        assert self._root is not None
        try:
            file = (self._root / path).resolve()
            if not file.is_relative_to(self._root):
                raise InputError(f"{path!r} leads out of the folder whose files may be read.")
            if file.is_dir():
                raise InputError(f"{path!r} is a folder: pass a file in it.")
            if not file.is_file():
                raise InputError(
                    f"There is no file {path!r}: pass a path relative to the folder whose files may be read."
                )
            _check_length(file.stat().st_size, "bytes", _LONGEST_FILE)
            text = file.read_bytes().decode("utf-8")
            if "\0" in text:
                raise InputError(f"{path!r} is no text, but binary: it has NUL bytes.")
            return text
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path!r} cannot be read as text in UTF-8 ({type(error).__name__}).") from error

    def _add(self, **amounts: int) -> None:
        with self._lock:
            before = vars(self._statistics)
            self._statistics = Statistics(**{name: value + amounts.get(name, 0) for name, value in before.items()})


def _check_length(length: int, unit: str, most: int = LONGEST_TEXT) -> None:
    """Clients wait for a minute or so, in which no more can be read.

    Raises:
        InputError: A text is longer.
    """
    if length > most:
        raise InputError(
            f"The text has {length} {unit}, more than {most}, which would take too long: read the part of it that you "
            "need, such as what a search finds, or pass it to compress_text in parts."
        )


def _told(work: Callable[[], Value]) -> Value:
    """The outcome of a tool; an agent is told what is wrong with what it asked for."""
    try:
        return work()
    except DiffuMaskError as error:
        raise ToolError(str(error)) from error


def create_mcp_server(compressor: Compressor, root: Path | None = None) -> "MCPServer[None]":
    """Makes an MCP server.

    Args:
        compressor: The model.
        root: The folder whose files the tool ``compress_file`` may read; without one there is no such tool.

    Raises:
        InputError: There is no such folder.
    """
    tools = Tools(compressor, root)
    server: MCPServer[None] = MCPServer(
        "diffumask", instructions=_INSTRUCTIONS, version=version("diffumask"), log_level="WARNING"
    )
    offered: list[Callable[..., object]] = [tools.compress_text, tools.read_left_out, tools.statistics]
    if root is not None:
        offered.append(tools.compress_file)
    for tool in offered:
        # A text comes back as a text; what has members is told as such too.
        server.add_tool(tool, annotations=_READS, structured_output=tool == tools.statistics)
    return server
