"""A node postprocessor: what was retrieved gets shorter before the LLM reads it."""

from typing import Any

from diffumask_core.extras import needs_extra
from diffumask_integrations.settings import CompressionSettings

with needs_extra("llama-index"):
    from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]  # re-exports it unmarked
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import BaseNode, MetadataMode, Node, NodeWithScore, QueryBundle

    from diffumask_integrations.llama_index.events import CompressionEndEvent, CompressionStartEvent

dispatcher = get_dispatcher(__name__)


class DiffuMaskNodePostprocessor(CompressionSettings, BaseNodePostprocessor):
    """Shortens retrieved nodes within one token budget that all of them share.

    Each node counts by its own text, its score and the query. Nodes whose share would be too small to read go whole;
    the others come back in their order as copies that differ in their texts only. Nodes without a text pass, and so
    do all nodes where their texts fit. The budget is for the nodes' texts, joined by blank lines: neither the query nor
    metadata count.

    Example:
        ```python
        query_engine = index.as_query_engine(
            similarity_top_k=10,
            node_postprocessors=[DiffuMaskNodePostprocessor(target_tokens=800)],
        )
        ```
    """

    @classmethod
    def class_name(cls) -> str:
        return "DiffuMaskNodePostprocessor"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        texts = [scored.node.get_content(MetadataMode.NONE) for scored in nodes]
        if not any(map(str.strip, texts)):
            return list(nodes)
        query = query_bundle.query_str if query_bundle else None
        dispatcher.event(CompressionStartEvent(query=query or "", nodes=nodes))
        left, result = self.compress_passages(texts, [scored.score for scored in nodes], query)
        assert result is not None
        shortened = [
            scored if text == original else scored.model_copy(update={"node": _with_text(scored.node, text)})
            for scored, original, text in zip(nodes, texts, left, strict=True)
            if text or not original
        ]
        dispatcher.event(
            CompressionEndEvent(
                nodes=shortened,
                original_tokens=result.original_tokens,
                compressed_tokens=result.compressed_tokens,
                budget=result.budget,
                marks=len(result.marks),
            )
        )
        return shortened


def _with_text(node: BaseNode, text: str) -> BaseNode:
    """A copy with another text; later steps of a pipeline write to nodes, so its dicts and lists are its own."""
    own: dict[str, Any] = {
        "metadata": dict(node.metadata),
        "relationships": dict(node.relationships),
        "excluded_embed_metadata_keys": list(node.excluded_embed_metadata_keys),
        "excluded_llm_metadata_keys": list(node.excluded_llm_metadata_keys),
    }
    if isinstance(node, Node) and node.text_resource:
        # Its `set_content` would lose the resource's other fields.
        return node.model_copy(update={**own, "text_resource": node.text_resource.model_copy(update={"text": text})})
    copied = node.model_copy(update=own)
    copied.set_content(text)
    return copied
