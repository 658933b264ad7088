"""Instrumentation events of a compression."""

from diffumask_core.extras import needs_extra

with needs_extra("llama-index"):
    from llama_index.core.instrumentation.events import BaseEvent
    from llama_index.core.schema import NodeWithScore


class CompressionStartEvent(BaseEvent):
    """Nodes are about to be compressed.

    Attributes:
        query: What they were retrieved for; empty where that is not known.
        nodes: The nodes as they came in.
    """

    query: str
    nodes: list[NodeWithScore]

    @classmethod
    def class_name(cls) -> str:
        return "CompressionStartEvent"


class CompressionEndEvent(BaseEvent):
    """Nodes have been compressed.

    Attributes:
        nodes: The nodes that are left.
        original_tokens: Tokens of the nodes' texts as they came in.
        compressed_tokens: Tokens of the texts that are left.
        budget: The token limit that was applied.
        marks: How many marks stand in the texts in place of lines, rows or records.
    """

    nodes: list[NodeWithScore]
    original_tokens: int
    compressed_tokens: int
    budget: int
    marks: int = 0

    @classmethod
    def class_name(cls) -> str:
        return "CompressionEndEvent"
